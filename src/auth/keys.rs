//! Makes, rotates, revokes and lists keys.
//!
//! In: who wants it, and what. Out: the key as text, once, when it is made; descriptions without it, ever after.
//! Guaranteed: who is bound to one tenant sees and makes that tenant's keys only: another tenant's key is not found, as
//! if it weren't there; a change is durable when it is acknowledged, and holds in this process at once.

use std::{cmp::Reverse, collections::BTreeSet, sync::Arc};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use super::{KeyHash, Principal, last_used::LastUsed};
use crate::{
    control::{Change, Control, Key, KeyId, KeyState, Scope, Secret, State},
    error::{Error, ErrorKind, Result},
    event::TenantId,
    limits,
    store::Store,
    telemetry::Clock,
};

/// The keys of a store. Cheap to clone: clones share.
#[derive(Clone)]
pub struct Keys {
    control: Control,
    clock: Clock,
    used: LastUsed,
}

/// What a new key is to be.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub scopes: BTreeSet<Scope>,
    /// Whose events; `None`: everyone's, or those of the tenant that the one who makes it is bound to.
    pub tenant: Option<TenantId>,
    /// When it ends, in milliseconds since 1970.
    pub expires_ms: Option<i64>,
}

/// A key just made or rotated: the only moment at which anyone can see it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Made {
    /// The key.
    pub key: String,
    /// What it is.
    #[serde(flatten)]
    pub described: Described,
}

/// A key as the API tells of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Described {
    /// What names it.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub scopes: BTreeSet<Scope>,
    /// Whose events; `null`: everyone's.
    pub tenant_id: Option<String>,
    /// Whether it opens anything.
    pub state: KeyState,
    /// RFC 3339, like all times here.
    pub created_at: String,
    /// The principal that made it.
    pub created_by: String,
    /// When it ends by itself.
    pub expires_at: Option<String>,
    /// When the secret before the newest ends, if it still holds.
    pub earlier_secret_ends_at: Option<String>,
    /// When it was last used, as far as is known: what a crash loses is less than a minute.
    pub last_used_at: Option<String>,
    /// When it was revoked.
    pub revoked_at: Option<String>,
}

/// Some keys, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPage {
    /// They.
    pub keys: Vec<Described>,
    /// After which one there are more; `None`: there are no more.
    pub end: Option<KeyPosition>,
}

/// Where a key stands in the list of all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KeyPosition {
    created: Reverse<i64>,
    id: KeyId,
}

impl KeyPosition {
    fn of(key: &Key) -> Self {
        Self { created: Reverse(key.created_ms), id: key.id.clone() }
    }
}

impl Keys {
    /// The keys of a store, whose control log is `control`.
    pub async fn open(store: &Store, control: Control, clock: &Clock) -> Self {
        Self { control, clock: clock.clone(), used: LastUsed::open(store).await }
    }

    pub(super) fn used(&self) -> &LastUsed {
        &self.used
    }

    pub(super) fn control(&self) -> &Control {
        &self.control
    }

    /// Makes a key.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] naming what is wrong; [`ErrorKind::NotFound`] for a tenant out of reach;
    /// [`ErrorKind::Limit`] past [`limits::KEYS_MAX`]; as the store.
    pub async fn create(&self, by: &Principal, wanted: NewKey) -> Result<Made> {
        let now_ms = self.clock.now_millis();
        let name = checked_name(&wanted.name)?;
        let tenant = by.tenant(wanted.tenant)?;
        if wanted.scopes.is_empty() {
            return Err(wrong("/scopes", "scopes: a key needs at least one"));
        }
        if wanted.expires_ms.is_some_and(|expires_ms| expires_ms <= now_ms) {
            return Err(wrong("/expires_at", "expires_at: it is not in the future"));
        }
        let id = KeyId::random();
        let (text, secret) = new_secret(&id);
        let key = Key {
            id,
            name,
            scopes: wanted.scopes,
            tenant,
            secrets: vec![secret],
            created_ms: now_ms,
            created_by: by.id().to_owned(),
            expires_ms: wanted.expires_ms,
            revoked_ms: None,
        };
        let described = self.describe(&key);
        let decide = |state: &State| {
            let count = state.keys().filter(|key| key.revoked_ms.is_none()).count();
            match count < limits::KEYS_MAX {
                true => Ok((Change::KeyCreated { key: key.clone() }, ())),
                false => {
                    let message = format!("there are {count} keys, and no more are kept: revoke some");
                    Err(Error::new(ErrorKind::Limit, message))
                }
            }
        };
        self.control.change(by.id(), decide).await?;
        Ok(Made { key: text, described })
    }

