//! A bucket with S3 Object Lock, for the S3 server of the tests: s3s-fs, with locks and versions put around it.
//!
//! In: requests. Out: what S3 answers by its API reference, as far as auditlake asks for it. Guaranteed: what is locked is there until its
//! date by the test's clock, or until its hold is taken off. What a deletion of it does can be chosen: on AWS it hides the object behind
//! a marker and the version stays; a bucket whose policy denies deletions refuses it.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use auditlake::telemetry::Clock;
use chrono::{DateTime, Utc};
use hyper::HeaderMap;
use s3s::{S3, S3Request, S3Response, S3Result, dto::*, s3_error};
use s3s_fs::FileSystem;

use super::s3::BUCKET;

/// What a bucket is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It has no Object Lock.
    Unlocked,
    /// Deleting what is locked hides it.
    Hides,
    /// Deleting what is locked is refused.
    Refuses,
}

/// The lock of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ObjectLock {
    pub(crate) mode: Option<String>,
    pub(crate) until: Option<DateTime<Utc>>,
    pub(crate) hold: bool,
}

/// One version of an object.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    id: String,
    written: DateTime<Utc>,
    pub(crate) lock: ObjectLock,
    /// Whether reads and listings show it.
    pub(crate) is_current: bool,
    /// Its bytes, once it is not shown any more.
    pub(crate) hidden: Option<Vec<u8>>,
}

/// Shared between the server and the test.
#[derive(Clone)]
pub(crate) struct Locks {
    kind: Kind,
    clock: Clock,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// All versions by key, oldest first.
    versions: BTreeMap<String, Vec<Kept>>,
    uploads: HashMap<String, ObjectLock>,
    next: u64,
    /// Deletions that were refused.
    refused: usize,
    /// Holds that were put on or taken off.
    holds: usize,
    /// Locks that were set or made longer.
    retentions: usize,
    /// Versions in one answer, at most.
    page: Option<usize>,
}

impl ObjectLock {
    /// What a request asks for; refuses what S3 refuses.
    fn of(headers: &HeaderMap, clock: &Clock) -> S3Result<Self> {
        let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        let mode = header("x-amz-object-lock-mode");
        let until = header("x-amz-object-lock-retain-until-date");
        let hold = header("x-amz-object-lock-legal-hold");
        if mode.is_some() != until.is_some() {
            return Err(s3_error!(InvalidRequest, "mode and date come together"));
        }
        let signed = header("authorization").unwrap_or_default();
        for (name, given) in [("mode", &mode), ("retain-until-date", &until), ("legal-hold", &hold)] {
            if given.is_some() && !signed.contains(&format!("x-amz-object-lock-{name}")) {
                return Err(s3_error!(AccessDenied, "headers must be signed"));
            }
        }
        let until = until.map(|until| until.parse::<DateTime<Utc>>().unwrap());
        if until.is_some_and(|until| until <= clock.now()) {
            return Err(s3_error!(InvalidArgument, "the date must be in the future"));
        }
        Ok(Self { mode, until, hold: hold.as_deref() == Some("ON") })
    }

    fn is_some(&self) -> bool {
        *self != Self::default()
    }

    fn keeps(&self, now: DateTime<Utc>) -> bool {
        self.hold || self.until.is_some_and(|until| until > now)
    }
}

/// S3 takes nothing with a lock that does not come with a digest.
fn require_digest(headers: &HeaderMap) -> S3Result<()> {
    match headers.contains_key("content-md5") || headers.contains_key("x-amz-checksum-sha256") {
        true => Ok(()),
        false => Err(s3_error!(InvalidRequest, "Content-MD5 or x-amz-checksum- is required")),
    }
}

impl Locks {
    pub(crate) fn new(kind: Kind, clock: &Clock) -> Self {
        Self { kind, clock: clock.clone(), state: Arc::default() }
    }

    /// The objects that are shown, below `prefix` of the bucket, with their locks.
    pub(crate) fn shown(&self, prefix: &str) -> BTreeMap<String, ObjectLock> {
        let state = self.state();
        let current = state.versions.iter().filter_map(|(key, versions)| {
            let current = versions.iter().find(|version| version.is_current)?;
            Some((key.strip_prefix(prefix)?.to_owned(), current.lock.clone()))
        });
        current.collect()
    }

    /// All versions below `prefix`.
    pub(crate) fn versions(&self, prefix: &str) -> Vec<(String, Kept)> {
        let state = self.state();
        let all = state.versions.iter().filter(|(key, _)| key.starts_with(prefix));
        all.flat_map(|(key, versions)| versions.iter().map(|version| (key.clone(), version.clone())))
            .collect()
    }

    pub(crate) fn refused(&self) -> usize {
        self.state().refused
    }

    /// How many holds were put on or taken off.
    pub(crate) fn holds(&self) -> usize {
        self.state().holds
    }

    /// How many locks were set after the write, or made longer.
    pub(crate) fn retentions(&self) -> usize {
        self.state().retentions
    }

