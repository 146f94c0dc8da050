//! The log of the log: who read, changed or was refused what, as events in the log of the tenant it was about.
//!
//! In: an [`Entry`]. Out: events, durable when [`Logbook::write`] returns. Guaranteed: whoever gives an answer only after its
//! entry is written leaves no read without a record; what an all-tenant principal does is told to the tenant it was about
//! and to the operator; a tenant that does not exist is not made by asking for it. An entry is never the cause of another,
//! so the log does not feed on itself.
//!
//! The events' actions begin with `auditlog.`, which nobody else may send. They look like this, over the whole form of an event:
//!
//! ```json
//! {"action": "auditlog.read", "actor": {"type": "viewer", "id": "ana", "credential": {"type": "api_key", "id": "key_…"}},
//!  "targets": [{"type": "audit_log", "id": "acme"}], "context": {"ip_address": "203.0.113.7", "request_id": "…"},
//!  "outcome": {"result": "success"}, "metadata": {"parameters": {"actor_id": "u_1"}, "rows": 100, "scope": "tenant"}}
//! ```

use std::{net::IpAddr, time::Duration};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use crate::{
    error::{Error, ErrorKind, Result},
    event::{
        TenantId,
        decode::{BodyFormat, DecodeContext, Decoded, decode},
    },
    ingest::{AppendRequest, Ingest},
    limits::{LOGBOOK_TENANTS_MAX, LOGBOOK_TEXT_BYTES_MAX},
    table::Tables,
    telemetry::Clock,
};

/// Objects and lists inside each other that are shown as such.
const PARAMETER_DEPTH_MAX: u32 = 3;
/// Bytes of JSON of all parameters: an event's metadata have room for it, and for it as text in text, too.
const PARAMETERS_BYTES_MAX: usize = 12 * 1024;

/// Section `[logbook]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether reads, changes and refusals are recorded.
    pub enabled: bool,
    /// The tenant in whose log the operator finds what all-tenant keys do.
    pub operator_tenant: TenantId,
    /// How long what is recorded may wait for its record to be durable; past it, it is refused.
    pub write_timeout_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            operator_tenant: TenantId::parse("auditlake").expect("it is a tenant id"),
            write_timeout_ms: 10_000,
        }
    }
}

/// Who did it.
#[derive(Clone, Debug)]
pub struct By {
    /// What kind of actor: `api_key`, `root_key`, `viewer`, `service`, `unknown`.
    pub kind: &'static str,
    /// Which: the id of a key, the subject of a viewer token.
    pub id: String,
    /// The key that issued a viewer's token.
    pub issued_by: Option<String>,
    /// Whether it reaches all tenants.
    pub all_tenants: bool,
    /// Where it asked from, as far as is known.
    pub address: Option<IpAddr>,
    /// What names the request in the answer and in the server's log.
    pub request_id: Option<String>,
    /// What the client calls itself.
    pub user_agent: Option<String>,
}

impl By {
    /// The server itself, in the work that it does of its own accord.
    pub fn service(id: &str) -> Self {
        Self {
            kind: "service",
            id: id.to_owned(),
            issued_by: None,
            all_tenants: false,
            address: None,
            request_id: None,
            user_agent: None,
        }
    }
}

/// How it ended.
#[derive(Clone, Debug)]
pub enum Ending {
    /// It was done.
    Success,
    /// It was refused, because of who asked.
    Denied(String),
    /// It could not be done, because of what was asked.
    Failure(String),
}

/// Whose log it was about.
#[derive(Clone, Debug)]
pub enum About {
    /// One tenant's.
    Tenant(TenantId),
    /// Part of one tenant's.
    Part(TenantId),
    /// Every tenant's.
    All,
}

/// What happened.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What was done: `auditlog.read`, …
    pub action: &'static str,
    /// Who did it.
    pub by: By,
    /// Whose log it was about.
    pub about: About,
    /// What it was done to, besides the log: type and id.
    pub target: Option<(&'static str, String)>,
    /// What was asked for.
    pub parameters: Map<String, Value>,
    /// How many rows or events came back.
    pub rows: Option<u64>,
    /// How it ended.
    pub ending: Ending,
}

/// Writes entries; clones share.
#[derive(Clone, Debug)]
pub struct Logbook {
    ingest: Ingest,
    tables: Tables,
    clock: Clock,
    settings: Settings,
}

