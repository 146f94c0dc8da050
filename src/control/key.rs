//! Keys: what they open, for whom, and until when.
//!
//! A key reads `alk_{id}_{secret}`: 16 hexadecimal digits that name it, 64 (256 random bits) that prove it. Guaranteed: only
//! the SHA-256 of the whole key is kept; a plain hash is enough because the secret is random, not a password.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, ErrorKind, Result},
    event::TenantId,
    telemetry,
};

/// What a key may do, within its tenant or for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Send events.
    Ingest,
    /// Ask: SQL and saved queries.
    Read,
    /// Export events.
    Export,
    /// Make, rotate and revoke keys.
    Admin,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Ingest, Self::Read, Self::Export, Self::Admin];

    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Read => "read",
            Self::Export => "export",
            Self::Admin => "admin",
        }
    }
}

impl std::str::FromStr for Scope {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            Error::new(ErrorKind::Invalid, format!("scope '{name}' is not one of {known}"))
        })
    }
}

/// What names a key, in logs and in the API: `key_` and 16 hexadecimal digits. No secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId(String);

const ID_PREFIX: &str = "key_";
const KEY_PREFIX: &str = "alk_";
const ID_DIGITS: usize = 16;

impl KeyId {
    /// A new one.
    pub fn random() -> Self {
        Self(format!("{ID_PREFIX}{}", telemetry::random_hex::<{ ID_DIGITS / 2 }>()))
    }

    /// The id in a key; `None` if the text does not have the form of a key.
    pub fn of_key(key: &str) -> Option<Self> {
        let (digits, secret) = key.strip_prefix(KEY_PREFIX)?.split_once('_')?;
        let is_secret = secret.len() == 64 && is_hex(secret);
        (is_secret && digits.len() == ID_DIGITS && is_hex(digits))
            .then(|| Self(format!("{ID_PREFIX}{digits}")))
    }

    /// A new key of this id: shown once, never kept.
    pub fn new_key(&self) -> String {
        let digits = &self.0[ID_PREFIX.len()..];
        format!("{KEY_PREFIX}{digits}_{}", telemetry::random_hex::<32>())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

impl TryFrom<String> for KeyId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        let digits =
            text.strip_prefix(ID_PREFIX).filter(|digits| digits.len() == ID_DIGITS && is_hex(digits));
        match digits {
            Some(_) => Ok(Self(text)),
            None => Err(Error::new(ErrorKind::Invalid, format!("'{text}' is not the id of a key"))),
        }
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The hash of one key text, and until when it opens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// SHA-256 of the whole key, in lowercase hexadecimal.
    pub sha256: String,
    /// Milliseconds since 1970; `None`: as long as the key.
    pub ends_ms: Option<i64>,
}

/// One key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// What names it.
    pub id: KeyId,
    /// What it is for, in its owner's words.
    pub name: String,
    /// What it may do.
    pub scopes: BTreeSet<Scope>,
    /// Whose events; `None`: everyone's.
    pub tenant: Option<TenantId>,
    /// What proves it: the newest, and before it those that still hold.
    pub secrets: Vec<Secret>,
    /// Milliseconds since 1970.
    pub created_ms: i64,
    /// Who made it.
    pub created_by: String,
    /// Milliseconds since 1970; `None`: it does not end by itself.
    pub expires_ms: Option<i64>,
    /// When it was revoked, in milliseconds since 1970.
    pub revoked_ms: Option<i64>,
}

/// Whether a key opens anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// It does.
    Active,
    /// Its time is over.
    Expired,
    /// It was revoked.
    Revoked,
}

impl Key {
    /// Whether it opens anything at `now_ms`.
    pub fn state(&self, now_ms: i64) -> KeyState {
        match (self.revoked_ms, self.expires_ms) {
            (Some(_), _) => KeyState::Revoked,
            (None, Some(expires_ms)) if expires_ms <= now_ms => KeyState::Expired,
            _ => KeyState::Active,
        }
    }

    /// The secrets that hold at `now_ms`.
    pub fn secrets_at(&self, now_ms: i64) -> impl Iterator<Item = &Secret> {
        self.secrets.iter().filter(move |secret| secret.ends_ms.is_none_or(|ends_ms| ends_ms > now_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch keys that do not name themselves, and texts that pass for keys.
    #[test]
    fn a_key_names_itself() {
        let id = KeyId::random();
        let key = id.new_key();
        assert_eq!(KeyId::of_key(&key), Some(id.clone()));
        assert_ne!(id.new_key(), key);
        let digits = &id.as_str()[4..];
        let secret = "0".repeat(64);
        for other in [
            format!("alk_{}", "0".repeat(64)),
            format!("alk_{digits}_"),
            format!("alk_{digits}_{secret}0"),
            format!("alk_{digits}_{}", "g".repeat(64)),
            format!("alk_{}_{secret}", digits.to_uppercase().replace(|c: char| c.is_ascii_digit(), "A")),
            format!("key_{digits}_{secret}"),
            String::new(),
        ] {
            assert_eq!(KeyId::of_key(&other), None, "{other}");
        }
        assert!(KeyId::try_from("key_../root".to_owned()).is_err());
    }
}
