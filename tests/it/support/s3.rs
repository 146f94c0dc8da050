//! A real S3 server (s3s-fs over HTTP on 127.0.0.1) inside the test process, on threads of its own, so that
//! asynchronous tests, plain ones and child processes can all use it. Its data is gone when it is dropped.
//!
//! It can be told to answer coming requests with an error, before or after carrying them out.

use std::{
    collections::VecDeque,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use auditlake::{
    error::Result,
    store::{S3Settings, Settings, Store},
};
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{AUTHORIZATION, IF_NONE_MATCH},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use s3s::{Body, service::S3Service, service::S3ServiceBuilder};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::{net::TcpListener, runtime::Runtime};

use super::{
    access::{Access, READERS_ACCESS_KEY, READERS_SECRET_KEY},
    locked::{LockedBucket, Locks},
    sts,
};

pub(crate) const BUCKET: &str = "lake";
pub(crate) const ACCESS_KEY: &str = "test-access-key";
pub(crate) const SECRET_KEY: &str = "test-secret-key";

/// How the server treats one request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    /// Carries it out and answers truly.
    Normal,
    /// Does nothing and answers with this status.
    Instead(StatusCode),
    /// Carries it out and then answers with this status, as if the true answer got lost.
    After(StatusCode),
    /// Does nothing and never answers.
    Never,
}

/// A running server with one empty bucket, [`BUCKET`].
pub(crate) struct S3Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
    _data: TempDir,
}

struct Shared {
    service: S3Service,
    access: Access,
    sts: sts::Sts,
    /// s3s-fs looks whether an object exists and then writes it; S3 does both in one step. One conditional request at
    /// a time makes up for it.
    conditional: tokio::sync::Mutex<()>,
    answers: Mutex<VecDeque<Answer>>,
}

impl S3Server {
    /// Starts a server; it accepts connections when this returns.
    pub(crate) fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let files = FileSystem::new(data.path()).unwrap();
        Self::serve(S3ServiceBuilder::new(files), data)
    }

    /// The same with a bucket that knows of Object Lock, or says that it does not.
    pub(crate) fn start_locking(locks: &Locks) -> Self {
        let data = tempfile::tempdir().unwrap();
        let inner = FileSystem::new(data.path()).unwrap();
        let folder = data.path().to_owned();
        Self::serve(S3ServiceBuilder::new(LockedBucket { inner, folder, locks: locks.clone() }), data)
    }

    fn serve(mut builder: S3ServiceBuilder, data: TempDir) -> Self {
        std::fs::create_dir(data.path().join(BUCKET)).unwrap();
        let access = Access::new(data.path());
        builder.set_auth(Access::keys());
        builder.set_access(access.clone());
        let sts = sts::Sts::default();
        builder.set_route(sts.clone());
        let shared = Arc::new(Shared {
            service: builder.build(),
            access,
            sts,
            conditional: tokio::sync::Mutex::default(),
            answers: Mutex::default(),
        });
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let address = socket.local_addr().unwrap();
        runtime.spawn(accept(socket, Arc::clone(&shared)));
        Self { address, shared, runtime: Some(runtime), _data: data }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What a child process needs in its environment to open `s3://lake/…`.
    pub(crate) fn environment(&self) -> [(&'static str, String); 4] {
        [
            ("AWS_ENDPOINT_URL", self.endpoint()),
            ("AWS_REGION", "us-east-1".into()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.into()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.into()),
        ]
    }

    /// From now on a second credential may list and get below `prefix`, and nothing else.
    pub(crate) fn share(&self, prefix: &str) {
        self.shared.access.share(prefix);
    }

    /// What that one was refused.
    pub(crate) fn refused(&self) -> Vec<String> {
        self.shared.access.refused()
    }

    /// What whoever has it needs in its environment.
    pub(crate) fn readers_environment(&self) -> [(&'static str, String); 2] {
        [
            ("AWS_ACCESS_KEY_ID", READERS_ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", READERS_SECRET_KEY.to_owned()),
        ]
    }

    /// How often the role of tests was assumed.
    pub(crate) fn roles_assumed(&self) -> usize {
        self.shared.sts.assumed()
    }

    /// The same as settings, so that a test need not touch its own process's environment.
    pub(crate) fn settings(&self) -> Settings {
        let s3 = S3Settings {
            read_environment: false,
            endpoint: Some(self.endpoint()),
            access_key_id: Some(ACCESS_KEY.into()),
            secret_access_key: Some(SECRET_KEY.into()),
            ..S3Settings::default()
        };
        Settings { s3, ..Settings::default() }
    }

    /// Opens `s3://lake/{prefix}`.
    pub(crate) async fn store(&self, prefix: &str) -> Result<Store> {
        Store::open(&format!("s3://{BUCKET}/{prefix}"), &self.settings()).await
    }

    /// Treats the coming requests so, one each, in order; later ones normally again.
    pub(crate) fn answer_next(&self, answers: &[Answer]) {
        self.shared.answers().extend(answers);
    }

    /// How many of [`S3Server::answer_next`]'s answers no request has met yet.
    pub(crate) fn answers_left(&self) -> usize {
        self.shared.answers().len()
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Shared {
    fn answers(&self) -> std::sync::MutexGuard<'_, VecDeque<Answer>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn respond(&self, request: Request<Incoming>) -> Response<Body> {
        let answer = self.answers().pop_front();
        if let Some(Answer::Instead(status)) = answer {
            return error(status);
        }
        if let Some(Answer::Never) = answer {
            std::future::pending::<()>().await;
        }
        let is_readers = is_readers(&request);
        let is_conditional = request.method() == Method::PUT && request.headers().contains_key(IF_NONE_MATCH);
        let _turn = if is_conditional { Some(self.conditional.lock().await) } else { None };
        let response = hyper::service::Service::call(&self.service, request).await;
        match (answer, response) {
            // See `access.rs`.
            (_, Ok(response)) if is_readers && response.status() == StatusCode::NOT_FOUND => {
                error(StatusCode::FORBIDDEN)
            }
            (Some(Answer::After(status)), _) => error(status),
            (_, Ok(response)) => response,
            (_, Err(_)) => error(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }
}

/// Whether a request is signed by who may only read.
fn is_readers(request: &Request<Incoming>) -> bool {
    let signed = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    signed.is_some_and(|signed| signed.contains(READERS_ACCESS_KEY))
}

fn error(status: StatusCode) -> Response<Body> {
    let body = format!("<Error><Code>Injected</Code><Message>{status}</Message></Error>");
    Response::builder().status(status).body(Body::from(body)).unwrap()
}

async fn accept(socket: std::net::TcpListener, shared: Arc<Shared>) {
    let listener = TcpListener::from_std(socket).unwrap();
    while let Ok((connection, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        let service = service_fn(move |request| {
            let shared = Arc::clone(&shared);
            async move { Ok::<_, Infallible>(shared.respond(request).await) }
        });
        tokio::spawn(async move {
            // A client that goes away in the middle is its own affair.
            let _ =
                Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(connection), service).await;
        });
    }
}
