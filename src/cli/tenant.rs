//! `lavawall tenant`: tenants, their tokens, limits and use.

mod path;
mod table;
mod usage;

use clap::{Args, Subcommand};
use zeroize::Zeroizing;

use crate::api::tenants::{
    CreateTenantRequest, LimitsRequest, NewAccessKeyAnswer, NewTokenAnswer, NewTokenRequest,
    PermissionsRequest, RemoveTenantRequest, RemovedTenant, TenantEntry, TenantList,
};
use crate::cli::admin_arguments::AdminArguments;
use crate::cli::error::CommandError;
use crate::cli::operator::Operator;
use crate::cli::print;
use crate::cli::tenant::path::path_of;
use crate::exitcode::Exit;
use crate::machine::unix_now;

/// Manage tenants: who may call, what they may do, how much, and what they have used
///
/// A tenant calls with a token of its own. It may do what it was permitted, within its limits, and its
/// use is counted. For example:
///   lavawall tenant create acme > token
///   lavawall tenant limit acme --rate 50/s --bytes 1MiB/day
///   lavawall tenant usage acme
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct TenantArguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Create(CreateArguments),
    List(ListArguments),
    Show(ShowArguments),
    Token(TokenArguments),
    Limit(LimitArguments),
    Permit(PermitArguments),
    Usage(usage::UsageArguments),
    Remove(RemoveArguments),
}

/// Make a tenant, and print its first token, once
///
/// Without --allow it may ask for random bytes, and nothing else. Permissions are: random, status:read,
/// kv:read:TITLE, kv:write:TITLE, seed, keys:use:NAME, keys:manage:NAME, operator. A TITLE that ends with * stands
/// for every namespace whose title begins so: kv:write:acme/*
#[derive(Debug, Args)]
struct CreateArguments {
    /// 1 to 63 lower-case letters, digits, '-', '_' and '.'
    name: String,
    /// What it may do; several times for several
    #[arg(long, value_name = "PERMISSION")]
    allow: Vec<String>,
    #[command(flatten)]
    terms: TermsArguments,
    #[command(flatten)]
    admin: AdminArguments,
}

/// List all tenants
#[derive(Debug, Args)]
struct ListArguments {
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: AdminArguments,
}

/// Show a tenant: permissions, limits, tokens
#[derive(Debug, Args)]
struct ShowArguments {
    /// Name of the tenant
    name: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: AdminArguments,
}

/// Make another token and print it, once; or revoke one
///
/// A token that was revoked counts no more from the next call on. With --aws it is an access key, with which
/// clients of AWS KMS sign their requests, as two lines for a shell:
///   export $(lavawall tenant token acme --aws)
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
struct TokenArguments {
    /// Name of the tenant
    name: String,
    /// Revoke the token of this number
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["note", "expires_in"])]
    revoke: Option<u32>,
    /// Make an access key for clients of AWS KMS
    #[arg(long, conflicts_with = "revoke")]
    aws: bool,
    #[command(flatten)]
    terms: TermsArguments,
    #[command(flatten)]
    admin: AdminArguments,
}

#[derive(Debug, Args)]
struct TermsArguments {
    /// What the token is for, up to 200 bytes
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Let the token expire after this time, such as 90days
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    expires_in: Option<std::time::Duration>,
}

/// Set limits; those that are left out stay
///
/// none lifts a limit, also one of the configuration; default follows the configuration again.
#[derive(Debug, Args)]
struct LimitArguments {
    /// Name of the tenant
    name: String,
    /// Requests in a window, such as 50/s, 3000/min, 100/h; none; or default
    #[arg(long, value_name = "RATE")]
    rate: Option<String>,
    /// Requests at once after a pause; or none, for those of a window
    #[arg(long, value_name = "REQUESTS")]
    burst: Option<String>,
    /// Bytes of answers per day in UTC, such as 1MiB/day; none; or default
    #[arg(long, value_name = "BYTES")]
    bytes: Option<String>,
    /// Answers of more than 64 KiB at a time; none; or default
    #[arg(long, value_name = "ANSWERS")]
    long_answers: Option<String>,
    /// Calls that use a key, per day in UTC, such as 1000/day; none; or default
    #[arg(long, value_name = "CALLS")]
    key_uses: Option<String>,
    /// Namespaces whose titles begin with NAME/; none; or default
    #[arg(long, value_name = "NAMESPACES")]
    namespaces: Option<String>,
    /// Records in these namespaces; none; or default
    #[arg(long, value_name = "RECORDS")]
    records: Option<String>,
    /// Bytes of names, metadata and values of these records, such as 10MiB; none; or default
    #[arg(long, value_name = "BYTES")]
    stored: Option<String>,
    #[command(flatten)]
    admin: AdminArguments,
}

/// Give permissions to a tenant, or take them
#[derive(Debug, Args)]
struct PermitArguments {
    /// Name of the tenant
    name: String,
    /// Give it; several times for several
    #[arg(long, value_name = "PERMISSION", required_unless_present = "deny")]
    allow: Vec<String>,
    /// Take it; several times for several
    #[arg(long, value_name = "PERMISSION")]
    deny: Vec<String>,
    #[command(flatten)]
    admin: AdminArguments,
}

/// Remove a tenant: its tokens count no more, its use is forgotten
///
/// Its namespaces are those whose titles begin with its name and a slash. Without --shred a tenant that has
/// some is kept; with it their keys are destroyed, and no backup of the store opens their records.
#[derive(Debug, Args)]
struct RemoveArguments {
    /// Name of the tenant
    name: String,
    /// Destroy its namespaces
    #[arg(long)]
    shred: bool,
    #[command(flatten)]
    admin: AdminArguments,
}

