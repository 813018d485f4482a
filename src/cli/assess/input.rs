//! The samples of a file, a device or standard input, and remarks on what they seem to be.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use crate::calibrate::capture::MOST_SYMBOLS;
use crate::cli::error::CommandError;
use crate::cli::print;
use crate::exitcode::Exit;
use lavawall_assess::WANTED_SAMPLES;

/// Reads `samples` samples, or all that there are; of a device, which has no end, as many as the standard
/// requires.
pub(crate) fn read(path: &Path, samples: Option<usize>) -> Result<Vec<u8>, CommandError> {
    let name = path.display();
    let failed = |error: io::Error| CommandError::new(Exit::Io, format!("{name}: {error}"));
    let (input, is_device) = open(path).map_err(failed)?;
    let wanted = samples.or_else(|| {
        is_device.then(|| {
            print::note(&format!(
                "{name} is a device and has no end: {WANTED_SAMPLES} samples are taken, as SP 800-90B \
                 requires; --samples takes another number"
            ));
            WANTED_SAMPLES
        })
    });
    let most = wanted.unwrap_or(MOST_SYMBOLS + 1);
    let mut raw = Vec::new();
    input.take(most as u64).read_to_end(&mut raw).map_err(failed)?;
    match wanted {
        Some(wanted) if raw.len() < wanted && samples.is_some() => Err(CommandError::data(
            format!("{name}: samples: {wanted} were asked for, and there are {}", raw.len()),
        )),
        None if raw.len() > MOST_SYMBOLS => Err(CommandError::data(format!(
            "{name}: has more than {MOST_SYMBOLS} samples, or no end: give --samples, at most {MOST_SYMBOLS}"
        ))),
        _ => Ok(raw),
    }
}

/// The input, and whether it is a device.
fn open(path: &Path) -> io::Result<(Box<dyn Read>, bool)> {
    if path == Path::new("-") {
        return Ok((Box::new(io::stdin().lock()), false));
    }
    let file = File::open(path)?;
    let is_device = file.metadata()?.file_type().is_char_device();
    Ok((Box::new(file), is_device))
}

/// Remarks on samples that are text: its characters are assessed, and not the noise that they encode.
pub(crate) fn note_text(raw: &[u8]) {
    if let Some(encoding) = encoding(raw) {
        print::note(&format!(
            "the samples are text ({encoding}): its characters are assessed, with the entropy of the encoding, \
             not the bytes behind it; decode it first"
        ));
    }
}

/// The encoding of which every byte is a character. Noise of whole bytes has others within a few.
fn encoding(raw: &[u8]) -> Option<&'static str> {
    let all = |is_in: fn(&u8) -> bool| {
        raw.iter().all(|byte| is_in(byte) || b" \t\r\n".contains(byte))
            && raw.iter().any(|byte| !b" \t\r\n".contains(byte))
    };
    if all(|byte| byte.is_ascii_digit() || b",;.+-".contains(byte)) {
        Some("decimal digits")
    } else if all(|byte| byte.is_ascii_hexdigit() || b"xX,:".contains(byte)) {
        Some("hexadecimal digits")
    } else if all(|byte| byte.is_ascii_alphanumeric() || b"+/-_=".contains(byte)) {
        Some("base64")
    } else if all(u8::is_ascii_graphic) {
        Some("printable characters")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn text_is_told_from_noise_by_its_encoding() {
        for (text, encoding) in [
            ("0123456789 42\n", Some("decimal digits")),
            ("0.5,-1.25\r\n", Some("decimal digits")),
            ("00ff:AB 0x1f\n", Some("hexadecimal digits")),
            ("SGVsbG8gd29ybGQ=\n", Some("base64")),
            ("Hello, world!", Some("printable characters")),
            ("", None),
            ("\n\n\n", None),
            ("Hello\u{1}", None),
        ] {
            assert_eq!(super::encoding(text.as_bytes()), encoding, "{text:?}");
        }
        for bits in 1..=8 {
            let noise: Vec<u8> = (0..=u8::MAX >> (8 - bits)).collect();
            assert_eq!(super::encoding(&noise), None, "{bits} bits");
        }
    }
}
