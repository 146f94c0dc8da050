//! S3 Object Lock: what is to be locked reaches the bucket together with its lock.
//!
//! In: writes, and a rule that says which of them are locked, and how. Out: the same requests with Object Lock's headers, signed
//! again. Guaranteed: there is no moment in which an object of the rule is there without its lock; everything else is sent as it was;
//! a copy, which would carry no lock, is refused where the rule asks for one.
//!
//! `object_store` knows nothing of these headers, and it signs what it sends. So the rule is asked where the path is known (`Locking`),
//! the lock travels with the request, and the client below the signature (`LockingService`) writes it into the headers.
//!
//! Source: Amazon S3 API Reference, "PutObject" and "CreateMultipartUpload", `x-amz-object-lock-*`.

use std::{
    fmt,
    ops::Range,
    sync::{Arc, PoisonError, RwLock},
};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use futures::stream::BoxStream;
use http::{
    Extensions, HeaderName, HeaderValue,
    header::{AUTHORIZATION, InvalidHeaderValue},
};
use object_store::{
    ClientOptions, CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
    aws::{AwsAuthorizer, AwsCredentialProvider},
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
        ReqwestConnector,
    },
    path::Path,
};
use serde::{Deserialize, Serialize};

static MODE: HeaderName = HeaderName::from_static("x-amz-object-lock-mode");
static UNTIL: HeaderName = HeaderName::from_static("x-amz-object-lock-retain-until-date");
static HOLD: HeaderName = HeaderName::from_static("x-amz-object-lock-legal-hold");
static CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
static TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// What stands in [`CONTENT_SHA256`] if the body is not signed.
const UNSIGNED: &[u8] = b"UNSIGNED-PAYLOAD";

/// How a bucket's objects are locked, if they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ObjectLock {
    /// They are not.
    #[default]
    Off,
    /// Whoever has `s3:BypassGovernanceRetention` may end a lock.
    Governance,
    /// Nobody may, the account's owner included.
    Compliance,
}

impl ObjectLock {
    /// S3's name of it; `None`: nothing is locked.
    fn header(self) -> Option<HeaderValue> {
        match self {
            Self::Off => None,
            Self::Governance => Some(HeaderValue::from_static("GOVERNANCE")),
            Self::Compliance => Some(HeaderValue::from_static("COMPLIANCE")),
        }
    }
}

/// How one object is locked. It has a date, or is held, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock {
    /// Until when nobody can remove it.
    pub until: Option<DateTime<Utc>>,
    /// Whether nobody can for as long as the hold is on it.
    pub hold: bool,
}

/// Says of a path how what is written to it is locked; `None`: it is not.
pub type LockRule = Arc<dyn Fn(&Path) -> Option<Lock> + Send + Sync>;

/// What a bucket's locks go by.
#[derive(Default)]
pub(super) struct Locks {
    mode: ObjectLock,
    /// `None` until it is known: then nothing is locked.
    rule: RwLock<Option<LockRule>>,
}

impl Locks {
    pub(super) fn new(mode: ObjectLock) -> Self {
        Self { mode, rule: RwLock::default() }
    }

    pub(super) fn mode(&self) -> ObjectLock {
        self.mode
    }

    pub(super) fn follow(&self, rule: LockRule) {
        *self.rule.write().unwrap_or_else(PoisonError::into_inner) = Some(rule);
    }

    /// The headers of what is written to `path`; `None`: it is not locked.
    fn headers(&self, path: &Path) -> Option<Headers> {
        let rule = self.rule.read().unwrap_or_else(PoisonError::into_inner).clone()?;
        let lock = rule(path)?;
        let mode = self.mode.header()?;
        Some(Headers { mode, lock })
    }

    fn attach(&self, path: &Path, extensions: &mut Extensions) {
        if let Some(headers) = self.headers(path) {
            extensions.insert(headers);
        }
    }
}

impl fmt::Debug for Locks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Locks").field("mode", &self.mode).finish_non_exhaustive()
    }
}

/// A lock on its way with a request.
#[derive(Clone, Debug)]
struct Headers {
    mode: HeaderValue,
    lock: Lock,
}

impl Headers {
    fn write(&self, request: &mut HttpRequest) -> Result<(), InvalidHeaderValue> {
        let headers = request.headers_mut();
        if let Some(until) = self.lock.until {
            let until = until.to_rfc3339_opts(SecondsFormat::Secs, true);
            headers.insert(&MODE, self.mode.clone());
            headers.insert(&UNTIL, HeaderValue::try_from(until)?);
        }
        if self.lock.hold {
            headers.insert(&HOLD, HeaderValue::from_static("ON"));
        }
        Ok(())
    }
}

/// An object store whose writes take their locks along.
#[derive(Debug)]
pub(super) struct Locking<S> {
    inner: S,
    locks: Arc<Locks>,
}

impl<S> Locking<S> {
    /// `inner` is rooted where the paths of the rule are, and its client is of a [`LockingConnector`].
    pub(super) fn new(inner: S, locks: Arc<Locks>) -> Self {
        Self { inner, locks }
    }
}