impl Logbook {
    /// A logbook whose entries go in by `ingest`.
    pub fn new(ingest: Ingest, tables: Tables, clock: Clock, settings: Settings) -> Self {
        Self { ingest, tables, clock, settings }
    }

    /// Whether anything is recorded.
    pub fn enabled(&self) -> bool {
        self.settings.enabled
    }

    /// Where the operator finds what concerns no tenant in particular.
    pub fn operator_tenant(&self) -> &TenantId {
        &self.settings.operator_tenant
    }

    /// Records `entry`; when it returns, the record is durable.
    ///
    /// # Errors
    /// As [`Ingest::append`]: then nothing is recorded, and what the entry is about must not be answered.
    pub async fn write(&self, entry: &Entry) -> Result<()> {
        if !self.settings.enabled {
            return Ok(());
        }
        let tenants = self.tenants(entry).await?;
        if tenants.is_empty() {
            return Ok(());
        }
        let decoded = as_events(entry, &tenants, self.clock.now_micros())?;
        self.append(AppendRequest { decoded, atomic: true, idempotency: None }).await
    }

    /// On a task of its own, because what has begun is to be ended even if nobody waits for it any more.
    async fn append(&self, request: AppendRequest) -> Result<()> {
        let ingest = self.ingest.clone();
        let appending = tokio::spawn(async move { ingest.append(request).await.map(drop) });
        match timeout(Duration::from_millis(self.settings.write_timeout_ms), appending).await {
            Ok(Ok(appended)) => appended,
            Ok(Err(error)) => {
                Err(Error::with_source(ErrorKind::Internal, "record in the log of the log", error))
            }
            Err(_) => {
                let message = "the record in the log of the log was not durable in time";
                Err(Error::new(ErrorKind::Unavailable, message))
            }
        }
    }

    /// In whose logs it belongs.
    async fn tenants(&self, entry: &Entry) -> Result<Vec<TenantId>> {
        let operator = &self.settings.operator_tenant;
        let mut tenants = match &entry.about {
            About::Tenant(tenant) | About::Part(tenant) => {
                let exists = !entry.by.all_tenants || self.tables.get(tenant).await?.is_some();
                if exists { vec![tenant.clone()] } else { Vec::new() }
            }
            About::All => {
                let all = self.tables.tenants();
                if all.len() <= LOGBOOK_TENANTS_MAX { all } else { Vec::new() }
            }
        };
        if entry.by.all_tenants && !tenants.contains(operator) {
            tenants.push(operator.clone());
        }
        Ok(tenants)
    }
}

/// `entry` as it is stored in the logs of `tenants`: an event for each, which occurs and is received now.
///
/// # Errors
/// If it is none, which is a defect.
pub fn as_events(entry: &Entry, tenants: &[TenantId], now_micros: i64) -> Result<Decoded> {
    let events: Vec<Value> = tenants.iter().map(|tenant| event(entry, tenant, now_micros)).collect();
    let context = DecodeContext { own: true, ..DecodeContext::new(None, now_micros) };
    let decoded = decode(Value::Array(events).to_string().as_bytes(), BodyFormat::Json, &context)?;
    match decoded.rejected.first() {
        None => Ok(decoded),
        Some(rejected) => {
            let message = format!("a record of '{}' is not an event: {:?}", entry.action, rejected.errors);
            Err(Error::new(ErrorKind::Internal, message))
        }
    }
}

fn event(entry: &Entry, tenant: &TenantId, now_micros: i64) -> Value {
    let time: DateTime<Utc> = DateTime::from_timestamp_micros(now_micros).unwrap_or_default();
    let (result, reason) = match &entry.ending {
        Ending::Success => ("success", None),
        Ending::Denied(reason) => ("denied", Some(cut(reason))),
        Ending::Failure(reason) => ("failure", Some(cut(reason))),
    };
    let (log, scope) = match &entry.about {
        About::Tenant(tenant) => (tenant.as_str(), "tenant"),
        About::Part(tenant) => (tenant.as_str(), "part"),
        About::All => ("*", "all"),
    };
    let mut targets = vec![json!({"type": "audit_log", "id": log})];
    if let Some((kind, id)) = &entry.target {
        targets.push(json!({"type": kind, "id": cut(id)}));
    }
    let credential = entry.by.issued_by.as_ref().map(|key| json!({"type": "api_key", "id": key}));
    let parameters = parameters(&entry.parameters);
    json!({
        "tenant_id": tenant.as_str(),
        "action": entry.action,
        "occurred_at": time.to_rfc3339_opts(SecondsFormat::Micros, true),
        "actor": {"type": entry.by.kind, "id": entry.by.id, "credential": credential},
        "targets": targets,
        "context": {
            "ip_address": entry.by.address.map(|address| address.to_canonical().to_string()),
            "request_id": entry.by.request_id,
            "user_agent": entry.by.user_agent.as_deref().map(cut),
        },
        "outcome": {"result": result, "reason": reason},
        "metadata": {"parameters": parameters, "rows": entry.rows, "scope": scope},
    })
}

