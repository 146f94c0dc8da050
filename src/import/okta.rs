//! Events of the Okta System Log as native events, without losing anything.
//!
//! In: one `LogEvent`, as `GET /api/v1/logs` and log streams give it. Out: the event in API form:
//!
//! | record | event |
//! |---|---|
//! | `uuid` | `id`; one that is no UUID stays in `metadata`, and the id is `sha256:` of the record |
//! | `published` | `occurred_at` |
//! | `eventType` | `action`, as it is; without one `legacyEventType` (copied), else `unknown` |
//! | `actor` | `actor` (the private `actor` module says how) |
//! | `transaction.detail.requestApiTokenId`, else `client.id` | `actor.credential`, of type `api_token` or `client` |
//! | `target` | `targets`; `on_behalf_of` for impersonation (private modules `targets`, `actor`) |
//! | `changeDetails` of a target, if only one has it | `changes` |
//! | `outcome.result` | `outcome.result`: `SUCCESS` and `ALLOW` are success; `FAILURE`, `ABANDONED` and `UNANSWERED` failure; `DENY` and `RATE_LIMIT` denied; `CHALLENGE`, `SKIPPED`, `DEFERRED`, `SCHEDULED`, `UNKNOWN`, every other word and none at all unknown; the original stays in `metadata` |
//! | `outcome.reason` | `outcome.reason` |
//! | `displayMessage` | `description` |
//! | `client.ipAddress`, else the first address in `request.ipChain[].ip` (copied) | `context.ip_address`; of several addresses the first, and the list stays in `metadata`, as the proxies in `request.ipChain` do |
//! | `client.userAgent.rawUserAgent` | `context.user_agent` |
//! | `client.geographicalContext.country` | copied: its code is `context.country`, if the name is known |
//! | `authenticationContext.externalSessionId` | `context.session_id` |
//! | `transaction.id` | `context.request_id`; it also joins the events of one transaction |
//! | everything else: `severity`, `legacyEventType`, `debugContext`, `securityContext`, `authenticationContext`, `request`, `device`, `version` … | `metadata`, under its own name |
//!
//! Source: the schema `LogEvent` of the [System Log API](https://developer.okta.com/docs/api/openapi/okta-management/management/tag/SystemLog/).
//! Logs that went through a data warehouse are read as well: names of members in another spelling get Okta's back, times
//! may come without an offset (they are UTC), `p_event_time` stands in for `published`, and objects may be JSON in a text,
//! which then stays in `metadata` as it was given.
//!
//! Guaranteed: each value of the record is found in the event, in the field above or, where it does not fit
//! there, in `metadata` under its own name. `unknown`, Okta's word for what it does not know, is no session and no
//! request. Members that are `null` are left out, and integers beyond 2^53 become text, as for CloudTrail. The
//! mapping looks at nothing but the record, so the same record gives the same event for ever; records that are equal
//! in everything are one event. What is too large for an event is refused by the decoder.

mod actor;
mod targets;

use serde_json::{Map, Value, json};

use super::{
    addresses, countries,
    members::{
        NotARecord, fits, make_exact, of, put, restore_names, take_id, take_text, take_text_at, take_time,
        text_at,
    },
    results::{self, Ending},
    texts::{self, Object, nested, object},
};
use crate::limits;

/// The members of a `LogEvent`, in Okta's spelling.
pub(super) const MEMBERS: [&str; 17] = [
    "actor",
    "authenticationContext",
    "client",
    "debugContext",
    "device",
    "displayMessage",
    "eventType",
    "legacyEventType",
    "outcome",
    "published",
    "request",
    "securityContext",
    "severity",
    "target",
    "transaction",
    "uuid",
    "version",
];
/// Members that are objects or lists, which data warehouses may give as text.
const OBJECTS: [Object; 10] = [
    nested("actor", &[object("detailEntry")]),
    nested("authenticationContext", &[object("issuer")]),
    nested("client", &[nested("geographicalContext", &[object("geolocation")]), object("userAgent")]),
    nested("debugContext", &[object("debugData")]),
    object("device"),
    object("outcome"),
    nested("request", &[nested("ipChain", &[object("geographicalContext")])]),
    object("securityContext"),
    nested("target", &[nested("changeDetails", &[object("from"), object("to")]), object("detailEntry")]),
    nested("transaction", &[object("detail")]),
];
/// Stands where Okta does not know an id or a name.
const UNKNOWN: &str = "unknown";

