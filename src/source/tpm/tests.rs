//! A module that answers, is busy, fails, or lies.

use super::*;
use proptest::prelude::*;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;

/// Gives no bytes before the response, as the kernel's driver does.
struct Driver(UnixStream);

impl Read for Driver {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self.0.read(out) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            result => result,
        }
    }
}

impl Write for Driver {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl AsFd for Driver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn response(code: u32, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(10 + payload.len()).expect("short");
    let mut bytes = vec![0x80, 0x01];
    bytes.extend(size.to_be_bytes());
    bytes.extend(code.to_be_bytes());
    bytes.extend(payload);
    bytes
}

fn random(bytes: &[u8]) -> Vec<u8> {
    let count = u16::try_from(bytes.len()).expect("short");
    response(0, &[&count.to_be_bytes(), bytes].concat())
}

/// A module that answers each command with the next of these.
fn module(answers: Vec<Vec<u8>>) -> Tpm<Driver> {
    let (ours, mut theirs) = UnixStream::pair().expect("a socket pair");
    ours.set_nonblocking(true).expect("a socket");
    std::thread::spawn(move || {
        for answer in answers {
            let mut command = [0; GET_RANDOM.len()];
            if theirs.read_exact(&mut command).is_err() || command != GET_RANDOM {
                return;
            }
            let _ = theirs.write_all(&answer);
        }
        // Stays open and silent, as a module that hangs does.
        let _ = theirs.read_to_end(&mut Vec::new());
    });
    Tpm { path: "tpm".into(), transport: Driver(ours) }
}

fn read(tpm: &mut Tpm<Driver>, patience: Duration) -> Result<Vec<u8>, SourceError> {
    let mut sample = Sample::new(Instant::now());
    tpm.read(&mut sample, Instant::now() + patience)?;
    Ok(sample.bytes().to_vec())
}

const LONG: Duration = Duration::from_secs(30);

#[test]
fn a_sample_is_what_the_module_gave() {
    let mut tpm = module(vec![random(&[1; 32]), random(&[2; 32])]);
    assert_eq!(read(&mut tpm, LONG).expect("bytes"), [[1; 32], [2; 32]].concat());
}

#[test]
fn fewer_bytes_than_asked_for_are_asked_for_again_and_never_padded() {
    let answers = [16, 16, 20, 12].map(|len| random(&vec![9; len])).to_vec();
    assert_eq!(read(&mut module(answers), LONG).expect("bytes"), [9; 64]);
}

#[test]
fn a_busy_module_is_asked_again() {
    let answers = vec![response(0x922, &[]), random(&[1; 32]), random(&[2; 32])];
    assert!(read(&mut module(answers), LONG).is_ok());
}

#[test]
fn a_module_that_fails_is_an_error_that_names_its_code() {
    let error = read(&mut module(vec![response(0x101, &[])]), LONG).expect_err("TPM_RC_FAILURE");
    assert!(error.to_string().contains("0x101"), "{error}");
}

#[test]
fn a_silent_module_keeps_the_deadline() {
    let error = read(&mut module(vec![]), Duration::from_millis(20)).expect_err("silence");
    assert!(matches!(error, SourceError::Timeout { .. }));
}

#[test]
fn every_wrong_field_is_noticed() {
    let good = random(&[7; 32]);
    assert!(parse(&good).is_ok());
    assert!(parse(&good[..43]).is_err(), "cut short");
    assert!(parse(&[good.as_slice(), &[0]].concat()).is_err(), "padded");
    let mut tag = good.clone();
    tag[1] = 2;
    assert!(parse(&tag).is_err());
    let mut count = good;
    count[11] = 31;
    assert!(parse(&count).is_err());
    assert!(parse(&random(&[])).is_err(), "no bytes are no success");
}

proptest! {
    #[test]
    fn no_response_makes_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = parse(&bytes);
    }
}
