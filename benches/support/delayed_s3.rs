//! An S3 server (s3s-fs over HTTP on 127.0.0.1) on a folder, with a fixed delay before each request, as a store some
//! way off has, and an account of requests and bytes.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    fs, io,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use auditlake::store::{S3Settings, Settings};
use http_body_util::BodyExt;
use hyper::{Method, Request, Response, StatusCode, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use s3s::{
    Body,
    auth::SimpleAuth,
    service::{S3Service, S3ServiceBuilder},
};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::{net::TcpListener, runtime::Runtime};

pub(crate) const BUCKET: &str = "lake";
const ACCESS_KEY: &str = "benchmark-access-key";
const SECRET_KEY: &str = "benchmark-secret-key";
/// s3s-fs takes the MD5 of a whole object for each range of it, unless it finds the ETag beside it. For objects from
/// this size on it is told one.
const ETAG_BYTES_MIN: u64 = 64 * 1024;

/// What was asked of the server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    /// Number of requests by kind: `GET`, `HEAD`, `LIST` and so on.
    pub(crate) requests: BTreeMap<&'static str, u64>,
    /// Bytes of all answers' bodies.
    pub(crate) bytes: u64,
    /// What s3s-fs itself took for its answers, the delay not included: no store has this.
    pub(crate) own: Duration,
}

impl Account {
    pub(crate) fn total(&self) -> u64 {
        self.requests.values().sum()
    }

    /// `12 GET 2 LIST`
    pub(crate) fn describe(&self) -> String {
        let kinds = self.requests.iter().map(|(kind, count)| format!("{count} {kind}"));
        kinds.collect::<Vec<_>>().join(" ")
    }
}

/// A running server; it ends when it is dropped.
pub(crate) struct DelayedS3 {
    address: SocketAddr,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
    _root: TempDir,
}

struct Shared {
    service: S3Service,
    delay: Duration,
    account: Mutex<Account>,
}

impl DelayedS3 {
    /// Serves `folder` as the bucket [`BUCKET`].
    pub(crate) fn start(folder: &Path, delay: Duration) -> Self {
        let root = tempfile::tempdir().expect("a folder");
        let folder = folder.canonicalize().expect("the store's folder");
        std::os::unix::fs::symlink(&folder, root.path().join(BUCKET)).expect("a link to the store");
        tell_etags(&folder, &folder, root.path()).expect("the store's files");
        let mut builder = S3ServiceBuilder::new(FileSystem::new(root.path()).expect("the root exists"));
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let shared = Arc::new(Shared { service: builder.build(), delay, account: Mutex::default() });
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        socket.set_nonblocking(true).expect("a socket");
        let address = socket.local_addr().expect("a bound socket");
        runtime.spawn(accept(socket, Arc::clone(&shared)));
        Self { address, shared, runtime: Some(runtime), _root: root }
    }

    /// How `s3://lake` is reached.
    pub(crate) fn settings(&self) -> Settings {
        let s3 = S3Settings {
            read_environment: false,
            endpoint: Some(format!("http://{}", self.address)),
            access_key_id: Some(ACCESS_KEY.into()),
            secret_access_key: Some(SECRET_KEY.into()),
            ..S3Settings::default()
        };
        Settings { s3, ..Settings::default() }
    }

    /// What was asked since the last time.
    pub(crate) fn take_account(&self) -> Account {
        std::mem::take(&mut *self.shared.account())
    }
}

impl Drop for DelayedS3 {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Shared {
    fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn respond(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Response<
        impl hyper::body::Body<Data = bytes::Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    > {
        *self.account().requests.entry(kind(&request)).or_default() += 1;
        tokio::time::sleep(self.delay).await;
        let started = Instant::now();
        let response = match hyper::service::Service::call(&self.service, request).await {
            Ok(response) => response,
            Err(_) => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                response
            }
        };
        self.account().own += started.elapsed();
        let (head, body) = response.into_parts();
        let counted = body.map_frame(move |frame| {
            self.account().bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
            frame
        });
        Response::from_parts(head, counted)
    }
}

/// A listing is a GET that costs twelve times as much.
fn kind(request: &Request<Incoming>) -> &'static str {
    let query = request.uri().query().unwrap_or("");
    match *request.method() {
        Method::GET if query.contains("list-type=") => "LIST",
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::PUT => "PUT",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

async fn accept(socket: std::net::TcpListener, shared: Arc<Shared>) {
    let listener = TcpListener::from_std(socket).expect("a socket");
    while let Ok((connection, _)) = listener.accept().await {
        // Without this, small answers wait for the client's acknowledgement.
        let _ = connection.set_nodelay(true);
        let shared = Arc::clone(&shared);
        let service = service_fn(move |request| {
            let shared = Arc::clone(&shared);
            async move { Ok::<_, Infallible>(shared.respond(request).await) }
        });
        tokio::spawn(async move {
            let _ =
                Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(connection), service).await;
        });
    }
}

/// Writes beside the bucket what s3s-fs keeps about an object: its ETag, here made of size and time of change.
fn tell_etags(folder: &Path, bucket: &Path, root: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, metadata) = (entry.path(), entry.metadata()?);
        if metadata.is_dir() {
            tell_etags(&path, bucket, root)?;
        } else if metadata.len() >= ETAG_BYTES_MIN {
            let key =
                path.strip_prefix(bucket).expect("it lies in the bucket").to_string_lossy().into_owned();
            let changed = metadata.modified()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            let e_tag = format!("{:016x}{:016x}", metadata.len(), changed.as_nanos() as u64);
            let name = format!(".bucket-{}.object-{}.internal.json", base64(BUCKET), base64(&key));
            fs::write(root.join(name), format!("{{\"e_tag\":\"{e_tag}\"}}"))?;
        }
    }
    Ok(())
}

/// Base64 for URLs without padding (RFC 4648, section 5).
fn base64(text: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut encoded = String::new();
    for three in text.as_bytes().chunks(3) {
        let bits = (0..3).fold(0_u32, |bits, at| bits << 8 | u32::from(*three.get(at).unwrap_or(&0)));
        for at in 0..=three.len() {
            encoded.push(char::from(LETTERS[(bits >> (18 - 6 * at) & 63) as usize]));
        }
    }
    encoded
}
