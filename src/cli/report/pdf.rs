//! The report as a PDF, by an installed program.

use std::ffi::{OsStr, OsString};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cli::error::CommandError;
use crate::cli::print;
use crate::durable;
use crate::exitcode::Exit;

/// Programs that convert HTML to PDF, dedicated ones first.
const CONVERTERS: [&str; 4] = ["weasyprint", "chromium", "chromium-browser", "google-chrome"];

/// A program that converts HTML to PDF.
pub(crate) struct Converter {
    name: &'static str,
    path: PathBuf,
}

impl Converter {
    /// Finds the first one on the PATH.
    pub(crate) fn find() -> Result<Self, CommandError> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        Self::find_in(&path).ok_or_else(|| {
            let looked_for = CONVERTERS.join(", ");
            CommandError::new(
                Exit::Unavailable,
                format!(
                    "--pdf: none of {looked_for} is on the PATH; install one, or print the page"
                ),
            )
        })
    }

    fn find_in(path: &OsStr) -> Option<Self> {
        CONVERTERS.into_iter().find_map(|name| {
            let found = std::env::split_paths(path).map(|folder| folder.join(name));
            found.filter(|path| is_program(path)).map(|path| Self { name, path }).next()
        })
    }

    /// Converts `html` to `pdf`.
    pub(crate) fn convert(&self, html: &Path, pdf: &Path) -> Result<(), CommandError> {
        print::note(&format!("making {} with {} …", pdf.display(), self.name));
        let failed = |reason: String| {
            CommandError::new(
                Exit::Failure,
                format!("{} made no PDF: {reason}", self.path.display()),
            )
        };
        let scratch = Scratch::new().map_err(|error| failed(error.to_string()))?;
        let (page, made) = (scratch.0.join("report.html"), scratch.0.join("report.pdf"));
        // A plain name: the user's own could be read as an option or an address.
        std::fs::copy(html, &page).map_err(|error| failed(error.to_string()))?;
        let output = Command::new(&self.path)
            .args(self.arguments(&scratch.0, &page, &made))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .output()
            .map_err(|error| failed(error.to_string()))?;
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.trim().lines().last().unwrap_or("no message");
        if !output.status.success() {
            return Err(failed(format!("{}: {}", output.status, print::shown(last))));
        }
        let content = std::fs::read(&made)
            .map_err(|error| failed(format!("{error}: {}", print::shown(last))))?;
        durable::replace(pdf, &content).map_err(|error| CommandError::unwritable(pdf, &error))
    }

    fn arguments(&self, scratch: &Path, page: &Path, made: &Path) -> Vec<OsString> {
        if self.name == "weasyprint" {
            return vec![page.into(), made.into()];
        }
        let with = |option: &str, path: &Path| {
            let mut argument = OsString::from(option);
            argument.push(path);
            argument
        };
        let mut arguments = vec![
            "--headless".into(),
            "--disable-gpu".into(),
            "--no-first-run".into(),
            "--no-pdf-header-footer".into(),
            with("--user-data-dir=", &scratch.join("profile")),
            with("--print-to-pdf=", made),
        ];
        if rustix::process::geteuid().is_root() {
            // Chromium refuses to run as root otherwise. The page is ours, has no script and loads nothing.
            arguments.push("--no-sandbox".into());
        }
        arguments.push(with("file://", page));
        arguments
    }
}

fn is_program(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

/// A private directory for the converter, removed when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> std::io::Result<Self> {
        let name = format!("lavawall-report-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        // An existing one may belong to another user.
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Best effort: it holds a copy of the report, which only its owner can read.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
