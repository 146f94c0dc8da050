//! Events that applications put into CloudTrail Lake themselves.
//!
//! In: a record of `PutAuditEvents` (`eventCategory` is `ActivityAuditLog`), which has what the application says in `eventData`.
//! Out: the record with the members of `eventData` beside its own, as in all other records. Guaranteed: nothing is lost: members
//! whose names the record has already stay in `eventData` (its `eventTime` is the same as the record's or more exact).
//!
//! Source: the [schema of integrations](https://docs.aws.amazon.com/awscloudtrail/latest/userguide/query-integration-event-schema.html).

use serde_json::{Map, Value};

use crate::import::members::{put, text_at};

/// Whether a record is of an application's own event.
pub(super) fn is_activity(record: &Map<String, Value>) -> bool {
    text_at(record, &["eventCategory"]) == Some("ActivityAuditLog")
        || text_at(record, &["eventType"]) == Some("ActivityLog")
}

/// Puts the members of `eventData` beside it; `false` if there are none.
pub(super) fn lift(record: &mut Map<String, Value>) -> bool {
    let is_told =
        is_activity(record) || !(record.contains_key("eventName") || record.contains_key("eventSource"));
    if !is_told || !record.get("eventData").is_some_and(Value::is_object) {
        return false;
    }
    let Some(Value::Object(inner)) = record.remove("eventData") else { return false };
    let mut taken = Map::new();
    for (name, value) in inner {
        if record.contains_key(&name) {
            taken.insert(name, value);
        } else if !value.is_null() {
            record.insert(name, value);
        }
    }
    put(record, "eventData", taken);
    true
}

/// A type without AWS's name in it: `github.Repository` of `aws.github.Repository`.
pub(super) fn without_aws(targets: &mut [Value]) {
    for target in targets {
        let kind = target.get("type").and_then(Value::as_str).unwrap_or_default();
        let own = kind.strip_prefix("aws.").or(kind.strip_prefix("aws:")).map(str::to_owned);
        if let Some(own) = own {
            target["type"] = own.into();
        }
    }
}
