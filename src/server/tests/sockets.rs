//! Connections: slow clients, clients that leave, HTTP/2, and the end.

use std::sync::Arc;

use axum::{Router, body::Body, routing::get};
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::{Notify, oneshot},
};
use tower::ServiceExt as _;

use super::*;
use crate::{
    logbook::{self, Logbook},
    telemetry::Metrics,
};

/// Serves `router` alone, until the token is cancelled.
async fn serve_router(router: Router, settings: Settings) -> (SocketAddr, CancellationToken, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let token = shutdown.clone();
    let task = tokio::spawn(async move {
        connections::serve(listener, router, &settings, &Metrics::default().http, &token).await;
    });
    (address, shutdown, task)
}

/// Would catch a server that idle or dribbling clients can fill: each of these must be cut, not waited for.
#[tokio::test]
async fn a_slow_head_is_cut() {
    let settings = Settings { head_timeout_ms: 50, ..Settings::default() };
    let server = Server::start(settings).await;
    for opening in ["", "PRI", "POST /v1/events HTTP/1.1\r\nhost: x\r\nauthori"] {
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        socket.write_all(opening.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // Ends only when the server closes the connection; a reset counts as closed too.
        let _closed = socket.read_to_end(&mut answer).await;
        assert!(!answer.starts_with(b"HTTP/1.1 2"), "{opening:?}");
    }
    server.stop().await;
}

/// Would catch a body that a client never finishes and the server waits for.
#[tokio::test]
async fn a_slow_body_is_cut() {
    let settings = Settings { body_timeout_ms: 50, ..Settings::default() };
    let server = Server::start(settings).await;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "POST /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-length: 100\r\n\r\n[{{"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    server.stop().await;
}

/// Would catch a deadline that each byte puts off, so that a client that dribbles is never done: of a head, of a body.
#[tokio::test]
async fn a_dribbling_client_is_cut() {
    let settings = Settings { head_timeout_ms: 100, body_timeout_ms: 100, ..Settings::default() };
    let server = Server::start(settings).await;
    let head = "POST /v1/events HTTP/1.1\r\nhost: x\r\nx-endless: ".to_owned();
    let body = format!(
        "POST /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-length: 10000000\r\n\r\n["
    );
    for (opening, expected) in [(head, "HTTP/1.1 408 "), (body, "HTTP/1.1 408 ")] {
        let (mut reads, mut writes) = TcpStream::connect(server.address).await.unwrap().into_split();
        writes.write_all(opening.as_bytes()).await.unwrap();
        let dribble = tokio::spawn(async move {
            let mut pace = tokio::time::interval(std::time::Duration::from_millis(5));
            while writes.write_all(b" ").await.is_ok() {
                pace.tick().await;
            }
        });
        let mut answer = Vec::new();
        let mut chunk = [0; 1_024];
        // A reset counts as closed too.
        while let Ok(count @ 1..) = reads.read(&mut chunk).await {
            answer.extend_from_slice(&chunk[..count]);
        }
        let answer = String::from_utf8_lossy(&answer);
        assert!(
            answer.starts_with(expected) || (answer.is_empty() && opening.contains("x-endless")),
            "{answer}"
        );
        dribble.await.unwrap();
    }
    server.stop().await;
}

/// Would catch idle connections that keep everybody else out for good.
#[tokio::test]
async fn idle_connections_make_room() {
    let settings = Settings { connections_max: 4, head_timeout_ms: 100, ..Settings::default() };
    let server = Server::start(settings).await;
    let mut idle = Vec::new();
    for _ in 0..24 {
        idle.push(TcpStream::connect(server.address).await.unwrap());
    }
    // It stands in the kernel's queue behind the 24, of which 4 at once are let in and cut.
    let health = server.client.get(format!("{}/healthz", server.base)).send().await.unwrap();
    assert_eq!(health.status().as_u16(), 200);
    for mut socket in idle {
        let _closed = socket.read_to_end(&mut Vec::new()).await;
    }
    server.stop().await;
}

/// Would catch a handler that cannot know who its client is.
#[tokio::test]
async fn a_request_knows_where_it_comes_from() {
    let peer =
        |axum::Extension(peer): axum::Extension<connections::PeerAddr>| async move { peer.0.to_string() };
    let router = Router::new().route("/", get(peer));
    let (address, shutdown, task) = serve_router(router, Settings::default()).await;
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with(&socket.local_addr().unwrap().to_string()), "{answer}");
    shutdown.cancel();
    task.await.unwrap();
}