pub(crate) fn run(arguments: &TenantArguments) -> Result<(), CommandError> {
    match &arguments.command {
        Command::Create(arguments) => create(arguments),
        Command::List(arguments) => list(arguments),
        Command::Show(arguments) => show(arguments),
        Command::Token(arguments) => token(arguments),
        Command::Limit(arguments) => limit(arguments),
        Command::Permit(arguments) => permit(arguments),
        Command::Usage(arguments) => usage::run(arguments),
        Command::Remove(arguments) => remove(arguments),
    }
}

fn create(arguments: &CreateArguments) -> Result<(), CommandError> {
    let operator = Operator::new(&arguments.admin)?;
    let permissions = Some(arguments.allow.clone()).filter(|allow| !allow.is_empty());
    let (note, expires_at) = arguments.terms.given();
    let name = arguments.name.clone();
    let request = CreateTenantRequest { name, permissions, note, expires_at };
    shown_once(&arguments.name, &operator.post("/admin/tenants", &request)?)
}

fn list(arguments: &ListArguments) -> Result<(), CommandError> {
    let TenantList { tenants } = Operator::new(&arguments.admin)?.get("/admin/tenants")?;
    if !arguments.json {
        return Ok(print::line(table::of_tenants(&tenants).trim_end())?);
    }
    Ok(tenants.iter().try_for_each(print::json)?)
}

fn show(arguments: &ShowArguments) -> Result<(), CommandError> {
    let path = path_of(&arguments.name)?;
    let tenant: TenantEntry = Operator::new(&arguments.admin)?.get(&path)?;
    if arguments.json {
        Ok(print::json(&tenant)?)
    } else {
        Ok(print::line(table::of_tenant(&tenant).trim_end())?)
    }
}

fn token(arguments: &TokenArguments) -> Result<(), CommandError> {
    let path = path_of(&arguments.name)?;
    let operator = Operator::new(&arguments.admin)?;
    if let Some(number) = arguments.revoke {
        let _: TenantEntry =
            operator.post(&format!("{path}/tokens/{number}/revoke"), &serde_json::json!({}))?;
        print::note(&format!("tenant {}: token {number} is revoked", arguments.name));
        return Ok(());
    }
    let (note, expires_at) = arguments.terms.given();
    if arguments.aws {
        let request = NewTokenRequest { note, expires_at };
        let made: NewAccessKeyAnswer = operator.post(&format!("{path}/access-keys"), &request)?;
        let id = print::shown(&made.access_key_id);
        let text = Zeroizing::new(format!(
            "AWS_ACCESS_KEY_ID={id}\nAWS_SECRET_ACCESS_KEY={}\n",
            made.secret_access_key.as_str()
        ));
        return printed_once(&arguments.name, made.number, &text);
    }
    let made = operator.post(&format!("{path}/tokens"), &NewTokenRequest { note, expires_at })?;
    shown_once(&arguments.name, &made)
}

fn limit(arguments: &LimitArguments) -> Result<(), CommandError> {
    let request = LimitsRequest {
        rate: arguments.rate.clone(),
        burst: arguments.burst.clone(),
        bytes: arguments.bytes.clone(),
        long_answers: arguments.long_answers.clone(),
        key_uses: arguments.key_uses.clone(),
        namespaces: arguments.namespaces.clone(),
        records: arguments.records.clone(),
        stored: arguments.stored.clone(),
    };
    if request == LimitsRequest::default() {
        return Err(CommandError::usage(
            "give a limit: --rate, --burst, --bytes, --long-answers, --key-uses, --namespaces, --records \
             or --stored",
        ));
    }
    let path = path_of(&arguments.name)?;
    let tenant: TenantEntry =
        Operator::new(&arguments.admin)?.post(&format!("{path}/limits"), &request)?;
    print::note(&format!("tenant {}: {}", tenant.name, table::limits(&tenant.limits)));
    Ok(())
}

fn permit(arguments: &PermitArguments) -> Result<(), CommandError> {
    let path = path_of(&arguments.name)?;
    let request =
        PermissionsRequest { allow: arguments.allow.clone(), deny: arguments.deny.clone() };
    let tenant: TenantEntry =
        Operator::new(&arguments.admin)?.post(&format!("{path}/permissions"), &request)?;
    print::note(&format!("tenant {}: {}", tenant.name, table::permissions(&tenant)));
    Ok(())
}

fn remove(arguments: &RemoveArguments) -> Result<(), CommandError> {
    let path = path_of(&arguments.name)?;
    let request = RemoveTenantRequest { shred: arguments.shred };
    let RemovedTenant { destroyed } =
        Operator::new(&arguments.admin)?.post(&format!("{path}/remove"), &request)?;
    for title in destroyed {
        print::note(&format!("destroyed the namespace {}", print::shown(&title)));
    }
    print::note(&format!("removed the tenant {}", arguments.name));
    Ok(())
}

/// Prints a token, and to whom it belongs.
fn shown_once(name: &str, made: &NewTokenAnswer) -> Result<(), CommandError> {
    let text = Zeroizing::new(format!("{}\n", made.token.as_str()));
    printed_once(name, made.number, &text)
}

fn printed_once(name: &str, number: u32, text: &str) -> Result<(), CommandError> {
    print::write(text.as_bytes()).map_err(|_| CommandError::new(Exit::Io, lost(name, number)))?;
    print::note(&format!("tenant {name}, token {number}: it is shown once"));
    Ok(())
}

fn lost(name: &str, number: u32) -> String {
    format!(
        "the token could not be printed and is lost; revoke it: lavawall tenant token {name} --revoke \
         {number}"
    )
}

impl TermsArguments {
    fn given(&self) -> (Option<String>, Option<u64>) {
        let now = unix_now();
        (self.note.clone(), self.expires_in.map(|after| now.saturating_add(after.as_secs())))
    }
}
