//! `auditlake tenant`: show tenants and change what is set for them, in a store or through a server.
//!
//! In: which tenant, and what. Out: what is set then, on stdout. Guaranteed: a server that runs on the store meanwhile knows of a
//! change made here within `background.keys_every_ms`; with `--server`, at once.

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::{Global, Outcome, backend::Backend, text};
use crate::{
    auth::{DescribedTenant, Expected, Patch, Principal, Tenants},
    config::Config,
    error::{Error, ErrorKind, Result},
    event::TenantId,
};

const AFTER_HELP: &str = "\
Examples:
  auditlake tenant list
  auditlake tenant set acme --name 'Acme Inc.' --retention-days 365
  auditlake tenant set acme --legal-hold true
  auditlake tenant set acme --sealed-fields actor.name,actor.email,targets.name
  auditlake tenant set acme --retention-days none --events-per-second 5000
  auditlake tenant show acme";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the tenants
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one tenant, as JSON
    Show {
        /// Which
        id: String,
    },
    /// Change what is set for a tenant, and make it if it is not there; `none` clears
    Set(Box<Set>),
}

#[derive(Debug, Args)]
struct Set {
    /// Which
    id: String,
    /// What people call it
    #[arg(long)]
    name: Option<String>,
    /// Days that its events are kept, by the day they occurred on
    #[arg(long, value_name = "DAYS", value_parser = number_or_none)]
    retention_days: Option<Value>,
    /// Days for which S3 Object Lock keeps what is written, whoever wants to remove it
    #[arg(long, value_name = "DAYS", value_parser = number_or_none)]
    lock_days: Option<Value>,
    /// Whether nothing is removed, whatever the days
    #[arg(long, value_name = "BOOL")]
    legal_hold: Option<bool>,
    /// Fields whose values can be erased, separated by commas; only before the first event
    #[arg(long, value_name = "FIELDS", value_parser = fields_or_none)]
    sealed_fields: Option<Value>,
    /// Requests in a second
    #[arg(long, value_name = "N", value_parser = number_or_none)]
    requests_per_second: Option<Value>,
    /// Events taken in, in a second
    #[arg(long, value_name = "N", value_parser = number_or_none)]
    events_per_second: Option<Value>,
    /// Seconds that queries run, all together, in a minute
    #[arg(long, value_name = "N", value_parser = number_or_none)]
    query_seconds_per_minute: Option<Value>,
}

fn number_or_none(given: &str) -> Result<Value, String> {
    match given {
        "none" => Ok(Value::Null),
        number => {
            let number: Result<u32, _> = number.parse();
            number.map(Value::from).map_err(|_| format!("{given:?} is neither a number nor none"))
        }
    }
}

fn fields_or_none(given: &str) -> Result<Value, String> {
    match given {
        "none" => Ok(Value::Null),
        fields => Ok(fields.split(',').map(str::trim).map(Value::from).collect()),
    }
}

impl Set {
    /// The merge patch that it is.
    fn patch(&self) -> Value {
        let limits = members([
            ("requests_per_second", &self.requests_per_second),
            ("events_per_second", &self.events_per_second),
            ("query_seconds_per_minute", &self.query_seconds_per_minute),
        ]);
        let name = self.name.as_deref().map(|name| if name == "none" { Value::Null } else { name.into() });
        let limits = Some(Value::Object(limits)).filter(|limits| *limits != json!({}));
        Value::Object(members([
            ("name", &name),
            ("retention_days", &self.retention_days),
            ("lock_days", &self.lock_days),
            ("legal_hold", &self.legal_hold.map(Value::from)),
            ("sealed_fields", &self.sealed_fields),
            ("limits", &limits),
        ]))
    }
}

fn members<const N: usize>(named: [(&str, &Option<Value>); N]) -> Map<String, Value> {
    let given = named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)));
    given.collect()
}

pub(super) async fn run(arguments: Arguments, global: &Global, config: Config) -> Result<Outcome> {
    let tenants = Backend::of_tenants(global, config).await?;
    let shown = match arguments.action {
        Action::List { json } => {
            let listed = tenants.list().await?;
            if json { text::json(&listed)? } else { as_table(&listed) }
        }
        Action::Show { id } => text::json(&tenants.get(&TenantId::parse(&id)?).await?)?,
        Action::Set(set) => text::json(&tenants.set(&TenantId::parse(&set.id)?, &set.patch()).await?)?,
    };
    text::write_stdout(shown.as_bytes())?;
    Ok(Outcome::Complete)
}

impl Backend<Tenants> {
    /// All of them.
    async fn list(&self) -> Result<Vec<DescribedTenant>> {
        match self {
            Self::Server(client) => client.list("v1/tenants", "tenants", None).await,
            Self::Store(tenants) => Ok(tenants.list(&Principal::root(), None, usize::MAX).await?.tenants),
        }
    }

    async fn get(&self, id: &TenantId) -> Result<DescribedTenant> {
        match self {
            Self::Server(client) => client.call(Method::GET, &format!("v1/tenants/{id}"), None, None).await,
            Self::Store(tenants) => tenants.get(&Principal::root(), id).await,
        }
    }

    async fn set(&self, id: &TenantId, patch: &Value) -> Result<DescribedTenant> {
        match self {
            Self::Server(client) => {
                client.call(Method::PATCH, &format!("v1/tenants/{id}"), None, Some(patch)).await
            }
            Self::Store(tenants) => {
                let patch: Patch = serde_json::from_value(patch.clone())
                    .map_err(|error| Error::new(ErrorKind::Invalid, error.to_string()))?;
                tenants.set(&Principal::root(), id, &patch, &Expected::Anything).await
            }
        }
    }
}

fn as_table(tenants: &[DescribedTenant]) -> String {
    let mut table = format!(
        "{:20}  {:>14}  {:10}  {:10}  {:>8}  {:4}  name\n",
        "id", "events", "first day", "last day", "days", "hold"
    );
    let day = |day: Option<chrono::NaiveDate>| day.map_or("-".to_owned(), |day| day.to_string());
    for tenant in tenants {
        let settings = &tenant.settings;
        let _ = writeln!(
            table,
            "{:20}  {:>14}  {:10}  {:10}  {:>8}  {:4}  {}",
            tenant.id,
            text::count(tenant.events),
            day(tenant.window.first_day),
            day(tenant.window.last_day),
            settings.retention_days.map_or("all".to_owned(), |days| days.to_string()),
            if settings.legal_hold { "yes" } else { "no" },
            settings.name.as_deref().unwrap_or("-"),
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch a flag that was not given and clears what is set, or `none` that is sent as a text.
    #[test]
    fn only_what_is_given_is_patched() {
        let set = Set {
            id: "acme".into(),
            name: None,
            retention_days: Some(number_or_none("none").unwrap()),
            lock_days: None,
            legal_hold: Some(true),
            sealed_fields: Some(fields_or_none("actor.name, metadata.email").unwrap()),
            requests_per_second: None,
            events_per_second: Some(number_or_none("7").unwrap()),
            query_seconds_per_minute: None,
        };
        let expected = json!({"retention_days": null, "legal_hold": true, "sealed_fields": ["actor.name", "metadata.email"], "limits": {"events_per_second": 7}});
        assert_eq!(set.patch(), expected);
        let nothing = Set {
            retention_days: None,
            legal_hold: None,
            sealed_fields: None,
            events_per_second: None,
            ..set
        };
        assert_eq!(nothing.patch(), json!({}));
        assert!(number_or_none("-1").is_err() && number_or_none("a year").is_err());
    }
}
