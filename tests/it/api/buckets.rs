//! Exports to buckets of customers: delivered with their keys or their role, whatever fails on the way, and no secret shown.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{ask, event, refused, store};
use crate::support::{
    place::Place,
    s3::{ACCESS_KEY, Answer, BUCKET, S3Server, SECRET_KEY},
    server::{Launch, ROOT_KEY, Server},
    sts::{EXTERNAL_ID, ROLE},
};

/// The key that secrets are sealed with.
const SECRETS_KEY: &str = "7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f";

/// A server in a folder that may deliver to `customer`, and asks it for roles.
fn launch(place: &Place, customer: &S3Server) -> Launch {
    let mut launch = place.calm();
    launch.environment.extend(customer.environment());
    launch.environment.extend([
        ("AUDITLAKE_SECRETS_KEY", SECRETS_KEY.to_owned()),
        ("AUDITLAKE_EXPORT__ENDPOINTS", customer.endpoint()),
        ("AUDITLAKE_EXPORT__STS_ENDPOINT", customer.endpoint()),
        ("AUDITLAKE_EXPORT__RETRY_MS", "1".to_owned()),
        ("AUDITLAKE_OBJECT_STORE__RETRIES_MAX", "0".to_owned()),
    ]);
    launch
}

async fn with_events(launch: &Launch) -> Server {
    let server = Server::start(launch, &[]).await;
    for tenant in ["acme", "other"] {
        let events: Vec<Value> = (0..40).map(|number| event(tenant, &format!("e{number}"))).collect();
        store(&server, &events).await;
    }
    server
}

fn wanted(tenant: &str, customer: &S3Server, access: &Value) -> Value {
    let destination = json!({
        "type": "s3", "bucket": BUCKET, "prefix": "from/auditlake", "endpoint": customer.endpoint(), "access": access,
    });
    json!({"tenant_id": tenant, "format": "ndjson", "compression": "none", "destination": destination})
}

fn with_keys() -> Value {
    json!({"type": "keys", "access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY})
}

async fn asked(server: &Server, wanted: &Value) -> String {
    let (status, asked) = ask(server.api().post("/v1/exports").json(wanted)).await;
    assert_eq!(status, 202, "{asked}");
    asked["id"].as_str().unwrap().to_owned()
}

async fn status(server: &Server, id: &str, query: &str) -> Value {
    let path = format!("/v1/exports/{id}{query}");
    ask(server.api().request(Method::GET, &path).bearer_auth(ROOT_KEY)).await.1
}

/// Waits until the export is in `state`.
async fn until(server: &Server, id: &str, state: &str) -> Value {
    let waited = async {
        loop {
            let status = status(server, id, "").await;
            if status["state"] == state {
                return status;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), waited).await.expect("the export gets there")
}

/// Checks that everything is in the bucket as the manifest says.
async fn delivered(customer: &S3Server, id: &str) {
    let bucket = customer.store(&format!("from/auditlake/{id}")).await.unwrap();
    let get = async |name: &str| bucket.get(&name.into()).await.unwrap().unwrap();
    let manifest: Value = serde_json::from_slice(&get("manifest.json").await).unwrap();
    assert_eq!(manifest["rows"], 40);
    for file in manifest["files"].as_array().unwrap() {
        let hash = Sha256::digest(get(file["name"].as_str().unwrap()).await);
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(file["sha256"], hash, "{file}");
    }
}

/// Would catch an export that arrives elsewhere or in part, and a secret that is stored as it is or shown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_a_customer_open_its_bucket() {
    let (place, customer) = (Place::folder(), S3Server::start());
    let server = with_events(&launch(&place, &customer)).await;
    let id = asked(&server, &wanted("acme", &customer, &with_keys())).await;
    let ended = status(&server, &id, "?wait_seconds=60").await;
    assert_eq!(ended["state"], "completed", "{ended}");
    delivered(&customer, &id).await;
    let shown = json!({
        "type": "s3", "bucket": BUCKET, "prefix": "from/auditlake", "endpoint": customer.endpoint(),
        "access": {"type": "keys", "access_key_id": ACCESS_KEY},
    });
    assert_eq!(ended["destination"], shown);
    let job =
        std::fs::read_to_string(place.path().unwrap().join(format!("exports/tenant=acme/{id}/job.json")));
    let job = job.unwrap();
    assert!(job.contains("sealed_secret") && !job.contains(SECRET_KEY), "{job}");
    // What is in the customer's bucket is not served from here.
    let file = server.api().request(Method::GET, &format!("/v1/exports/{id}/files/manifest.json"));
    refused(file.bearer_auth(ROOT_KEY), 404, "not-found").await;
}

/// Would catch a role that is assumed without its tenant's external id, or by another tenant, or whose refusal is not told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_is_assumed_for_its_tenant_only() {
    let (place, customer) = (Place::folder(), S3Server::start());
    let server = with_events(&launch(&place, &customer)).await;
    let access = json!({"type": "role", "role_arn": ROLE});
    let id = asked(&server, &wanted("acme", &customer, &access)).await;
    let ended = status(&server, &id, "?wait_seconds=60").await;
    assert_eq!(ended["state"], "completed", "{ended}");
    assert_eq!(ended["destination"]["access"]["external_id"], EXTERNAL_ID);
    delivered(&customer, &id).await;

    let id = asked(&server, &wanted("other", &customer, &access)).await;
    let paused = until(&server, &id, "paused").await;
    let error = paused["error"].as_str().unwrap();
    assert!(error.contains(ROLE) && error.contains("AccessDenied"), "{error}");
    assert!(paused["retry_at"].is_string());
}

/// Would catch an export that fails for good, or that leaves out or doubles what it wrote, because a bucket throttled or refused it for
/// a while.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_refuses_for_a_while_gets_everything() {
    let (place, customer) = (Place::folder(), S3Server::start());
    let mut launch = launch(&place, &customer);
    launch.environment.retain(|(name, _)| *name != "AUDITLAKE_EXPORT__RETRY_MS");
    launch.environment.push(("AUDITLAKE_EXPORT__RETRY_MS", "100".to_owned()));
    let server = with_events(&launch).await;
    let refusals = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::FORBIDDEN, StatusCode::FORBIDDEN];
    customer.answer_next(&refusals.map(Answer::Instead));
    let id = asked(&server, &wanted("acme", &customer, &with_keys())).await;
    let paused = until(&server, &id, "paused").await;
    assert!(paused["error"].as_str().is_some_and(|error| error.contains("to the destination")), "{paused}");
    let ended = status(&server, &id, "?wait_seconds=60").await;
    assert_eq!((&ended["state"], customer.answers_left()), (&json!("completed"), 0), "{ended}");
    delivered(&customer, &id).await;
}

