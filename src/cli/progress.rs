//! A progress bar on standard error, where that is a terminal.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

/// How wide the bar is, in characters.
const WIDTH: usize = 40;

/// Shows how much of a long piece of work is done. Gone when dropped.
pub(crate) struct Bar {
    label: &'static str,
    shown: bool,
    /// What is on the terminal now, in hundredths.
    percent: Mutex<Option<usize>>,
}

impl Bar {
    /// A bar behind `label`, at nothing done.
    pub(crate) fn new(label: &'static str) -> Self {
        let bar =
            Self { label, shown: rustix::termios::isatty(io::stderr()), percent: Mutex::default() };
        bar.set(0.0);
        bar
    }

    /// A share from 0 to 1 is done.
    pub(crate) fn set(&self, done: f64) {
        let hundredths = (1..=100_u8).filter(|step| f64::from(*step) <= done * 100.0).count();
        let mut percent = self.percent.lock().unwrap_or_else(PoisonError::into_inner);
        if self.shown && *percent != Some(hundredths) {
            *percent = Some(hundredths);
            let full = "#".repeat(hundredths * WIDTH / 100);
            // A bar that cannot be drawn is no reason to stop.
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
