//! The end of a JPEG picture: behind it, a buffer may hold the rest of an older one.

/// The length of the JPEG picture at the start of `bytes`, or `None` when it does not end in them.
///
/// Reads the markers (ISO/IEC 10918-1, B.1): a picture begins with SOI; segments give their own
/// length; coded data after SOS runs to the next marker that is neither a stuffed zero nor a
/// restart; EOI ends it. A thumbnail inside a segment is skipped with it.
pub(super) fn length(bytes: &[u8]) -> Option<usize> {
    let mut at = bytes.starts_with(&[0xff, 0xd8]).then_some(2)?;
    loop {
        let (marker, after) = marker(bytes, at)?;
        at = match marker {
            0xd9 => return Some(after),
            // TEM and RST have no segment.
            0x01 | 0xd0..=0xd7 => after,
            0xda => coded_end(bytes, segment_end(bytes, after)?)?,
            _ => segment_end(bytes, after)?,
        };
    }
}

/// The marker at `at`, any fill bytes before it skipped, and where it ends.
fn marker(bytes: &[u8], at: usize) -> Option<(u8, usize)> {
    (*bytes.get(at)? == 0xff).then_some(())?;
    let fill = bytes.get(at..)?.iter().take_while(|byte| **byte == 0xff).count();
    Some((*bytes.get(at + fill)?, at + fill + 1))
}

fn segment_end(bytes: &[u8], at: usize) -> Option<usize> {
    let length = u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]);
    (length >= 2).then(|| at + usize::from(length))
}

/// The next marker behind coded data.
fn coded_end(bytes: &[u8], at: usize) -> Option<usize> {
    let coded = bytes.get(at..)?;
    let is_marker = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0x00 | 0xd0..=0xd7 | 0xff);
    coded.windows(2).position(is_marker).map(|place| at + place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> Vec<u8> {
        let mut bytes = Vec::new();
        let grey: Vec<u8> = (0..64 * 64u32).map(|place| (place * 7 % 251) as u8).collect();
        jpeg_encoder::Encoder::new(&mut bytes, 90)
            .encode(&grey, 64, 64, jpeg_encoder::ColorType::Luma)
            .expect("a picture");
        bytes
    }

    #[test]
    fn a_stale_tail_is_cut_off_even_when_it_ends_like_a_picture() {
        let whole = picture();
        let mut buffer = whole.clone();
        buffer.extend_from_slice(&whole[100..]);
        assert_eq!(length(&buffer), Some(whole.len()));
        assert_eq!(length(&whole), Some(whole.len()));
    }

    #[test]
    fn a_picture_inside_a_segment_does_not_end_the_whole() {
        let mut bytes = picture();
        let thumbnail = [0xff, 0xe1, 0x00, 0x06, 0xff, 0xd8, 0xff, 0xd9];
        bytes.splice(2..2, thumbnail);
        assert_eq!(length(&bytes), Some(bytes.len()));
    }

    #[test]
    fn a_picture_that_does_not_end_has_no_length() {
        let whole = picture();
        for cut in 0..whole.len() {
            assert_eq!(length(&whole[..cut]), None, "cut at {cut}");
        }
        assert_eq!(length(b"no picture"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_reach_past_the_end(bytes: Vec<u8>, start: bool) {
            let mut bytes = bytes;
            if start { bytes.splice(0..0, [0xff, 0xd8]); }
            if let Some(length) = length(&bytes) {
                proptest::prop_assert!(length <= bytes.len());
            }
        }
    }
}
