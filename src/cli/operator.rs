//! The operator's calls to the service on this machine.

use std::io::Write;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::cli::ask;
use crate::cli::error::Stop;
use crate::client::wiped::Wiped;
use crate::client::{AdminArguments, Client, ClientError, Payload};
use crate::exitcode::Exit;

/// More than all keys of a thousand namespaces take.
const ANSWER_LIMIT: usize = 64 << 20;

/// The service, over its admin socket.
pub(crate) struct Operator {
    client: Client,
}

/// How the keyring is.
#[derive(Debug, Deserialize)]
pub(crate) struct Keyring {
    /// `absent`, `sealed` or `open`.
    pub(crate) state: String,
    /// `file`, `passphrase` or `shares`.
    pub(crate) seal: Option<String>,
    /// Shares given so far.
    pub(crate) have: Option<u8>,
    /// What must be given in all.
    pub(crate) need: Option<u8>,
}

#[derive(Deserialize)]
struct HandedOut {
    shares: Vec<Zeroizing<String>>,
    /// Given back once the shares are shown: only then are they in force.
    prepared: Option<String>,
}

/// A seal that is asked for.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Wanted {
    File,
    Passphrase(Zeroizing<String>),
    Shares { threshold: u8, count: u8 },
}

/// What opens the present seal.
pub(crate) type Proof = Vec<Zeroizing<String>>;

impl Operator {
    pub(crate) fn new(arguments: &AdminArguments) -> Result<Self, Stop> {
        Ok(Self { client: arguments.client()? })
    }

    pub(crate) fn keyring(&self) -> Result<Keyring, Stop> {
        self.get("/admin/keyring")
    }

    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Stop> {
        parse(&self.client.call("GET", path, None)?.accepted(&[200])?.read(ANSWER_LIMIT)?)
    }

    /// Does something; what is sent and what comes back are wiped.
    pub(crate) fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Refused> {
        let mut bytes = Wiped::with_capacity(4096);
        let written = serde_json::to_writer(&mut bytes, body);
        written.map_err(|error| Refused::Other(Stop::new(Exit::Software, error)))?;
        let payload = Payload { media_type: "application/json", bytes: &bytes };
        let answer =
            self.client.call("POST", path, Some(payload)).and_then(|it| it.accepted(&[200]));
        let answer = answer.and_then(|answer| answer.read(ANSWER_LIMIT)).map_err(Refused::from)?;
        parse(&answer).map_err(Refused::Other)
    }

    /// Makes a keyring or changes its seal, and prints the shares there are.
    pub(crate) fn make_seal(&self, path: &str, wanted: Wanted, proof: Proof) -> Result<(), Stop> {
        #[derive(Serialize)]
        struct Body {
            seal: Wanted,
            proof: Proof,
        }
        #[derive(Serialize)]
        struct Confirm {
            prepared: String,
        }
        let HandedOut { shares, prepared } = self.post(path, &Body { seal: wanted, proof })?;
        for share in &shares {
            let mut line = Wiped::with_capacity(256);
            // Writing to memory cannot fail.
            let _ = writeln!(line, "{}", share.as_str());
            // Also when the reader has gone away: shares that nobody has must not be in force.
            crate::cli::print::write(&line)
                .map_err(|_| Stop::new(Exit::Io, "not all shares could be shown"))?;
        }
        if let Some(prepared) = prepared {
            let Keyring { .. } = self.post("/admin/keyring/confirm", &Confirm { prepared })?;
        }
        if !shares.is_empty() {
            crate::cli::print::note(
                &"give each share to another holder: they are shown once and kept nowhere",
            );
        }
        Ok(())
    }

    /// Asks for what opens the present seal.
    pub(crate) fn ask_for_proof(&self) -> Result<Proof, Stop> {
        let keyring = self.keyring()?;
        match (keyring.state.as_str(), keyring.seal.as_deref()) {
            ("absent", _) => Err(no_keyring()),
            ("sealed", _) => Err(Stop::new(
                Exit::Unavailable,
                "the keyring is sealed; open it with: lavawall unseal",
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

/// There is nothing to open or change.
pub(crate) fn no_keyring() -> Stop {
    Stop::new(Exit::Unavailable, "there is no keyring yet; make one with: lavawall init")
}

/// Why something was not done.
pub(crate) enum Refused {
    /// What was entered is not what opens the seal.
    Piece(Stop),
    /// Anything else.
    Other(Stop),
}

impl From<ClientError> for Refused {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Refused { status: 400 | 403, .. } => Self::Piece(error.into()),
            _ => Self::Other(error.into()),
        }
    }
}

impl From<Refused> for Stop {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Piece(stop) | Refused::Other(stop) => stop,
        }
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Stop> {
    serde_json::from_slice(bytes).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        Stop::new(Exit::Unavailable, format!("the service's answer is not understood: {place}"))
    })
}