    /// Gives versions in pages of `count`.
    pub(crate) fn page(&self, count: usize) {
        self.state().page = Some(count);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// A new version takes the place of the one that is shown, whose bytes are `before`.
    fn add(&mut self, key: &str, lock: ObjectLock, before: Option<Vec<u8>>, written: DateTime<Utc>) {
        self.hide(key, before);
        self.next += 1;
        let id = format!("v{:08}", self.next);
        let kept = Kept { id, written, lock, is_current: true, hidden: None };
        self.versions.entry(key.to_owned()).or_default().push(kept);
    }

    fn hide(&mut self, key: &str, bytes: Option<Vec<u8>>) {
        let current =
            self.versions.get_mut(key).and_then(|versions| versions.iter_mut().find(|it| it.is_current));
        if let Some(current) = current {
            current.is_current = false;
            current.hidden = bytes;
        }
    }
}

/// The file system with locks around it.
pub(crate) struct LockedBucket {
    pub(crate) inner: FileSystem,
    pub(crate) folder: PathBuf,
    pub(crate) locks: Locks,
}

impl LockedBucket {
    fn bytes(&self, key: &str) -> Option<Vec<u8>> {
        std::fs::read(self.folder.join(BUCKET).join(key)).ok()
    }

    /// `Err`: it stays.
    fn before_deletion(&self, key: &str) -> Result<(), ()> {
        let now = self.locks.clock.now();
        let bytes = self.bytes(key);
        let mut state = self.locks.state();
        let current = state.versions.get(key).and_then(|versions| versions.iter().find(|it| it.is_current));
        let keeps = current.is_some_and(|current| current.lock.keeps(now));
        match self.locks.kind {
            Kind::Refuses if keeps => {
                state.refused += 1;
                Err(())
            }
            Kind::Refuses | Kind::Unlocked => {
                state.versions.remove(key);
                Ok(())
            }
            Kind::Hides => {
                state.hide(key, bytes);
                Ok(())
            }
        }
    }
}

#[async_trait::async_trait]
impl S3 for LockedBucket {
    async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        self.inner.head_bucket(request).await
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        self.inner.get_object(request).await
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        self.inner.head_object(request).await
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        self.inner.list_objects_v2(request).await
    }

    async fn upload_part(
        &self,
        request: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        let upload = self.locks.state().uploads.get(&request.input.upload_id).cloned();
        if upload.is_some_and(|lock| lock.is_some()) {
            require_digest(&request.headers)?;
        }
        self.inner.upload_part(request).await
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        self.inner.abort_multipart_upload(request).await
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let lock = ObjectLock::of(&request.headers, &self.locks.clock)?;
        if lock.is_some() {
            require_digest(&request.headers)?;
        }
        let key = request.input.key.clone();
        let before = self.bytes(&key);
        let answer = self.inner.put_object(request).await?;
        self.locks.state().add(&key, lock, before, self.locks.clock.now());
        Ok(answer)
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let lock = ObjectLock::of(&request.headers, &self.locks.clock)?;
        let answer = self.inner.create_multipart_upload(request).await?;
        let id = answer.output.upload_id.clone().unwrap();
        self.locks.state().uploads.insert(id, lock);
        Ok(answer)
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let (key, id) = (request.input.key.clone(), request.input.upload_id.clone());
        let before = self.bytes(&key);
        let answer = self.inner.complete_multipart_upload(request).await?;
        let mut state = self.locks.state();
        let lock = state.uploads.remove(&id).unwrap();
        state.add(&key, lock, before, self.locks.clock.now());
        drop(state);
        Ok(answer)
    }

    async fn delete_objects(
        &self,
        mut request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let mut errors = Vec::new();
        request.input.delete.objects.retain(|object| {
            let goes = self.before_deletion(&object.key).is_ok();
            if !goes {
                errors.push(Error {
                    code: Some("AccessDenied".to_owned()),
                    key: Some(object.key.clone()),
                    message: Some("Access Denied".to_owned()),
                    version_id: None,
                });
            }
            goes
        });
        let mut answer = match request.input.delete.objects.is_empty() {
            true => S3Response::new(DeleteObjectsOutput::default()),
            false => self.inner.delete_objects(request).await?,
        };
        answer.output.errors.get_or_insert_default().extend(errors);
        Ok(answer)
    }

    async fn get_object_lock_configuration(
        &self,
        _request: S3Request<GetObjectLockConfigurationInput>,
    ) -> S3Result<S3Response<GetObjectLockConfigurationOutput>> {
        if self.locks.kind == Kind::Unlocked {
            return Err(s3_error!(ObjectLockConfigurationNotFoundError));
        }
        let object_lock_configuration = Some(ObjectLockConfiguration {
            object_lock_enabled: Some(ObjectLockEnabled::from_static(ObjectLockEnabled::ENABLED)),
            rule: None,
        });
        Ok(S3Response::new(GetObjectLockConfigurationOutput { object_lock_configuration }))
    }

