//! A progress bar on standard error, where that is a terminal.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

/// The width of the bar, in characters.
const WIDTH: usize = 40;

/// The progress of a long task. Erased when dropped.
pub(crate) struct Bar {
    label: &'static str,
    shown: bool,
    /// The percentage on the terminal.
    percent: Mutex<Option<usize>>,
}

impl Bar {
    /// A bar behind `label`, at 0 %.
    pub(crate) fn new(label: &'static str) -> Self {
        let bar =
            Self { label, shown: rustix::termios::isatty(io::stderr()), percent: Mutex::default() };
        bar.set(0.0);
        bar
    }

    /// Sets the progress, from 0 to 1.
    pub(crate) fn set(&self, done: f64) {
        let hundredths = (1..=100_u8).filter(|step| f64::from(*step) <= done * 100.0).count();
        let mut percent = self.percent.lock().unwrap_or_else(PoisonError::into_inner);
        if self.shown && *percent != Some(hundredths) {
            *percent = Some(hundredths);
            let full = "#".repeat(hundredths * WIDTH / 100);
            // A bar that cannot be drawn is not an error.
            let _ =
                write!(io::stderr().lock(), "\r{} [{full:<WIDTH$}] {hundredths:>3} %", self.label);
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(io::stderr().lock(), "\r\u{1b}[K");
        }
    }
}
