//! Pictures of webcams: JPEG without Huffman tables, which are then those of the standard.

/// The segment by which a motion JPEG says that its tables may be left out (`AVI1` in the `OpenDML`
/// extensions of AVI): APP0, its length, the name, and the flag of progressive fields.
const MOTION_JPEG: [u8; 10] = [0xff, 0xe0, 0x00, 0x08, b'A', b'V', b'I', b'1', 0x00, 0x00];

/// The marker at which a JPEG begins (ISO/IEC 10918-1, B.1).
const START: [u8; 2] = [0xff, 0xd8];

/// The same picture, marked as a motion JPEG: the decoder uses the tables of ISO/IEC 10918-1, K.3, in
/// the places of those that it does not have. Other bytes stay as they are.
pub(crate) fn with_standard_tables(picture: &[u8]) -> Vec<u8> {
    match picture.strip_prefix(&START) {
        Some(rest) => [&START, MOTION_JPEG.as_slice(), rest].concat(),
        None => picture.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture with the tables of the standard, and the same without them.
    fn pictures(colour: jpeg_encoder::ColorType, channels: u32) -> (Vec<u8>, Vec<u8>) {
        let mut whole = Vec::new();
        let pixels: Vec<u8> =
            (0..64 * 48 * channels).map(|place| (place * 7 % 251) as u8).collect();
        jpeg_encoder::Encoder::new(&mut whole, 90)
            .encode(&pixels, 64, 48, colour)
            .expect("encoded");
        let mut bare = START.to_vec();
        let mut at = 2;
        // Segments up to the coded data.
        while whole[at + 1] != 0xda {
            let end = at + 2 + usize::from(u16::from_be_bytes([whole[at + 2], whole[at + 3]]));
            if whole[at + 1] != 0xc4 {
                bare.extend(&whole[at..end]);
            }
            at = end;
        }
        bare.extend(&whole[at..]);
        assert!(bare.len() < whole.len(), "it had tables");
        (whole, bare)
    }

    #[test]
    fn a_picture_without_tables_decodes_with_those_of_the_standard() {
        for (colour, channels) in
            [(jpeg_encoder::ColorType::Luma, 1), (jpeg_encoder::ColorType::Rgb, 3)]
        {
            let (whole, bare) = pictures(colour, channels);
            let decode = |bytes: &[u8]| image::load_from_memory(bytes);
            assert!(decode(&bare).is_err(), "the decoder needs to be told");
            let expected = decode(&whole).expect("a picture");
            assert_eq!(decode(&with_standard_tables(&bare)).expect("decoded"), expected);
            assert_eq!(decode(&with_standard_tables(&whole)).expect("decoded"), expected);
        }
    }

    #[test]
    fn other_bytes_stay_as_they_are() {
        for bytes in [&b""[..], b"\xff", b"\x89PNG\r\n"] {
            assert_eq!(with_standard_tables(bytes), bytes);
        }
    }
}
