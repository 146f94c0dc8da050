//! The shape of an event as data: which fields each object has, and what each field may hold.
//!
//! The tables are the one list of accepted field names; [`super::fields`] walks an event along them.

use self::FieldKind::{Identifier, Metadata, Object, Prose};
use crate::{
    event::columns::Column,
    limits::{self, NAME_BYTES_MAX, REFERENCE_BYTES_MAX, TRACE_ID_BYTES_MAX, TYPE_BYTES_MAX},
};

/// An object of the event: its fields, in the order of the documentation.
pub(super) struct Shape {
    pub(super) fields: &'static [Field],
}

/// A field that an object may have.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: FieldKind,
    pub(super) required: bool,
}

/// What a field may hold, and where it goes.
pub(super) enum FieldKind {
    /// Text of 1 to so many bytes without control characters.
    Identifier(Column, usize),
    /// Any text of up to so many bytes.
    Prose(Column, usize),
    /// A tenant id.
    Tenant,
    /// `success`, `failure`, `denied` or `unknown`.
    OutcomeResult,
    /// An IPv4 or IPv6 address.
    IpAddress,
    /// Two uppercase letters.
    Country,
    /// An RFC 3339 time.
    OccurredAt,
    /// An integer from 0.
    Version,
    /// A free-form object, kept as JSON text.
    Metadata(Column),
    /// The free-form object of the target at hand.
    TargetMetadata,
    /// An array of other names of the target at hand.
    Aliases,
    /// `{field: {"old": …, "new": …}}`, kept as JSON text.
    Changes,
    /// An array of [`TARGET`].
    Targets,
    /// An object with fields of its own.
    Object(&'static Shape),
    /// A whole event, as WorkOS sends it.
    Wrapped,
}

impl Shape {
    /// The number of the field called `name`.
    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.name == name)
    }
}

const fn required(name: &'static str, kind: FieldKind) -> Field {
    Field { name, kind, required: true }
}

const fn optional(name: &'static str, kind: FieldKind) -> Field {
    Field { name, kind, required: false }
}

/// A body's object: an event, or WorkOS's envelope around one.
pub(super) static TOP: Shape = Shape { fields: &TOP_FIELDS };

/// An event inside an envelope: everything but an envelope.
pub(super) static EVENT: Shape = Shape { fields: TOP_FIELDS.split_at(TOP_FIELDS.len() - 1).0 };

static TOP_FIELDS: [Field; 16] = [
    optional("id", Identifier(Column::Id, limits::EVENT_ID_BYTES_MAX)),
    optional("tenant_id", FieldKind::Tenant),
    required("action", Identifier(Column::Action, limits::ACTION_BYTES_MAX)),
    required("occurred_at", FieldKind::OccurredAt),
    required("actor", Object(&ACTOR)),
    optional("targets", FieldKind::Targets),
    optional("context", Object(&CONTEXT)),
    optional("outcome", Object(&OUTCOME)),
    optional("metadata", Metadata(Column::Metadata)),
    optional("workspace", Object(&WORKSPACE)),
    optional("description", Prose(Column::Description, limits::DESCRIPTION_BYTES_MAX)),
    optional("correlation_id", Identifier(Column::CorrelationId, TRACE_ID_BYTES_MAX)),
    optional("changes", FieldKind::Changes),
    optional("version", FieldKind::Version),
    optional("organization_id", FieldKind::Tenant),
    // Last, so that EVENT can leave it out.
    optional("event", FieldKind::Wrapped),
];

static ACTOR: Shape = Shape {
    fields: &[
        required("type", Identifier(Column::ActorType, TYPE_BYTES_MAX)),
        required("id", Identifier(Column::ActorId, REFERENCE_BYTES_MAX)),
        optional("name", Prose(Column::ActorName, NAME_BYTES_MAX)),
        optional("email", Prose(Column::ActorEmail, limits::EMAIL_BYTES_MAX)),
        optional("metadata", Metadata(Column::ActorMetadata)),
        optional("on_behalf_of", Object(&ON_BEHALF_OF)),
        optional("credential", Object(&CREDENTIAL)),
    ],
};

static ON_BEHALF_OF: Shape = Shape {
    fields: &[
        required("type", Identifier(Column::OnBehalfOfType, TYPE_BYTES_MAX)),
        required("id", Identifier(Column::OnBehalfOfId, REFERENCE_BYTES_MAX)),
        optional("name", Prose(Column::OnBehalfOfName, NAME_BYTES_MAX)),
    ],
};

static CREDENTIAL: Shape = Shape {
    fields: &[
        required("type", Identifier(Column::CredentialType, TYPE_BYTES_MAX)),
        required("id", Identifier(Column::CredentialId, REFERENCE_BYTES_MAX)),
    ],
};

static WORKSPACE: Shape = Shape {
    fields: &[
        required("id", Identifier(Column::WorkspaceId, REFERENCE_BYTES_MAX)),
        optional("name", Prose(Column::WorkspaceName, NAME_BYTES_MAX)),
    ],
};

static CONTEXT: Shape = Shape {
    fields: &[
        optional("ip_address", FieldKind::IpAddress),
        optional("user_agent", Prose(Column::UserAgent, limits::USER_AGENT_BYTES_MAX)),
        optional("session_id", Identifier(Column::SessionId, TRACE_ID_BYTES_MAX)),
        optional("request_id", Identifier(Column::RequestId, TRACE_ID_BYTES_MAX)),
        optional("country", FieldKind::Country),
        optional("location", FieldKind::IpAddress),
    ],
};

static OUTCOME: Shape = Shape {
    fields: &[
        required("result", FieldKind::OutcomeResult),
        optional("reason", Prose(Column::OutcomeReason, limits::REASON_BYTES_MAX)),
    ],
};

/// One of `targets`; its text columns hold the target at hand while targets are read.
pub(super) static TARGET: Shape = Shape {
    fields: &[
        required("type", Identifier(Column::TargetType, TYPE_BYTES_MAX)),
        required("id", Identifier(Column::TargetId, REFERENCE_BYTES_MAX)),
        optional("name", Prose(Column::TargetName, NAME_BYTES_MAX)),
        optional("aliases", FieldKind::Aliases),
        optional("metadata", FieldKind::TargetMetadata),
    ],
};