/// What was asked for, as far as metadata of an event have room for it, and in values that they can hold.
fn parameters(asked: &Map<String, Value>) -> Value {
    let shown: Map<String, Value> =
        asked.iter().map(|(name, value)| (name.clone(), shortened(value, PARAMETER_DEPTH_MAX))).collect();
    let shown = Value::Object(shown);
    let text = shown.to_string();
    match text.len() <= PARAMETERS_BYTES_MAX {
        true => shown,
        false => json!({"beginning": cut(&text), "bytes": text.len()}),
    }
}

/// Long texts are told by their beginning and their length; what is too deep, or no number that every reader of JSON reads
/// alike, as text.
fn shortened(value: &Value, depth: u32) -> Value {
    let text = match value {
        Value::Null | Value::Bool(_) => return value.clone(),
        Value::Number(number) if number.as_i64().is_some_and(|number| number.abs() < 1 << 53) => {
            return value.clone();
        }
        Value::Object(members) if depth > 0 => {
            let shown = members.iter().map(|(name, value)| (name.clone(), shortened(value, depth - 1)));
            return Value::Object(shown.collect());
        }
        Value::Array(items) if depth > 0 => {
            return items.iter().map(|value| shortened(value, depth - 1)).collect();
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match text.len() <= LOGBOOK_TEXT_BYTES_MAX {
        true => Value::String(text),
        false => json!({"beginning": cut(&text), "bytes": text.len()}),
    }
}

/// As much of a text as an event has room for.
fn cut(text: &str) -> &str {
    let end = (0..=LOGBOOK_TEXT_BYTES_MAX.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(parameters: Value) -> Entry {
        Entry {
            action: "auditlog.sql",
            by: By {
                kind: "viewer",
                id: "ana".into(),
                issued_by: Some("key_0123456789abcdef".into()),
                all_tenants: false,
                address: "::ffff:203.0.113.7".parse().ok(),
                request_id: Some("asked-7".into()),
                user_agent: Some("x".repeat(100_000)),
            },
            about: About::Part(TenantId::parse("acme").unwrap()),
            target: Some(("query", "é".repeat(5_000))),
            parameters: parameters.as_object().unwrap().clone(),
            rows: Some(7),
            ending: Ending::Denied("é".repeat(100_000)),
        }
    }

    /// Would catch an entry that is no event, whatever was asked, and then refuses every read of the kind.
    #[test]
    fn every_entry_is_an_event() {
        let now = 1_793_491_200_000_000;
        let context = DecodeContext { own: true, ..DecodeContext::new(None, now) };
        for parameters in [
            json!({}),
            json!({"sql": "SELECT 'é'".repeat(10_000), "params": {"list": [1, 2.5, null, "x"]}}),
            json!({"a": "x".repeat(LOGBOOK_TEXT_BYTES_MAX), "b": "\u{0}".repeat(LOGBOOK_TEXT_BYTES_MAX)}),
            json!({"a": "\\\u{1}".repeat(1_000), "b": "\\".repeat(2_000), "c": "\"".repeat(2_000), "d": "\"".repeat(2_000)}),
            json!({"a": 1e300, "b": u64::MAX, "c": [[[[[[1]]]]]], "d": 0.1}),
        ] {
            let event = event(&entry(parameters), &TenantId::parse("acme").unwrap(), now);
            let decoded = decode(event.to_string().as_bytes(), BodyFormat::Json, &context).unwrap();
            assert_eq!(decoded.rejected, [], "{event}");
        }
    }
}
