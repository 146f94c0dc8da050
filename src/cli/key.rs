//! `auditlake key`: make, list, rotate and revoke keys, of a store or through a server; and show what checks checkpoints.
//!
//! In: what the key is for. Out: the new key alone on stdout, so that a script can take it, and what it is on stderr.
//! Guaranteed: a key is printed once and kept nowhere. A server that runs on the store meanwhile knows of a change made here
//! within `background.keys_every_ms`; with `--server`, at once.

use std::fmt::Write as _;

use chrono::{DateTime, SecondsFormat};
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::json;

use super::{Global, Outcome, backend::Backend, text};
use crate::{
    auth::{Described, Keys, Made, NewKey, Principal, Scope},
    config::Config,
    error::{Error, ErrorKind, Result},
    event::TenantId,
    evidence::Evidence,
    server::Lake,
    store::Store,
    telemetry::Clock,
};

const AFTER_HELP: &str = "\
Examples:
  auditlake key create --name 'ingest of the billing service' --scope ingest --tenant acme
  auditlake key create --name 'analysts' --scope read --expires-in 90d
  auditlake key list
  auditlake key rotate key_0123456789abcdef --grace 12h
  auditlake key revoke key_0123456789abcdef
  auditlake key verifier --tenant acme";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a key; it is printed once
    Create(Create),
    /// List the keys
    List {
        /// Only those of this tenant
        #[arg(long, value_name = "ID")]
        tenant: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Give a key a new secret; the one before holds a while longer
    Rotate {
        /// Which, as `key list` tells
        id: String,
        /// For how long the secret before still holds: a number with s, m, h or d
        #[arg(long, default_value = "1d", value_name = "TIME", value_parser = parse_time)]
        grace: i64,
    },
    /// Show the verifier keys by which a tenant's checkpoints are checked, the newest first
    Verifier {
        /// Whose log; needed unless the server's key is of one tenant
        #[arg(long, value_name = "ID")]
        tenant: Option<String>,
    },
    /// End a key at once
    Revoke {
        /// Which, as `key list` tells
        id: String,
    },
}

#[derive(Debug, Args)]
struct Create {
    /// What it is for
    #[arg(long)]
    name: String,
    /// What it may do: ingest, read, export or admin; several with commas between them
    #[arg(long = "scope", value_name = "SCOPE", value_delimiter = ',', required = true)]
    scopes: Vec<Scope>,
    /// Whose events; all tenants' if not given
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
    /// When it ends by itself, from now on: a number with s, m, h or d
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    expires_in: Option<i64>,
}

/// Milliseconds of `90d`, `12h`, `30m` or `45s`.
fn parse_time(given: &str) -> Result<i64, String> {
    let units = [('s', 1_000), ('m', 60_000), ('h', 3_600_000), ('d', 24 * 3_600_000)];
    let parsed = units.into_iter().find_map(|(unit, ms)| {
        let number: i64 = given.strip_suffix(unit)?.parse().ok()?;
        number.checked_mul(ms).filter(|ms| *ms >= 0)
    });
    parsed.ok_or_else(|| format!("{given:?} is not a number with s, m, h or d, such as 90d"))
}

pub(super) async fn run(arguments: Arguments, global: &Global, config: Config) -> Result<Outcome> {
    if let Action::Verifier { tenant } = &arguments.action {
        return verifiers(tenant.as_deref(), global, &config).await;
    }
    let clock = Clock::system();
    let of_lake = async |lake: &Lake| Keys::open(lake.store(), lake.control().clone(), &clock).await;
    let backend = Backend::open(global, config, of_lake).await?;
    match arguments.action {
        Action::Create(create) => show(&backend.create(create, clock.now_millis()).await?)?,
        Action::List { tenant, json } => {
            let tenant = tenant.as_deref().map(TenantId::parse).transpose()?;
            let keys = backend.list(tenant.as_ref()).await?;
            let listed = if json { text::json(&keys)? } else { as_table(&keys) };
            text::write_stdout(listed.as_bytes())?;
        }
        Action::Rotate { id, grace } => show(&backend.rotate(&id, grace).await?)?,
        Action::Verifier { .. } => unreachable!("it was shown above"),
        Action::Revoke { id } => {
            backend.revoke(&id).await?;
            eprintln!("{id} is revoked");
        }
    }
    Ok(Outcome::Complete)
}

