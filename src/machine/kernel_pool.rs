//! The kernel's pool of entropy (random(4)): what it gives at once, and mixing more into it.

#![expect(unsafe_code, reason = "an ioctl takes a pointer to a structure the kernel knows")]

use std::fs::{File, OpenOptions};
use std::io::{self, Write};

use rustix::io::Errno;
use rustix::ioctl::{NoArg, Setter, ioctl, opcode};
use rustix::rand::{GetRandomFlags, getrandom};
use zeroize::Zeroize;

/// The device whose writers are mixed in.
const DEVICE: &str = "/dev/urandom";

/// The most bytes that are mixed in at a time.
pub(crate) const MIX_BYTES: usize = 64;

/// `struct rand_pool_info` of linux/random.h, with a buffer of [`MIX_BYTES`].
#[repr(C)]
#[derive(Clone, Copy)]
struct RandPoolInfo {
    entropy_count: i32,
    buf_size: i32,
    buf: [u8; MIX_BYTES],
}

/// `RNDADDENTROPY`: its number has the size of two integers, without the buffer.
const RNDADDENTROPY: u32 = opcode::write::<[i32; 2]>(b'R', 0x03);

/// `RNDRESEEDCRNG`: what was mixed in is used from now on, and not only after the next minutes.
const RNDRESEEDCRNG: u32 = opcode::none(b'R', 0x07);

/// Fills `out` without waiting; whether the kernel's generator was initialised. When it was not, the bytes
/// may be known to others.
///
/// # Errors
/// The system's.
pub(crate) fn read_at_once(out: &mut [u8]) -> io::Result<bool> {
    match fill(out, GetRandomFlags::NONBLOCK) {
        Err(Errno::AGAIN) => {
            fill(out, GetRandomFlags::INSECURE)?;
            Ok(false)
        }
        read => Ok(read.map(|()| true)?),
    }
}

fn fill(mut out: &mut [u8], flags: GetRandomFlags) -> Result<(), Errno> {
    while !out.is_empty() {
        match getrandom(&mut *out, flags) {
            Ok(length) => out = &mut out[length..],
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Mixes bytes in and credits `credit_bits` of entropy. Whether they are used at once: only root can have the
/// kernel's generator take a new seed, which it does by itself within minutes.
///
/// # Errors
/// The system's; that of a credit, which only root may give.
pub(crate) fn mix(bytes: &[u8; MIX_BYTES], credit_bits: u32) -> io::Result<bool> {
    let mut device = OpenOptions::new().write(true).open(DEVICE)?;
    if credit_bits == 0 {
        // This needs no privilege.
        device.write_all(bytes)?;
    } else {
        add_entropy(&device, bytes, credit_bits)?;
    }
    Ok(reseed(&device).is_ok())
}

fn add_entropy(device: &File, bytes: &[u8; MIX_BYTES], credit_bits: u32) -> io::Result<()> {
    let invalid = |_| io::Error::from(io::ErrorKind::InvalidInput);
    let mut info = RandPoolInfo {
        entropy_count: i32::try_from(credit_bits).map_err(invalid)?,
        buf_size: i32::try_from(MIX_BYTES).map_err(invalid)?,
        buf: *bytes,
    };
    // SAFETY: the kernel reads two integers and, after them, the `buf_size` bytes of the buffer.
    let added = unsafe { ioctl(device, Setter::<RNDADDENTROPY, RandPoolInfo>::new(info)) };
    info.buf.zeroize();
    Ok(added?)
}

fn reseed(device: &File) -> io::Result<()> {
    // SAFETY: this request has no argument.
    Ok(unsafe { ioctl(device, NoArg::<RNDRESEEDCRNG>::new()) }?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_requests_are_those_of_the_kernels_header() {
        // linux/random.h: _IOW('R', 0x03, int[2]) and _IO('R', 0x07).
        assert_eq!(RNDADDENTROPY, 0x4008_5203);
        assert_eq!(RNDRESEEDCRNG, 0x5207);
        assert_eq!(size_of::<RandPoolInfo>(), 8 + MIX_BYTES);
    }

    #[test]
    fn a_running_machine_gives_initialised_bytes_at_once() {
        // Equal with a probability of 2⁻²⁵⁶.
        let (mut one, mut two) = ([0; 32], [0; 32]);
        assert!(read_at_once(&mut one).expect("bytes") && read_at_once(&mut two).expect("bytes"));
        assert_ne!(one, two);
        assert_ne!(one, [0; 32]);
    }

    #[test]
    fn bytes_are_mixed_in_without_credit_by_anyone() {
        mix(&[0; MIX_BYTES], 0).expect("written");
    }
}
