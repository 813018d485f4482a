//! `lavawall init`, `unseal`, `seal` and `rekey`: what opens the keyring.

use clap::{Args, ValueEnum};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::cli::error::Stop;
use crate::cli::operator::{Keyring, Operator, Proof, Refused, Wanted, no_keyring};
use crate::cli::{ask, print};
use crate::client::AdminArguments;
use crate::exitcode::Exit;

/// Make the keyring, under a seal of your choice
///
/// The service makes one under a file seal at its first start, unless its configuration says
/// `keyring.init = false`; to change the seal of that one, use `lavawall rekey`. Shares are printed
/// once, one a line, and are kept nowhere.
#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    #[command(flatten)]
    seal: SealArguments,
    #[command(flatten)]
    admin: AdminArguments,
}

/// Open the keyring
///
/// Asks for the passphrase, or for shares until there are enough; they are not shown. With standard
/// input that is no terminal, one is read from each line. Holders may come one after the other: shares
/// that were given stay until the keyring is open, is sealed, or the service stops.
#[derive(Debug, Args)]
pub(crate) struct UnsealArguments {
    #[command(flatten)]
    admin: AdminArguments,
}

/// Close the keyring: keys and names are forgotten, and records cannot be used until it is unsealed
///
/// `/random` goes on. Under a file seal it stays closed until `lavawall unseal`, or the next start.
#[derive(Debug, Args)]
pub(crate) struct SealCommandArguments {
    #[command(flatten)]
    admin: AdminArguments,
}

/// Change what opens the keyring: its seal, the passphrase or the shares
///
/// No record is touched. Asks for what opens it now: the passphrase, or as many shares as are needed.
/// New shares are in force once all of them are printed; if this ends before, the old seal stands.
/// Old shares and passphrases do not open it any more; with a copy of the old keyring file they do.
#[derive(Debug, Args)]
pub(crate) struct RekeyArguments {
    #[command(flatten)]
    seal: SealArguments,
    #[command(flatten)]
    admin: AdminArguments,
}

#[derive(Debug, Args)]
struct SealArguments {
    /// What is to open it from now on
    #[arg(long, value_enum)]
    seal: Seal,
    /// With shares: how many open it
    #[arg(long, value_name = "K", default_value_t = 2)]
    threshold: u8,
    /// With shares: how many there are
    #[arg(long, value_name = "N", default_value_t = 3)]
    shares: u8,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Seal {
    /// A file beside it: opens at every start, for whoever has the disk
    File,
    /// A passphrase that is asked for at every start
    Passphrase,
    /// Shares, of which a number must come together at every start
    Shares,
}

#[derive(Serialize)]
struct Piece<'a> {
    piece: Option<&'a Zeroizing<String>>,
}

impl SealArguments {
    fn wanted(&self) -> Result<Wanted, Stop> {
        Ok(match self.seal {
            Seal::File => Wanted::File,
            Seal::Passphrase => Wanted::Passphrase(ask::new_passphrase()?),
            Seal::Shares => Wanted::Shares { threshold: self.threshold, count: self.shares },
        })
    }
}

pub(crate) fn init(arguments: &InitArguments) -> Exit {
    let made = || {
        let operator = Operator::new(&arguments.admin)?;
        if operator.keyring()?.state != "absent" {
            return Err(Stop::no(
                "there is a keyring already; to change its seal, run: lavawall rekey",
            ));
        }
        operator.make_seal("/admin/keyring/init", arguments.seal.wanted()?, Proof::new())
    };
    finish(made(), "the keyring is made, and open")
}

pub(crate) fn rekey(arguments: &RekeyArguments) -> Exit {
    let changed = || {
        let operator = Operator::new(&arguments.admin)?;
        let proof = operator.ask_for_proof()?;
        operator.make_seal("/admin/keyring/rekey", arguments.seal.wanted()?, proof)
    };
    finish(changed(), "the seal is changed")
}

pub(crate) fn seal(arguments: &SealCommandArguments) -> Exit {
    let sealed = || -> Result<(), Stop> {
        let Keyring { .. } = Operator::new(&arguments.admin)?.post("/admin/keyring/seal", &())?;
        Ok(())
    };
    finish(sealed(), "the keyring is sealed")
}

pub(crate) fn unseal(arguments: &UnsealArguments) -> Exit {
    let opened = || -> Result<(), Stop> {
        let operator = Operator::new(&arguments.admin)?;
        let mut keyring = operator.keyring()?;
        match (keyring.state.as_str(), keyring.seal.as_deref()) {
            ("open", _) => return Ok(()),
            ("absent", _) => return Err(no_keyring()),
            (_, Some("file")) => {
                let Keyring { .. } =
                    operator.post("/admin/keyring/unseal", &Piece { piece: None })?;
                return Ok(());
            }
            _ => {}
        }
        while keyring.state != "open" {
            keyring = offer(&operator, keyring)?;
        }
        Ok(())
    };
    finish(opened(), "the keyring is open")
}

/// Asks for one piece and gives it to the service. On a terminal a wrong one may be entered again.
fn offer(operator: &Operator, keyring: Keyring) -> Result<Keyring, Stop> {
    let (have, need) = (keyring.have.unwrap_or(0), keyring.need.unwrap_or(1));
    let piece = match keyring.seal.as_deref() {
        Some("shares") => ask::secret(&format!("share, {have} of {need} are given"))?,
        _ => ask::secret("passphrase")?,
    };
    match operator.post("/admin/keyring/unseal", &Piece { piece: Some(&piece) }) {
        Ok(told) => Ok(told),
        Err(Refused::Piece(stop)) if ask::can_repeat() => {
            stop.say();
            Ok(keyring)
        }
        Err(refused) => Err(refused.into()),
    }
}

fn finish(done: Result<(), Stop>, said: &str) -> Exit {
    match done {
        Ok(()) => {
            print::note(&said);
            Exit::Ok
        }
        Err(stop) => stop.say(),
    }
}
