//! Which fields a tenant seals.
//!
//! In: names as people write them, `actor.name`, `targets.name`, `metadata.owner.email`. Out: where they stand in the columns of an
//! event, and in its JSON. Guaranteed: no two fields of a list are the same or one within the other.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, ErrorKind, Result},
    event::columns::Column,
    limits::{SEALED_FIELD_BYTES_MAX, SEALED_FIELDS_MAX},
};

/// Where a value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It is a column.
    Whole(Column),
    /// It stands below these keys of a column's object.
    Within(Column, Vec<String>),
    /// It stands below these keys of each target.
    OfTargets(Vec<String>),
}

/// A field that a tenant seals, by its name.
///
/// ```
/// use auditlake::event::sealed::SealedField;
///
/// for name in ["actor.name", "targets.name", "targets.aliases", "metadata.owner.email"] {
///     assert_eq!(SealedField::parse(name).unwrap().to_string(), name);
/// }
/// assert!(SealedField::parse("actor.id").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SealedField {
    name: String,
    pub(super) place: Place,
}

/// Fields that are columns of their own.
const WHOLE: [(&str, Column); 6] = [
    ("actor.name", Column::ActorName),
    ("actor.email", Column::ActorEmail),
    ("actor.on_behalf_of.name", Column::OnBehalfOfName),
    ("context.ip_address", Column::IpAddress),
    ("context.user_agent", Column::UserAgent),
    ("description", Column::Description),
];

/// Objects of which any part can be sealed.
const WITHIN: [(&str, Column); 3] = [
    ("actor.metadata.", Column::ActorMetadata),
    ("metadata.", Column::Metadata),
    ("changes.", Column::Changes),
];

const OF_TARGETS: &str = "targets.";

impl SealedField {
    /// What can be sealed, for people.
    pub const FORMS: &'static str = "actor.name, actor.email, actor.metadata.KEY, actor.on_behalf_of.name, targets.name, targets.aliases, targets.metadata.KEY, \
                                     context.ip_address, context.user_agent, description, metadata.KEY or changes.KEY";

    /// Reads a name.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if it is no field that can be sealed.
    pub fn parse(name: &str) -> Result<Self> {
        let place = Self::place(name).filter(|_| name.len() <= SEALED_FIELD_BYTES_MAX);
        match place {
            Some(place) => Ok(Self { name: name.to_owned(), place }),
            None => {
                let message = format!("'{name}' cannot be sealed; what can is {}", Self::FORMS);
                Err(Error::new(ErrorKind::Invalid, message))
            }
        }
    }

    fn place(name: &str) -> Option<Place> {
        if let Some((_, column)) = WHOLE.iter().find(|(whole, _)| *whole == name) {
            return Some(Place::Whole(*column));
        }
        let keys = |path: &str| -> Option<Vec<String>> {
            let keys: Vec<String> = path.split('.').map(str::to_owned).collect();
            keys.iter().all(|key| !key.is_empty()).then_some(keys)
        };
        if let Some(path) = name.strip_prefix(OF_TARGETS) {
            let of_targets = matches!(path, "name" | "aliases") || path.starts_with("metadata.");
            return keys(path).filter(|_| of_targets).map(Place::OfTargets);
        }
        let (prefix, column) = WITHIN.iter().find(|(prefix, _)| name.starts_with(prefix))?;
        Some(Place::Within(*column, keys(&name[prefix.len()..])?))
    }

    fn is_within(&self, other: &Self) -> bool {
        self.name == other.name
            || self.name.strip_prefix(&other.name).is_some_and(|rest| rest.starts_with('.'))
    }
}

impl fmt::Display for SealedField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl TryFrom<String> for SealedField {
    type Error = Error;

    fn try_from(name: String) -> Result<Self> {
        Self::parse(&name)
    }
}

impl From<SealedField> for String {
    fn from(field: SealedField) -> Self {
        field.name
    }
}

/// All fields that a tenant seals.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct SealedFields(Vec<SealedField>);

impl SealedFields {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// They, in the order in which they were named.
    pub fn iter(&self) -> impl Iterator<Item = &SealedField> {
        self.0.iter()
    }
}

impl TryFrom<Vec<String>> for SealedFields {
    type Error = Error;

    fn try_from(names: Vec<String>) -> Result<Self> {
        let wrong = |message: String| Err(Error::new(ErrorKind::Invalid, message));
        if names.len() > SEALED_FIELDS_MAX {
            return wrong(format!(
                "there are {} fields, more than the {SEALED_FIELDS_MAX} allowed",
                names.len()
            ));
        }
        let fields = names.into_iter().map(SealedField::try_from).collect::<Result<Vec<_>>>()?;
        for (at, field) in fields.iter().enumerate() {
            let others = fields.iter().enumerate().filter(|(other, _)| *other != at);
            if let Some((_, other)) = others.into_iter().find(|(_, other)| field.is_within(other)) {
                return wrong(format!("'{field}' is sealed with '{other}' already"));
            }
        }
        Ok(Self(fields))
    }
}

impl From<SealedFields> for Vec<String> {
    fn from(fields: SealedFields) -> Self {
        fields.0.into_iter().map(String::from).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(names: &[&str]) -> Result<SealedFields> {
        SealedFields::try_from(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
    }

    /// Would catch a field that is accepted and never sealed, and one sealed twice: its digest would be of nothing.
    #[test]
    fn what_cannot_be_sealed_is_named() {
        for name in [
            "",
            "id",
            "actor",
            "actor.id",
            "actor.metadata",
            "actor.metadata.",
            "metadata",
            "metadata..x",
            "targets",
            "targets.id",
            "targets.0.name",
            "changes",
            "sealed",
            "context",
        ] {
            let error = fields(&[name]).unwrap_err().to_string();
            assert!(error.contains(&format!("'{name}'")), "{error}");
        }
        assert!(fields(&["metadata.a", "metadata.ab", "actor.metadata.a"]).is_ok());
        for twice in
            [["actor.name", "actor.name"], ["metadata.a.b", "metadata.a"], ["metadata.a", "metadata.a.b"]]
        {
            assert!(fields(&twice).unwrap_err().to_string().contains("already"), "{twice:?}");
        }
        assert!(
            fields(&vec!["actor.name"; SEALED_FIELDS_MAX + 1]).unwrap_err().to_string().contains("allowed")
        );
    }
}
