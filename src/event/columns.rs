//! The text columns by number, so that decoding and reading back index arrays instead of comparing names.

/// Declares the text columns once: their numbers and their names cannot drift apart.
macro_rules! text_columns {
    ($($variant:ident = $name:literal),+ $(,)?) => {
        /// A text column of [`crate::event::schema::accepted_schema`]; numbered in the schema's order.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(super) enum Column { $($variant),+ }

        impl Column {
            /// Every text column, in the schema's order.
            pub(super) const ALL: [Column; Column::COUNT] = [$(Column::$variant),+];
            /// Number of text columns.
            pub(super) const COUNT: usize = [$($name),+].len();

            /// The column's name in every schema.
            pub(super) const fn name(self) -> &'static str {
                match self { $(Column::$variant => $name),+ }
            }
        }
    };
}

text_columns! {
    Id = "id",
    TenantId = "tenant_id",
    Action = "action",
    Outcome = "outcome",
    OutcomeReason = "outcome_reason",
    ActorType = "actor_type",
    ActorId = "actor_id",
    ActorName = "actor_name",
    ActorEmail = "actor_email",
    ActorMetadata = "actor_metadata",
    OnBehalfOfType = "on_behalf_of_type",
    OnBehalfOfId = "on_behalf_of_id",
    OnBehalfOfName = "on_behalf_of_name",
    CredentialType = "credential_type",
    CredentialId = "credential_id",
    WorkspaceId = "workspace_id",
    WorkspaceName = "workspace_name",
    TargetType = "target_type",
    TargetId = "target_id",
    TargetName = "target_name",
    Targets = "targets",
    IpAddress = "ip_address",
    UserAgent = "user_agent",
    SessionId = "session_id",
    RequestId = "request_id",
    Country = "country",
    CorrelationId = "correlation_id",
    Description = "description",
    Changes = "changes",
    Metadata = "metadata",
    Sealed = "sealed",
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::DataType;

    use super::*;
    use crate::event::schema;

    /// Would catch a text column added to the schema and forgotten here, or the other way round.
    #[test]
    fn the_text_columns_are_those_of_the_schema() {
        let schema = schema::accepted_schema();
        let of_schema: Vec<&str> = schema
            .fields()
            .iter()
            .filter(|field| field.data_type() == &DataType::Utf8)
            .map(|field| field.name().as_str())
            .collect();
        assert_eq!(Column::ALL.map(Column::name).to_vec(), of_schema);
    }
}
