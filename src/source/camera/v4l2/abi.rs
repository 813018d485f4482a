//! The part of the kernel's video interface that is used here: structures, requests, numbers.
//!
//! Names, layouts and numbers are those of `<linux/videodev2.h>` and `<linux/v4l2-controls.h>` on
//! 64-bit machines. Only single-plane capture with memory-mapped buffers.

#![expect(unsafe_code, reason = "an ioctl takes a pointer to a structure the kernel knows")]

use std::os::fd::AsFd;

use rustix::io;
use rustix::ioctl::{Updater, ioctl, opcode};

use lavawall_entropy::PixelFormat;

/// `V4L2_CAP_VIDEO_CAPTURE`
pub(super) const CAN_CAPTURE: u32 = 0x0000_0001;
/// `V4L2_CAP_STREAMING`
pub(super) const CAN_STREAM: u32 = 0x0400_0000;
/// `V4L2_CAP_DEVICE_CAPS`: `device_caps` is filled in.
pub(super) const HAS_DEVICE_CAPS: u32 = 0x8000_0000;
/// `V4L2_BUF_TYPE_VIDEO_CAPTURE`
pub(super) const CAPTURE: u32 = 1;
/// `V4L2_MEMORY_MMAP`
pub(super) const MEMORY_MAPPED: u32 = 1;
/// `V4L2_FIELD_NONE`: progressive.
pub(super) const PROGRESSIVE: u32 = 1;
/// `enum v4l2_field`, by its numbers: the orders of lines that a driver can answer with.
pub(super) const FIELDS: [&str; 10] = [
    "any",
    "none",
    "top",
    "bottom",
    "interlaced",
    "seq-tb",
    "seq-bt",
    "alternate",
    "interlaced-tb",
    "interlaced-bt",
];
/// `V4L2_BUF_FLAG_ERROR`: the driver knows that this frame is damaged.
pub(super) const DAMAGED: u32 = 0x40;
/// `V4L2_BUF_FLAG_TIMESTAMP_MASK`
pub(super) const CLOCK_MASK: u32 = 0xe000;
/// `V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC`
pub(super) const CLOCK_MONOTONIC: u32 = 0x2000;

/// `struct v4l2_capability`
#[repr(C)]
#[derive(Default)]
pub(super) struct Capability {
    pub(super) driver: [u8; 16],
    pub(super) card: [u8; 32],
    pub(super) bus_info: [u8; 32],
    version: u32,
    pub(super) capabilities: u32,
    pub(super) device_caps: u32,
    reserved: [u32; 3],
}

/// `struct v4l2_fmtdesc`
#[repr(C)]
#[derive(Default)]
pub(super) struct FormatDescription {
    index: u32,
    stream_type: u32,
    flags: u32,
    description: [u8; 32],
    pub(super) pixel_format: u32,
    bus_code: u32,
    reserved: [u32; 3],
}

impl FormatDescription {
    pub(super) fn capture(index: u32) -> Self {
        Self { index, stream_type: CAPTURE, ..Self::default() }
    }
}

/// `struct v4l2_frmsizeenum`, for discrete sizes.
#[repr(C)]
#[derive(Default)]
pub(super) struct FrameSize {
    index: u32,
    pixel_format: u32,
    /// 1: discrete.
    pub(super) size_type: u32,
    pub(super) width: u32,
    pub(super) height: u32,
    rest_of_union: [u32; 4],
    reserved: [u32; 2],
}

impl FrameSize {
    pub(super) fn of(pixel_format: u32, index: u32) -> Self {
        Self { index, pixel_format, ..Self::default() }
    }
}

/// `struct v4l2_format` with its `struct v4l2_pix_format`. The union is 200 bytes, aligned to 8.
#[repr(C, align(8))]
pub(super) struct VideoFormat {
    pub(super) stream_type: u32,
    padding: u32,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) four_cc: u32,
    pub(super) field: u32,
    /// From the start of one line to that of the next.
    pub(super) bytes_per_line: u32,
    rest_of_union: [u32; 45],
}

impl VideoFormat {
    pub(super) fn capture(width: u32, height: u32, format: PixelFormat) -> Self {
        Self {
            stream_type: CAPTURE,
            padding: 0,
            width,
            height,
            four_cc: four_cc(format),
            field: PROGRESSIVE,
            bytes_per_line: 0,
            rest_of_union: [0; 45],
        }
    }
}

/// `struct v4l2_streamparm` with its `struct v4l2_captureparm`. The union is 200 bytes.
#[repr(C)]
pub(super) struct StreamParameters {
    pub(super) stream_type: u32,
    capability: u32,
    capture_mode: u32,
    /// The time between frames, as a fraction of a second.
    pub(super) interval: [u32; 2],
    rest_of_union: [u32; 46],
}

