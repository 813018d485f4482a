//! The files of raw noise on the command line, each with its description beside it.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::calibrate::Sidecar;
use crate::calibrate::capture::MOST_SYMBOLS;
use crate::cli::error::CommandError;
use crate::cli::noise_capture::sidecar_of;
use crate::cli::print;
use crate::cli::report::facts;
use crate::report::Fact;

/// The most bytes of a description, which is a page of text.
const SIDECAR_BYTES: usize = 1 << 16;

/// The files on the command line.
pub(crate) struct NoiseFiles {
    pub(crate) noise: Vec<NoiseFile>,
    pub(crate) restarts: Vec<NoiseFile>,
}

/// One file of noise.
pub(crate) struct NoiseFile {
    path: PathBuf,
    /// One symbol per byte.
    pub(crate) symbols: Vec<u8>,
    /// Its description, if there is one.
    pub(crate) sidecar: Option<Sidecar>,
}

impl NoiseFiles {
    /// Reads the files with their descriptions.
    pub(crate) fn read(noise: &[PathBuf], restarts: &[PathBuf]) -> Result<Self, CommandError> {
        let read = |paths: &[PathBuf]| -> Result<Vec<NoiseFile>, CommandError> {
            paths.iter().map(|path| NoiseFile::read(path)).collect()
        };
        let files: Self = Self { noise: read(noise)?, restarts: read(restarts)? };
        for raw in &files.noise {
            if raw.sidecar.as_ref().is_some_and(|sidecar| sidecar.restarts.is_some()) {
                let name = raw.path.display();
                return Err(CommandError::data(format!(
                    "{name}: is a matrix of restarts; give it with --restart"
                )));
            }
        }
        for raw in &files.restarts {
            if !files.noise.iter().any(|noise| noise.source() == raw.source()) {
                let (name, source) =
                    (raw.path.display(), raw.source().unwrap_or("the same source"));
                return Err(CommandError::usage(format!(
                    "--restart {name}: is tested against noise of {source}, which is missing; \
                     give it with --noise"
                )));
            }
        }
        Ok(files)
    }
}

impl NoiseFile {
    fn read(path: &Path) -> Result<Self, CommandError> {
        let symbols = read(path, MOST_SYMBOLS)?;
        let beside = sidecar_of(path);
        if !beside.exists() {
            print::note(&format!(
                "{}: has no description: {} does not exist",
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

    /// The source, if known.
    pub(crate) fn source(&self) -> Option<&str> {
        self.sidecar.as_ref().map(|sidecar| sidecar.source.as_str())
    }

    /// The name of the file.
    pub(crate) fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The origin of the noise.
    pub(crate) fn facts(&self) -> Vec<Fact> {
        let mut facts = vec![Fact::new("file", self.path.display())];
        match &self.sidecar {
            Some(sidecar) => facts.extend(facts::of_sidecar(sidecar)),
            None => facts.push(Fact::new("origin", "it has no description")),
        }
        facts
    }
}

/// Reads a file of at most `limit` bytes.
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
