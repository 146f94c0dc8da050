//! CloudTrail records as native events, without losing anything.
//!
//! In: one record of a CloudTrail log file (`eventVersion` 1.x). Out: the event in API form:
//!
//! | record | event |
//! |---|---|
//! | `eventID` | `id` |
//! | `eventSource`, `eventName` | `action`: `s3.amazonaws.com`, `GetObject` become `s3.GetObject` |
//! | `eventTime` | `occurred_at` |
//! | `userIdentity` | `actor` with `on_behalf_of` and `credential` (the private `identity` module says how) |
//! | `resources`, `requestParameters` | `targets`, where they name something |
//! | `errorCode`, `errorMessage`, sign-in results | `outcome` |
//! | `sourceIPAddress` (if it is an address), `userAgent`, `requestID` | `context` |
//! | `recipientAccountId` | `workspace.id` |
//! | `sharedEventID` | `correlation_id` |
//! | everything else | `metadata`, under its own name |
//!
//! Guaranteed: each value of the record is found in the event, in the field above or, where it does not fit
//! there (too long, another type than documented), in `metadata` under its own name. Two things change form:
//! members that are `null` are left out, since CloudTrail means "absent" by it; and integers that not every
//! JSON reader keeps exactly (beyond 2^53) become text. The mapping looks at nothing but the record, so the
//! same record gives the same event for ever. What is too large for an event is refused by the decoder, as
//! for every other source: CloudTrail allows 256 KB a record.

mod identity;
mod outcome;
mod targets;

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::members::{TIME_BYTES_MAX, fits, make_exact, take_text};
use crate::limits;

const SERVICE_SUFFIX: &str = ".amazonaws.com";

/// Why something is not a CloudTrail record.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotCloudtrail {
    /// The value is not a JSON object.
    #[error("not a CloudTrail record: it is not an object")]
    NotAnObject,
    /// A member without which there is no event: absent, empty, far too long or not text.
    #[error("not a CloudTrail record: it has no usable {0}")]
    Missing(&'static str),
}

/// The event of one record; see the table at the top of this file.
///
/// ```
/// let record = serde_json::json!({
///     "eventID": "3038ebd2-c98a-4c65-9b6e-e22506292313", "eventTime": "2023-07-19T21:17:28Z",
///     "eventSource": "iam.amazonaws.com", "eventName": "CreateUser", "awsRegion": "us-east-1",
///     "userIdentity": {"type": "IAMUser", "principalId": "AIDA6ON6E4XEGITEXAMPLE", "userName": "Mary"},
///     "requestParameters": {"userName": "Richard"},
/// });
/// let event = auditlake::import::cloudtrail::event(record).unwrap();
/// assert_eq!(event["action"], "iam.CreateUser");
/// assert_eq!(event["actor"]["name"], "Mary");
/// assert_eq!(event["targets"][0]["id"], "Richard");
/// assert_eq!(event["metadata"]["awsRegion"], "us-east-1");
/// ```
pub fn event(record: Value) -> Result<Map<String, Value>, NotCloudtrail> {
    let Value::Object(mut rest) = record else { return Err(NotCloudtrail::NotAnObject) };
    rest.retain(|_, value| !value.is_null());
    let mut event = Map::new();
    event.insert("id".into(), take_required(&mut rest, "eventID", limits::EVENT_ID_BYTES_MAX)?.into());
    event.insert("occurred_at".into(), take_required(&mut rest, "eventTime", TIME_BYTES_MAX)?.into());
    // Targets and outcome look at members of the record that the steps below take away.
    let targets = targets::take(&mut rest);
    if !targets.is_empty() {
        event.insert("targets".into(), targets.into());
    }
    event.insert("outcome".into(), outcome::take(&mut rest));
    event.insert("action".into(), take_action(&mut rest)?.into());
    let identity = rest.remove("userIdentity").unwrap_or_default();
    event.insert("actor".into(), identity::actor(identity));
    if let Some(account) = take_text(&mut rest, "recipientAccountId", limits::REFERENCE_BYTES_MAX) {
        event.insert("workspace".into(), json!({"id": account}));
    }
    if let Some(shared) = take_text(&mut rest, "sharedEventID", limits::TRACE_ID_BYTES_MAX) {
        event.insert("correlation_id".into(), shared.into());
    }
    let context = take_context(&mut rest);
    if !context.is_empty() {
        event.insert("context".into(), context.into());
    }
    if !rest.is_empty() {
        event.insert("metadata".into(), rest.into());
    }
    event.values_mut().for_each(make_exact);
    Ok(event)
}

/// `s3.GetObject`. The source stays in the metadata if the action does not give it back.
fn take_action(rest: &mut Map<String, Value>) -> Result<String, NotCloudtrail> {
    let source = take_required(rest, "eventSource", limits::ACTION_BYTES_MAX / 2)?;
    let name = take_required(rest, "eventName", limits::ACTION_BYTES_MAX / 2 - 1)?;
    if let Some(service) = source.strip_suffix(SERVICE_SUFFIX) {
        return Ok(format!("{service}.{name}"));
    }
    let action = format!("{source}.{name}");
    rest.insert("eventSource".into(), source.into());
    Ok(action)
}

fn take_context(rest: &mut Map<String, Value>) -> Map<String, Value> {
    let mut context = Map::new();
    // For calls made by a service this is the service's name, which is not an address.
    let is_address = |text: &str| text.parse::<IpAddr>().is_ok();
    if rest.get("sourceIPAddress").and_then(Value::as_str).is_some_and(is_address)
        && let Some(address) = rest.remove("sourceIPAddress")
    {
        context.insert("ip_address".into(), address);
    }
    for (member, field, bytes_max) in [
        ("userAgent", "user_agent", limits::USER_AGENT_BYTES_MAX),
        ("requestID", "request_id", limits::TRACE_ID_BYTES_MAX),
    ] {
        if let Some(text) = take_text(rest, member, bytes_max) {
            context.insert(field.into(), text.into());
        }
    }
    context
}

fn take_required(
    rest: &mut Map<String, Value>,
    member: &'static str,
    bytes_max: usize,
) -> Result<String, NotCloudtrail> {
    take_text(rest, member, bytes_max).ok_or(NotCloudtrail::Missing(member))
}

#[cfg(test)]
mod tests;