impl StreamParameters {
    pub(super) fn frames_per_second(fps: u32) -> Self {
        Self {
            stream_type: CAPTURE,
            capability: 0,
            capture_mode: 0,
            interval: [1, fps],
            rest_of_union: [0; 46],
        }
    }
}

/// `struct v4l2_requestbuffers`
#[repr(C)]
#[derive(Default)]
pub(super) struct RequestBuffers {
    pub(super) count: u32,
    pub(super) stream_type: u32,
    pub(super) memory: u32,
    capabilities: u32,
    flags_and_reserved: u32,
}

impl RequestBuffers {
    pub(super) fn mapped(count: u32) -> Self {
        Self { count, stream_type: CAPTURE, memory: MEMORY_MAPPED, ..Self::default() }
    }
}

/// `struct v4l2_buffer`
#[repr(C, align(8))]
#[derive(Default)]
pub(super) struct Buffer {
    pub(super) index: u32,
    pub(super) stream_type: u32,
    pub(super) bytes_used: u32,
    pub(super) flags: u32,
    field: u32,
    padding: u32,
    pub(super) seconds: i64,
    pub(super) microseconds: i64,
    timecode: [u32; 4],
    pub(super) sequence: u32,
    pub(super) memory: u32,
    /// `m.offset`: where to map the buffer; the rest of the union is not used.
    pub(super) offset: u32,
    rest_of_union: u32,
    pub(super) length: u32,
    reserved: [u32; 2],
    end_padding: u32,
}

impl Buffer {
    pub(super) fn capture(index: u32) -> Self {
        Self { index, stream_type: CAPTURE, memory: MEMORY_MAPPED, ..Self::default() }
    }
}

/// `struct v4l2_control`
#[repr(C)]
#[derive(Default)]
pub(super) struct Control {
    pub(super) id: u32,
    pub(super) value: i32,
}

macro_rules! requests {
    ($($name:ident: $direction:ident $number:literal $type:ty;)+) => {$(
        #[doc = concat!("Request ", $number, " of the video interface.")]
        pub(super) fn $name(device: impl AsFd, value: &mut $type) -> io::Result<()> {
            // SAFETY: number, direction and layout are those of <linux/videodev2.h>, whose sizes
            // are tested below; the kernel reads and writes no more than the structure.
            unsafe {
                ioctl(device, Updater::<{ opcode::$direction::<$type>(b'V', $number) }, $type>::new(value))
            }
        }
    )+};
}

requests! {
    query_capability: read 0 Capability;
    list_formats: read_write 2 FormatDescription;
    set_format: read_write 5 VideoFormat;
    request_buffers: read_write 8 RequestBuffers;
    query_buffer: read_write 9 Buffer;
    queue_buffer: read_write 15 Buffer;
    dequeue_buffer: read_write 17 Buffer;
    start_stream: write 18 u32;
    stop_stream: write 19 u32;
    set_parameters: read_write 22 StreamParameters;
    read_control: read_write 27 Control;
    set_control: read_write 28 Control;
    list_sizes: read_write 74 FrameSize;
}

/// The four letters by which the kernel knows a pixel format, as `v4l2_fourcc` packs them.
pub(super) fn four_cc(format: PixelFormat) -> u32 {
    u32::from_le_bytes(match format {
        PixelFormat::Yuyv => *b"YUYV",
        PixelFormat::Grey => *b"GREY",
        PixelFormat::Mjpeg => *b"MJPG",
    })
}

/// A name from a fixed field that ends at its first zero byte.
pub(super) fn text(field: &[u8]) -> String {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn the_structures_have_the_sizes_the_kernel_expects() {
        // sizeof in C, <linux/videodev2.h>, x86_64 and aarch64; the size is part of each request.
        assert_eq!(size_of::<Capability>(), 104);
        assert_eq!(size_of::<FormatDescription>(), 64);
        assert_eq!(size_of::<FrameSize>(), 44);
        assert_eq!(size_of::<VideoFormat>(), 208);
        assert_eq!(size_of::<StreamParameters>(), 204);
        assert_eq!(size_of::<RequestBuffers>(), 20);
        assert_eq!(size_of::<Buffer>(), 88);
        assert_eq!(size_of::<Control>(), 8);
    }

    #[test]
    fn names_end_at_their_first_zero() {
        assert_eq!(text(b"uvcvideo\0\0rest"), "uvcvideo");
        assert_eq!(text(b"full"), "full");
    }
}
