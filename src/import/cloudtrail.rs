//! CloudTrail records as native events, without losing anything.
//!
//! In: one record of a CloudTrail log file (`eventVersion` 1.x). Out: the event in API form:
//!
//! | record | event |
//! |---|---|
//! | `eventID` | `id`; without one it is `sha256:` of the record |
//! | `eventSource`, `eventName` | `action`: `s3.amazonaws.com`, `GetObject` become `s3.GetObject`; of insights those of `insightDetails` (copied); a missing part is `unknown` |
//! | `eventTime` | `occurred_at` |
//! | `userIdentity` | `actor` with `on_behalf_of` and `credential` (the private `identity` module says how) |
//! | `resources`, `requestParameters`, `responseElements`, `serviceEventDetails` | `targets`, where they name something, each with all names that the record gives it |
//! | `errorCode`, `errorMessage`, `serviceEventDetails`, `responseElements`, `additionalEventData` | `outcome` (the private `outcome` module says how) |
//! | `sourceIPAddress`, else an address in `serviceEventDetails` (copied); `userAgent`, `requestID` | `context`; of several addresses the first, and the list stays in `metadata` |
//! | `recipientAccountId` | `workspace.id` |
//! | `sharedEventID` | `correlation_id` |
//! | `eventData` of applications' own events | its members, as if they stood beside it; without `eventID` its `UID` is the `id` |
//! | everything else | `metadata`, under its own name |
//!
//! Records that went through a data warehouse are read as well (the private `warehouse` module says how).
//!
//! Source: the [record contents](https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html)
//! of management, data, network activity and Insights events, [`userIdentity`](https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html),
//! and the sign-ins to the [console](https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-aws-console-sign-in-events.html)
//! and to [IAM Identity Center](https://docs.aws.amazon.com/singlesignon/latest/userguide/understanding-sign-in-events.html).
//!
//! Guaranteed: a record of any category with a time becomes an event; each value of the record is found in the event, in the field
//! above or, where it does not fit there (too long, another type than documented), in `metadata` under its own name. Two
//! things change form: members that are `null` are left out, since CloudTrail means "absent" by it; and integers that not
//! every JSON reader keeps exactly (beyond 2^53) become text. The mapping looks at nothing but the record, so the
//! same record gives the same event for ever.

mod activity;
mod arn;
mod groups;
mod identity;
mod kinds;
mod last_resort;
mod mentions;
mod objects;
mod outcome;
mod rows;
mod scope;
mod targets;
mod things;
mod warehouse;
mod wrapped;

use serde_json::{Map, Value, json};

#[cfg(test)]
pub(super) use self::warehouse::MEMBERS;
use super::{
    addresses,
    members::{NotARecord, fits, make_exact, of, put, take_id, take_text, take_time, text_at},
    results::plain,
};
use crate::limits;

const SERVICE_SUFFIX: &str = ".amazonaws.com";
const UNKNOWN: &str = "unknown";
const TIMES: [&str; 2] = ["eventTime", "p_event_time"];

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
pub fn event(record: Value) -> Result<Map<String, Value>, NotARecord> {
    let mut rest = of(record)?;
    let mut given = warehouse::restore(&mut rest);
    if activity::lift(&mut rest) {
        given.extend(warehouse::restore(&mut rest));
    }
    let mut event = Map::new();
    // `UID` is the id that an application gave to its own event.
    let id_member = if rest.contains_key("eventID") { "eventID" } else { "UID" };
    event.insert("id".into(), take_id(&mut rest, id_member, |id| !id.is_empty()).into());
    event.insert("occurred_at".into(), take_time(&mut rest, &TIMES)?.into());
    // Targets, outcome and actor look at members of the record that the steps below take away.
    let mut targets = targets::take(&mut rest);
    if activity::is_activity(&rest) {
        activity::without_aws(&mut targets);
    }
    put(&mut event, "targets", targets);
    event.insert("outcome".into(), outcome::take(&mut rest));
    let identity = rest.remove("userIdentity").unwrap_or_default();
    event.insert("actor".into(), identity::actor(identity, identity::Hints::of(&rest)));
    event.insert("action".into(), take_action(&mut rest).into());
    if let Some(account) = take_text(&mut rest, "recipientAccountId", limits::REFERENCE_BYTES_MAX) {
        event.insert("workspace".into(), json!({"id": account}));
    }
    put(&mut event, "correlation_id", take_text(&mut rest, "sharedEventID", limits::TRACE_ID_BYTES_MAX));
    put(&mut event, "context", take_context(&mut rest));
    rest.extend(given);
    put(&mut event, "metadata", rest);
    event.values_mut().for_each(make_exact);
    Ok(event)
}

/// `s3.GetObject`. The source stays in the metadata if the action does not give it back.
fn take_action(rest: &mut Map<String, Value>) -> String {
    let is_insight = text_at(rest, &["eventType"]) == Some("AwsCloudTrailInsight");
    let about = |member: &str| {
        let text = text_at(rest, &["insightDetails", member]).filter(|_| is_insight)?;
        fits(text, limits::ACTION_BYTES_MAX / 2 - 1).then(|| text.to_owned())
    };
    let insight = [about("eventSource"), about("eventName")];
    let source = take_text(rest, "eventSource", limits::ACTION_BYTES_MAX / 2);
    let name = take_text(rest, "eventName", limits::ACTION_BYTES_MAX / 2 - 1);
    let [about_source, about_name] = insight;
    let source = match (source, about_source) {
        (Some(source), _) if !source.ends_with(SERVICE_SUFFIX) => {
            rest.insert("eventSource".into(), source.clone().into());
            source
        }
        (Some(source), _) | (None, Some(source)) => source,
        (None, None) => UNKNOWN.to_owned(),
    };
    let name = name.or(about_name);
    let service = source.strip_suffix(SERVICE_SUFFIX).unwrap_or(&source);
    match name {
        None if service == UNKNOWN => UNKNOWN.to_owned(),
        name => format!("{service}.{}", name.as_deref().unwrap_or(UNKNOWN)),
    }
}

fn take_context(rest: &mut Map<String, Value>) -> Map<String, Value> {
    const ADDRESSES: [&str; 5] =
        ["ipAddress", "sourceIPAddress", "sourceIpAddress", "clientIp", "clientIpAddress"];
    let mut context = Map::new();
    // For calls made by a service this is the service's name, which is not an address.
    let address = addresses::take(rest, &["sourceIPAddress"]);
    let detailed = || {
        let text = |member: &&str| text_at(rest, &["serviceEventDetails", member]);
        ADDRESSES.iter().filter_map(text).find_map(addresses::client).map(str::to_owned)
    };
    put(&mut context, "ip_address", address.or_else(detailed));
    for (member, field, bytes_max) in [
        ("userAgent", "user_agent", limits::USER_AGENT_BYTES_MAX),
        ("requestID", "request_id", limits::TRACE_ID_BYTES_MAX),
    ] {
        put(&mut context, field, take_text(rest, member, bytes_max));
    }
    context
}

#[cfg(test)]
mod identity_cases;
#[cfg(test)]
mod name_cases;
#[cfg(test)]
mod result_cases;
#[cfg(test)]
mod service_cases;
#[cfg(test)]
mod shape_cases;
#[cfg(test)]
mod target_cases;
#[cfg(test)]
mod tests;
