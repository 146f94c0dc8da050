//! Viewer tokens: a tenant's own people read its log, or a part of it, for a while.
//!
//! In: who may read what, and until when. Out: a token, and from a token the principal that it stands for. Guaranteed: a
//! token opens no more than the key that issued it, and only for reading; it ends with its time or with its key, whichever is
//! first; nothing of it is stored.
//!
//! A token reads `alv_{payload}.{mac}`, signed as [`Signer`] says; the payload is JSON that anyone who holds the token can read.

use serde::{Deserialize, Serialize};

use super::{Auth, Principal, Signer, keys::time, principal::ROOT, refused};
use crate::{
    control::{KeyId, KeyState, Scope},
    error::{Error, ErrorKind, Result},
    event::TenantId,
    limits,
    query::Narrowing,
};

/// What every viewer token begins with.
pub(super) const PREFIX: &str = "alv_";
const PURPOSE: &str = "viewer-token";
const VERSION: u32 = 1;

/// Who reads with a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Viewer {
    /// Whom the one who asked for the token knows it by.
    pub subject: String,
    /// What it sees of its tenant's events.
    pub narrowing: Narrowing,
    /// The principal that issued the token.
    pub issued_by: String,
}

/// What a new token is to be.
#[derive(Clone, Debug)]
pub struct NewViewer {
    /// Whose events; `None`: those of the tenant that the one who asks is bound to.
    pub tenant: Option<TenantId>,
    /// Who will read, in the words of the one who asks: a user's id.
    pub subject: String,
    /// What of the tenant's events; empty: all.
    pub narrowing: Narrowing,
    /// For how long, in milliseconds.
    pub lives_ms: i64,
}

/// A token just made.
#[derive(Clone, Debug)]
pub struct IssuedToken {
    /// It.
    pub token: String,
    /// Whose events it reads.
    pub tenant: TenantId,
    /// When it ends, RFC 3339.
    pub expires_at: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    version: u32,
    tenant_id: TenantId,
    subject: String,
    issued_by: String,
    issued_ms: i64,
    expires_ms: i64,
    #[serde(default, skip_serializing_if = "Narrowing::is_empty")]
    narrowing: Narrowing,
}

impl Auth {
    /// Makes a token that reads what `by` may read, or a part of it.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] naming what is wrong; [`ErrorKind::NotFound`] for a tenant out of reach;
    /// [`ErrorKind::Forbidden`] for a principal that is itself a viewer, or cannot read.
    pub fn issue_viewer_token(&self, by: &Principal, wanted: NewViewer) -> Result<IssuedToken> {
        by.require(Scope::Read)?;
        by.require_key()?;
        let invalid = |message: String| Err(Error::new(ErrorKind::Invalid, message));
        let Some(tenant) = by.tenant(wanted.tenant)? else {
            return invalid("tenant_id: a viewer token is for one tenant; name it".to_owned());
        };
        let subject_max = limits::VIEWER_SUBJECT_BYTES_MAX;
        let subject = wanted.subject.trim();
        if subject.is_empty() || subject.len() > subject_max || subject.chars().any(char::is_control) {
            return invalid(format!("subject: it needs 1 to {subject_max} bytes without control characters"));
        }
        let lives_max = limits::VIEWER_TOKEN_MS_MAX;
        if !(1_000..=lives_max).contains(&wanted.lives_ms) {
            let message = format!("expires_in_seconds: it is not from 1 to {}", lives_max / 1_000);
            return invalid(message);
        }
        if wanted.narrowing.actions.len() > limits::FILTER_ACTIONS_MAX {
            return invalid(format!("actions: there are more than {}", limits::FILTER_ACTIONS_MAX));
        }
        let issued_ms = self.clock.now_millis();
        let claims = Claims {
            version: VERSION,
            tenant_id: tenant.clone(),
            subject: subject.to_owned(),
            issued_by: by.id().to_owned(),
            issued_ms,
            expires_ms: issued_ms + wanted.lives_ms,
            narrowing: wanted.narrowing,
        };
        let payload = serde_json::to_vec(&claims)
            .map_err(|error| Error::with_source(ErrorKind::Internal, "write a viewer token", error))?;
        let token = format!("{PREFIX}{}", self.signer.sign(PURPOSE, &payload));
        Ok(IssuedToken { token, tenant, expires_at: time(claims.expires_ms) })
    }

    /// The principal that a token, without its prefix, stands for.
    pub(super) fn viewer_of(&self, token: &str) -> Result<Principal> {
        let claims = read(&self.signer, token).ok_or_else(|| refused("the viewer token is not known"))?;
        if claims.expires_ms <= self.clock.now_millis() {
            return Err(refused("the viewer token has expired"));
        }
        if !self.may_still_issue(&claims) {
            return Err(refused("the key that issued the viewer token opens nothing any more"));
        }
        let viewer =
            Viewer { subject: claims.subject, narrowing: claims.narrowing, issued_by: claims.issued_by };
        Ok(Principal::of_viewer(viewer, claims.tenant_id))
    }

    /// Whether the one who issued a token could do so now.
    fn may_still_issue(&self, claims: &Claims) -> bool {
        if claims.issued_by == ROOT {
            return true;
        }
        let state = self.keys.control().state();
        let key = KeyId::try_from(claims.issued_by.clone()).ok().and_then(|id| state.key(&id).cloned());
        key.is_some_and(|key| {
            key.state(self.clock.now_millis()) == KeyState::Active
                && key.scopes.contains(&Scope::Read)
                && key.tenant.as_ref().is_none_or(|tenant| *tenant == claims.tenant_id)
        })
    }
}

fn read(signer: &Signer, token: &str) -> Option<Claims> {
    let payload = signer.verify(PURPOSE, token)?;
    let claims: Claims = serde_json::from_slice(&payload).ok()?;
    (claims.version == VERSION).then_some(claims)
}