impl<S: fmt::Display> fmt::Display for Locking<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl<S: ObjectStore> ObjectStore for Locking<S> {
    async fn put_opts(&self, path: &Path, payload: PutPayload, mut options: PutOptions) -> Result<PutResult> {
        self.locks.attach(path, &mut options.extensions);
        self.inner.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        mut options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.locks.attach(path, &mut options.extensions);
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(path, options).await
    }

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(path, ranges).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        if self.locks.headers(to).is_some() {
            let operation = format!("a copy to {to}, which is to be locked: write it");
            return Err(Error::NotImplemented { operation, implementer: "a bucket with Object Lock".into() });
        }
        self.inner.copy_opts(from, to, options).await
    }
}

/// Makes clients that write the locks of requests into their headers.
#[derive(Debug)]
pub(super) struct LockingConnector {
    pub(super) credentials: AwsCredentialProvider,
    pub(super) region: String,
}

impl HttpConnector for LockingConnector {
    fn connect(&self, options: &ClientOptions) -> Result<HttpClient> {
        Ok(HttpClient::new(LockingService {
            client: ReqwestConnector::default().connect(options)?,
            credentials: Arc::clone(&self.credentials),
            region: self.region.clone(),
        }))
    }
}

#[derive(Debug)]
struct LockingService {
    client: HttpClient,
    credentials: AwsCredentialProvider,
    region: String,
}

#[async_trait]
impl HttpService for LockingService {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let Some(headers) = request.extensions_mut().remove::<Headers>() else {
            return self.client.execute(request).await;
        };
        headers.write(&mut request).map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?;
        // What was not signed need not be, as where credentials are switched off.
        if request.headers_mut().remove(AUTHORIZATION).is_some() {
            self.sign(&mut request).await?;
        }
        self.client.execute(request).await
    }
}

impl LockingService {
    /// Signs a request that was signed before it had its last headers; the body counts as it did then.
    async fn sign(&self, request: &mut HttpRequest) -> Result<(), HttpError> {
        let failed = |error: Error| HttpError::new(HttpErrorKind::Request, error);
        let credential = self.credentials.get_credential().await.map_err(failed)?;
        // The credentials may be others than those that it was signed with.
        request.headers_mut().remove(&TOKEN);
        let said = request.headers().get(&CONTENT_SHA256).cloned();
        let said = said.as_ref().map(HeaderValue::as_bytes);
        let authorizer = AwsAuthorizer::new(&credential, "s3", &self.region)
            .with_sign_payload(said.is_none_or(|said| said != UNSIGNED));
        let digest = said.and_then(digest_of_hex);
        authorizer.authorize(request, digest.as_ref().map(<[u8; 32]>::as_slice));
        Ok(())
    }
}

/// `None` for what is not a SHA-256 in hexadecimal digits.
fn digest_of_hex(digits: &[u8]) -> Option<[u8; 32]> {
    let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.is_ascii() && digits.len() == 64)?;
    let mut digest = [0; 32];
    for (place, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * place..2 * place + 2], 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use object_store::{ObjectStoreExt as _, memory::InMemory};

    use super::*;

    /// Would catch headers that S3 does not know, a date without a mode, and a hold without a date that brings a mode along.
    #[test]
    fn locks_become_headers() {
        let until = DateTime::from_timestamp(1_800_000_000, 999_999_999);
        let shown = |lock: Lock| {
            let mut request = HttpRequest::new(object_store::client::HttpRequestBody::empty());
            let mode = ObjectLock::Compliance.header().unwrap();
            Headers { mode, lock }.write(&mut request).unwrap();
            let mut shown: Vec<String> = request
                .headers()
                .iter()
                .map(|(name, value)| format!("{}: {}", name.as_str(), value.to_str().unwrap()))
                .collect();
            shown.sort();
            shown
        };
        let (mode, date) = (
            "x-amz-object-lock-mode: COMPLIANCE",
            "x-amz-object-lock-retain-until-date: 2027-01-15T08:00:00Z",
        );
        let hold = "x-amz-object-lock-legal-hold: ON";
        assert_eq!(shown(Lock { until, hold: false }), [mode, date]);
        assert_eq!(shown(Lock { until, hold: true }), [hold, mode, date]);
        assert_eq!(shown(Lock { until: None, hold: true }), [hold]);
    }

    /// Would catch a body whose digest is made of the wrong digits, so that the signature holds for another one.
    #[test]
    fn digests_are_read_from_their_digits() {
        let digits = "00ff10".to_owned() + &"ab".repeat(29);
        let digest = digest_of_hex(digits.as_bytes()).unwrap();
        assert_eq!(digest[..4], [0, 255, 16, 0xab]);
        for wrong in ["", "UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", &"zz".repeat(32)] {
            assert_eq!(digest_of_hex(wrong.as_bytes()), None, "{wrong}");
        }
    }

    /// Would catch an object that gets to a place of locked ones without its lock, by way of a copy.
    #[tokio::test]
    async fn what_is_to_be_locked_is_not_copied() {
        let locks = Arc::new(Locks::new(ObjectLock::Governance));
        locks.follow(Arc::new(|path: &Path| {
            path.as_ref().starts_with("locked").then_some(Lock { until: None, hold: true })
        }));
        let store = Locking::new(InMemory::new(), locks);
        store.put(&Path::from("free/a"), "x".into()).await.unwrap();
        assert!(store.copy(&Path::from("free/a"), &Path::from("locked/a")).await.is_err());
        store.copy(&Path::from("free/a"), &Path::from("free/b")).await.unwrap();
    }
}