    async fn put_object_legal_hold(
        &self,
        request: S3Request<PutObjectLegalHoldInput>,
    ) -> S3Result<S3Response<PutObjectLegalHoldOutput>> {
        require_digest(&request.headers)?;
        let input = request.input;
        let status = input.legal_hold.and_then(|hold| hold.status).unwrap();
        let mut state = self.locks.state();
        let versions = state.versions.get_mut(&input.key);
        let version =
            versions.into_iter().flatten().find(|version| Some(&version.id) == input.version_id.as_ref());
        let Some(version) = version else { return Err(s3_error!(NoSuchVersion)) };
        version.lock.hold = status.as_str() == "ON";
        state.holds += 1;
        drop(state);
        Ok(S3Response::new(PutObjectLegalHoldOutput::default()))
    }

    async fn get_object_retention(
        &self,
        request: S3Request<GetObjectRetentionInput>,
    ) -> S3Result<S3Response<GetObjectRetentionOutput>> {
        let input = request.input;
        let state = self.locks.state();
        let versions = state.versions.get(&input.key);
        let version =
            versions.into_iter().flatten().find(|version| Some(&version.id) == input.version_id.as_ref());
        let Some(ObjectLock { mode, until, .. }) = version.map(|version| version.lock.clone()) else {
            return Err(s3_error!(NoSuchVersion));
        };
        let (Some(mode), Some(until)) = (mode, until) else {
            return Err(s3_error!(NoSuchObjectLockConfiguration));
        };
        let retention = ObjectLockRetention {
            mode: Some(mode.into()),
            retain_until_date: Some(SystemTime::from(until).into()),
        };
        Ok(S3Response::new(GetObjectRetentionOutput { retention: Some(retention) }))
    }

    async fn put_object_retention(
        &self,
        request: S3Request<PutObjectRetentionInput>,
    ) -> S3Result<S3Response<PutObjectRetentionOutput>> {
        require_digest(&request.headers)?;
        let input = request.input;
        let ObjectLockRetention { mode, retain_until_date } = input.retention.unwrap();
        let mut written = Vec::new();
        retain_until_date.unwrap().format(TimestampFormat::DateTime, &mut written).unwrap();
        let until: DateTime<Utc> = String::from_utf8(written).unwrap().parse().unwrap();
        if until <= self.locks.clock.now() {
            return Err(s3_error!(InvalidArgument, "the date must be in the future"));
        }
        let mut state = self.locks.state();
        let versions = state.versions.get_mut(&input.key);
        let version =
            versions.into_iter().flatten().find(|version| Some(&version.id) == input.version_id.as_ref());
        let Some(version) = version else { return Err(s3_error!(NoSuchVersion)) };
        // Nobody may shorten a lock here, which for governance is not S3's last word.
        if version.lock.until.is_some_and(|now| now > until) {
            return Err(s3_error!(AccessDenied));
        }
        version.lock.mode = mode.map(|mode| mode.as_str().to_owned());
        version.lock.until = Some(until);
        state.retentions += 1;
        drop(state);
        Ok(S3Response::new(PutObjectRetentionOutput::default()))
    }

    async fn list_object_versions(
        &self,
        request: S3Request<ListObjectVersionsInput>,
    ) -> S3Result<S3Response<ListObjectVersionsOutput>> {
        let input = request.input;
        let prefix = input.prefix.unwrap_or_default();
        let after = input.key_marker.map(|key| (key, input.version_id_marker.unwrap_or_default()));
        let mut found = self.locks.versions(&prefix);
        // Newest first, as S3 does.
        found.sort_by(|(a, left), (b, right)| a.cmp(b).then(right.id.cmp(&left.id)));
        let is_later = |(key, version): &(String, Kept)| {
            after.as_ref().is_none_or(|(last, id)| {
                (key, std::cmp::Reverse(&version.id)) > (last, std::cmp::Reverse(id))
            })
        };
        found.retain(is_later);
        let most =
            self.locks.state().page.unwrap_or(usize::MAX).min(input.max_keys.unwrap_or(1_000) as usize);
        let is_truncated = found.len() > most;
        found.truncate(most);
        let last = found.last().filter(|_| is_truncated).cloned();
        let marker = |key: &String| DeleteMarkerEntry {
            is_latest: Some(true),
            key: Some(key.clone()),
            version_id: Some("marker".to_owned()),
            ..DeleteMarkerEntry::default()
        };
        let output = ListObjectVersionsOutput {
            is_truncated: Some(is_truncated),
            next_key_marker: last.as_ref().map(|(key, _)| key.clone()),
            next_version_id_marker: last.map(|(_, version)| version.id),
            delete_markers: Some(
                found.iter().filter(|(_, it)| !it.is_current).map(|(key, _)| marker(key)).collect(),
            ),
            versions: Some(
                found
                    .iter()
                    .map(|(key, version)| ObjectVersion {
                        is_latest: Some(version.is_current),
                        key: Some(key.clone()),
                        last_modified: Some(SystemTime::from(version.written).into()),
                        size: Some(1),
                        version_id: Some(version.id.clone()),
                        ..ObjectVersion::default()
                    })
                    .collect(),
            ),
            ..ListObjectVersionsOutput::default()
        };
        Ok(S3Response::new(output))
    }
}
