//! `lavawall kv export` and `import` in a program that is built without them.

use std::ffi::OsString;

use clap::Args;

use crate::cli::error::CommandError;
use crate::exitcode::Exit;

/// Not in this program: build it with the feature `export`
///
/// Writes all records of a namespace to one file that only named recipients can open.
#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    #[command(flatten)]
    any: AnyArguments,
}

/// Not in this program: build it with the feature `export`
///
/// Writes the records of an export into a namespace.
#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    #[command(flatten)]
    any: AnyArguments,
}

/// All arguments, so that the error is about the missing feature.
#[derive(Debug, Args)]
struct AnyArguments {
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    _arguments: Vec<OsString>,
}

/// The error, for either command.
pub(crate) fn refuse(command: &str) -> CommandError {
    let reason = format!(
        "kv {command}: this program was built without age encryption; build it with: cargo build \
         --release --features export"
    );
    CommandError::new(Exit::Unavailable, reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        export: ExportArguments,
    }

    #[test]
    fn arguments_of_the_real_command_are_accepted_and_the_feature_is_named() {
        let line = ["export", "keys", "-o", "keys.age", "--to", "age1x", "--force"];
        let line = Line::try_parse_from(line).expect("any arguments");
        assert_eq!(line.export.any._arguments.len(), 6);
        assert!(refuse("export").to_string().contains("--features export"));
        assert_eq!(refuse("import").report(), Exit::Unavailable);
    }
}
