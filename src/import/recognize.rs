//! What tells that an object is a record of a format.
//!
//! In: the names of an object's members. Out: whether it is a record. Guaranteed: the answer
//! looks at names alone, and a record of a format is one whatever members it has besides.

use super::{Source, envelope::Members};

impl Source {
    /// The member that holds a record's id.
    pub(super) fn id_member(self) -> &'static str {
        match self {
            Source::Native => "id",
            Source::Cloudtrail => "eventID",
            Source::Okta => "uuid",
            Source::Github => "_document_id",
        }
    }

    /// Names, in quotation marks, that stand in records and not around them.
    pub(super) fn marks(self) -> &'static [&'static str] {
        match self {
            Source::Native => {
                &["\"action\"", "\"actor\"", "\"occurred_at\"", "\"targets\"", "\"metadata\"", "\"changes\""]
            }
            Source::Cloudtrail => &[
                "\"eventVersion\"",
                "\"userIdentity\"",
                "\"eventTime\"",
                "\"eventSource\"",
                "\"eventName\"",
                "\"eventID\"",
                "\"requestParameters\"",
                "\"responseElements\"",
                "\"additionalEventData\"",
                "\"serviceEventDetails\"",
                "\"resources\"",
            ],
            Source::Okta => &[
                "\"actor\"",
                "\"client\"",
                "\"eventType\"",
                "\"published\"",
                "\"uuid\"",
                "\"debugContext\"",
                "\"target\"",
            ],
            Source::Github => &[
                "\"action\"",
                "\"actor\"",
                "\"@timestamp\"",
                "\"created_at\"",
                "\"_document_id\"",
                "\"org\"",
                "\"config\"",
            ],
        }
    }

    /// Whether an object is a record, as far as its members tell: then it is no envelope, whatever it has besides.
    pub(super) fn is_record(self, has: impl Fn(&str) -> bool) -> bool {
        match self {
            Source::Native => has("action") || has("actor") || has("occurred_at") || has("organization_id"),
            // What Kinesis and S3 tell about records has the same members, and one that no record has.
            Source::Cloudtrail => {
                let is_told = has("kinesis") || has("s3");
                !is_told && (has("eventID") || (has("eventTime") && (has("eventName") || has("eventSource"))))
            }
            Source::Okta => {
                has("uuid") || has("published") || (has("eventType") && (has("actor") || has("outcome")))
            }
            Source::Github => has("action") || has("_document_id"),
        }
    }

    /// Whether an object that was found somewhere in a broken text is a record, and not a part of one that has a name in
    /// common with records. Data warehouses spell the names in their own way.
    pub(super) fn is_certain_record(self, members: &Members<'_>) -> bool {
        let has = |names: &[&str]| names.iter().any(|name| members.has_spelling(name));
        match self {
            Source::Native => {
                (has(&["action"]) && has(&["actor", "occurred_at"]))
                    || (has(&["organization_id"]) && has(&["event"]))
            }
            Source::Cloudtrail => has(&["eventTime"]) && has(&["eventID", "eventName"]),
            Source::Okta => has(&["published"]) && has(&["uuid", "eventType"]),
            Source::Github => has(&["action"]) && has(&["@timestamp", "at_sign_timestamp", "created_at"]),
        }
    }
}
