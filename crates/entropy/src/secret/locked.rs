//! Memory of its own for long-lived secrets: locked, not dumped, zeroed on fork, zeroized on drop.
#![expect(unsafe_code, reason = "mmap, madvise and mlock have no safe form for typed memory")]

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use rustix::mm::{self, Advice, MapFlags, ProtFlags};
use zeroize::Zeroize;

/// Marks types that may live in a [`Locked`]: every bit pattern is valid, all-zero means "holds
/// nothing", and nothing in them points elsewhere.
///
/// # Safety
/// The type must be valid when all its bytes are zero, must own no memory outside itself, and
/// must not need `Drop`.
#[expect(unsafe_code, reason = "the promise cannot be checked by the compiler")]
pub unsafe trait Plain: Zeroize {}

// SAFETY: integers only, zero is valid, nothing to drop.
unsafe impl<const N: usize> Plain for [u8; N] {}

/// One `T` in pages of its own.
///
/// # Security
/// The pages are left out of core dumps and read as zeros in a forked child, so a `T` must treat
/// all-zero as "not seeded". They are locked against swapping where the limits of the process
/// allow it; [`Locked::is_locked`] says whether they are. What this does not stop: a debugger or
/// another process of the same user with `ptrace` rights, hibernation to disk, and a snapshot of a
/// whole virtual machine.
pub struct Locked<T: Plain> {
    page: NonNull<T>,
    len: usize,
    pinned: bool,
}

// SAFETY: Locked owns its T exclusively, as a Box does.
unsafe impl<T: Plain + Send> Send for Locked<T> {}
// SAFETY: as for Box; a shared reference gives only &T.
unsafe impl<T: Plain + Sync> Sync for Locked<T> {}

impl<T: Plain> Locked<T> {
    /// A zeroed `T` in locked pages.
    ///
    /// # Errors
    /// When the kernel refuses the memory, or refuses to keep it out of dumps and children. A
    /// refused lock does not fail: see [`Locked::is_locked`].
    pub fn zeroed() -> std::io::Result<Self> {
        let page_size = rustix::param::page_size();
        let len = size_of::<T>().max(1).next_multiple_of(page_size);
        // SAFETY: a fresh private anonymous mapping aliases nothing.
        let start = unsafe {
            mm::mmap_anonymous(
                std::ptr::null_mut(),
                len,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE,
            )?
        };
        // Owned from here on, so that an early return unmaps it.
        let page = NonNull::new(start.cast::<T>()).ok_or(std::io::ErrorKind::OutOfMemory)?;
        let mut owned = Self { page, len, pinned: false };
        // SAFETY: the range is exactly the mapping made above.
        unsafe {
            mm::madvise(start, len, Advice::LinuxDontDump)
                .map_err(|error| refused("MADV_DONTDUMP", "3.4", error))?;
            mm::madvise(start, len, Advice::LinuxWipeOnFork)
                .map_err(|error| refused("MADV_WIPEONFORK", "4.14", error))?;
            owned.pinned = mm::mlock(start, len).is_ok();
        }
        Ok(owned)
    }

    /// Whether the kernel keeps these pages out of swap.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.pinned
    }

    /// As if the kernel had refused to keep the pages out of swap.
    #[cfg(test)]
    pub(crate) fn forget_lock(&mut self) {
        self.pinned = false;
    }
}

/// The error of a kernel that lacks an advice, and the first version of Linux that has it.
fn refused(advice: &str, since: &str, error: rustix::io::Errno) -> std::io::Error {
    let error = std::io::Error::from(error);
    let text = format!("madvise({advice}), which needs Linux {since} or later: {error}");
    std::io::Error::new(error.kind(), text)
}

impl<T: Plain> Deref for Locked<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: page-aligned, mapped for as long as self lives, zero is a valid T (Plain).
        unsafe { self.page.as_ref() }
    }
}

impl<T: Plain> DerefMut for Locked<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as for deref, and &mut self makes the access exclusive.
        unsafe { self.page.as_mut() }
    }
}

impl<T: Plain> Drop for Locked<T> {
    fn drop(&mut self) {
        self.zeroize();
        // SAFETY: the mapping is ours and nothing borrows it any more. A failure would leave
        // zeroed pages mapped, which is harmless.
        unsafe {
            let _ = mm::munmap(self.page.as_ptr().cast(), self.len);
        }
    }
}

impl<T: Plain> fmt::Debug for Locked<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Locked").field("pinned", &self.pinned).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kernel's two-letter flags of the mapping that holds this address (proc(5), smaps). It
    /// may begin before: the kernel joins neighbours that are alike.
    fn flags(address: usize) -> Vec<String> {
        let maps = std::fs::read_to_string("/proc/self/smaps").expect("proc is mounted");
        let hex = |text: &str| usize::from_str_radix(text, 16).ok();
        let holds = |line: &str| {
            let range = line.split(' ').next().and_then(|range| range.split_once('-'));
            let range = range.and_then(|(start, end)| Some(hex(start)?..hex(end)?));
            range.is_some_and(|range| range.contains(&address))
        };
        let mut lines = maps.lines().skip_while(|line| !holds(line));
        let flags = lines.find_map(|line| line.strip_prefix("VmFlags:"));
        flags.expect("a mapping").split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn the_pages_are_in_no_core_dump_in_no_child_and_when_allowed_not_in_swap() {
        let locked = Locked::<[u8; 5000]>::zeroed().expect("memory");
        let flags = flags(locked.page.as_ptr().addr());
        for (flag, meaning) in [("dd", "not dumped"), ("wf", "wiped on fork")] {
            assert!(flags.iter().any(|known| known == flag), "{meaning}: {flags:?}");
        }
        assert_eq!(locked.is_locked(), flags.iter().any(|known| known == "lo"));
    }

    #[test]
    fn pages_are_whole_their_own_and_unmapped_when_dropped() {
        let page = rustix::param::page_size();
        let mut locked = Locked::<[u8; 5000]>::zeroed().expect("memory");
        assert_eq!(locked.len, 5000_usize.next_multiple_of(page));
        locked.fill(7);
        let start = locked.page.as_ptr().addr();
        assert!(format!("{locked:?}").starts_with("Locked { pinned: "), "{locked:?}");
        drop(locked);
        let maps = std::fs::read_to_string("/proc/self/smaps").expect("proc is mounted");
        let begins = format!("{start:x}-{:x} rw", start + 5000_usize.next_multiple_of(page));
        assert!(!maps.contains(&begins), "it is still mapped");
    }
}