/// Would catch a head without a cap.
#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let server = Server::start(Settings::default()).await;
    let url = format!("{}/healthz", server.base);
    let large = server.client.get(&url).header("x-large", "x".repeat(100 << 10)).send().await.unwrap();
    assert_eq!(large.status().as_u16(), 431);
    let mut many = server.client.get(&url);
    for number in 0..200 {
        many = many.header(format!("x-{number}"), "x");
    }
    assert_eq!(many.send().await.unwrap().status().as_u16(), 431);
    server.stop().await;
}

/// Would catch a query that goes on for a client that left: its stream must be dropped.
#[tokio::test]
async fn a_client_that_leaves_ends_its_answer() {
    struct Gone(Option<oneshot::Sender<()>>);
    impl Drop for Gone {
        fn drop(&mut self) {
            let _ = self.0.take().map(|sender| sender.send(()));
        }
    }
    let (sender, dropped) = oneshot::channel();
    let gone = Arc::new(std::sync::Mutex::new(Some(Gone(Some(sender)))));
    let handler = move || async move {
        let gone = gone.lock().unwrap().take();
        let endless = stream::repeat(Bytes::from_static(&[b'x'; 1_024])).map(move |chunk| {
            let _held = &gone;
            Ok::<_, std::io::Error>(chunk)
        });
        Body::from_stream(endless)
    };
    let router = Router::new().route("/", get(handler));
    let (address, shutdown, task) = serve_router(router, Settings::default()).await;
    let mut answer = reqwest::get(format!("http://{address}/")).await.unwrap();
    answer.chunk().await.unwrap().unwrap();
    drop(answer);
    dropped.await.unwrap();
    shutdown.cancel();
    task.await.unwrap();
}

/// Would catch an endless query that stays on the books after its client left.
#[tokio::test]
async fn a_query_without_its_client_is_counted_as_unfinished() {
    let server = Server::start(Settings::default()).await;
    // 32 MB: more than fits between a server and a client that reads its beginning only.
    let eight = "(VALUES (1), (2), (3), (4), (5), (6), (7), (8))";
    let sql = format!(
        "SELECT '{}' AS t FROM {eight} a, {eight} b, {eight} c, {eight} d, {eight} e",
        "x".repeat(1_000)
    );
    let mut answer = server.post("/v1/sql?format=ndjson").json(&json!({"sql": sql})).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    answer.chunk().await.unwrap().unwrap();
    drop(answer);
    let metrics = server.metrics.clone();
    // The shutdown waits for the connection, and the connection for its answer's end.
    server.stop().await;
    assert_eq!((metrics.query.running.get(), metrics.query.unfinished.get()), (0, 1));
}

