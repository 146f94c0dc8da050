//! Ten thousand connections of clients that have nothing to say.

use std::{fs, time::Duration};

use futures::future::join_all;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{place::Place, server::Server};

const WANTED: usize = 10_000;
/// File descriptors that this process, or the server, needs for other things.
const OTHER_FILES: usize = 500;
/// Longer than anything here takes, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(60);
/// What an idle connection may cost at most; a debug build needs more than a release build.
const BYTES_EACH_MAX: u64 = 40 << 10;

/// As many as this process may have open files, which is also what the server inherits.
fn connections() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let soft: usize = line.split_whitespace().nth(3).unwrap().parse().unwrap_or(usize::MAX);
    let count = WANTED.min(soft.saturating_sub(OTHER_FILES));
    if count < WANTED {
        eprintln!("only {count} connections: `ulimit -n` is {soft}");
    }
    count
}

/// How many the server has open.
async fn open_at(server: &Server) -> usize {
    let answer = server.api().request(reqwest::Method::GET, "/metrics").send().await.unwrap();
    let text = answer.text().await.unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("auditlake_http_connections "));
    line.unwrap().parse().unwrap()
}

/// Looks until it is so; fails if it takes too long.
async fn until(server: &Server, is_so: impl Fn(usize) -> bool) {
    let mut open = 0;
    let looking = async {
        loop {
            open = open_at(server).await;
            if is_so(open) {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    let looked = tokio::time::timeout(PATIENCE, looking).await;
    assert!(looked.is_ok(), "{open} connections are open");
}

async fn ask(socket: &mut TcpStream) {
    socket.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = [0; 1_024];
    let count = socket.read(&mut answer).await.unwrap();
    assert!(answer[..count].starts_with(b"HTTP/1.1 200 "));
}

/// Would catch connections that cost much although they do nothing, or that keep a new client out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_idle_connections_are_borne() {
    let place = Place::folder();
    let mut launch = place.calm();
    launch.environment.push(("AUDITLAKE_HTTP__CONNECTIONS_MAX", (WANTED + 100).to_string()));
    // None is cut while the others are opened, however slow the machine; that idle ones are cut, other tests show.
    launch.environment.push(("AUDITLAKE_HTTP__HEAD_TIMEOUT_MS", "600000".into()));
    let server = Server::start(&launch, &[]).await;
    let address = server.api().address().trim_start_matches("http://").to_owned();
    let count = connections();

    open_at(&server).await;
    let before = server.resident_bytes();
    let mut sockets = Vec::with_capacity(count);
    // Each batch fits the kernel's queue, and is waited for. The question is a connection of its own, and is answered although
    // all the others are there.
    while sockets.len() < count {
        let some = (count - sockets.len()).min(100);
        let opened = join_all((0..some).map(|_| TcpStream::connect(&address))).await;
        sockets.extend(opened.into_iter().map(Result::unwrap));
        let all = sockets.len();
        until(&server, |open| open >= all).await;
    }
    let each = |bytes: u64| bytes.saturating_sub(before) / count as u64;
    let silent = each(server.resident_bytes());
    for some in sockets.chunks_mut(500) {
        join_all(some.iter_mut().map(ask)).await;
    }
    let asked = each(server.resident_bytes());
    println!("{count} idle connections: {silent} bytes each that never asked, {asked} that asked once");
    assert!(silent <= BYTES_EACH_MAX && asked <= BYTES_EACH_MAX, "{silent} and {asked} bytes each");

    // Once they are gone there is room again.
    drop(sockets);
    until(&server, |open| open <= 10).await;
    assert!(server.api().sql("SELECT count(*) AS n FROM events").await[0]["n"] == 0);
    let exit = server.terminate().await;
    assert!(exit.status.success(), "{}", exit.stderr);
}
