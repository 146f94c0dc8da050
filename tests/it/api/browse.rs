//! Events without SQL: filters, pages, counts, and what viewers see of them.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::{ask, event, refused, store};
use crate::support::{
    place::{Place, in_every_place},
    server::{ROOT_KEY, Server},
};

fn get(server: &Server, key: &str, path: &str) -> RequestBuilder {
    server.api().request(Method::GET, path).bearer_auth(key)
}

async fn page(server: &Server, key: &str, path: &str) -> Value {
    let (status, page) = ask(get(server, key, path)).await;
    assert_eq!(status, 200, "{path}: {page}");
    page
}

fn ids(page: &Value) -> Vec<&str> {
    page["events"].as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap()).collect()
}

/// Event number `number` of a company in which everything repeats at another pace.
fn numbered(tenant: &str, number: usize) -> Value {
    let (day, hour) = (number / 24 % 28 + 1, number % 24);
    let mut event = event(tenant, &format!("e{number:04}"));
    event["occurred_at"] = format!("2025-02-{day:02}T{hour:02}:00:00Z").into();
    event["action"] = ["user.login", "document.read", "document.delete", "documents"][number % 4].into();
    event["actor"] = json!({"type": "user", "id": format!("u_{}", number % 5), "name": (["Ana López", "Bo Li"][number % 2]),
        "email": format!("u{}@example.com", number % 5)});
    event["outcome"] = json!({"result": (["success", "failure", "denied"][number % 3])});
    event["targets"] = match number % 3 {
        0 => json!([{"type": "document", "id": "d_1"}, {"type": "folder", "id": "f_1"}]),
        1 => json!([{"type": "folder", "id": "d_1", "metadata": {"type": "document"}}]),
        _ => json!([]),
    };
    event["workspace"] = json!({"id": format!("w_{}", number % 2)});
    event["context"] = json!({"ip_address": format!("10.0.{}.7", number % 3), "session_id": format!("s_{}", number % 6),
        "request_id": format!("r_{number}")});
    event["correlation_id"] = format!("c_{}", number % 9).into();
    event["metadata"] = json!({"plan": (["pro", "free"][number % 2]), "seats": number % 7, "a.b": "c d"});
    event
}

/// What passes a filter, said once more.
fn passes(event: &Value, name: &str, value: &str) -> bool {
    let has_target = |kind: Option<&str>, id: Option<&str>| {
        event["targets"].as_array().unwrap().iter().any(|target| {
            kind.is_none_or(|kind| target["type"] == kind) && id.is_none_or(|id| target["id"] == id)
        })
    };
    let action = event["action"].as_str().unwrap();
    let time = event["occurred_at"].as_str().unwrap();
    match name {
        "action" => {
            value.strip_suffix('*').map_or(action == value, |beginning| action.starts_with(beginning))
        }
        "from" => time >= value,
        "to" => time < value,
        "id" => event["id"] == value,
        "actor_id" => event["actor"]["id"] == value,
        "actor_email" => event["actor"]["email"] == value,
        "outcome" => event["outcome"]["result"] == value,
        "target_id" => has_target(None, Some(value)),
        "target_type" => has_target(Some(value), None),
        "both" => has_target(Some("folder"), Some("d_1")),
        "ip_address" => match value.split_once('/') {
            Some(_) => event["context"]["ip_address"].as_str().unwrap().starts_with("10.0.1."),
            None => event["context"]["ip_address"] == value,
        },
        "workspace_id" => event["workspace"]["id"] == value,
        "session_id" | "request_id" => event["context"][name] == value,
        "correlation_id" => event["correlation_id"] == value,
        "metadata.plan" => event["metadata"]["plan"] == value,
        "metadata.seats" => event["metadata"]["seats"] == value.parse::<i64>().unwrap(),
        "metadata.a.b" => event["metadata"]["a.b"] == value,
        "q" => value.split(' ').all(|word| event.to_string().to_lowercase().contains(&word.to_lowercase())),
        other => panic!("no such filter: {other}"),
    }
}

