//! The header of the PROXY protocol, version 2, by which a proxy tells who is behind a connection.
//!
//! ```text
//! 0d 0a 0d 0a 00 0d 0a 51 55 49 54 0a   signature
//! 20 | 21                               version 2; LOCAL (the proxy's own connection) or PROXY
//! 00 | 11 | 21                          unspecified, TCP over IPv4, TCP over IPv6
//! hh ll                                 length of the rest
//! source, destination, ports            12 bytes for IPv4, 36 for IPv6
//! type, hh ll, value                    TLVs, none of which is used
//! ```
//! "The PROXY protocol", versions 1 & 2 (W. Tarreau), §2.2.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tokio::io::{AsyncRead, AsyncReadExt};

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, version and command, family, length.
const HEAD_BYTES: usize = 16;

/// The most bytes after the head: what proxies send of certificates and names is a few hundred (§2.2 asks
/// for room for 520 at least).
const REST_MOST: usize = 2048;

/// Why a header is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProxyHeaderError {
    /// Other bytes.
    #[error("no header of the PROXY protocol, version 2")]
    NoHeader,
    /// A command, a family or a protocol that is not of TCP.
    #[error("a command or a family other than TCP")]
    Unsupported,
    /// More than [`REST_MOST`] bytes.
    #[error("{0} bytes, of at most {REST_MOST}")]
    TooLong(usize),
    /// Addresses or TLVs do not end where the header ends.
    #[error("addresses or values are cut short")]
    Cut,
}

/// Reads a header to its end and no further. `None` is a connection of the proxy's own.
///
/// # Errors
/// The system's error, or `InvalidData` with a [`ProxyHeaderError`].
pub(crate) async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<IpAddr>> {
    let mut head = [0; HEAD_BYTES];
    from.read_exact(&mut head).await?;
    let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    let length = rest_length(&head).map_err(invalid)?;
    let mut rest = vec![0; length];
    from.read_exact(&mut rest).await?;
    source(&head, &rest).map_err(invalid)
}

/// The bytes after the head.
fn rest_length(head: &[u8; HEAD_BYTES]) -> Result<usize, ProxyHeaderError> {
    if head[..SIGNATURE.len()] != SIGNATURE {
        return Err(ProxyHeaderError::NoHeader);
    }
    let length = usize::from(u16::from_be_bytes([head[14], head[15]]));
    if length > REST_MOST { Err(ProxyHeaderError::TooLong(length)) } else { Ok(length) }
}

/// The address behind the connection.
fn source(head: &[u8; HEAD_BYTES], rest: &[u8]) -> Result<Option<IpAddr>, ProxyHeaderError> {
    let (address, values) = match (head[12], head[13]) {
        // The addresses of LOCAL are to be ignored, whatever they are; those of no family have no form.
        (0x20, _) | (0x21, 0x00) => return Ok(None),
        (0x21, 0x11) => {
            let (addresses, values) =
                rest.split_first_chunk::<12>().ok_or(ProxyHeaderError::Cut)?;
            let (source, _) = addresses.split_first_chunk::<4>().ok_or(ProxyHeaderError::Cut)?;
            (IpAddr::V4(Ipv4Addr::from(*source)), values)
        }
        (0x21, 0x21) => {
            let (addresses, values) =
                rest.split_first_chunk::<36>().ok_or(ProxyHeaderError::Cut)?;
            let (source, _) = addresses.split_first_chunk::<16>().ok_or(ProxyHeaderError::Cut)?;
            (IpAddr::V6(Ipv6Addr::from(*source)), values)
        }
        _ => return Err(ProxyHeaderError::Unsupported),
    };
    check_values(values)?;
    Ok(Some(address.to_canonical()))
}

/// Checks that TLVs end where the header ends.
fn check_values(mut values: &[u8]) -> Result<(), ProxyHeaderError> {
    while !values.is_empty() {
        let (head, rest) = values.split_first_chunk::<3>().ok_or(ProxyHeaderError::Cut)?;
        let length = usize::from(u16::from_be_bytes([head[1], head[2]]));
        values = rest.get(length..).ok_or(ProxyHeaderError::Cut)?;
    }
    Ok(())
}

/// For the fuzz target: the bytes of a header that is accepted, and the address that it tells.
#[cfg(any(test, feature = "test-support"))]
#[must_use]
pub fn accepted_proxy_header(bytes: &[u8]) -> Option<(usize, Option<IpAddr>)> {
    let (head, rest) = bytes.split_first_chunk::<HEAD_BYTES>()?;
    let length = rest_length(head).ok()?;
    let address = source(head, rest.get(..length)?).ok()?;
    Some((HEAD_BYTES + length, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).expect("short").to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, rest].concat()
    }

    const IPV4: [u8; 12] = [192, 0, 2, 7, 10, 0, 0, 1, 0xc0, 0, 0x1f, 0x90];

    #[test]
    fn the_address_of_the_client_is_read_and_values_are_skipped() {
        let address = Some("192.0.2.7".parse().expect("an address"));
        let values = [0xee, 0, 3, 1, 2, 3, 0x04, 0, 0];
        for rest in [IPV4.to_vec(), [&IPV4[..], &values].concat()] {
            let bytes = header(0x21, 0x11, &rest);
            let more = [&bytes[..], b"GET / HTTP/1.1"].concat();
            assert_eq!(accepted_proxy_header(&more), Some((bytes.len(), address)));
        }
        let mut ipv6 = [0; 36];
        ipv6[..16].copy_from_slice(&"2001:db8::7".parse::<Ipv6Addr>().expect("one").octets());
        let bytes = header(0x21, 0x21, &ipv6);
        let address = "2001:db8::7".parse().ok();
        assert_eq!(accepted_proxy_header(&bytes), Some((52, address)));
        for own in [header(0x20, 0, &[]), header(0x20, 0x11, &IPV4), header(0x21, 0, &[1])] {
            assert_eq!(accepted_proxy_header(&own), Some((own.len(), None)));
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let good = header(0x21, 0x11, &IPV4);
        for end in 0..good.len() {
            assert_eq!(accepted_proxy_header(&good[..end]), None, "{end} bytes");
        }
        for at in 0..SIGNATURE.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert_eq!(accepted_proxy_header(&bad), None, "byte {at}");
        }
        for (command, family) in [(0x22, 0x11), (0x11, 0x11), (0x21, 0x12), (0x21, 0x31), (0, 0)] {
            assert_eq!(accepted_proxy_header(&header(command, family, &IPV4)), None);
        }
        for values in [&[1][..], &[1, 0], &[1, 0, 1], &[1, 0, 0, 2], &[1, 0xff, 0xff, 0]] {
            let bytes = header(0x21, 0x11, &[&IPV4[..], values].concat());
            assert_eq!(accepted_proxy_header(&bytes), None, "{values:?}");
        }
        let mut long = IPV4.to_vec();
        long.extend([0xee, 0x07, 0xf1]);
        long.resize(REST_MOST, 0);
        assert!(accepted_proxy_header(&header(0x21, 0x11, &long)).is_some());
        long[14] += 1;
        long.push(0);
        assert_eq!(accepted_proxy_header(&header(0x21, 0x11, &long)), None, "too long");
        assert_eq!(accepted_proxy_header(b"PROXY TCP4 192.0.2.7 10.0.0.1 49152 8080\r\n"), None);
    }
}
