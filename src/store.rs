//! The store: named objects in a folder, an S3 bucket or memory, behind one small set of verbs.
//!
//! In come paths (made by [`crate::paths`]) and bytes; out come bytes, listings and errors that name the operation
//! and the object. What is guaranteed, whatever the backend:
//!
//! - **A write that reports success is durable**: in a folder, file and folders were fsynced first
//!   (`local.rs`); on S3 the service has answered.
//! - **An object appears whole or not at all**, and a reader never sees half of one.
//! - **[`Store::put_if_absent`] lets exactly one of many writers win.** It is the only conditional write that works
//!   everywhere, so all coordination rests on it.
//! - **Transient errors of S3 are retried** with backoff within [`Settings`]; what still surfaces is `Unavailable`.
//!   A permanent error (access denied, bucket gone) surfaces at once.
//!
//! Dropping the future of a write does not undo it: like an error, it leaves the outcome unknown.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use object_store::{
    ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, aws::AmazonS3, memory::InMemory,
    path::Path, prefix::PrefixStore, signer::Signer as _,
};
use url::Url;

use crate::error::{Error, ErrorKind, Result};

mod address;
mod bucket;
pub mod documents;
mod failure;
mod folders;
mod local;
mod location;
mod lock;
mod role;
mod s3;
mod settings;
mod staging;
#[cfg(test)]
mod tests;
mod upload;
mod versions;

pub use address::Address;
pub use bucket::{Bucket, BucketAccess};
use failure::operation_failed;
use local::DurableLocal;
use location::Location;
use lock::Locking;
pub use lock::{Lock, LockRule, ObjectLock};
pub use role::Role;
pub use settings::{S3Settings, Settings};
pub use versions::{Version, VersionPage, VersionsAfter};

/// An open store. Cheap to clone; all clones share one client.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    objects: Arc<dyn ObjectStore>,
    backend: Backend,
    address: Option<Address>,
    display: String,
}

/// What stands behind the object store, where a verb must know.
#[derive(Debug)]
enum Backend {
    Local(DurableLocal),
    S3(S3Bucket),
    Other,
}

/// What a bucket can beside keeping objects.
#[derive(Debug)]
struct S3Bucket {
    /// Makes URLs that open objects to whoever has them.
    bucket: AmazonS3,
    prefix: Path,
    /// `None`: nothing is locked.
    locked: Option<s3::Locked>,
}

/// What became of [`Store::put_if_absent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutOutcome {
    /// The object was not there and now holds the bytes given.
    Created,
    /// An object of that name was there already; nothing was changed.
    Exists,
}

/// What became of [`Store::try_delete`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// The object is gone from listings and reads, if it was there. Where versions are kept, one that is locked stays behind.
    Done,
    /// The bucket keeps it: it is locked or held, or deletions are not allowed. It is there as before.
    Refused,
}