/// Would catch a server that sends requests wherever a customer likes, keeps a secret that it cannot seal, or does not say what is wrong
/// with a destination.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn destinations_are_checked_when_they_are_asked_for() {
    let (place, customer) = (Place::folder(), S3Server::start());
    let mut launch = launch(&place, &customer);
    let server = with_events(&launch).await;
    let good = wanted("acme", &customer, &with_keys());
    for (pointer, value) in [
        ("/destination/endpoint", json!("http://169.254.169.254")),
        ("/destination/bucket", json!("Not A Bucket")),
        ("/destination/region", json!("evil.example/")),
        ("/destination/access", json!({"type": "role", "role_arn": "arn:aws:iam::1:user/x"})),
    ] {
        let mut wrong = good.clone();
        *wrong.pointer_mut(pointer).unwrap_or(&mut Value::Null) = value.clone();
        if let Some(member) = pointer.strip_prefix("/destination/") {
            wrong["destination"][member] = value;
        }
        let (_, problem) = refused(server.api().post("/v1/exports").json(&wrong), 422, "invalid").await;
        let about =
            problem["pointer"].as_str().or(problem["errors"][0]["pointer"].as_str()).unwrap_or_default();
        assert!(about.starts_with(pointer), "{problem}");
    }
    assert!(server.terminate().await.status.success());
    launch.environment.retain(|(name, _)| *name != "AUDITLAKE_SECRETS_KEY");
    let server = Server::start(&launch, &[]).await;
    let (_, problem) = refused(server.api().post("/v1/exports").json(&good), 422, "invalid").await;
    assert!(problem["detail"].as_str().unwrap().contains("AUDITLAKE_SECRETS_KEY"), "{problem}");
}

/// Would catch a URL that gives nothing, or another file, and one that is promised where there is none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_in_a_bucket_has_a_url() {
    for place in [Place::folder(), Place::s3()] {
        let server = with_events(&place.calm()).await;
        let id = asked(&server, &json!({"tenant_id": "acme", "format": "csv"})).await;
        let ended = status(&server, &id, "?wait_seconds=60").await;
        let name = ended["files"][0]["name"].as_str().unwrap();
        let path = format!("/v1/exports/{id}/files/{name}");
        let at = |path: String| server.api().request(Method::GET, &path).bearer_auth(ROOT_KEY);
        if place.path().is_some() {
            refused(at(format!("{path}/url")), 422, "invalid").await;
            continue;
        }
        let (status, signed) = ask(at(format!("{path}/url?seconds=60"))).await;
        assert_eq!(status, 200, "{signed}");
        let url = signed["url"].as_str().unwrap();
        let fetched = reqwest::get(url).await.unwrap();
        assert_eq!(fetched.status(), 200);
        let fetched = fetched.bytes().await.unwrap();
        assert_eq!(fetched, at(path.clone()).send().await.unwrap().bytes().await.unwrap());
        let unsigned = reqwest::get(url.split('?').next().unwrap()).await.unwrap();
        assert_eq!(unsigned.status(), 403);
        refused(at(format!("/v1/exports/{id}/files/no.csv/url")), 404, "not-found").await;
    }
}

/// Would catch a bucket that does not answer and so keeps a cancelled export, and all others behind it, from ending.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_stalls_holds_nobody() {
    let (place, customer) = (Place::folder(), S3Server::start());
    let mut launch = launch(&place, &customer);
    launch.environment.push(("AUDITLAKE_EXPORT__CONCURRENT_MAX", "1".to_owned()));
    launch.environment.push(("AUDITLAKE_OBJECT_STORE__REQUEST_TIMEOUT_MS", "3600000".to_owned()));
    let server = with_events(&launch).await;
    customer.answer_next(&[Answer::Never]);
    let id = asked(&server, &wanted("acme", &customer, &with_keys())).await;
    while customer.answers_left() > 0 {
        tokio::task::yield_now().await;
    }
    let behind = asked(&server, &json!({"tenant_id": "other", "format": "csv"})).await;
    let path = format!("/v1/exports/{id}");
    let (_, cancelled) = ask(server.api().request(Method::DELETE, &path).bearer_auth(ROOT_KEY)).await;
    assert_eq!(cancelled["state"], "cancelled", "{cancelled}");
    let ended = status(&server, &behind, "?wait_seconds=60").await;
    assert_eq!(ended["state"], "completed", "{ended}");
}
