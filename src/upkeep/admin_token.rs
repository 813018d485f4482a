//! The administrator's token: read from the state directory, or made there at the first start.

use std::io;
use std::os::unix::fs::MetadataExt;

use zeroize::Zeroizing;

use crate::caller::token::{Tokens, draw_token, hash_token};
use crate::durable;
use crate::state::{ADMIN_TOKEN, StateDir};
use lavawall_entropy::Generator;

/// 128 bits in base64url, six bits per character: ceil(128 / 6).
const LEAST_LENGTH: usize = 22;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// The token as a list of known tokens.
pub(crate) fn read_or_make(
    state_dir: &StateDir,
    generator: &Generator,
) -> Result<Tokens, AnyError> {
    let path = state_dir.file(ADMIN_TOKEN);
    let failed = |error: io::Error| format!("{}: {error}", path.display());
    let token = match durable::read(&path) {
        Ok(token) => token,
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(state_dir, generator)?,
        Err(error) => return Err(failed(error).into()),
    };
    let token = str::from_utf8(&token).map_err(|error| failed(io::Error::other(error)))?;
    let mode = path.metadata()?.mode() & 0o777;
    if mode & 0o077 != 0 {
        let path = path.display();
        return Err(format!("{path} has mode {mode:03o}: others can read it; chmod 600 it").into());
    }
    let token = token.trim();
    if token.len() < LEAST_LENGTH {
        return Err(format!(
            "{} has {} characters, and a token that cannot be guessed has {LEAST_LENGTH} or more; \
             remove it to have another made",
            path.display(),
            token.len()
        )
        .into());
    }
    Ok(Tokens::parse(&format!("admin {}", hash_token(token)))?.of_operators())
}

fn make(state_dir: &StateDir, generator: &Generator) -> Result<Zeroizing<Vec<u8>>, AnyError> {
    let token = draw_token(generator)?;
    let token = Zeroizing::new([token.as_bytes(), b"\n"].concat());
    state_dir.replace(ADMIN_TOKEN, &token)?;
    Ok(token)
}