/// Would catch a batch that is dropped half-way because its client left after sending it.
#[tokio::test]
async fn a_batch_that_was_read_outlives_its_client() {
    let config = Config { store: "memory://".into(), ..Config::default() };
    let lake = Lake::open(config, Access::Write { take_over: false }).await.unwrap();
    let opened = auth::open(lake.store(), lake.control(), lake.tables(), Some(KEY), lake.clock());
    let (auth, _) = opened.await.unwrap();
    let (ingest, engine) = (lake.ingest().unwrap().clone(), lake.engine().clone());
    let metrics = lake.metrics().clone();
    let (saved, clock) = (Catalogue::load(None).unwrap(), lake.clock().clone());
    let rate = Rate::new(lake.config().rate.clone(), clock.clone());
    let logbook =
        Logbook::new(ingest.clone(), lake.tables().clone(), clock.clone(), logbook::Settings::default());
    let (exports, continuous) = (lake.exports().await.unwrap(), lake.continuous().unwrap());
    let erasures = lake.erasures().await.unwrap();
    let settings = Settings::default();
    let api = Api::new(
        ingest,
        engine,
        saved,
        auth,
        rate,
        logbook,
        exports,
        continuous,
        erasures,
        lake.evidence().clone(),
        clock,
        metrics.clone(),
        &settings,
    );

    let (sent, all_read) = oneshot::channel();
    let end = stream::once(async move {
        sent.send(()).unwrap();
        Ok(Bytes::new())
    });
    let event = Bytes::from(event("1", "acme").to_string());
    let body = Body::from_stream(stream::iter([Ok::<_, std::io::Error>(event)]).chain(end));
    let request = axum::http::Request::post("/v1/events").header("authorization", format!("Bearer {KEY}"));
    let handling = tokio::spawn(api.router().oneshot(request.body(body).unwrap()));
    all_read.await.unwrap();
    handling.abort();
    let _left = handling.await;
    api.finish_appends().await;
    assert!(metrics.render().contains("auditlake_events_accepted_total 1"));
    lake.close().await.unwrap();
}

/// Would catch a server that speaks HTTP/1.1 only.
#[tokio::test]
async fn http2_is_spoken_by_prior_knowledge() {
    let server = Server::start(Settings::default()).await;
    let stream = TcpStream::connect(server.address).await.unwrap();
    let io = hyper_util::rt::TokioIo::new(stream);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = axum::http::Request::get(format!("{}/healthz", server.base)).body(Body::empty()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!((response.version(), response.status().as_u16()), (axum::http::Version::HTTP_2, 200));
    drop((sender, response));
    server.stop().await;
    let _ended = connection.await.unwrap();
}

/// Would catch an HTTP/2 client that keeps its connection for ever without asking anything.
#[tokio::test]
async fn an_idle_http2_connection_is_closed() {
    let settings = Settings { head_timeout_ms: 50, ..Settings::default() };
    let server = Server::start(settings).await;
    let stream = TcpStream::connect(server.address).await.unwrap();
    let io = hyper_util::rt::TokioIo::new(stream);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = axum::http::Request::get(format!("{}/healthz", server.base)).body(Body::empty()).unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status().as_u16(), 200);
    // The client would stay: its sender is still there.
    let _closed = connection.await.unwrap();
    drop(sender);
    server.stop().await;
}

/// Would catch a shutdown that cuts a request in flight, or one that waits for idle connections.
#[tokio::test]
async fn a_shutdown_lets_requests_end() {
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (inside, gate) = (Arc::clone(&entered), Arc::clone(&release));
    let handler = move || async move {
        inside.notify_one();
        gate.notified().await;
        "done"
    };
    let router = Router::new().route("/", get(handler));
    let (address, shutdown, task) = serve_router(router, Settings::default()).await;
    let _idle = TcpStream::connect(address).await.unwrap();
    let request = tokio::spawn(reqwest::get(format!("http://{address}/")));
    entered.notified().await;
    shutdown.cancel();
    release.notify_one();
    assert_eq!(request.await.unwrap().unwrap().text().await.unwrap(), "done");
    task.await.unwrap();
}

/// Would catch a request that can hold up a shutdown for ever.
#[tokio::test]
async fn a_shutdown_does_not_wait_past_its_bound() {
    let entered = Arc::new(Notify::new());
    let inside = Arc::clone(&entered);
    let handler = move || async move {
        inside.notify_one();
        std::future::pending::<()>().await;
    };
    let router = Router::new().route("/", get(handler));
    let settings = Settings { drain_ms: 20, ..Settings::default() };
    let (address, shutdown, task) = serve_router(router, settings).await;
    let request = tokio::spawn(reqwest::get(format!("http://{address}/")));
    entered.notified().await;
    shutdown.cancel();
    task.await.unwrap();
    request.await.unwrap().unwrap_err();
}
