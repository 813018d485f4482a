//! Files of raw noise that were named on the command line, each with the file beside it.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::calibrate::capture::{MOST_SYMBOLS, Sidecar};
use crate::cli::error::CommandError;
use crate::cli::noise_capture::sidecar_of;
use crate::cli::print;
use crate::cli::report::facts;
use crate::report::Fact;

/// A file beside noise is a page of text; more is something else.
const SIDECAR_BYTES: usize = 1 << 16;

/// Files that were named on the command line.
pub(crate) struct Files {
    pub(crate) noise: Vec<Raw>,
    pub(crate) restarts: Vec<Raw>,
}

/// One file of noise.
pub(crate) struct Raw {
    path: PathBuf,
    /// One symbol a byte.
    pub(crate) symbols: Vec<u8>,
    /// What it is; `None` when there is nothing beside it that says so.
    pub(crate) sidecar: Option<Sidecar>,
}

impl Files {
    /// Reads them all, with what is beside them.
    pub(crate) fn read(noise: &[PathBuf], restarts: &[PathBuf]) -> Result<Self, CommandError> {
        let read = |paths: &[PathBuf]| -> Result<Vec<Raw>, CommandError> {
            paths.iter().map(|path| Raw::read(path)).collect()
        };
        let files: Self = Self { noise: read(noise)?, restarts: read(restarts)? };
        for raw in &files.noise {
            if raw.sidecar.as_ref().is_some_and(|sidecar| sidecar.restarts.is_some()) {
                let name = raw.path.display();
                return Err(CommandError::data(format!(
                    "{name}: a matrix of restarts; give it with --restart"
                )));
            }
        }
        for raw in &files.restarts {
            if !files.noise.iter().any(|noise| noise.source() == raw.source()) {
                let (name, source) =
                    (raw.path.display(), raw.source().unwrap_or("the same source"));
                return Err(CommandError::usage(format!(
                    "--restart {name}: is tested against noise of {source}, and there is none; \
                     give it with --noise"
                )));
            }
        }
        Ok(files)
    }
}

impl Raw {
    fn read(path: &Path) -> Result<Self, CommandError> {
        let symbols = read(path, MOST_SYMBOLS)?;
        let beside = sidecar_of(path);
        if !beside.exists() {
            print::note(&format!(
                "{}: nothing says what it is: there is no {}",
                path.display(),
                beside.display()
            ));
            return Ok(Self { path: path.to_owned(), symbols, sidecar: None });
        }
        let text = read(&beside, SIDECAR_BYTES)?;
        let sidecar: Sidecar = serde_json::from_slice(&text).map_err(|error| {
            let place = format!("line {}, column {}", error.line(), error.column());
            CommandError::data(format!(
                "{}: not what `lavawall capture` writes: {place}",
                beside.display()
            ))
        })?;
        if sidecar.samples != symbols.len() {
            return Err(CommandError::data(format!(
                "{}: {} symbols, and {} says {}",
                path.display(),
                symbols.len(),
                beside.display(),
                sidecar.samples
            )));
        }
        Ok(Self { path: path.to_owned(), symbols, sidecar: Some(sidecar) })
    }

    /// The source it is of, where that is known.
    pub(crate) fn source(&self) -> Option<&str> {
        self.sidecar.as_ref().map(|sidecar| sidecar.source.as_str())
    }

    /// The name of the file.
    pub(crate) fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Where it comes from.
    pub(crate) fn facts(&self) -> Vec<Fact> {
        let mut facts = vec![Fact::new("file", self.path.display())];
        match &self.sidecar {
            Some(sidecar) => facts.extend(facts::of_sidecar(sidecar)),
            None => facts.push(Fact::new("origin", "nothing says what it is")),
        }
        facts
    }
}

/// The whole of a file that is not longer than it can be.
fn read(path: &Path, limit: usize) -> Result<Vec<u8>, CommandError> {
    let mut bytes = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let read = File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes));
    let whole = read.and_then(|_| match bytes.len() {
        length if length > limit => Err(io::ErrorKind::FileTooLarge.into()),
        _ => Ok(()),
    });
    whole.map_err(|error| CommandError::unreadable(path, &error))?;
    Ok(bytes)
}