in_every_place!(filters_find_what_passes_them, a_walk_gives_every_event_once);

/// Would catch a filter that is ignored, that looks at another column, or that prunes too much: in files, in memory and across
/// both, alone and in pairs.
async fn filters_find_what_passes_them(place: &Place) {
    let server = Server::start(&place.busy(), &[]).await;
    let events: Vec<Value> = (0..300).map(|number| numbered("acme", number)).collect();
    store(&server, &events[..200]).await;
    while server.api().sql("SELECT 1 AS one FROM events WHERE seq IS NULL LIMIT 1").await.len() == 1 {}
    store(&server, &events[200..]).await;
    let single = [
        ("action", "user.login"),
        ("action", "document.*"),
        ("from", "2025-02-03T05:00:00Z"),
        ("to", "2025-02-03T05:00:00Z"),
        ("id", "e0042"),
        ("actor_id", "u_3"),
        ("actor_email", "u2@example.com"),
        ("outcome", "denied"),
        ("target_id", "d_1"),
        ("target_type", "document"),
        ("ip_address", "10.0.1.7"),
        ("ip_address", "10.0.1.0/24"),
        ("workspace_id", "w_1"),
        ("session_id", "s_4"),
        ("request_id", "r_111"),
        ("correlation_id", "c_8"),
        ("metadata.plan", "pro"),
        ("metadata.seats", "6"),
        ("metadata.a.b", "c d"),
        ("q", "ANA lópez"),
        ("q", "nowhere"),
    ];
    let mut questions: Vec<Vec<(&str, &str)>> = single.iter().map(|filter| vec![*filter]).collect();
    for (number, one) in single.iter().enumerate() {
        let other = single[(number * 7 + 5) % single.len()];
        if one.0 != other.0 {
            questions.push(vec![*one, other]);
        }
    }
    for question in questions {
        let expected: BTreeSet<&str> = events
            .iter()
            .filter(|event| question.iter().all(|(name, value)| passes(event, name, value)))
            .map(|event| event["id"].as_str().unwrap())
            .collect();
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&question).finish();
        let found = page(&server, ROOT_KEY, &format!("/v1/events?tenant_id=acme&limit=1000&{query}")).await;
        assert_eq!(ids(&found).into_iter().collect::<BTreeSet<_>>(), expected, "{query}");
        assert_eq!(ids(&found).len(), expected.len(), "{query}");
    }
    let found = page(&server, ROOT_KEY, "/v1/events?target_type=folder&target_id=d_1&limit=1000").await;
    let expected = events.iter().filter(|event| passes(event, "both", "")).count();
    assert_eq!(ids(&found).len(), expected, "type and id of one target");
    let any = page(&server, ROOT_KEY, "/v1/events?action=user.login&action=documents&limit=1000").await;
    assert_eq!(ids(&any).len(), 150, "any of two actions");
    counts_agree(&server, &events).await;
}

