//! The buffers that the driver fills, mapped into our memory.

#![expect(unsafe_code, reason = "the kernel's buffers are memory that Rust does not own")]

use std::ffi::c_void;
use std::os::fd::{AsFd, BorrowedFd};
use std::ptr::NonNull;
use std::time::Instant;

use rustix::io;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use zeroize::Zeroize;

use crate::source::camera::v4l2::abi;
use crate::source::camera::v4l2::abi::{Buffer, RequestBuffers};

/// The number of requested buffers: enough that a short pause loses no frame, few enough that none
/// waits for long.
const WANTED: u32 = 4;

/// The most buffers a driver may give.
const MOST: u32 = 32;

/// All buffers of one stream.
pub(super) struct BufferRing {
    buffers: Vec<Mapping>,
}

impl BufferRing {
    /// Requests buffers from the driver, maps them and queues each one.
    pub(super) fn new(device: BorrowedFd<'_>) -> io::Result<Self> {
        let mut request = RequestBuffers::mapped(WANTED);
        abi::request_buffers(device, &mut request)?;
        if request.count == 0 || request.count > MOST {
            return Err(io::Errno::NOBUFS);
        }
        let mut buffers = Vec::new();
        for index in 0..request.count {
            let mut buffer = Buffer::capture(index);
            abi::query_buffer(device, &mut buffer)?;
            buffers.push(Mapping::new(device, &buffer)?);
            abi::queue_buffer(device, &mut buffer)?;
        }
        Ok(Self { buffers })
    }

    /// Moves a filled buffer's bytes to the end of `out`, zeroizes the buffer and returns it to the
    /// driver. `buffer` is the driver's description of it. Returns when the buffer had been queued:
    /// its frame was completed after that.
    pub(super) fn take(
        &mut self,
        device: impl AsFd,
        mut buffer: Buffer,
        out: &mut Vec<u8>,
    ) -> io::Result<Instant> {
        let mapping = self.buffers.get_mut(buffer.index as usize).ok_or(io::Errno::INVAL)?;
        // Never more than the driver filled: the rest is an older frame.
        let used = mapping.len.min(buffer.bytes_used as usize);
        let filled = &mut mapping.bytes_mut()[..used];
        out.extend_from_slice(filled);
        filled.zeroize();
        let queued_at = std::mem::replace(&mut mapping.queued_at, Instant::now());
        abi::queue_buffer(device, &mut buffer)?;
        Ok(queued_at)
    }
}

/// One buffer of the driver's, mapped for as long as this lives.
struct Mapping {
    start: NonNull<c_void>,
    len: usize,
    queued_at: Instant,
}

// SAFETY: the mapping belongs to this value alone and does not depend on the thread.
unsafe impl Send for Mapping {}

impl Mapping {
    fn new(device: impl AsFd, buffer: &Buffer) -> io::Result<Self> {
        let len = buffer.length as usize;
        // SAFETY: a new mapping at a place of the kernel's choice, of a buffer that the driver
        // described; nothing else in this process refers to it.
        let start = unsafe {
            mmap(
                std::ptr::null_mut(),
                len,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                device,
                u64::from(buffer.offset),
            )?
        };
        let queued_at = Instant::now();
        NonNull::new(start).map(|start| Self { start, len, queued_at }).ok_or(io::Errno::NOMEM)
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: `len` bytes from `start` are mapped for as long as `self` lives. The driver
        // writes to a buffer only while it is queued, and this is called between the dequeueing
        // and the queueing of this one.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr().cast(), self.len) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `new` with this length and is not used after this.
        // Failing to unmap leaks memory and does no other harm.
        let _ = unsafe { munmap(self.start.as_ptr(), self.len) };
    }
}
