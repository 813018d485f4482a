//! A read-only view of a store's file: redb's writes to it stay in memory.
//!
//! redb opens only files that it can write, since it repairs the file after a failed write. Here the repair
//! happens in memory, as long as the disk refuses writes.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use ::redb::StorageBackend;
use parking_lot::Mutex;

use crate::durable;

/// The size of a page in bytes, redb's own.
const PAGE_BYTES: usize = 4096;

/// The file, and over it the writes since it was opened.
#[derive(Debug)]
pub(crate) struct ReadOnlyFile {
    file: File,
    over: Mutex<Overlay>,
}

/// The repair writes a few pages, for a file of any size.
#[derive(Debug)]
struct Overlay {
    len: u64,
    /// By their number in the file.
    pages: BTreeMap<u64, Box<[u8; PAGE_BYTES]>>,
}

impl ReadOnlyFile {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// The system's error. When the file is empty: it would be taken for a store without records.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = durable::open(path, OpenOptions::new().read(true))?;
        let len = file.metadata()?.len();
        if len == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Self { file, over: Mutex::new(Overlay { len, pages: BTreeMap::new() }) })
    }

    /// A page of the file, zeros behind its end.
    fn original(&self, number: u64) -> io::Result<Box<[u8; PAGE_BYTES]>> {
        let mut page = Box::new([0; PAGE_BYTES]);
        let mut filled = 0;
        while filled < PAGE_BYTES {
            let at = number * PAGE_BYTES as u64 + filled as u64;
            match self.file.read_at(&mut page[filled..], at) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(page)
    }
}

impl StorageBackend for ReadOnlyFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.over.lock().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let over = self.over.lock();
        within(offset, out.len(), over.len)?;
        let mut done = 0;
        for (number, from, len) in pages(offset, out.len()) {
            let out = &mut out[done..done + len];
            match over.pages.get(&number) {
                Some(page) => out.copy_from_slice(&page[from..from + len]),
                None => out.copy_from_slice(&self.original(number)?[from..from + len]),
            }
            done += len;
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut over = self.over.lock();
        if len < over.len {
            // Bytes that are cut off would have to become zeros.
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        over.len = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut over = self.over.lock();
        within(offset, data.len(), over.len)?;
        let mut done = 0;
        for (number, from, len) in pages(offset, data.len()) {
            let mut page = match over.pages.remove(&number) {
                Some(page) => page,
                None => self.original(number)?,
            };
            page[from..from + len].copy_from_slice(&data[done..done + len]);
            over.pages.insert(number, page);
            done += len;
        }
        Ok(())
    }
}

/// Which pages `len` bytes from `offset` lie in: number, first byte within it, and how many.
fn pages(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, usize)> {
    let mut left = len;
    let mut at = offset;
    std::iter::from_fn(move || {
        let number = at / PAGE_BYTES as u64;
        let from = usize::try_from(at % PAGE_BYTES as u64).expect("less than a page");
        let len = left.min(PAGE_BYTES - from);
        (left, at) = (left - len, at + len as u64);
        (len > 0).then_some((number, from, len))
    })
}

fn within(offset: u64, len: usize, end: u64) -> io::Result<()> {
    let is_within = offset.checked_add(len as u64).is_some_and(|last| last <= end);
    if is_within { Ok(()) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of three pages and a half.
    fn file() -> (tempfile::TempDir, std::path::PathBuf, Vec<u8>) {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("store");
        let content: Vec<u8> = (0..=250).cycle().take(PAGE_BYTES * 7 / 2).collect();
        std::fs::write(&path, &content).expect("written");
        (folder, path, content)
    }

    fn read(reading: &ReadOnlyFile, offset: usize, len: usize) -> io::Result<Vec<u8>> {
        let mut out = vec![0; len];
        reading.read(offset as u64, &mut out).map(|()| out)
    }

    #[test]
    fn what_is_written_is_read_back_and_the_file_is_as_it_was() {
        let (_folder, path, mut content) = file();
        let before = content.clone();
        let reading = ReadOnlyFile::open(&path).expect("opened");
        reading.set_len(content.len() as u64 + 9000).expect("longer");
        content.resize(content.len() + 9000, 0);
        for (offset, len) in [(0, 10), (4090, 20), (5000, 9000), (14_300, 100), (20_000, 3000)] {
            reading.write(offset as u64, &vec![7; len]).expect("kept");
            content[offset..offset + len].fill(7);
            assert_eq!(read(&reading, 0, content.len()).expect("there"), content);
        }
        for offset in [0, 1, 4095, 4096, 14_335, 14_336] {
            assert_eq!(
                read(&reading, offset, 5000).expect("there"),
                content[offset..offset + 5000]
            );
        }
        assert_eq!(std::fs::read(&path).expect("there"), before);
    }

    #[test]
    fn nothing_is_read_or_written_behind_the_end_and_an_empty_file_is_refused() {
        let (_folder, path, content) = file();
        let reading = ReadOnlyFile::open(&path).expect("opened");
        assert!(read(&reading, content.len() - 1, 2).is_err());
        assert!(reading.write(content.len() as u64, &[1]).is_err());
        assert!(reading.write(u64::MAX, &[1]).is_err());
        std::fs::write(&path, []).expect("written");
        assert!(ReadOnlyFile::open(&path).is_err());
    }
}