/// Would catch counts that are not those of the events.
async fn counts_agree(server: &Server, events: &[Value]) {
    let days = page(server, ROOT_KEY, "/v1/events/histogram?field=action").await;
    let mut expected: BTreeMap<(String, String), u64> = BTreeMap::new();
    for event in events {
        let day = format!("{}T00:00:00Z", &event["occurred_at"].as_str().unwrap()[..10]);
        *expected.entry((day, event["action"].as_str().unwrap().to_owned())).or_default() += 1;
    }
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let bars = days["bars"].as_array().unwrap().iter();
    let found: BTreeMap<(String, String), u64> = bars
        .map(|bar| ((text(&bar["start"]), text(&bar["value"])), bar["count"].as_u64().unwrap()))
        .collect();
    assert_eq!(found, expected);
    assert_eq!(days["events"], json!(events.len()));
    for (interval, bars) in [("hour", 60), ("day", 3), ("week", 2), ("month", 1)] {
        let path = format!(
            "/v1/events/histogram?interval={interval}&actor_id=u_0&from=2025-02-01&to=2025-02-13T01:00:00Z"
        );
        let counted = page(server, ROOT_KEY, &path).await;
        let (all, expected) =
            (counted["events"].as_u64().unwrap(), if interval == "hour" { 58 } else { bars });
        assert_eq!(all, 58, "{counted}");
        assert!(counted["bars"].as_array().unwrap().len() >= expected.min(2), "{counted}");
    }
    let top = page(server, ROOT_KEY, "/v1/events/fields?field=outcome&limit=2&action=document.*").await;
    let passing: Vec<&Value> = events.iter().filter(|event| passes(event, "action", "document.*")).collect();
    assert_eq!((&top["events"], &top["distinct"]), (&json!(passing.len()), &json!(3)), "{top}");
    let first = &top["values"][0];
    let count = passing.iter().filter(|event| event["outcome"]["result"] == first["value"]).count();
    assert_eq!(first["count"], json!(count), "{top}");
    assert_eq!(top["values"].as_array().unwrap().len(), 2);
}

/// Would catch an event that a walk misses or gives twice while others arrive, are committed and merged; and a walk forwards
/// that never ends.
async fn a_walk_gives_every_event_once(place: &Place) {
    let server = Server::start(&place.busy(), &[]).await;
    let events: Vec<Value> = (0..120).map(|number| numbered("acme", number)).collect();
    store(&server, &events).await;
    // By metadata in two questions a page, by actor in one; many events share their time.
    let every = ("metadata.a.b=c%20d", "id", "");
    let of_one = ("actor_id=u_0", "actor_id", "u_0");
    for (order, (filter, parameter, value)) in
        [("desc", every), ("asc", every), ("desc", of_one), ("asc", of_one)]
    {
        let mut path = format!("/v1/events?tenant_id=acme&limit=7&order={order}&{filter}");
        let mut seen: Vec<String> = Vec::new();
        let mut arriving = 0;
        loop {
            let answer = get(&server, ROOT_KEY, &path).send().await.unwrap();
            let link = answer.headers().get("link").map(|link| link.to_str().unwrap().to_owned());
            let found: Value = answer.json().await.unwrap();
            seen.extend(ids(&found).into_iter().map(str::to_owned));
            // Before, at and after the place where the walk is.
            if arriving < 6 {
                let late = (0..20).map(|number| {
                    let mut late = numbered("acme", number * 31 % 120);
                    late["id"] = format!("late-{order}-{parameter}-{arriving}-{number}").into();
                    late
                });
                store(&server, &late.collect::<Vec<_>>()).await;
                arriving += 1;
            }
            let Some(cursor) = found["next_cursor"].as_str() else {
                assert_eq!(link, None);
                break;
            };
            assert_eq!(link.unwrap(), format!("</v1/events?cursor={cursor}>; rel=\"next\""));
            path = format!("/v1/events?cursor={cursor}");
        }
        let unique: BTreeSet<&str> = seen.iter().map(String::as_str).collect();
        assert_eq!(unique.len(), seen.len(), "an event came twice");
        let wanted = events.iter().filter(|event| value.is_empty() || passes(event, parameter, value));
        for event in wanted {
            assert!(unique.contains(event["id"].as_str().unwrap()), "{event} is missing");
        }
    }
}

