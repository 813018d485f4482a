//! The operator's calls to the service of this machine.

use std::io::Write;

use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::api::keys::{ConfirmRequest, KeyringAnswer, RequestedSeal, SealAnswer, SealRequest};
use crate::cli::admin_arguments::AdminArguments;
use crate::cli::error::CommandError;
use crate::cli::{ask, print};
use crate::client::{Client, ClientError, Payload, SecretBuffer};
use crate::exitcode::Exit;

/// The most of an answer, in bytes: more than the keys of a thousand namespaces take.
const ANSWER_LIMIT: usize = 64 << 20;

/// The service, over its admin socket.
pub(crate) struct Operator {
    client: Client,
}

/// The passphrase or shares that open the present seal.
pub(crate) type Proof = Vec<Zeroizing<String>>;

impl Operator {
    pub(crate) fn new(arguments: &AdminArguments) -> Result<Self, CommandError> {
        Ok(Self { client: arguments.client()? })
    }

    /// The keyring's condition.
    pub(crate) fn keyring(&self) -> Result<KeyringAnswer, CommandError> {
        self.get("/admin/keyring")
    }

    /// Reads something.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CommandError> {
        parse(&self.client.call("GET", path, None)?.accepted(&[200])?.read(ANSWER_LIMIT)?)
    }

    /// Does something. Request and answer are zeroized.
    pub(crate) fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, OperatorError> {
        let mut bytes = SecretBuffer::with_capacity(4096);
        let written = serde_json::to_writer(&mut bytes, body);
        written.map_err(|error| OperatorError::Other(CommandError::new(Exit::Software, error)))?;
        let answer = self.client.call("POST", path, Some(Payload::json(bytes)));
        let answer = answer.and_then(|answer| answer.accepted(&[200])?.read(ANSWER_LIMIT))?;
        parse(&answer).map_err(OperatorError::Other)
    }

    /// Makes a keyring or changes its seal, and prints the shares, if any.
    pub(crate) fn make_seal(
        &self,
        path: &str,
        seal: RequestedSeal,
        proof: Proof,
    ) -> Result<(), CommandError> {
        let SealAnswer { shares, prepared } = self.post(path, &SealRequest { seal, proof })?;
        for share in &shares {
            let mut line = SecretBuffer::with_capacity(256);
            // Writing to memory cannot fail.
            let _ = writeln!(line, "{}", share.as_str());
            // A closed pipe counts too: shares that were lost must not take effect.
            print::write(&line)
                .map_err(|_| CommandError::new(Exit::Io, "not all shares could be printed"))?;
        }
        if let Some(prepared) = prepared {
            let KeyringAnswer { .. } =
                self.post("/admin/keyring/confirm", &ConfirmRequest { prepared })?;
        }
        if !shares.is_empty() {
            print::note(
                &"give each share to another holder: they are shown once and stored nowhere",
            );
        }
        Ok(())
    }

    /// Asks for the proof for the present seal.
    pub(crate) fn ask_for_proof(&self) -> Result<Proof, CommandError> {
        let keyring = self.keyring()?;
        match (keyring.state.as_str(), keyring.seal.as_deref()) {
            ("absent", _) => Err(no_keyring()),
            ("sealed", _) => Err(CommandError::new(
                Exit::Unavailable,
                "the keyring is sealed; unseal it with: lavawall unseal",
            )),
            (_, Some("passphrase")) => Ok(vec![ask::secret("present passphrase")?]),
            (_, Some("shares")) => {
                let need = keyring.need.unwrap_or(1);
                (1..=need)
                    .map(|number| ask::secret(&format!("present share, {number} of {need}")))
                    .collect()
            }
            _ => Ok(Vec::new()),
        }
    }
}

/// The error of a service without a keyring.
pub(crate) fn no_keyring() -> CommandError {
    CommandError::new(Exit::Unavailable, "there is no keyring yet; make one with: lavawall init")
}

/// Why a call failed.
pub(crate) enum OperatorError {
    /// The passphrase or share is wrong, and another may be entered.
    WrongSecret(CommandError),
    /// Anything else.
    Other(CommandError),
}

impl From<ClientError> for OperatorError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Refused { status: 400 | 403, .. } => Self::WrongSecret(error.into()),
            _ => Self::Other(error.into()),
        }
    }
}

impl From<OperatorError> for CommandError {
    fn from(error: OperatorError) -> Self {
        match error {
            OperatorError::WrongSecret(error) | OperatorError::Other(error) => error,
        }
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CommandError> {
    serde_json::from_slice(bytes).map_err(|error| {
        // The error's own text quotes the answer, which may hold a secret.
        let place = format!("line {}, column {}", error.line(), error.column());
        let reason = format!("the service's answer is not understood: {place}");
        CommandError::new(Exit::Unavailable, reason)
    })
}