/// The event of one record; see the table at the top of this file.
///
/// ```
/// let record = serde_json::json!({
///     "uuid": "dc9fd3c0-598c-11ef-8478-2b7584bf8d5a", "published": "2024-08-13T15:58:20.353Z",
///     "eventType": "user.session.start", "displayMessage": "User login to Okta", "severity": "INFO",
///     "actor": {"id": "00u1", "type": "User", "alternateId": "ana@acme.example", "displayName": "Ana"},
///     "client": {"ipAddress": "203.0.113.7"}, "outcome": {"result": "FAILURE", "reason": "INVALID_CREDENTIALS"},
/// });
/// let event = auditlake::import::okta::event(record).unwrap();
/// assert_eq!(event["action"], "user.session.start");
/// assert_eq!(event["actor"]["email"], "ana@acme.example");
/// assert_eq!(event["outcome"]["reason"], "INVALID_CREDENTIALS");
/// assert_eq!(event["metadata"]["severity"], "INFO");
/// ```
pub fn event(record: Value) -> Result<Map<String, Value>, NotARecord> {
    let mut rest = of(record)?;
    restore_names(&mut rest, &MEMBERS);
    let given = texts::parse(&mut rest, &OBJECTS);
    let mut event = Map::new();
    event.insert("id".into(), take_id(&mut rest, "uuid", is_uuid).into());
    event.insert("occurred_at".into(), take_time(&mut rest, &["published", "p_event_time"])?.into());
    let action = take_action(&mut rest);
    let mut targets = targets::take(&mut rest);
    event.insert("actor".into(), actor::take(&mut rest, &action, &targets));
    event.insert("action".into(), action.into());
    put(&mut event, "changes", targets::take_changes(&mut targets));
    put(&mut event, "targets", targets);
    event.insert("outcome".into(), take_outcome(&mut rest));
    put(&mut event, "description", take_text(&mut rest, "displayMessage", limits::DESCRIPTION_BYTES_MAX));
    put(&mut event, "context", take_context(&mut rest));
    rest.extend(given);
    put(&mut event, "metadata", rest);
    event.values_mut().for_each(make_exact);
    Ok(event)
}

/// The hyphenated form, which is the one that Okta writes.
fn is_uuid(text: &str) -> bool {
    const HYPHENATED_BYTES: usize = 36;
    text.len() == HYPHENATED_BYTES && uuid::Uuid::try_parse(text).is_ok_and(|uuid| !uuid.is_nil())
}

fn take_action(rest: &mut Map<String, Value>) -> String {
    take_text(rest, "eventType", limits::ACTION_BYTES_MAX).unwrap_or_else(|| {
        let legacy = text_at(rest, &["legacyEventType"]).filter(|text| fits(text, limits::ACTION_BYTES_MAX));
        legacy.unwrap_or(UNKNOWN).to_owned()
    })
}

fn take_outcome(rest: &mut Map<String, Value>) -> Value {
    let ending = text_at(rest, &["outcome", "result"]).and_then(results::of_word);
    let result = ending.map_or(UNKNOWN, Ending::as_str);
    let mut outcome = json!({"result": result});
    if let Some(reason) = take_text_at(rest, &["outcome", "reason"], limits::REASON_BYTES_MAX) {
        outcome["reason"] = reason.into();
    }
    outcome
}

fn take_context(rest: &mut Map<String, Value>) -> Map<String, Value> {
    let mut context = Map::new();
    let country = text_at(rest, &["client", "geographicalContext", "country"]).and_then(countries::code);
    put(&mut context, "country", country);
    let address = addresses::take(rest, &["client", "ipAddress"]);
    put(&mut context, "ip_address", address.or_else(|| first_of_chain(rest)));
    let user_agent = ["client", "userAgent", "rawUserAgent"];
    put(&mut context, "user_agent", take_text_at(rest, &user_agent, limits::USER_AGENT_BYTES_MAX));
    for (field, path) in [
        ("session_id", ["authenticationContext", "externalSessionId"]),
        ("request_id", ["transaction", "id"]),
    ] {
        if text_at(rest, &path) != Some(UNKNOWN) {
            put(&mut context, field, take_text_at(rest, &path, limits::TRACE_ID_BYTES_MAX));
        }
    }
    context
}

/// The chain begins with the client and goes on with the proxies that the request went through; entries may have no address.
fn first_of_chain(rest: &Map<String, Value>) -> Option<String> {
    let chain = rest.get("request")?.get("ipChain")?.as_array()?;
    let ips = chain.iter().filter_map(|entry| entry.get("ip")?.as_str());
    ips.filter_map(addresses::client).next().map(str::to_owned)
}

#[cfg(test)]
mod tests;
