//! The heap: what is freed goes back to the system.

/// Blocks of this many bytes and more are mapped one by one, and unmapped when they are freed. glibc would
/// raise its limit to that of the largest freed block, up to 32 MiB, and keep what is freed below it.
#[cfg(target_env = "gnu")]
const MAPPED_BYTES: i32 = 128 << 10;

/// Arenas, whose freed memory is not shared. glibc would take eight for each core.
#[cfg(target_env = "gnu")]
const ARENAS: i32 = 4;

/// Makes the allocator return freed memory to the system. Called before there are other threads.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "mallopt(3) is of C, and no crate in use wraps it")]
pub(crate) fn return_freed_memory() {
    let options = [
        (libc::M_MMAP_THRESHOLD, MAPPED_BYTES),
        (libc::M_TRIM_THRESHOLD, MAPPED_BYTES),
        (libc::M_ARENA_MAX, ARENAS),
    ];
    for (option, value) in options {
        // SAFETY: it takes two numbers, and refuses those that it does not know.
        unsafe { libc::mallopt(option, value) };
    }
}

/// Other allocators return it.
#[cfg(not(target_env = "gnu"))]
pub(crate) fn return_freed_memory() {}
