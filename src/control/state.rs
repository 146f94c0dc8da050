//! What the log adds up to.
//!
//! In: a state and the record that follows it. Out: the next state, a pure function of both. Guaranteed: every record that
//! was ever written can be taken, in its order and no other; one about a key that does not exist is an error.

use std::{collections::BTreeMap, sync::Arc};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{
    change::{Change, Record},
    key::{Key, KeyId, Secret},
    subscription::{Replay, Subscription},
    tenant::{Tenant, TenantSettings},
};
use crate::{
    error::{Error, ErrorKind, Result},
    event::TenantId,
};

/// Everything that is set, at one version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    version: u64,
    keys: BTreeMap<KeyId, Arc<Key>>,
    /// Absent from what was written before tenants had settings.
    #[serde(default)]
    tenants: BTreeMap<TenantId, Arc<Tenant>>,
    /// Absent from what was written before there were any.
    #[serde(default)]
    subscriptions: BTreeMap<String, Arc<Subscription>>,
}

impl State {
    /// How many records it is made of.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// A key, whatever its state.
    pub fn key(&self, id: &KeyId) -> Option<&Arc<Key>> {
        self.keys.get(id)
    }

    /// All keys there ever were, by id.
    pub fn keys(&self) -> impl Iterator<Item = &Arc<Key>> {
        self.keys.values()
    }

    /// A tenant, if anything was ever set for it.
    pub fn tenant(&self, id: &TenantId) -> Option<&Arc<Tenant>> {
        self.tenants.get(id)
    }

    /// All tenants for which anything was ever set, by id.
    pub fn tenants(&self) -> impl Iterator<Item = &Arc<Tenant>> {
        self.tenants.values()
    }

    /// A continuous export.
    pub fn subscription(&self, id: &str) -> Option<&Arc<Subscription>> {
        self.subscriptions.get(id)
    }

    /// All continuous exports, by id.
    pub fn subscriptions(&self) -> impl DoubleEndedIterator<Item = &Arc<Subscription>> {
        self.subscriptions.values()
    }

    /// What holds for a tenant: its settings, or the default.
    pub fn settings(&self, id: &TenantId) -> TenantSettings {
        self.tenants.get(id).map(|tenant| tenant.current().settings.clone()).unwrap_or_default()
    }

    /// The first day whose events are kept for a tenant, on `today`; `None`: all are.
    pub fn first_day(&self, id: &TenantId, today: NaiveDate) -> Option<NaiveDate> {
        self.tenants.get(id)?.current().settings.first_day(today)
    }

    /// The state after `record`.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] if it does not follow.
    pub fn after(&self, record: &Record) -> Result<Self> {
        let mut next = self.clone();
        let follows = record.version == self.version + 1 && next.apply(record);
        next.version = record.version;
        match follows {
            true => Ok(next),
            false => {
                let message =
                    format!("record {} of the control log does not follow what is before it", record.version);
                Err(Error::new(ErrorKind::Corrupt, message))
            }
        }
    }

    /// `false` if the record is about what does not exist, or makes what does.
    fn apply(&mut self, record: &Record) -> bool {
        match &record.change {
            Change::KeyCreated { key } => self.keys.insert(key.id.clone(), Arc::new(key.clone())).is_none(),
            Change::KeyRotated { id, secret, earlier_end_ms } => self.edit(id, |key| {
                key.secrets.retain(|earlier| earlier.ends_ms.is_none_or(|ends_ms| ends_ms > record.at_ms));
                for earlier in &mut key.secrets {
                    earlier.ends_ms =
                        Some(earlier.ends_ms.map_or(*earlier_end_ms, |ends| ends.min(*earlier_end_ms)));
                }
                key.secrets.insert(0, Secret::clone(secret));
            }),
            Change::KeyRevoked { id } => self.edit(id, |key| {
                key.revoked_ms.get_or_insert(record.at_ms);
            }),
            Change::TenantSet { id, settings } => {
                let new = || Tenant { id: id.clone(), created_ms: record.at_ms, versions: Vec::new() }.into();
                let tenant = self.tenants.entry(id.clone()).or_insert_with(new);
                Arc::make_mut(tenant).set(record.at_ms, &record.by, settings.clone());
                true
            }
            Change::SubscriptionCreated { subscription } => {
                let (id, subscription) = (subscription.id.clone(), Arc::new(subscription.clone()));
                self.subscriptions.insert(id, subscription).is_none()
            }
            Change::SubscriptionPaused { id, paused } => self.resubscribe(id, |it| it.paused = *paused),
            Change::SubscriptionReplayed { id, from } => self.resubscribe(id, |it| {
                let number = it.replay.map_or(1, |last| last.number + 1);
                it.replay = Some(Replay { number, from: *from });
            }),
            Change::SubscriptionRemoved { id } => self.subscriptions.remove(id).is_some(),
        }
    }

    fn edit(&mut self, id: &KeyId, edit: impl FnOnce(&mut Key)) -> bool {
        let Some(key) = self.keys.get_mut(id) else { return false };
        edit(Arc::make_mut(key));
        true
    }

    fn resubscribe(&mut self, id: &str, edit: impl FnOnce(&mut Subscription)) -> bool {
        let Some(subscription) = self.subscriptions.get_mut(id) else { return false };
        edit(Arc::make_mut(subscription));
        true
    }
}
