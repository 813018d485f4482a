//! The chain that binds lines: how it goes on, and whether it holds.

use std::io::{self, BufRead, BufReader, Read};

use data_encoding::HEXLOWER;
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// The most bytes of a line. Ours are shorter by far.
pub const LINE_LIMIT: u64 = 64 * 1024;

/// The most that is said about one log: after that it is known to be broken.
const FINDINGS_LIMIT: usize = 5;

/// Where a chain has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chain {
    /// Lines so far.
    pub sequence: u64,
    /// SHA-256 of the last line, without its end (FIPS 180-4).
    pub last: [u8; 32],
}

impl Chain {
    /// A chain without lines.
    const EMPTY: Self = Self { sequence: 0, last: [0; 32] };

    /// What the next line is bound to, as 64 hexadecimal digits.
    #[must_use]
    pub fn head(&self) -> String {
        HEXLOWER.encode(&self.last)
    }

    /// Adds a line, given without its end.
    pub(super) fn add(&mut self, line: &str) {
        self.add_bytes(line.as_bytes());
    }

    fn add_bytes(&mut self, line: &[u8]) {
        self.sequence += 1;
        self.last = Sha256::digest(line).into();
    }
}

/// What reading a log came to.
pub struct Check {
    /// Where its chain has come to.
    pub chain: Chain,
    /// Bytes of whole lines.
    pub whole: u64,
    /// Bytes after the last whole line, of a write that was cut short.
    pub unfinished: u64,
    /// Lines that do not fit; the first few.
    pub findings: Vec<String>,
    /// Whether the head that was asked for is that of some line.
    pub has_head: bool,
}

#[derive(Deserialize)]
struct Bound {
    sequence: u64,
    previous: String,
}

/// Reads a whole log and checks that every line follows the one before it. One line is held in
/// memory at a time. `head` is looked for among the heads.
///
/// # Errors
/// When it cannot be read.
pub fn check(log: impl Read, head: Option<&str>) -> io::Result<Check> {
    let mut log = BufReader::new(log);
    let mut read = Check {
        chain: Chain::EMPTY,
        whole: 0,
        unfinished: 0,
        findings: Vec::new(),
        has_head: false,
    };
    let mut line = Vec::new();
    loop {
        line.clear();
        let length = log.by_ref().take(LINE_LIMIT).read_until(b'\n', &mut line)?;
        if length == 0 {
            return Ok(read);
        }
        let Some(text) = line.strip_suffix(b"\n") else {
            // Too long to be ours, or the end of the file.
            read.unfinished += length as u64;
            if length as u64 == LINE_LIMIT {
                read.find(format!("line {} is too long", read.chain.sequence + 1));
            }
            continue;
        };
        if read.unfinished > 0 {
            read.whole += read.unfinished;
            read.unfinished = 0;
        }
        let bound: Option<Bound> = serde_json::from_slice(text).ok();
        let next = read.chain.sequence + 1;
        match bound {
            None => read.find(format!("line {next} is no line of this log")),
            Some(bound) if bound.previous != read.chain.head() || bound.sequence != next => {
                read.find(format!("line {next} does not follow the line before it"));
            }
            Some(_) => {}
        }
        read.chain.add_bytes(text);
        read.has_head |= head.is_some_and(|head| head == read.chain.head());
        read.whole += length as u64;
    }
}

impl Check {
    fn find(&mut self, finding: String) {
        if self.findings.len() < FINDINGS_LIMIT {
            self.findings.push(finding);
        }
    }
}