/// Would catch a cursor that opens more than its reader may see, or that asks something else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cursors_are_their_readers_own() {
    let place = Place::folder();
    let server = Server::start(&place.calm(), &[]).await;
    for tenant in ["acme", "bolt"] {
        store(&server, &(0..30).map(|number| numbered(tenant, number)).collect::<Vec<_>>()).await;
    }
    let key = async |tenant: &str| {
        let wanted = json!({"name": "x", "scopes": ["read"], "tenant_id": tenant});
        ask(server.api().post("/v1/keys").json(&wanted)).await.1["key"].as_str().unwrap().to_owned()
    };
    let (acme, bolt) = (key("acme").await, key("bolt").await);
    let of_bolt =
        page(&server, &bolt, "/v1/events?limit=3").await["next_cursor"].as_str().unwrap().to_owned();
    let of_all =
        page(&server, ROOT_KEY, "/v1/events?limit=3").await["next_cursor"].as_str().unwrap().to_owned();
    for cursor in [&of_bolt, &of_all] {
        let (_, problem) =
            refused(get(&server, &acme, &format!("/v1/events?cursor={cursor}")), 400, "bad-request").await;
        assert!(!problem.to_string().contains("bolt"), "{problem}");
    }
    let (payload, mac) = of_bolt.split_once('.').unwrap();
    let forged = format!("{payload}.{}", mac.chars().rev().collect::<String>());
    for wrong in [forged.as_str(), "", "x.y", "%00"] {
        refused(get(&server, &bolt, &format!("/v1/events?cursor={wrong}")), 400, "bad-request").await;
    }
    let mixed = format!("/v1/events?cursor={of_bolt}&actor_id=u_1");
    assert_eq!(refused(get(&server, &bolt, &mixed), 400, "bad-request").await.1["parameter"], "cursor");
    let more = page(&server, &bolt, &format!("/v1/events?cursor={of_bolt}&limit=5")).await;
    assert_eq!(ids(&more), ["e0026", "e0025", "e0024", "e0023", "e0022"]);
}

/// Would catch a mistake that is answered as if nothing had been asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_asked_is_named() {
    let place = Place::folder();
    let server = Server::start(&place.calm(), &[]).await;
    store(&server, &[event("acme", "one"), event("acme", "histogram"), event("bolt", "one")]).await;
    for (path, parameter) in [
        ("/v1/events?actor=u_1", "actor"),
        ("/v1/events?limit=0", "limit"),
        ("/v1/events?limit=1001", "limit"),
        ("/v1/events?order=newest", "order"),
        ("/v1/events?from=yesterday", "from"),
        ("/v1/events?ip_address=10.0.0.1/8", "ip_address"),
        ("/v1/events?metadata.=x", "metadata."),
        ("/v1/events?q=%20", "q"),
        ("/v1/events/histogram?interval=year", "interval"),
        ("/v1/events/histogram?field=metadata", "field"),
        ("/v1/events/fields", "field"),
    ] {
        let (_, problem) = refused(get(&server, ROOT_KEY, path), 400, "bad-request").await;
        assert_eq!(problem["parameter"], parameter, "{path}: {problem}");
    }
    let one = page(&server, ROOT_KEY, "/v1/events/one?tenant_id=acme").await;
    assert_eq!((&one["tenant_id"], &one["id"]), (&json!("acme"), &json!("one")), "{one}");
    refused(get(&server, ROOT_KEY, "/v1/events/one"), 409, "conflict").await;
    refused(get(&server, ROOT_KEY, "/v1/events/none"), 404, "not-found").await;
    assert_eq!(ids(&page(&server, ROOT_KEY, "/v1/events?id=histogram").await), ["histogram"]);
}

