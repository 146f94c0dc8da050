//! The API form of an event as data: which member holds which column, in the order of RFC 8785.

use crate::event::columns::Column;

/// A member of an object.
pub(super) struct Member {
    /// The key as it is written: in quotation marks, with the colon, and of text its first quotation mark. Keys are our own names:
    /// nothing in them needs an escape.
    pub(super) key: &'static str,
    pub(super) slot: Slot,
}

/// Where a member's value comes from. A member without a value is left out.
pub(super) enum Slot {
    /// A text column.
    Text(Column),
    /// A column that holds canonical JSON already.
    Json(Column),
    /// More columns.
    Object(&'static [Member]),
    OccurredAt,
    ReceivedAt,
    Seq,
    Version,
}

/// A member by its name.
macro_rules! member {
    ($key:literal, $slot:expr $(,)?) => {
        Member { key: concat!("\"", $key, "\":"), slot: $slot }
    };
}

macro_rules! text {
    ($key:literal, $column:ident) => {
        Member { key: concat!("\"", $key, "\":\""), slot: Slot::Text(Column::$column) }
    };
}

macro_rules! json {
    ($key:literal, $column:ident) => {
        member!($key, Slot::Json(Column::$column))
    };
}

/// The whole event.
pub(super) const EVENT: &[Member] = &[
    text!("action", Action),
    member!("actor", Slot::Object(ACTOR)),
    json!("changes", Changes),
    member!("context", Slot::Object(CONTEXT)),
    text!("correlation_id", CorrelationId),
    text!("description", Description),
    text!("id", Id),
    json!("metadata", Metadata),
    member!("occurred_at", Slot::OccurredAt),
    member!("outcome", Slot::Object(&[text!("reason", OutcomeReason), text!("result", Outcome)]),),
    member!("received_at", Slot::ReceivedAt),
    json!("sealed", Sealed),
    member!("seq", Slot::Seq),
    json!("targets", Targets),
    text!("tenant_id", TenantId),
    member!("version", Slot::Version),
    member!("workspace", Slot::Object(&[text!("id", WorkspaceId), text!("name", WorkspaceName)]),),
];

const ACTOR: &[Member] = &[
    member!("credential", Slot::Object(CREDENTIAL)),
    text!("email", ActorEmail),
    text!("id", ActorId),
    json!("metadata", ActorMetadata),
    text!("name", ActorName),
    member!("on_behalf_of", Slot::Object(ON_BEHALF_OF)),
    text!("type", ActorType),
];

const CREDENTIAL: &[Member] = &[text!("id", CredentialId), text!("type", CredentialType)];

const ON_BEHALF_OF: &[Member] =
    &[text!("id", OnBehalfOfId), text!("name", OnBehalfOfName), text!("type", OnBehalfOfType)];

const CONTEXT: &[Member] = &[
    text!("country", Country),
    text!("ip_address", IpAddress),
    text!("request_id", RequestId),
    text!("session_id", SessionId),
    text!("user_agent", UserAgent),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check_order(members: &[Member]) {
        assert!(members.is_sorted_by_key(|member| member.key));
        for member in members {
            if let Slot::Object(inner) = member.slot {
                check_order(inner);
            }
        }
    }

    /// Would catch a field added out of order: the canonical form is sorted by key.
    #[test]
    fn members_are_in_canonical_order() {
        check_order(EVENT);
    }
}