    /// Gives a key a new secret. The one before holds for `grace_ms` more, so that whoever uses it has time to change.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for a key out of reach; [`ErrorKind::Conflict`] for one that opens nothing any more;
    /// [`ErrorKind::Invalid`] for a time that is too long; as the store.
    pub async fn rotate(&self, by: &Principal, id: &str, grace_ms: i64) -> Result<Made> {
        if !(0..=limits::KEY_GRACE_MS_MAX).contains(&grace_ms) {
            let max = limits::KEY_GRACE_MS_MAX / 1_000;
            let message = format!("grace_seconds: {} is not from 0 to {max}", grace_ms / 1_000);
            return Err(wrong("/grace_seconds", message));
        }
        let now_ms = self.clock.now_millis();
        let id = find(&self.control.state(), by, id)?.id.clone();
        let (text, secret) = new_secret(&id);
        let decide = |state: &State| {
            let key = find(state, by, id.as_str())?;
            if key.state(now_ms) != KeyState::Active {
                let message = format!("key '{id}' has expired or was revoked: make a new one");
                return Err(Error::new(ErrorKind::Conflict, message));
            }
            let earlier_end_ms = now_ms + grace_ms;
            Ok((Change::KeyRotated { id: id.clone(), secret: secret.clone(), earlier_end_ms }, ()))
        };
        self.control.change(by.id(), decide).await?;
        Ok(Made { key: text, described: self.get(by, id.as_str())? })
    }

    /// Revokes a key: in this process it opens nothing from now on. A key revoked before stays as it is.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for a key out of reach; as the store.
    pub async fn revoke(&self, by: &Principal, id: &str) -> Result<()> {
        self.control.refresh().await?;
        let key = find(&self.control.state(), by, id)?;
        if key.revoked_ms.is_some() {
            return Ok(());
        }
        let decide = |_: &State| Ok((Change::KeyRevoked { id: key.id.clone() }, ()));
        self.control.change(by.id(), decide).await
    }

    /// One key.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for a key out of reach.
    pub fn get(&self, by: &Principal, id: &str) -> Result<Described> {
        find(&self.control.state(), by, id).map(|key| self.describe(&key))
    }

    /// The keys within reach of `by` that belong to `tenant`, if one is named: newest first, revoked ones included.
    pub fn list(&self, by: &Principal, tenant: Option<&TenantId>) -> Vec<Described> {
        self.page(by, tenant, None, usize::MAX).keys
    }

    /// Those of [`Keys::list`] that follow `after`, at most `count`.
    pub fn page(
        &self,
        by: &Principal,
        tenant: Option<&TenantId>,
        after: Option<&KeyPosition>,
        count: usize,
    ) -> KeyPage {
        let state = self.control.state();
        let mut keys: Vec<(KeyPosition, &Arc<Key>)> = state
            .keys()
            .filter(|key| by.reaches(key.tenant.as_ref()))
            .filter(|key| tenant.is_none_or(|tenant| key.tenant.as_ref() == Some(tenant)))
            .map(|key| (KeyPosition::of(key), key))
            .filter(|(position, _)| after.is_none_or(|after| position > after))
            .collect();
        keys.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let has_more = keys.len() > count;
        keys.truncate(count);
        let end = keys.last().filter(|_| has_more).map(|(position, _)| position.clone());
        KeyPage { keys: keys.into_iter().map(|(_, key)| self.describe(key)).collect(), end }
    }

    fn describe(&self, key: &Key) -> Described {
        let now_ms = self.clock.now_millis();
        let earlier = key.secrets_at(now_ms).skip(1).filter_map(|secret| secret.ends_ms).max();
        Described {
            id: key.id.to_string(),
            name: key.name.clone(),
            scopes: key.scopes.clone(),
            tenant_id: key.tenant.as_ref().map(TenantId::to_string),
            state: key.state(now_ms),
            created_at: time(key.created_ms),
            created_by: key.created_by.clone(),
            expires_at: key.expires_ms.map(time),
            earlier_secret_ends_at: earlier.map(time),
            last_used_at: self.used.of(&key.id).map(time),
            revoked_at: key.revoked_ms.map(time),
        }
    }
}

fn find(state: &State, by: &Principal, id: &str) -> Result<Arc<Key>> {
    let key = KeyId::try_from(id.to_owned()).ok().and_then(|id| state.key(&id).cloned());
    let key = key.filter(|key| by.reaches(key.tenant.as_ref()));
    key.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("key '{id}' does not exist")))
}

fn new_secret(id: &KeyId) -> (String, Secret) {
    let text = id.new_key();
    let secret = Secret { sha256: KeyHash::of(&text).hex(), ends_ms: None };
    (text, secret)
}

pub(super) fn checked_name(name: &str) -> Result<String> {
    let name = name.trim();
    let max = limits::KEY_NAME_BYTES_MAX;
    match !name.is_empty() && name.len() <= max && !name.chars().any(char::is_control) {
        true => Ok(name.to_owned()),
        false => {
            let message = format!("name: it needs 1 to {max} bytes without control characters");
            Err(wrong("/name", message))
        }
    }
}

fn wrong(pointer: &str, message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, message).about(pointer)
}

pub(super) fn time(ms: i64) -> String {
    let time: DateTime<Utc> = DateTime::from_timestamp_millis(ms).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}
