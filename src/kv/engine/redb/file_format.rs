//! The format of redb's file, read before redb: it calls a later one damage.

use std::fs::OpenOptions;
use std::io::Read;
use std::path::Path;

use crate::durable;

/// The first bytes of redb's files.
const MAGIC: [u8; 9] = *b"redb\x1a\n\xa9\r\n";

/// The offsets of the formats: the first byte of each of the two commit slots.
const OFFSETS: [usize; 2] = [64, 192];

/// The end of the slots.
const HEAD_BYTES: usize = 320;

/// The format of redb 3 and 4.
const FORMAT: u8 = 3;

/// Why a file of another format of redb cannot be opened; `None` when it has the known one, or is no file of
/// redb. A single slot with another format is damage, which redb reports.
pub(crate) fn refusal(path: &Path) -> Option<String> {
    let mut head = [0; HEAD_BYTES];
    let mut file = durable::open(path, OpenOptions::new().read(true)).ok()?;
    file.read_exact(&mut head).ok()?;
    let [first, second] = OFFSETS.map(|offset| head[offset]);
    let is_other = head.starts_with(&MAGIC) && first == second && first != FORMAT;
    is_other.then(|| {
        format!("its file has format {first} of redb; this version reads format {FORMAT} of redb")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::redb::Builder;

    #[test]
    fn only_a_file_whose_slots_agree_on_another_format_is_refused() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("store");
        assert_eq!(refusal(&path), None, "no file");
        drop(Builder::new().create(&path).expect("made"));
        assert_eq!(refusal(&path), None, "the format that redb writes");
        let good = std::fs::read(&path).expect("there");
        let with = |offsets: &[usize], format: u8| {
            let mut other = good.clone();
            for offset in offsets {
                other[*offset] = format;
            }
            std::fs::write(&path, other).expect("written");
            refusal(&path)
        };
        for format in [1, 2, 4, 255] {
            let why = with(&OFFSETS, format).expect("another format");
            assert!(why.contains(&format!("has format {format} of redb")), "{why}");
            assert_eq!(with(&OFFSETS[..1], format), None, "one slot is damaged");
            assert_eq!(with(&OFFSETS[1..], format), None, "one slot is damaged");
        }
        std::fs::write(&path, "something else").expect("written");
        assert_eq!(refusal(&path), None, "no file of redb");
    }
}
