//! Tenant ids: parsed once at the edge, cheap to clone, safe in object keys.

use std::{borrow::Borrow, fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, ErrorKind, Result},
    limits,
};

/// The id of a tenant: 1–64 letters, digits, `-`, `_` or `.`.
///
/// ```
/// use auditlake::event::TenantId;
/// assert_eq!(TenantId::parse("acme").unwrap().as_str(), "acme");
/// assert!(TenantId::parse("../etc").is_err());
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantId(Arc<str>);

impl TenantId {
    /// Whether `text` is a tenant id: length and alphabet.
    pub fn is_valid(text: &str) -> bool {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        (1..=limits::TENANT_ID_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed)
    }

    /// Checks length and alphabet; the error names the text and the rule.
    pub fn parse(text: &str) -> Result<Self> {
        if Self::is_valid(text) {
            return Ok(Self(text.into()));
        }
        let shown: String = text.chars().take(80).collect();
        Err(Error::new(
            ErrorKind::Invalid,
            format!(
                "tenant id {shown:?} is not 1–{} letters, digits, '-', '_' or '.'",
                limits::TENANT_ID_BYTES_MAX
            ),
        ))
    }

    /// The id as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id as it stands in object keys: lowercase only, so that a store blind to case cannot merge two
    /// tenants. `_` becomes `__` and an uppercase letter `_` and its lowercase.
    pub fn to_key(&self) -> String {
        let mut key = String::with_capacity(self.0.len() + 4);
        for letter in self.0.chars() {
            if letter == '_' || letter.is_ascii_uppercase() {
                key.push('_');
            }
            key.push(letter.to_ascii_lowercase());
        }
        key
    }

    /// The inverse of [`TenantId::to_key`]; `None` for a key it never makes.
    pub fn from_key(key: &str) -> Option<Self> {
        let mut text = String::with_capacity(key.len());
        let mut letters = key.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '_' => match letters.next()? {
                    '_' => text.push('_'),
                    lower if lower.is_ascii_lowercase() => text.push(lower.to_ascii_uppercase()),
                    _ => return None,
                },
                upper if upper.is_ascii_uppercase() => return None,
                other => text.push(other),
            }
        }
        Self::parse(&text).ok()
    }
}

impl Borrow<str> for TenantId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for TenantId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::parse(&text)
    }
}

impl From<TenantId> for String {
    fn from(tenant: TenantId) -> Self {
        tenant.0.as_ref().to_owned()
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Would catch two tenants sharing a folder on a case-blind file system, or one that cannot be found again.
        #[test]
        fn keys_are_lowercase_and_reversible(text in "[A-Za-z0-9._-]{1,64}") {
            let tenant = TenantId::parse(&text).unwrap();
            let key = tenant.to_key();
            prop_assert_eq!(key.to_ascii_lowercase(), key.clone());
            prop_assert_eq!(TenantId::from_key(&key), Some(tenant));
        }
    }

    /// Would catch a tenant id that escapes its folder or overruns a key.
    #[test]
    fn bad_ids_are_refused_by_name() {
        for bad in ["", "a/b", "a b", "é", &"x".repeat(65)] {
            let message = TenantId::parse(bad).unwrap_err().to_string();
            assert!(message.contains(&format!("{:?}", bad)), "{message}");
        }
    }
}
