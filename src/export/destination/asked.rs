//! A destination as it is asked for, with the secret that nobody is shown again.
//!
//! In: the member `destination` of a request. Out: what is stored of it. Guaranteed: the external id of a role is of the tenant and not
//! of its choosing: whoever learns the ARN of another tenant's role cannot have this server write there (the "confused deputy" of
//! the IAM User Guide).

use std::fmt;

use serde::Deserialize;

use super::{Access, InBucket};
use crate::{error::Result, event::TenantId, seal::Sealer};

/// Where to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Asked {
    /// The store itself.
    #[default]
    Managed,
    /// A folder of the machine that runs the command.
    Folder {
        /// Its path.
        path: String,
    },
    /// A bucket of the customer.
    S3(AskedBucket),
}

/// A place in a bucket.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskedBucket {
    /// Its name.
    pub bucket: String,
    /// What goes before every key.
    #[serde(default)]
    pub prefix: String,
    /// Its region; `us-east-1` if none is given.
    pub region: Option<String>,
    /// Where it is, if not at AWS.
    pub endpoint: Option<String>,
    /// How to get in.
    pub access: AskedAccess,
}

/// How to get into a bucket.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum AskedAccess {
    /// With keys.
    Keys {
        /// Whose.
        access_key_id: String,
        /// The secret.
        secret_access_key: String,
    },
    /// By a role that this server's own credentials may assume.
    Role {
        /// Which.
        role_arn: String,
    },
}

/// Shows no secret.
impl fmt::Debug for AskedAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keys { access_key_id, .. } => {
                f.debug_struct("Keys").field("access_key_id", access_key_id).finish_non_exhaustive()
            }
            Self::Role { role_arn } => f.debug_struct("Role").field("role_arn", role_arn).finish(),
        }
    }
}

impl AskedBucket {
    /// What is stored of it, the secret sealed for `purpose`.
    pub(super) fn settled(
        self,
        sealer: &Sealer,
        tenant: Option<&TenantId>,
        purpose: &str,
    ) -> Result<InBucket> {
        let access = match self.access {
            AskedAccess::Keys { access_key_id, secret_access_key } => {
                let sealed_secret = sealer
                    .seal(purpose, &secret_access_key)
                    .map_err(|error| error.about("/access/secret_access_key"))?;
                Access::Keys { access_key_id, sealed_secret }
            }
            AskedAccess::Role { role_arn } => Access::Role { role_arn, external_id: external_id(tenant) },
        };
        let Self { bucket, prefix, region, endpoint, .. } = self;
        let endpoint = endpoint.map(|endpoint| endpoint.trim_end_matches('/').to_owned());
        Ok(InBucket { bucket, prefix, region, endpoint, access })
    }
}

/// The external id that the trust policy of a tenant's role asks for; for exports of all tenants, the operator's.
fn external_id(tenant: Option<&TenantId>) -> String {
    match tenant {
        Some(tenant) => format!("auditlake:tenant:{tenant}"),
        None => "auditlake:operator".to_owned(),
    }
}
