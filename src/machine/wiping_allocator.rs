//! The allocator of the program: the system's, and freed memory is overwritten first.
//!
//! Bodies, names and values pass through buffers of the HTTP, TLS and JSON crates, which do not zeroize them.

#![expect(unsafe_code, reason = "an allocator hands out memory by its address")]

use std::alloc::{GlobalAlloc, Layout, System};

/// The system's allocator, which zeroizes what is freed. Growing moves to new memory, and zeroizes the old.
#[derive(Debug)]
pub struct WipingAllocator;

// SAFETY: every block comes from `System` and goes back to it with its own layout. The default `realloc`
// and its copy are built from `alloc` and `dealloc`.
unsafe impl GlobalAlloc for WipingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's layout has a size above zero, as `System` requires too.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as for `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller gives up a block of this layout, which `System` has allocated. A compiler may
        // remove a plain write before a release; explicit_bzero(3) is made not to be removed.
        unsafe {
            libc::explicit_bzero(block.cast(), layout.size());
            System.dealloc(block, layout);
        }
    }
}
