//! The key to a server: given, or made and shown once; and settings that can be written down and read back.

use std::fs;

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{
    place::{Place, in_every_place},
    program::{command, run},
    server::{ROOT_KEY, Server},
};

const SHOWN: &str = "root key, shown only now";

async fn status(server: &Server, key: &str) -> StatusCode {
    let question = server.api().request(Method::POST, "/v1/sql").bearer_auth(key);
    question.json(&json!({"sql": "SELECT 1 AS one"})).send().await.unwrap().status()
}

in_every_place!(a_key_is_made_once_and_replaced_by_one_that_is_given);

/// Would catch a server open to anyone, a key that is shown again or kept readable, and a lost key that cannot be replaced.
async fn a_key_is_made_once_and_replaced_by_one_that_is_given(place: &Place) {
    let mut keyless = place.calm();
    keyless.environment.push(("AUDITLAKE_ROOT_KEY", String::new()));
    let first = Server::start(&keyless, &[]).await;
    let said = first.stderr();
    let line =
        said.lines().find(|line| line.starts_with(SHOWN)).unwrap_or_else(|| panic!("no key in {said}"));
    let made = line.rsplit(' ').next().unwrap().to_owned();
    assert!(made.len() >= 32, "{made}");
    assert_eq!(status(&first, &made).await, 200);
    assert_eq!(status(&first, ROOT_KEY).await, 401);
    assert!(first.terminate().await.status.success());
    if let Some(folder) = place.path() {
        let kept = fs::read_to_string(folder.join("control/root-key.json")).unwrap();
        assert!(!kept.contains(made.trim_start_matches("alk_")), "{kept}");
    }

    let second = Server::start(&keyless, &[]).await;
    assert!(!second.stderr().contains(SHOWN), "{}", second.stderr());
    assert_eq!(status(&second, &made).await, 200);
    assert!(second.terminate().await.status.success());

    let third = Server::start(&place.calm(), &[]).await;
    assert_eq!(
        (status(&third, ROOT_KEY).await, status(&third, &made).await),
        (StatusCode::OK, StatusCode::UNAUTHORIZED)
    );
    assert!(!third.stderr().contains(ROOT_KEY), "{}", third.stderr());
}

/// Would catch a setting that is printed and not read, or a mistyped one that is passed over.
#[test]
fn printed_settings_are_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("auditlake.toml");
    let printed = run(command(&["serve", "--print-config"]), b"").quiet().stdout;
    fs::write(&file, &printed).unwrap();
    let path = file.to_str().unwrap();
    assert_eq!(run(command(&["serve", "--print-config", "--config", path]), b"").quiet().stdout, printed);

    let changed = run(command(&["serve", "--print-config", "--config", path, "--store", "memory://"]), b"");
    let changed = changed.quiet().stdout;
    assert_eq!(changed.lines().zip(printed.lines()).filter(|(new, old)| new != old).count(), 1, "{changed}");

    fs::write(&file, format!("{printed}\nstroe = \"memory://\"\n")).unwrap();
    run(command(&["serve", "--print-config", "--config", path]), b"").failed(1, &["stroe", path]);
    let mut variable = command(&["sql", "SELECT 1"]);
    variable.env("AUDITLAKE_INGEST__FLUSH_ROW", "1");
    run(variable, b"").failed(1, &["AUDITLAKE_INGEST__FLUSH_ROW"]);
}
