//! An event's API form, read again: what an OCSF object is made of.
//!
//! Unknown members are errors here: a field that is added to events and forgotten in the mapping fails loudly instead of
//! being lost.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::{Error, ErrorKind, Result};

/// A whole event.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Event<'a> {
    pub(super) action: String,
    #[serde(borrow)]
    pub(super) actor: Actor<'a>,
    #[serde(borrow)]
    pub(super) changes: Option<&'a RawValue>,
    #[serde(default)]
    pub(super) context: Context,
    pub(super) correlation_id: Option<String>,
    pub(super) description: Option<String>,
    pub(super) id: String,
    #[serde(borrow)]
    pub(super) metadata: Option<&'a RawValue>,
    pub(super) occurred_at: String,
    #[serde(default)]
    pub(super) outcome: Outcome,
    pub(super) received_at: String,
    #[serde(borrow)]
    pub(super) sealed: Option<&'a RawValue>,
    pub(super) seq: Option<i64>,
    #[serde(borrow)]
    pub(super) targets: Option<&'a RawValue>,
    pub(super) tenant_id: String,
    pub(super) version: Option<i64>,
    pub(super) workspace: Option<Workspace>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Actor<'a> {
    pub(super) credential: Option<Credential>,
    pub(super) email: Option<String>,
    pub(super) id: String,
    #[serde(borrow)]
    pub(super) metadata: Option<&'a RawValue>,
    pub(super) name: Option<String>,
    pub(super) on_behalf_of: Option<OnBehalfOf>,
    #[serde(rename = "type")]
    pub(super) kind: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Credential {
    pub(super) id: Option<String>,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OnBehalfOf {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Context {
    pub(super) country: Option<String>,
    pub(super) ip_address: Option<String>,
    pub(super) request_id: Option<String>,
    pub(super) session_id: Option<String>,
    pub(super) user_agent: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Outcome {
    pub(super) reason: Option<String>,
    pub(super) result: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Workspace {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Target<'a> {
    #[serde(default)]
    pub(super) aliases: Vec<String>,
    pub(super) id: String,
    #[serde(borrow)]
    pub(super) metadata: Option<&'a RawValue>,
    pub(super) name: Option<String>,
    #[serde(rename = "type")]
    pub(super) kind: String,
}

impl<'a> Event<'a> {
    pub(super) fn parse(json: &'a str) -> Result<Self> {
        serde_json::from_str(json).map_err(|cause| {
            Error::with_source(ErrorKind::Internal, "read an event that is to be OCSF", cause)
        })
    }

    pub(super) fn targets(&self) -> Result<Vec<Target<'a>>> {
        let Some(targets) = self.targets else { return Ok(Vec::new()) };
        serde_json::from_str(targets.get()).map_err(|cause| {
            let message = format!("read the targets of event '{}' that is to be OCSF", self.id);
            Error::with_source(ErrorKind::Internal, message, cause)
        })
    }
}
