//! `lavawall init`, `unseal`, `seal` and `rekey`: the keyring and its seal.

use clap::{Args, ValueEnum};
use zeroize::Zeroizing;

use crate::api::keys::{KeyringAnswer, RequestedSeal, UnsealRequest};
use crate::cli::admin_arguments::AdminArguments;
use crate::cli::error::CommandError;
use crate::cli::operator::{Operator, OperatorError, Proof, no_keyring};
use crate::cli::{ask, print};

/// Make the keyring, under a seal of your choice
///
/// The service makes one under a file seal at its first start, unless its configuration says
/// `keyring.init = false`; `lavawall rekey` changes that seal. Shares are printed once, one per line,
/// and are stored nowhere.
#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    #[command(flatten)]
    seal: SealArguments,
    #[command(flatten)]
    admin: AdminArguments,
}

/// Unseal the keyring
///
/// Asks for the passphrase, or for shares until there are enough; input is hidden. Without a terminal,
/// each line of standard input is one. Holders may enter shares one after the other: the service keeps
/// them until the keyring is unsealed or sealed, or the service stops. Exits with 0 when a share was
/// taken and more are needed.
#[derive(Debug, Args)]
pub(crate) struct UnsealArguments {
    #[command(flatten)]
    admin: AdminArguments,
}

/// Seal the keyring: forget keys and names; records cannot be used until it is unsealed
///
/// `/random` is not affected. With a file seal, it stays sealed until `lavawall unseal` or the next
/// start.
#[derive(Debug, Args)]
pub(crate) struct SealCommandArguments {
    #[command(flatten)]
    admin: AdminArguments,
}

/// Change the seal of the keyring: its kind, the passphrase or the shares
///
/// Records do not change. Asks for the present passphrase, or as many present shares as are needed.
/// New shares take effect once all of them are printed; until then the old seal stays. Afterwards the
/// old passphrase or shares unseal only copies of the old keyring file.
#[derive(Debug, Args)]
pub(crate) struct RekeyArguments {
    #[command(flatten)]
    seal: SealArguments,
    #[command(flatten)]
    admin: AdminArguments,
}

#[derive(Debug, Args)]
struct SealArguments {
    /// The new seal
    #[arg(long, value_enum)]
    seal: Seal,
    /// With shares: how many unseal it
    #[arg(long, value_name = "K", default_value_t = 2)]
    threshold: u8,
    /// With shares: how many to make
    #[arg(long, value_name = "N", default_value_t = 3)]
    shares: u8,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Seal {
    /// A file beside the keyring: unseals at every start, for anyone who has the disk
    File,
    /// A passphrase, entered at every start
    Passphrase,
    /// Shares, of which a number must be entered at every start
    Shares,
}

impl SealArguments {
    fn requested(&self) -> Result<RequestedSeal, CommandError> {
        Ok(match self.seal {
            Seal::File => RequestedSeal::File,
            Seal::Passphrase => RequestedSeal::Passphrase(ask::new_passphrase()?),
            Seal::Shares => RequestedSeal::Shares { threshold: self.threshold, count: self.shares },
        })
    }
}

pub(crate) fn init(arguments: &InitArguments) -> Result<(), CommandError> {
    let operator = Operator::new(&arguments.admin)?;
    if operator.keyring()?.state != "absent" {
        return Err(CommandError::failure(
            "there is a keyring already; to change its seal, run: lavawall rekey",
        ));
    }
    operator.make_seal("/admin/keyring/init", arguments.seal.requested()?, Proof::new())?;
    print::note(&"the keyring is made, and unsealed");
    Ok(())
}

pub(crate) fn rekey(arguments: &RekeyArguments) -> Result<(), CommandError> {
    let operator = Operator::new(&arguments.admin)?;
    let proof = operator.ask_for_proof()?;
    operator.make_seal("/admin/keyring/rekey", arguments.seal.requested()?, proof)?;
    print::note(&"the seal is changed");
    Ok(())
}

pub(crate) fn seal(arguments: &SealCommandArguments) -> Result<(), CommandError> {
    let operator = Operator::new(&arguments.admin)?;
    let KeyringAnswer { .. } = operator.post("/admin/keyring/seal", &())?;
    print::note(&"the keyring is sealed");
    Ok(())
}

pub(crate) fn unseal(arguments: &UnsealArguments) -> Result<(), CommandError> {
    let operator = Operator::new(&arguments.admin)?;
    let mut keyring = operator.keyring()?;
    let mut is_share_taken = false;
    while keyring.state != "open" {
        let (have, need) = (keyring.have.unwrap_or(0), keyring.need.unwrap_or(1));
        match (keyring.state.as_str(), keyring.seal.as_deref()) {
            ("absent", _) => return Err(no_keyring()),
            (_, Some("file")) => return unseal_by_file(&operator),
            (_, Some("shares")) => {
                match ask::next_secret(&format!("share, {have} of {need} are given"))? {
                    Some(share) => {
                        keyring = send(&operator, keyring, share)?;
                        is_share_taken |= keyring.have.is_some_and(|now| now > have);
                    }
                    // Other holders enter theirs later.
                    None if is_share_taken => {
                        let left = need.saturating_sub(have);
                        print::note(&format!(
                            "{have} of {need} shares are given: the keyring is sealed until {left} \
                             more are entered"
                        ));
                        return Ok(());
                    }
                    None => return Err(CommandError::data("standard input has no share")),
                }
            }
            _ => {
                let passphrase = ask::secret("passphrase")?;
                keyring = send(&operator, keyring, passphrase)?;
            }
        }
    }
    print::note(&"the keyring is unsealed");
    Ok(())
}

/// Asks the service once: a keyring that was sealed in the same moment stays sealed.
fn unseal_by_file(operator: &Operator) -> Result<(), CommandError> {
    let keyring: KeyringAnswer =
        operator.post("/admin/keyring/unseal", &UnsealRequest { piece: None })?;
    if keyring.state != "open" {
        return Err(CommandError::failure("the keyring was sealed by another call meanwhile"));
    }
    print::note(&"the keyring is unsealed");
    Ok(())
}

/// Sends a passphrase or share. On a terminal a wrong one may be entered again.
fn send(
    operator: &Operator,
    keyring: KeyringAnswer,
    piece: Zeroizing<String>,
) -> Result<KeyringAnswer, CommandError> {
    match operator.post("/admin/keyring/unseal", &UnsealRequest { piece: Some(piece) }) {
        Ok(keyring) => Ok(keyring),
        Err(OperatorError::WrongSecret(error)) if ask::can_repeat() => {
            error.report();
            Ok(keyring)
        }
        Err(error) => Err(error.into()),
    }
}
