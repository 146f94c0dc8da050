//! The real program on a bucket with Object Lock, set by its environment and over HTTP.

use std::time::Duration;

use chrono::SecondsFormat;
use reqwest::Method;
use serde_json::json;

use super::*;
use crate::support::server::{Launch, ROOT_KEY, Server};

fn launch(server: &S3Server, mode: &str) -> Launch {
    let mut environment = Vec::from(server.environment());
    environment.push(("AUDITLAKE_OBJECT_STORE__S3__OBJECT_LOCK", mode.to_owned()));
    environment.push(("AUDITLAKE_BACKGROUND__PROTECT_EVERY_MS", "100".to_owned()));
    Launch { store: format!("s3://{BUCKET}/{PREFIX}"), environment }
}

/// The settings of a tenant after a change, or what is said against it.
async fn patched(server: &Server, tenant: &str, patch: Value) -> (u16, Value) {
    let request = server.api().request(Method::PATCH, &format!("/v1/tenants/{tenant}")).bearer_auth(ROOT_KEY);
    let answer = request.json(&patch).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn send(server: &Server, tenant: &str) {
    let mut event = event(None, "x");
    event["tenant_id"] = tenant.into();
    event["occurred_at"] = Clock::system().now().to_rfc3339_opts(SecondsFormat::Micros, true).into();
    let (status, answer) = server.api().post_events("application/json", event.to_string()).await.unwrap();
    assert_eq!(status, 201, "{answer}");
}

/// Would catch a setting that the program does not hand on, and one over HTTP that waits for a restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_locks_what_it_is_told_to() {
    let locks = Locks::new(Kind::Hides, &Clock::system());
    let bucket = S3Server::start_locking(&locks);
    let server = Server::start(&launch(&bucket, "governance"), &[]).await;
    let (status, set) = patched(&server, "acme", json!({"retention_days": 30, "lock_days": 30})).await;
    assert_eq!((status, &set["lock_days"]), (200, &json!(30)), "{set}");
    let (status, refused) = patched(&server, "acme", json!({"retention_days": 29})).await;
    assert_eq!(status, 422, "{refused}");
    assert!(refused["detail"].as_str().unwrap().starts_with("retention_days: 29"), "{refused}");
    let before = Clock::system().now();
    send(&server, "acme").await;
    send(&server, "free").await;
    // The table of the one from which nothing is removed says so, before long.
    let entry = Path::from("events/free/_delta_log/00000000000000000001.json");
    let objects = bucket.store(PREFIX).await.unwrap();
    let said = async {
        loop {
            match objects.get(&entry).await.unwrap() {
                Some(entry) => break String::from_utf8(entry.to_vec()).unwrap(),
                None => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    };
    let said = tokio::time::timeout(Duration::from_secs(60), said).await.unwrap();
    assert!(said.contains(r#""delta.appendOnly":"true""#), "{said}");
    assert!(server.terminate().await.status.success());

    let shown = locks.shown(&format!("{PREFIX}/"));
    let of = |folder: &str| shown.iter().filter(|(key, _)| key.starts_with(folder)).collect::<Vec<_>>();
    let locked = [of("events/acme/"), of("proof/tenant=acme/")].concat();
    assert!(locked.len() > 4, "{shown:#?}");
    for (key, lock) in locked {
        assert_eq!(lock.mode.as_deref(), Some("GOVERNANCE"), "{key}");
        let until = lock.until.unwrap();
        let (least, most) = (before + Days::new(30), Clock::system().now() + Days::new(31));
        assert!(least - chrono::TimeDelta::seconds(1) <= until && until <= most, "{key}: {until}");
    }
    assert!(of("events/free/").iter().all(|(_, lock)| **lock == ObjectLock::default()));
}

/// Would catch a server that serves although it was to lock and cannot.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_does_not_start_where_it_cannot_lock() {
    let bucket = S3Server::start_locking(&Locks::new(Kind::Unlocked, &Clock::system()));
    let Err(exit) = Server::spawn(&launch(&bucket, "compliance"), &[]).ready().await else {
        panic!("it serves");
    };
    assert!(!exit.status.success());
    assert!(exit.stderr.contains("the bucket has no Object Lock"), "{}", exit.stderr);
}
