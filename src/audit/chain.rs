//! The hash chain over the lines, and checking it.

use std::io::{self, BufRead, BufReader, Read};

use data_encoding::HEXLOWER;
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// The most bytes of a line; the service writes far shorter ones.
pub(super) const LINE_LIMIT: u64 = 64 * 1024;

/// The most findings about one log: more say nothing new.
const FINDINGS_LIMIT: usize = 5;

/// The end of a chain.
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

    /// The `previous` of the next line, as 64 hexadecimal digits.
    #[must_use]
    pub fn head(&self) -> String {
        HEXLOWER.encode(&self.last)
    }

    /// Adds a line, given without its end.
    pub(crate) fn add(&mut self, line: &str) {
        self.add_bytes(line.as_bytes());
    }

    fn add_bytes(&mut self, line: &[u8]) {
        self.sequence += 1;
        self.last = Sha256::digest(line).into();
    }
}

/// The result of reading a log.
pub(crate) struct Check {
    /// The end of its chain.
    pub chain: Chain,
    /// Bytes of whole lines.
    pub whole: u64,
    /// Bytes after the last whole line, of an interrupted write.
    pub unfinished: u64,
    /// Lines that break the chain; the first few.
    pub findings: Vec<String>,
    /// How the head that was asked for compares with those of the lines.
    pub head: HeadFound,
}

/// How a head compares with those of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeadFound {
    /// It is that of a line, or of the log before its first.
    Found,
    /// It is none of them, and differs in so few digits from that of this line that it is mistyped.
    Mistyped {
        /// The line, from 1.
        line: u64,
        /// The digits that differ.
        digits: usize,
    },
    /// It is none of them.
    Absent,
}

/// The most digits in which a mistyped head differs. Another head differs from that of a line in so few
/// with a chance of less than 2^-180: the sum over k ≤ 8 of C(64, k) · 15^k / 16^64.
const MISTYPED_DIGITS: usize = 8;

#[derive(Deserialize)]
struct ChainFields {
    sequence: u64,
    previous: String,
}

/// Reads a whole log and checks that every line follows the one before it. One line is held in
/// memory at a time. `head`, 64 lowercase hexadecimal digits, is looked for among the heads.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn check(log: impl Read, head: Option<&str>) -> io::Result<Check> {
    let mut log = BufReader::new(log);
    let mut read = Check {
        chain: Chain::EMPTY,
        whole: 0,
        unfinished: 0,
        findings: Vec::new(),
        head: HeadFound::Absent,
    };
    read.compare(head);
    let mut line = Vec::new();
    loop {
        line.clear();
        let length = log.by_ref().take(LINE_LIMIT).read_until(b'\n', &mut line)?;
        if length == 0 {
            return Ok(read);
        }
        let Some(text) = line.strip_suffix(b"\n") else {
            // Longer than any line of ours, or the end of the file.
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
        let fields: Option<ChainFields> = serde_json::from_slice(text).ok();
        let next = read.chain.sequence + 1;
        match fields {
            None => read.find(format!("line {next} is not a line of this log")),
            Some(fields) if fields.previous != read.chain.head() || fields.sequence != next => {
                read.find(format!("line {next} does not follow the line before it"));
            }
            Some(_) => {}
        }
        read.chain.add_bytes(text);
        read.compare(head);
        read.whole += length as u64;
    }
}

impl Check {
    /// Compares the wanted head with that of the line that was read.
    fn compare(&mut self, wanted: Option<&str>) {
        let Some(wanted) = wanted.filter(|_| self.head != HeadFound::Found) else { return };
        let head = self.chain.head();
        let digits = head.bytes().zip(wanted.bytes()).filter(|(one, other)| one != other).count();
        let least = match self.head {
            HeadFound::Mistyped { digits, .. } => digits,
            _ => MISTYPED_DIGITS + 1,
        };
        if digits == 0 {
            self.head = HeadFound::Found;
        } else if digits < least && self.chain.sequence > 0 {
            self.head = HeadFound::Mistyped { line: self.chain.sequence, digits };
        }
    }

    fn find(&mut self, finding: String) {
        if self.findings.len() < FINDINGS_LIMIT {
            self.findings.push(finding);
        }
    }
}