impl Store {
    /// Opens a folder, `file://`, `s3://bucket/prefix` or `memory://`.
    ///
    /// A folder is made if it is missing. An S3 bucket is asked for one listing, so that a wrong bucket, endpoint or
    /// key is an error now and not with the first event; if its objects are to be locked, whether it can do that, too. Errors name the
    /// store and what to set, never credentials.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// use auditlake::store::{PutOutcome, Settings, Store};
    /// let store = Store::open("memory://", &Settings::default()).await?;
    /// let path = object_store::path::Path::from("control/example.json");
    /// assert_eq!(store.put_if_absent(&path, "{}".into()).await?, PutOutcome::Created);
    /// assert_eq!(store.put_if_absent(&path, "[]".into()).await?, PutOutcome::Exists);
    /// assert_eq!(store.get(&path).await?.as_deref(), Some(&b"{}"[..]));
    /// # Ok::<(), auditlake::error::Error>(()) }).unwrap();
    /// ```
    pub async fn open(location: &str, settings: &Settings) -> Result<Self> {
        let location = Location::parse(location)?;
        let display = location.to_string();
        if settings.s3.object_lock != ObjectLock::Off && !matches!(location, Location::S3 { .. }) {
            let message = format!(
                "store {display}: object_store.s3.object_lock is set, and only an S3 bucket locks objects: set it to \"off\""
            );
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let (objects, backend, address): (Arc<dyn ObjectStore>, _, _) = match location {
            Location::Memory => (Arc::new(InMemory::new()), Backend::Other, None),
            Location::Folder(folder) => {
                let local = DurableLocal::open(folder).await?;
                let address = Address::of_folder(local.root())?;
                (Arc::new(local.clone()), Backend::Local(local), Some(address))
            }
            Location::S3 { bucket, prefix } => {
                let (objects, address, locked) = s3::open(&bucket, &prefix, &display, settings).await?;
                let (objects, backend) = s3_backend(objects, prefix, locked);
                (objects, backend, Some(address))
            }
        };
        Ok(Self { inner: Arc::new(Inner { objects, backend, address, display }) })
    }

    /// A store over any object store, as tests use to inject faults.
    /// It is taken as it is: nothing is fsynced or probed on its behalf.
    pub fn from_object_store(inner: Arc<dyn ObjectStore>) -> Self {
        let display = inner.to_string();
        let (backend, address) = (Backend::Other, None);
        Self { inner: Arc::new(Inner { objects: inner, backend, address, display }) }
    }

    /// The object store itself, rooted at this store's root, for DataFusion, Parquet and Delta.
    /// Writes through it are as durable as those through the verbs here.
    pub fn object_store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.inner.objects)
    }

    /// Whether the store is a folder of this machine.
    pub fn is_local(&self) -> bool {
        matches!(self.inner.backend, Backend::Local(_))
    }

    /// Where readers that are not ours find it; `None`: nowhere, it is in the memory of this process.
    pub fn address(&self) -> Option<&Address> {
        self.inner.address.as_ref()
    }

    /// The folder of a store that is one.
    pub fn folder(&self) -> Option<&std::path::Path> {
        match &self.inner.backend {
            Backend::Local(local) => Some(local.root()),
            Backend::S3(_) | Backend::Other => None,
        }
    }

    /// Whether the store ends with the process that made it, as far as is known.
    pub fn is_ephemeral(&self) -> bool {
        matches!(self.inner.backend, Backend::Other)
    }

    /// The store's name for messages: the folder or URL it was opened by, never with credentials.
    pub fn display(&self) -> &str {
        &self.inner.display
    }

    /// Creates the object unless one of that name exists. Of any number of concurrent callers exactly one gets
    /// [`PutOutcome::Created`].
    ///
    /// After an error the outcome is unknown: the object may be there, with these bytes or with another writer's.
    /// On S3, a request repeated after a lost answer can meet its own first attempt and report
    /// [`PutOutcome::Exists`]. In both cases a caller that must know reads the object back and compares.
    pub async fn put_if_absent(&self, path: &Path, bytes: Bytes) -> Result<PutOutcome> {
        let options = PutOptions::from(PutMode::Create);
        match self.inner.objects.put_opts(path, bytes.into(), options).await {
            Ok(_) => Ok(PutOutcome::Created),
            Err(error @ object_store::Error::AlreadyExists { .. }) if self.proves_existence(&error) => {
                Ok(PutOutcome::Exists)
            }
            Err(error) => Err(operation_failed("put", path, error)),
        }
    }

    /// S3 answers 412 when the object exists and 409 when another conditional write of it is still under way;
    /// object_store calls both `AlreadyExists` and keeps only the 412 as a `Precondition` inside. A 409 proves nothing.
    fn proves_existence(&self, error: &object_store::Error) -> bool {
        match (&self.inner.backend, error) {
            (Backend::S3(_), object_store::Error::AlreadyExists { source, .. }) => {
                source.downcast_ref::<object_store::Error>().is_some()
            }
            _ => true,
        }
    }

    /// Creates or overwrites the object. Readers see the old bytes or the new ones.
    pub async fn put(&self, path: &Path, bytes: Bytes) -> Result<()> {
        let put = self.inner.objects.put(path, bytes.into()).await;
        put.map(|_| ()).map_err(|error| operation_failed("put", path, error))
    }

    /// The object's bytes, or `None` if it does not exist.
    pub async fn get(&self, path: &Path) -> Result<Option<Bytes>> {
        let read = async { self.inner.objects.get(path).await?.bytes().await };
        match read.await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if failure::is_absent(&error) => Ok(None),
            Err(error) => Err(operation_failed("get", path, error)),
        }
    }

    /// When the object was last written, by the store's clock, or `None` if it does not exist.
    pub async fn written_at(&self, path: &Path) -> Result<Option<DateTime<Utc>>> {
        match self.inner.objects.head(path).await {
            Ok(object) => Ok(Some(object.last_modified)),
            Err(error) if failure::is_absent(&error) => Ok(None),
            Err(error) => Err(operation_failed("head", path, error)),
        }
    }

    /// Every object below `prefix` (whole path segments), however deep, sorted by path.
    pub async fn list(&self, prefix: &Path) -> Result<Vec<ObjectMeta>> {
        let listed = self.inner.objects.list(Some(prefix)).try_collect::<Vec<_>>().await;
        let mut objects = listed.map_err(|error| operation_failed("list", prefix, error))?;
        objects.sort_unstable_by(|left, right| left.location.cmp(&right.location));
        Ok(objects)
    }

    /// The folders directly below `prefix`, sorted. In a local folder an empty one may be among them.
    pub async fn list_folders(&self, prefix: &Path) -> Result<Vec<Path>> {
        let listed = self.inner.objects.list_with_delimiter(Some(prefix)).await;
        let mut folders = listed.map_err(|error| operation_failed("list", prefix, error))?.common_prefixes;
        folders.sort_unstable();
        Ok(folders)
    }

    /// Removes the object; that it is absent already is fine.
    ///
    /// In a folder the removal is not fsynced: after a power failure the object may be back. Nothing promises that it
    /// is gone, so whoever deletes must be able to meet it again (a WAL segment already committed, an orphan).
    pub async fn delete(&self, path: &Path) -> Result<()> {
        match self.inner.objects.delete(path).await {
            Err(error) if !failure::is_absent(&error) => Err(operation_failed("delete", path, error)),
            _ => Ok(()),
        }
    }

    /// As [`Store::delete`], but that a bucket with Object Lock keeps the object is an answer, not an error.
    pub async fn try_delete(&self, path: &Path) -> Result<Deletion> {
        match self.inner.objects.delete(path).await {
            Ok(()) => Ok(Deletion::Done),
            Err(error) if failure::is_absent(&error) => Ok(Deletion::Done),
            Err(error) if self.keeps(&error) => Ok(Deletion::Refused),
            Err(error) => Err(operation_failed("delete", path, error)),
        }
    }

    /// Whether an error of a deletion says that a bucket with Object Lock keeps the object.
    pub fn keeps(&self, error: &object_store::Error) -> bool {
        self.locked().is_some() && failure::is_refused(error)
    }

    /// Whether objects can be locked here.
    pub fn locks(&self) -> bool {
        self.locked().is_some()
    }

    /// From now on what is written is locked as `rule` says; before, nothing is. Does nothing to a store that cannot lock.
    pub fn lock_by(&self, rule: LockRule) {
        if let Some(locked) = self.locked() {
            locked.locks.follow(rule);
        }
    }

    /// Some of all versions of what is below `folder`, from `after` on; none of a store that cannot lock.
    pub async fn versions(&self, folder: &Path, after: Option<&VersionsAfter>) -> Result<VersionPage> {
        match self.locked() {
            Some(locked) => locked.requests.versions(folder, after).await,
            None => Ok(VersionPage { versions: Vec::new(), next: None }),
        }
    }

    /// Locks a version of an object until then, unless it is locked for as long already. Returns whether it had to be.
    pub async fn retain(&self, version: &Version, until: DateTime<Utc>) -> Result<bool> {
        match self.locked() {
            Some(locked) => locked.requests.retain(version, locked.locks.mode(), until).await,
            None => Ok(false),
        }
    }

    /// Puts a legal hold on a version of an object, or takes it off; one that is gone is fine.
    pub async fn hold(&self, version: &Version, on: bool) -> Result<()> {
        match self.locked() {
            Some(locked) => locked.requests.hold(version, on).await,
            None => Ok(()),
        }
    }

    fn locked(&self) -> Option<&s3::Locked> {
        match &self.inner.backend {
            Backend::S3(bucket) => bucket.locked.as_ref(),
            Backend::Local(_) | Backend::Other => None,
        }
    }

    /// The last thing to do with a store that is a folder for others: removes the empty folders at and below `folder`, and those that
    /// the store itself has, so that its objects are all there is. Nothing can be written afterwards.
    pub async fn leave(&self, folder: &Path) -> Result<()> {
        match &self.inner.backend {
            Backend::Local(local) => {
                local.leave(folder).await.map_err(|error| operation_failed("leave", folder, error))
            }
            // There a folder is no more than the names of its objects.
            Backend::S3(_) | Backend::Other => Ok(()),
        }
    }

    /// Makes an object durable whose writer may have died between writing and fsyncing it: in a folder, fsyncs the file
    /// and its folders; elsewhere there is nothing to do. `NotFound` if a folder has no such file.
    pub async fn make_durable(&self, path: &Path) -> Result<()> {
        match &self.inner.backend {
            Backend::Local(local) => {
                local.make_durable(path).await.map_err(|error| operation_failed("fsync", path, error))
            }
            Backend::S3(_) | Backend::Other => Ok(()),
        }
    }

    /// A URL that gives the object to whoever has it, for so long; `None` if the store is not a bucket. It says nothing of
    /// whether there is an object.
    pub async fn signed_url(&self, path: &Path, holds: Duration) -> Result<Option<Url>> {
        let Backend::S3(S3Bucket { bucket, prefix, .. }) = &self.inner.backend else { return Ok(None) };
        let key: Path = prefix.parts().chain(path.parts()).collect();
        let signed = bucket.signed_url(http::Method::GET, &key, holds).await;
        signed.map(Some).map_err(|error| operation_failed("sign a URL of", path, error))
    }

    /// Checks that the store honours create-if-absent, by writing the object `path` twice: the second time must be
    /// refused. Some S3-compatible stores ignore the condition and would let two writers overwrite each other.
    /// A writer calls this once at start, with a path kept for the purpose.
    pub async fn require_exclusive_create(&self, path: &Path) -> Result<()> {
        let bytes = Bytes::from_static(b"written to check that this store honours If-None-Match\n");
        self.put_if_absent(path, bytes.clone()).await?;
        match self.put_if_absent(path, bytes).await? {
            PutOutcome::Exists => Ok(()),
            PutOutcome::Created => Err(Error::new(
                ErrorKind::Invalid,
                format!(
                    "store {} overwrote {path} although it was to create it only: it ignores If-None-Match, so two \
                     writers could destroy each other's events; use a store that honours conditional writes",
                    self.display()
                ),
            )),
        }
    }
}

fn s3_backend(bucket: AmazonS3, prefix: Path, locked: Option<s3::Locked>) -> (Arc<dyn ObjectStore>, Backend) {
    let plain = PrefixStore::new(bucket.clone(), prefix.clone());
    let objects: Arc<dyn ObjectStore> = match &locked {
        Some(locked) => Arc::new(Locking::new(plain, Arc::clone(&locked.locks))),
        None => Arc::new(plain),
    };
    (objects, Backend::S3(S3Bucket { bucket, prefix, locked }))
}
