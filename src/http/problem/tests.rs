//! Every kind of error as its client sees it.

use axum::http::HeaderMap;

use super::*;

fn document(problem: &Problem) -> Value {
    let id = RequestId::of(&HeaderMap::new());
    serde_json::from_slice(&problem.document(&id, "/v1/sql")).unwrap()
}

/// Would catch a store's address or a file's name in an answer.
#[test]
fn server_errors_tell_nothing_but_the_request_id() {
    for kind in [ErrorKind::Internal, ErrorKind::Corrupt, ErrorKind::Unavailable, ErrorKind::Fenced] {
        let problem = Problem::from(Error::with_source(kind, "put wal/7", std::io::Error::other("10.0.0.1")));
        let text = document(&problem).to_string();
        assert!(!text.contains("wal") && !text.contains("10.0.0.1"), "{text}");
        assert_eq!(problem.report(), Some("put wal/7: 10.0.0.1"));
    }
}

/// Would catch a kind answered with the wrong status or without its header.
#[test]
fn kinds_have_their_status_and_headers() {
    let cases = [
        (ErrorKind::Invalid, 422, None),
        (ErrorKind::Limit, 422, None),
        (ErrorKind::Unauthorized, 401, Some(header::WWW_AUTHENTICATE)),
        (ErrorKind::Forbidden, 403, None),
        (ErrorKind::NotFound, 404, None),
        (ErrorKind::Conflict, 409, None),
        (ErrorKind::Busy, 429, Some(header::RETRY_AFTER)),
        (ErrorKind::Unavailable, 503, Some(header::RETRY_AFTER)),
        (ErrorKind::Fenced, 503, Some(header::RETRY_AFTER)),
        (ErrorKind::Corrupt, 500, None),
        (ErrorKind::Internal, 500, None),
    ];
    for (kind, status, required) in cases {
        let problem = Problem::from(Error::new(kind, "x"));
        assert_eq!(document(&problem)["status"], status);
        let response = problem.into_response();
        assert_eq!(response.status().as_u16(), status);
        assert!(required.is_none_or(|name| response.headers().contains_key(name)), "{kind:?}");
    }
}

/// Would catch a kind without one of the members that every problem has, or two kinds that cannot be told apart.
#[test]
fn every_kind_has_all_members_and_a_name_of_its_own() {
    let mut references = std::collections::BTreeSet::new();
    for kind in ProblemType::ALL {
        let document = document(&Problem::new(*kind, "why"));
        assert_eq!(document["status"], kind.status());
        for member in ["type", "title", "detail", "instance", "request_id"] {
            assert!(document[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {document}");
        }
        assert_eq!(document["type"], format!("/problems/{}", kind.name()));
        assert!(references.insert(kind.reference()), "{kind:?}");
        assert!(!kind.advice().is_empty() && !kind.advice().ends_with('.'), "{kind:?}");
    }
}

/// Would catch an error about a member whose problem does not name it, or a later guess that takes its place.
#[test]
fn a_problem_keeps_what_it_is_about() {
    let error = Error::new(ErrorKind::Invalid, "a key needs at least one scope").about("/scopes");
    let problem = Problem::from(error).at("/sql").of_parameter("tenant_id");
    let document = document(&problem);
    assert_eq!((&document["pointer"], &document["parameter"]), (&"/scopes".into(), &Value::Null));
}

/// Would catch a refusal that does not say which limit it was, or two answers to when.
#[test]
fn a_rate_limit_says_which_and_when() {
    let exceeded = Exceeded {
        policy: "tenant-events",
        whose: Whose::Tenant,
        detail: "tenant 'acme' has used up its events".into(),
        retry_after_seconds: 7,
    };
    let problem = Problem::from(exceeded);
    let document = document(&problem);
    assert_eq!((&document["policy"], &document["of"]), (&"tenant-events".into(), &"tenant".into()));
    assert_eq!(document["retry_after_seconds"], 7);
    let response = problem.into_response();
    let given: Vec<_> = response.headers().get_all(header::RETRY_AFTER).iter().collect();
    assert_eq!(given, ["7"]);
}
