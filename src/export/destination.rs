//! Where the files of an export go.
//!
//! In: a destination, as it is stored. Out: an object store, and the folder in it. Guaranteed: an export has a folder of its own, so
//! that two can never mix; a file appears there whole or not at all; a secret is stored sealed, and shown to nobody.

mod asked;

use std::sync::Arc;

use object_store::{ObjectStore, path::Path};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use self::asked::{Asked, AskedAccess, AskedBucket};
use super::{Settings, job::Job};
use crate::{
    error::{Error, ErrorKind, Result},
    event::TenantId,
    paths,
    seal::Sealer,
    store::{self, Bucket, BucketAccess, Role, Store},
};

/// Where to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Destination {
    /// The store itself: `exports/tenant=…/{id}/files/`. To be fetched over HTTP.
    #[default]
    Managed,
    /// A folder of the machine that runs the command.
    Folder {
        /// Its path.
        path: String,
    },
    /// A bucket of somebody else.
    S3(InBucket),
}

/// A place in a bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InBucket {
    /// Its name.
    pub bucket: String,
    /// What goes before every key.
    #[serde(default)]
    pub prefix: String,
    /// Its region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Where it is, if not at AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// How to get in.
    pub access: Access,
}

/// How to get into a bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Access {
    /// With keys.
    Keys {
        /// Whose.
        access_key_id: String,
        /// The secret, see [`crate::seal`].
        sealed_secret: String,
    },
    /// By a role.
    Role {
        /// Which.
        role_arn: String,
        /// What its trust policy has to ask for.
        external_id: String,
    },
}

/// A destination that can be written to.
#[derive(Clone, Debug)]
pub(super) struct Open {
    pub(super) objects: Arc<dyn ObjectStore>,
    pub(super) folder: Path,
}

impl Open {
    /// The whole of `folder`.
    pub(super) fn whole(folder: &Store) -> Self {
        Self { objects: folder.object_store(), folder: Path::default() }
    }

    /// The key of a file of an export that is kept in the store.
    pub(super) fn managed_key(job: &Job, name: &str) -> Path {
        paths::export_files(&job.tenant_id, job.id.as_str()).join(name)
    }

    /// A folder in it.
    pub(super) fn within(&self, folder: &Path) -> Self {
        Self {
            objects: Arc::clone(&self.objects),
            folder: self.folder.parts().chain(folder.parts()).collect(),
        }
    }

    /// The key of a file.
    pub(super) fn key(&self, name: &str) -> Path {
        self.folder.parts().chain(Path::from(name).parts()).collect()
    }
}

/// Opens destinations; clones share.
#[derive(Clone, Debug)]
pub(super) struct Destinations {
    store: Store,
    /// How long to wait for a bucket, and who this process is.
    own: store::Settings,
    sealer: Sealer,
    endpoints: Vec<String>,
    sts_endpoint: Option<String>,
}

impl Destinations {
    pub(super) fn new(store: Store, own: store::Settings, sealer: Sealer, settings: &Settings) -> Self {
        let Settings { endpoints, sts_endpoint, .. } = settings.clone();
        Self { store, own, sealer, endpoints, sts_endpoint }
    }

    /// What is stored of a destination that is asked for, by an export `id` of `tenant`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`], about the member of the destination.
    pub(super) fn settle(&self, asked: Asked, tenant: Option<&TenantId>, id: &str) -> Result<Destination> {
        let destination = match asked {
            Asked::Managed => Destination::Managed,
            Asked::Folder { path } => Destination::Folder { path },
            Asked::S3(asked) => {
                self.require_allowed(asked.endpoint.as_deref())?;
                Destination::S3(asked.settled(&self.sealer, tenant, &purpose(id))?)
            }
        };
        if let Destination::S3(place) = &destination {
            // To be told what is wrong with it.
            self.bucket(place, id)?;
        }
        Ok(destination)
    }

    /// A server must not be made to send requests to wherever a customer likes.
    fn require_allowed(&self, endpoint: Option<&str>) -> Result<()> {
        let trimmed = endpoint.map(|endpoint| endpoint.trim_end_matches('/'));
        let same = |allowed: &String| trimmed == Some(allowed.trim_end_matches('/'));
        match endpoint {
            None => Ok(()),
            Some(_) if self.endpoints.iter().any(same) => Ok(()),
            Some(endpoint) => {
                let message = format!(
                    "this server sends nothing to {endpoint}: its operator has to list it in export.endpoints"
                );
                Err(Error::new(ErrorKind::Invalid, message).about("/endpoint"))
            }
        }
    }

    /// Where the files of export `id` of `tenant` go.
    pub(super) fn open(&self, destination: &Destination, tenant: &TenantId, id: &str) -> Result<Open> {
        match destination {
            Destination::Managed => {
                Ok(Open { objects: self.store.object_store(), folder: paths::export_files(tenant, id) })
            }
            Destination::Folder { path } => {
                let message = format!("folder {path} is of the machine that runs `auditlake export`");
                Err(Error::new(ErrorKind::Invalid, message))
            }
            Destination::S3(place) => {
                Ok(Open { objects: self.bucket(place, id)?.object_store(), folder: Path::from(id) })
            }
        }
    }

    /// The whole of a bucket's prefix, for an export `id` of a tenant or of all.
    pub(super) fn prefix(&self, destination: &Destination, id: &str) -> Result<Open> {
        match destination {
            Destination::S3(place) => Ok(Open::whole(&self.bucket(place, id)?)),
            Destination::Managed | Destination::Folder { .. } => {
                Err(Error::new(ErrorKind::Internal, format!("export {id} has no bucket")))
            }
        }
    }

    /// The bucket, with its prefix.
    fn bucket(&self, place: &InBucket, id: &str) -> Result<Store> {
        let InBucket { bucket, prefix, region, endpoint, access } = place.clone();
        let access = match access {
            Access::Keys { access_key_id, sealed_secret } => {
                let secret_access_key = self.sealer.open(&purpose(id), &sealed_secret)?;
                BucketAccess::Keys { access_key_id, secret_access_key }
            }
            Access::Role { role_arn: arn, external_id } => {
                BucketAccess::Role(Role { arn, external_id, session_name: "auditlake".to_owned() })
            }
        };
        let bucket = Bucket { name: bucket, prefix, region, endpoint, access };
        Store::bucket(&bucket, &self.own, self.sts_endpoint.as_deref())
    }
}

/// What a secret is kept for.
fn purpose(id: &str) -> String {
    format!("export {id}")
}

impl Destination {
    /// It, without secrets.
    pub(super) fn shown(&self) -> Value {
        match self {
            Self::Managed => json!({"type": "managed"}),
            Self::Folder { path } => json!({"type": "folder", "path": path}),
            Self::S3(place) => {
                let access = match &place.access {
                    Access::Keys { access_key_id, .. } => {
                        json!({"type": "keys", "access_key_id": access_key_id})
                    }
                    Access::Role { role_arn, external_id } => {
                        json!({"type": "role", "role_arn": role_arn, "external_id": external_id})
                    }
                };
                let mut shown =
                    json!({"type": "s3", "bucket": place.bucket, "prefix": place.prefix, "access": access});
                let more = [("region", &place.region), ("endpoint", &place.endpoint)];
                for (name, value) in
                    more.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)))
                {
                    shown[name] = json!(value);
                }
                shown
            }
        }
    }
}