/// One a line, so that a script can take the first.
async fn verifiers(tenant: Option<&str>, global: &Global, config: &Config) -> Result<Outcome> {
    let tenant = tenant.map(TenantId::parse).transpose()?;
    let keys: Vec<String> = match global.client()? {
        Some(client) => {
            #[derive(serde::Deserialize)]
            struct Answer {
                verifier_keys: Vec<String>,
            }
            let answer: Answer = client.call(Method::GET, "v1/verifier-keys", tenant.as_ref(), None).await?;
            answer.verifier_keys
        }
        None => {
            let tenant =
                tenant.ok_or_else(|| Error::new(ErrorKind::Invalid, "name the log with --tenant"))?;
            let store = Store::open(&config.store, &config.object_store).await?;
            let evidence = Evidence::open_to_read(&store, &config.evidence).await?;
            evidence.verifiers(&tenant).iter().map(ToString::to_string).collect()
        }
    };
    if keys.is_empty() {
        return Err(Error::new(ErrorKind::NotFound, "nothing was ever signed in this store"));
    }
    text::write_stdout(keys.iter().map(|key| format!("{key}\n")).collect::<String>().as_bytes())?;
    Ok(Outcome::Complete)
}

impl Backend<Keys> {
    async fn create(&self, create: Create, now_ms: i64) -> Result<Made> {
        let expires_ms = create.expires_in.map(|ms| now_ms.saturating_add(ms));
        match self {
            Self::Server(client) => {
                let expires_at = expires_ms.and_then(DateTime::from_timestamp_millis);
                let wanted = json!({
                    "name": create.name,
                    "scopes": create.scopes,
                    "tenant_id": create.tenant,
                    "expires_at": expires_at.map(|time| time.to_rfc3339_opts(SecondsFormat::Millis, true)),
                });
                client.call(Method::POST, "v1/keys", None, Some(&wanted)).await
            }
            Self::Store(keys) => {
                let wanted = NewKey {
                    name: create.name,
                    scopes: create.scopes.into_iter().collect(),
                    tenant: create.tenant.as_deref().map(TenantId::parse).transpose()?,
                    expires_ms,
                };
                keys.create(&Principal::root(), wanted).await
            }
        }
    }

    async fn list(&self, tenant: Option<&TenantId>) -> Result<Vec<Described>> {
        match self {
            Self::Server(client) => client.list("v1/keys", "keys", tenant).await,
            Self::Store(keys) => Ok(keys.list(&Principal::root(), tenant)),
        }
    }

    async fn rotate(&self, id: &str, grace_ms: i64) -> Result<Made> {
        match self {
            Self::Server(client) => {
                let rotation = json!({"grace_seconds": grace_ms / 1_000});
                client.call(Method::POST, &format!("v1/keys/{id}/rotate"), None, Some(&rotation)).await
            }
            Self::Store(keys) => keys.rotate(&Principal::root(), id, grace_ms).await,
        }
    }

    async fn revoke(&self, id: &str) -> Result<()> {
        match self {
            Self::Server(client) => client.call(Method::DELETE, &format!("v1/keys/{id}"), None, None).await,
            Self::Store(keys) => keys.revoke(&Principal::root(), id).await,
        }
    }
}

fn show(made: &Made) -> Result<()> {
    let key = &made.described;
    let of = key.tenant_id.as_deref().map_or("all tenants".to_owned(), |tenant| format!("tenant {tenant}"));
    eprintln!("{} '{}': {} of {of}; the key is shown only now", key.id, key.name, scopes(key));
    text::write_stdout(format!("{}\n", made.key).as_bytes())?;
    Ok(())
}

fn scopes(key: &Described) -> String {
    let names: Vec<&str> = key.scopes.iter().map(|scope| scope.name()).collect();
    names.join(",")
}

fn as_table(keys: &[Described]) -> String {
    let never = "never".to_owned();
    let mut table = format!(
        "{:20}  {:8}  {:24}  {:24}  {:24}  {:20}  name\n",
        "id", "state", "scopes", "last used", "expires", "tenant"
    );
    for key in keys {
        let state = json!(key.state);
        let _ = writeln!(
            table,
            "{:20}  {:8}  {:24}  {:24}  {:24}  {:20}  {}",
            key.id,
            state.as_str().unwrap_or_default(),
            scopes(key),
            key.last_used_at.as_ref().unwrap_or(&never),
            key.expires_at.as_ref().unwrap_or(&never),
            key.tenant_id.as_deref().unwrap_or("(all)"),
            key.name,
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits;

    /// Would catch a key that ends a thousand times too soon, or never.
    #[test]
    fn times_have_a_unit() {
        assert_eq!(parse_time("90d"), Ok(90 * 24 * 3_600_000));
        assert_eq!(parse_time("12h"), Ok(12 * 3_600_000));
        assert_eq!(
            (parse_time("30m"), parse_time("45s"), parse_time("0s")),
            (Ok(1_800_000), Ok(45_000), Ok(0))
        );
        for wrong in ["", "90", "d", "-1d", "1.5h", "9999999999999999d", "1w"] {
            assert!(parse_time(wrong).is_err(), "{wrong}");
        }
        assert_eq!(parse_time("30d"), Ok(limits::KEY_GRACE_MS_MAX));
    }
}