/// Would catch a viewer that sees more than its token says, by any way there is, and a token that outlives its key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn viewers_see_their_part_only() {
    let place = Place::folder();
    let server = Server::start(&place.busy(), &[]).await;
    for tenant in ["acme", "bolt"] {
        store(&server, &(0..120).map(|number| numbered(tenant, number)).collect::<Vec<_>>()).await;
    }
    let wanted = json!({"name": "back end", "scopes": ["read"], "tenant_id": "acme"});
    let key = ask(server.api().post("/v1/keys").json(&wanted)).await.1;
    let (key_id, key) = (key["id"].as_str().unwrap(), key["key"].as_str().unwrap());
    let token = |wanted: Value| {
        server.api().request(Method::POST, "/v1/viewer-tokens").bearer_auth(key).json(&wanted)
    };
    let wanted = json!({"subject": "ana", "actor_id": "u_1", "actions": ["document.*", "user.login"]});
    let (status, made) = ask(token(wanted)).await;
    assert_eq!(status, 201, "{made}");
    let viewer = made["token"].as_str().unwrap();

    let own = |number: &usize| number % 5 == 1 && number % 4 != 3;
    let expected = (0..120).filter(own).count() as u64;
    let all = page(&server, viewer, "/v1/events?limit=1000").await;
    assert_eq!(ids(&all).len() as u64, expected);
    for filter in ["actor_id=u_2", "action=documents", "id=e0000", "q=Bo&actor_id=u_2"] {
        assert!(ids(&page(&server, viewer, &format!("/v1/events?{filter}")).await).is_empty(), "{filter}");
    }
    assert_eq!(page(&server, viewer, "/v1/events/histogram").await["events"], expected);
    assert_eq!(page(&server, viewer, "/v1/events/fields?field=actor_id").await["distinct"], 1);
    refused(get(&server, viewer, "/v1/events/e0000"), 404, "not-found").await;
    refused(get(&server, viewer, "/v1/events?tenant_id=bolt"), 404, "not-found").await;
    let sql = |text: &str| {
        server.api().request(Method::POST, "/v1/sql").bearer_auth(viewer).json(&json!({"sql": text}))
    };
    for text in [
        "SELECT count(*) AS n FROM events",
        "SELECT count(*) AS n FROM events WHERE tenant_id = 'acme' OR true",
        "SELECT sum(n) AS n FROM (SELECT day, count(*) AS n FROM events GROUP BY day) AS d",
        "WITH events2 AS (SELECT * FROM auditlake.public.events) SELECT count(*) AS n FROM events2",
    ] {
        let (status, answer) = ask(sql(text)).await;
        assert_eq!((status, &answer["rows"][0]["n"]), (200, &json!(expected)), "{text}: {answer}");
        assert_eq!(answer["statistics"]["files_considered"], 0, "{answer}");
    }
    assert_eq!(ask(sql("EXPLAIN SELECT * FROM events")).await.0, 403);
    let saved = server.api().request(Method::POST, "/v1/queries/actor-timeline").bearer_auth(viewer);
    let params = json!({"params": {"actor": "u_2", "from": "2025-02-01", "to": "2025-03-01"}});
    assert_eq!(ask(saved.json(&params)).await.1["rows"], json!([]));
    for (method, path) in
        [(Method::POST, "/v1/viewer-tokens"), (Method::POST, "/v1/events"), (Method::GET, "/v1/keys")]
    {
        let request = server.api().request(method.clone(), path).bearer_auth(viewer);
        // A GET with a body is refused before anyone asks who sent it.
        let request = if method == Method::POST { request.json(&json!({"subject": "bo"})) } else { request };
        refused(request, 403, "forbidden").await;
    }
    for wrong in [&viewer[..viewer.len() - 2], &format!("{viewer}x"), "alv_e30.e30"] {
        refused(get(&server, wrong, "/v1/events"), 401, "unauthorized").await;
    }
    for (wanted, part) in [
        (json!({"subject": ""}), "subject"),
        (json!({"subject": "a", "expires_in_seconds": 86_401}), "expires_in_seconds"),
        (json!({"subject": "a", "actions": ["*"]}), "action"),
        (json!({"subject": "a", "scopes": ["admin"]}), "scopes"),
    ] {
        assert!(refused(token(wanted), 422, "invalid").await.1.to_string().contains(part));
    }
    refused(token(json!({"subject": "a", "tenant_id": "bolt"})), 404, "not-found").await;
    let ended = server.api().request(Method::DELETE, &format!("/v1/keys/{key_id}")).bearer_auth(ROOT_KEY);
    assert_eq!(ended.send().await.unwrap().status(), 204);
    refused(get(&server, viewer, "/v1/events"), 401, "unauthorized").await;
}
