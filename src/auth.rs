//! Who asks: keys, and the principals that they stand for.
//!
//! In: an `Authorization` header. Out: a [`Principal`], which says whose events it reaches and what it may do with
//! them, or 401. The root key reaches everything and is there to make the first keys; [`Keys`] makes, rotates and revokes
//! them; a [`Viewer`] reads with a token that a key has issued. [`Tenants`] shows each principal the tenants that it
//! reaches, and changes what is set for them.
//!
//! Guaranteed: no key is stored or logged, only its SHA-256 hash is kept; hashes are compared in constant time; a key that is
//! unknown, revoked or expired opens nothing, and a key revoked by another process none longer than it takes to
//! refresh (`background.keys_every_ms`).

mod keys;
mod last_used;
mod patch;
mod principal;
mod root_key;
mod signer;
mod tenants;
mod viewer;

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

pub use keys::{Described, KeyPage, KeyPosition, Keys, Made, NewKey};
pub use patch::Patch;
pub use principal::{Principal, Reach};
pub use root_key::{GeneratedKey, check_strength};
pub use signer::Signer;
pub use tenants::{DescribedTenant, Expected, TenantPage, TenantWindow, Tenants, VersionOfTenant};
pub use viewer::{IssuedToken, NewViewer, Viewer};

pub use crate::control::Scope;
use crate::{
    control::{Control, Key, KeyId, KeyState, TenantLimits},
    error::{Error, ErrorKind, Result},
    event::TenantId,
    store::Store,
    table::Tables,
    telemetry::{self, Clock},
};

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

    /// Lowercase hexadecimal.
    fn hex(&self) -> String {
        telemetry::hex(&self.0)
    }
}

/// Turns credentials into principals; cheap to clone.
#[derive(Clone)]
pub struct Auth {
    root: KeyHash,
    keys: Keys,
    signer: Signer,
    tenants: Tenants,
    clock: Clock,
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Auth")
    }
}

/// The keys and tenants of a store, whose control log is `control`, after `given` (if any) was made the root key. Only the
/// store's writer may call this.
///
/// # Errors
/// As the store; [`ErrorKind::Corrupt`] if a document is not one of ours; [`ErrorKind::Invalid`] if `given`
/// is no key at all.
pub async fn open(
    store: &Store,
    control: &Control,
    tables: &Tables,
    given: Option<&str>,
    clock: &Clock,
) -> Result<(Auth, Option<GeneratedKey>)> {
    let (root, generated) = root_key::open(store, given, clock).await?;
    let keys = Keys::open(store, control.clone(), clock).await;
    let tenants = Tenants::new(control.clone(), tables.clone());
    let signer = Signer::open(store).await?;
    Ok((Auth { root, keys, signer, tenants, clock: clock.clone() }, generated))
}

impl Auth {
    /// The principal behind the value of an `Authorization` header (RFC 6750: `Bearer <key>`).
    ///
    /// # Errors
    /// [`ErrorKind::Unauthorized`], with a message that does not repeat what was sent.
    pub fn authenticate(&self, authorization: Option<&str>) -> Result<Principal> {
        let Some(text) = authorization else {
            return Err(refused("send a key: 'Authorization: Bearer <key>'"));
        };
        match text.split_once(' ') {
            Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => self.principal_of(key.trim()),
            _ => Err(refused("the Authorization header is not 'Bearer <key>'")),
        }
    }

    fn principal_of(&self, key: &str) -> Result<Principal> {
        if let Some(token) = key.strip_prefix(viewer::PREFIX) {
            return self.viewer_of(token);
        }
        let hash = KeyHash::of(key);
        if hash.matches(&self.root) {
            return Ok(Principal::root());
        }
        let now_ms = self.clock.now_millis();
        let state = self.keys.control().state();
        let known = KeyId::of_key(key).and_then(|id| state.key(&id).cloned());
        let hash = hash.hex();
        let holds = |sha256: &str| -> bool { sha256.as_bytes().ct_eq(hash.as_bytes()).into() };
        let known = known.filter(|known| known.secrets_at(now_ms).any(|secret| holds(&secret.sha256)));
        let Some(known) = known else { return Err(refused("the key is not known")) };
        match known.state(now_ms) {
            KeyState::Active => {
                self.keys.used().note(&known.id, now_ms);
                Ok(Principal::of_key(&known))
            }
            KeyState::Expired => Err(refused("the key has expired")),
            KeyState::Revoked => Err(refused("the key was revoked")),
        }
    }

    /// The key in an `Authorization` header that opened something once: it is named by its id and proven by a secret that it
    /// has or had.
    pub fn lapsed_key(&self, authorization: &str) -> Option<std::sync::Arc<Key>> {
        let text = authorization.split_once(' ')?.1.trim();
        let key = self.keys.control().state().key(&KeyId::of_key(text)?).cloned()?;
        let hash = KeyHash::of(text).hex();
        let proven = key.secrets.iter().any(|secret| secret.sha256.as_bytes().ct_eq(hash.as_bytes()).into());
        proven.then_some(key)
    }

    /// Signs what clients carry back.
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// Makes, rotates, revokes and lists keys.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Shows tenants and changes their settings.
    pub fn tenants(&self) -> &Tenants {
        &self.tenants
    }

    /// The rate limits that are set for a tenant.
    pub fn tenant_limits(&self, tenant: &TenantId) -> TenantLimits {
        let state = self.keys.control().state();
        state.tenant(tenant).map(|tenant| tenant.current().settings.limits).unwrap_or_default()
    }

    /// Takes in what other processes have changed, and stores when keys were last used.
    ///
    /// # Errors
    /// As the store; everything stays as it was.
    pub async fn refresh(&self) -> Result<()> {
        self.keys.control().refresh().await?;
        self.keys.used().store().await
    }
}

fn refused(message: &str) -> Error {
    Error::new(ErrorKind::Unauthorized, message)
}

#[cfg(test)]
mod tests;
