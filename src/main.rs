//! The `lavawall` program.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use lavawall::Cli;
use lavawall::Exit;
use lavawall::WipingAllocator;

#[global_allocator]
static ALLOCATOR: WipingAllocator = WipingAllocator;

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => cli.run().into(),
        Err(error) => {
            // Help and version come this way too, and are no error.
            let printed = error.print().and_then(|()| std::io::stdout().flush());
            match printed {
                _ if error.use_stderr() => Exit::Usage,
                Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                    // A closed standard error cannot be reported.
                    let _ = writeln!(std::io::stderr(), "lavawall: standard output: {error}");
                    Exit::Io
                }
                _ => Exit::Ok,
            }
            .into()
        }
    }
}
