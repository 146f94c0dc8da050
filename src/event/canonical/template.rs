//! The API form of an event as data: which member holds which column, in the order of RFC 8785.

use crate::event::columns::Column;

/// A member of an object.
pub(super) struct Member {
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

const fn text(key: &'static str, column: Column) -> Member {
    Member { key, slot: Slot::Text(column) }
}

const fn json(key: &'static str, column: Column) -> Member {
    Member { key, slot: Slot::Json(column) }
}

const fn member(key: &'static str, slot: Slot) -> Member {
    Member { key, slot }
}

/// The whole event.
pub(super) const EVENT: &[Member] = &[
    text("action", Column::Action),
    member("actor", Slot::Object(ACTOR)),
    json("changes", Column::Changes),
    member("context", Slot::Object(CONTEXT)),
    text("correlation_id", Column::CorrelationId),
    text("description", Column::Description),
    text("id", Column::Id),
    json("metadata", Column::Metadata),
    member("occurred_at", Slot::OccurredAt),
    member(
        "outcome",
        Slot::Object(&[text("reason", Column::OutcomeReason), text("result", Column::Outcome)]),
    ),
    member("received_at", Slot::ReceivedAt),
    json("sealed", Column::Sealed),
    member("seq", Slot::Seq),
    json("targets", Column::Targets),
    text("tenant_id", Column::TenantId),
    member("version", Slot::Version),
    member(
        "workspace",
        Slot::Object(&[text("id", Column::WorkspaceId), text("name", Column::WorkspaceName)]),
    ),
];

const ACTOR: &[Member] = &[
    member("credential", Slot::Object(CREDENTIAL)),
    text("email", Column::ActorEmail),
    text("id", Column::ActorId),
    json("metadata", Column::ActorMetadata),
    text("name", Column::ActorName),
    member("on_behalf_of", Slot::Object(ON_BEHALF_OF)),
    text("type", Column::ActorType),
];

const CREDENTIAL: &[Member] = &[text("id", Column::CredentialId), text("type", Column::CredentialType)];

const ON_BEHALF_OF: &[Member] = &[
    text("id", Column::OnBehalfOfId),
    text("name", Column::OnBehalfOfName),
    text("type", Column::OnBehalfOfType),
];

const CONTEXT: &[Member] = &[
    text("country", Column::Country),
    text("ip_address", Column::IpAddress),
    text("request_id", Column::RequestId),
    text("session_id", Column::SessionId),
    text("user_agent", Column::UserAgent),
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
