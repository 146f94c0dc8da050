//! Continuous exports, as far as the log knows them: that there is one, whose, whether it is paused, and what is to be delivered again.
//!
//! What is delivered and where to is its owner's to read ([`crate::export`]): here it is a document.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::TenantId;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subscription {
    /// Which; later ones sort later.
    pub id: String,
    /// Whose log; `None`: the logs of all tenants.
    pub tenant: Option<TenantId>,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: i64,
    /// By whom: the id of a principal.
    pub created_by: String,
    /// What, in which form, where to.
    pub definition: Value,
    /// While it holds, nothing is delivered.
    pub paused: bool,
    /// What was last asked to be delivered again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<Replay>,
}

/// What is to be delivered again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replay {
    /// How many were asked for, this one included: the last one holds.
    pub number: u64,
    /// From where on.
    pub from: ReplayFrom,
}

/// From where on something is to be delivered again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplayFrom {
    /// The delivery that holds the event with this number.
    Seq(i64),
    /// The first delivery since this time, in milliseconds since 1970.
    SinceMs(i64),
}
