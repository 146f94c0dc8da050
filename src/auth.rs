//! Who asks: keys, and the principals that they stand for.
//!
//! In: an `Authorization` header. Out: a [`Principal`], or 401. For now there is one key, the root key, good for
//! everything; keys of tenants and smaller scopes become further principals with a [`Scope`] of their own.
//!
//! Guaranteed: no key is stored or logged, only its SHA-256 hash is kept; hashes are compared in constant time.
//! A plain hash is enough because a key is random and long (a generated one has 256 bits), not a password.

mod root_key;

use std::{fmt, sync::Arc};

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

pub use root_key::{GeneratedKey, check_strength, open};

use crate::{
    error::{Error, ErrorKind, Result},
    event::TenantId,
};

/// What a principal may see and send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every tenant.
    All,
    /// One tenant; for this principal no other exists.
    Tenant(TenantId),
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    id: Arc<str>,
    scope: Scope,
}

impl Principal {
    /// A principal known by `id`, which stands in logs and must not be a secret.
    pub fn new(id: &str, scope: Scope) -> Self {
        Self { id: id.into(), scope }
    }

    /// The name for logs and for keeping principals' idempotency keys apart.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it may see and send.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The tenant that a request is about, given the one it names; `None` means all.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for a tenant out of reach, the same as for one that does not exist.
    pub fn tenant(&self, named: Option<TenantId>) -> Result<Option<TenantId>> {
        match (&self.scope, named) {
            (Scope::All, named) => Ok(named),
            (Scope::Tenant(own), Some(named)) if named != *own => {
                Err(Error::new(ErrorKind::NotFound, format!("tenant '{named}' does not exist")))
            }
            (Scope::Tenant(own), _) => Ok(Some(own.clone())),
        }
    }
}

/// SHA-256 of a key.
#[derive(Clone, Copy)]
pub(crate) struct KeyHash([u8; 32]);

impl KeyHash {
    pub(crate) fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }

    /// Compares every byte, whatever the first difference: the time taken tells nothing.
    fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// Turns credentials into principals; cheap to clone.
#[derive(Clone)]
pub struct Auth {
    root: KeyHash,
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Auth")
    }
}

impl Auth {
    /// Knows one key.
    pub(crate) fn new(root: KeyHash) -> Self {
        Self { root }
    }

    /// The principal behind the value of an `Authorization` header (RFC 6750: `Bearer <key>`).
    ///
    /// # Errors
    /// [`ErrorKind::Unauthorized`], with a message that does not repeat what was sent.
    pub fn authenticate(&self, authorization: Option<&str>) -> Result<Principal> {
        let refused = |message: &str| Err(Error::new(ErrorKind::Unauthorized, message));
        let Some(text) = authorization else {
            return refused("send a key: 'Authorization: Bearer <key>'");
        };
        let Some((scheme, key)) = text.split_once(' ') else {
            return refused("the Authorization header is not 'Bearer <key>'");
        };
        if !scheme.eq_ignore_ascii_case("bearer") {
            return refused("the Authorization header is not 'Bearer <key>'");
        }
        if !KeyHash::of(key.trim()).matches(&self.root) {
            return refused("the key is not known");
        }
        Ok(Principal::new("root", Scope::All))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch a header form that lets anyone in, or one that locks everyone out.
    #[test]
    fn only_the_key_itself_is_let_in() {
        let auth = Auth::new(KeyHash::of("alk_1"));
        for good in ["Bearer alk_1", "bearer alk_1", "BEARER  alk_1"] {
            assert_eq!(auth.authenticate(Some(good)).unwrap().id(), "root", "{good}");
        }
        for bad in ["", "Bearer", "Bearer ", "Bearer alk_2", "Bearer alk_1x", "Basic alk_1", "alk_1"] {
            let error = auth.authenticate(Some(bad)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unauthorized, "{bad}");
            assert!(!error.to_string().contains("alk_"), "a message repeats the key: {error}");
        }
        assert!(auth.authenticate(None).is_err());
    }

    /// Would catch a tenant's key that reads or writes another tenant's log.
    #[test]
    fn a_tenants_principal_stays_with_its_tenant() {
        let tenant = |text| TenantId::parse(text).unwrap();
        let all = Principal::new("root", Scope::All);
        assert_eq!(all.tenant(None).unwrap(), None);
        assert_eq!(all.tenant(Some(tenant("b"))).unwrap(), Some(tenant("b")));
        let one = Principal::new("key_1", Scope::Tenant(tenant("a")));
        assert_eq!(one.tenant(None).unwrap(), Some(tenant("a")));
        assert_eq!(one.tenant(Some(tenant("a"))).unwrap(), Some(tenant("a")));
        assert_eq!(one.tenant(Some(tenant("b"))).unwrap_err().kind(), ErrorKind::NotFound);
    }
}
