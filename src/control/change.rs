//! What can change, as it stands in the log.
//!
//! In and out: JSON, one object a record, `type` telling what changed. Guaranteed: a record with members or a type that this
//! version does not know is refused as a whole: to leave half of a change out could open what someone closed.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    key::{Key, KeyId, Secret},
    subscription::{ReplayFrom, Subscription},
    tenant::TenantSettings,
};
use crate::event::TenantId;

/// One version of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Its number, from 1.
    pub version: u64,
    /// Tells the record from one that another process made for the same version.
    pub id: Uuid,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// Who: the id of a principal.
    pub by: String,
    /// What.
    pub change: Change,
}

/// A change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Change {
    /// There is a new key.
    KeyCreated {
        /// It.
        key: Key,
    },
    /// A key has a new secret; the one before holds for a while.
    KeyRotated {
        /// Which.
        id: KeyId,
        /// The new one.
        secret: Secret,
        /// When all earlier secrets end, in milliseconds since 1970.
        earlier_end_ms: i64,
    },
    /// A key opens nothing any more.
    KeyRevoked {
        /// Which.
        id: KeyId,
    },
    /// A tenant has other settings, or its first.
    TenantSet {
        /// Which.
        id: TenantId,
        /// All of them.
        settings: TenantSettings,
    },
    /// There is a new continuous export.
    SubscriptionCreated {
        /// It.
        subscription: Subscription,
    },
    /// It rests, or goes on.
    SubscriptionPaused {
        /// Which.
        id: String,
        /// Whether it rests.
        paused: bool,
    },
    /// It is to deliver again.
    SubscriptionReplayed {
        /// Which.
        id: String,
        /// From where on.
        from: ReplayFrom,
    },
    /// It is no more.
    SubscriptionRemoved {
        /// Which.
        id: String,
    },
}
