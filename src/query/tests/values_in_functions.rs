//! JSON values and their texts as arguments: no value is lost, no error depends on the events, and no call is this program's defect.

use std::sync::Arc;

use datafusion::execution::runtime_env::RuntimeEnv;
use serde_json::json;

use super::fixture::*;
use crate::{
    error::ErrorKind,
    query::{
        Engine, Settings,
        session::{self, Addresses},
    },
};

/// One value of each kind, no member, and no metadata.
const VALUES: [&str; 9] =
    ["100", "20.25", "true", "null", "\"many\"", "[1,\"a\"]", "{\"a\":1}", "\"5\"", "\"2026-11-01\""];

async fn engine() -> Engine {
    let lake = Lake::new().await;
    let event = |number: usize| Event {
        id: format!("e{number:02}"),
        version: Some(number as i32),
        metadata: match number {
            10 => Some("{\"other\":1}".to_string()),
            11 => None,
            _ => VALUES.get(number).map(|value| format!("{{\"k\":\"x\",\"n\":{value}}}")),
        },
        ..Event::numbered(number)
    };
    let events: Vec<Event> = (0..12).filter(|number| *number != 9).map(event).collect();
    lake.add_file("acme", &events[..4]).await;
    lake.add_file("acme", &events[4..]).await;
    lake.engine(Settings::default())
}

async fn column(engine: &Engine, expression: &str) -> serde_json::Value {
    let sql = format!("SELECT {expression} AS a FROM events ORDER BY id");
    rows(engine, &sql).await.into_iter().map(|row| row["a"].clone()).collect()
}

async fn refusal(engine: &Engine, sql: &str) -> String {
    let error = batches(engine, request(sql)).await.expect_err(sql);
    assert_eq!(error.kind(), ErrorKind::Invalid, "{sql}: {error:?}");
    error.to_string()
}

/// Would catch a function of text that sees only some kinds of values: it answers null, or leaves them out, without a word.
#[tokio::test]
async fn functions_of_text_take_the_text_of_every_value() {
    let engine = engine().await;
    for form in [
        "length(@)",
        "upper(@)",
        "lower(@)",
        "initcap(@)",
        "left(@, 2)",
        "right(@, 2)",
        "reverse(@)",
        "replace(@, '0', 'x')",
        "split_part(@, '.', 1)",
        "substring(@ FROM 1 FOR 2)",
        "substring(@ FROM '[0-9]+')",
        "position('0' IN @)",
        "overlay(@ PLACING 'x' FROM 1)",
        "trim(@)",
        "btrim(@, '0')",
        "translate(@, '1', 'x')",
        "strpos(@, '0')",
        "ascii(@)",
        "octet_length(@)",
        "bit_length(@)",
        "starts_with(@, '1')",
        "contains(@, '1')",
        "string_to_array(@, ',')",
        "md5(@)",
        "sha256(@)",
        "encode(@, 'hex')",
        "levenshtein(@, 'a')",
        "concat('<', @, '>')",
        "concat_ws('-', id, @)",
        "@ || '!'",
        "@ LIKE '1%'",
        "@ ILIKE 'T%'",
        "@ ~ '^[0-9]'",
        "@ SIMILAR TO '1%'",
        "regexp_like(@, '1')",
        "regexp_replace(@, '1', '2')",
        "regexp_match(@, '[a-z]')",
        "regexp_count(@, '0')",
        "coalesce(@, '-')",
        "string_agg(@, ',') OVER (ORDER BY id)",
    ] {
        let of = |value: &str| form.replace('@', value);
        let expected = column(&engine, &of("(metadata->>'n')")).await;
        assert_eq!(column(&engine, &of("(metadata->'n')")).await, expected, "{form}");
        let named =
            format!("SELECT {} AS a FROM (SELECT id, metadata->'n' AS n FROM events) ORDER BY id", of("n"));
        let named: serde_json::Value =
            rows(&engine, &named).await.into_iter().map(|row| row["a"].clone()).collect();
        assert_eq!(named, expected, "{form}");
    }
    assert_eq!(
        value(&engine, "SELECT string_agg(metadata->'n', '|' ORDER BY id) FROM events").await,
        json!("100|20.25|true|many|[1,\"a\"]|{\"a\":1}|5|2026-11-01")
    );
}

/// Would catch a number that is lost where a function takes numbers, and a word that makes the question fail.
#[tokio::test]
async fn other_functions_take_what_a_value_is() {
    let engine = engine().await;
    let nulls = |count: usize| vec![json!(null); count];
    let numbers = |first: f64, second: f64| json!([vec![json!(first), json!(second)], nulls(9)].concat());
    assert_eq!(column(&engine, "abs(metadata->'n')").await, numbers(100.0, 20.25));
    assert_eq!(column(&engine, "left(id, metadata->'n')").await[0], json!("e00"));
    assert_eq!(column(&engine, "left(metadata->'n', metadata->'n')").await[0], json!("100"));
    assert_eq!(column(&engine, "sqrt(metadata->'n')").await, numbers(10.0, 4.5));
    assert_eq!(column(&engine, "coalesce(metadata->'n', 0)").await[2], json!(0.0));
    assert_eq!(column(&engine, "array_append(ARRAY[1], metadata->'n')").await[1], json!([1.0, 20.25]));
    assert_eq!(column(&engine, "ARRAY[metadata->'n', 1]").await[0], json!([100.0, 1.0]));
    assert_eq!(column(&engine, "ARRAY[1] || (metadata->'n')").await[0], json!([1.0, 100.0]));
    assert_eq!(column(&engine, "nvl2(metadata->'n', 1, 2)").await, json!([1, 1, 1, 2, 1, 1, 1, 1, 1, 2, 2]));
    assert_eq!(column(&engine, "greatest(metadata->'n', metadata->'k')").await[0], json!("100"));
    assert_eq!(column(&engine, "nullif(metadata->'n', metadata->'n')").await, json!(nulls(11)));
    assert_eq!(column(&engine, "lag(metadata->'n', 1, 0) OVER (ORDER BY id)").await[0], json!(0.0));
    for time in ["metadata->'n'", "metadata->>'n'"] {
        let days = column(&engine, &format!("date_trunc('month', {time})::date")).await;
        assert_eq!(days, json!([nulls(8), vec![json!("2026-11-01")], nulls(2)].concat()), "{time}");
        assert_eq!(column(&engine, &format!("extract(year FROM {time})")).await[8], json!(2026), "{time}");
    }
    for (aggregate, expected) in [
        ("bool_or(metadata->'n')", json!(true)),
        ("bit_and(metadata->'n')", json!(4)),
        ("corr(metadata->'n', version)", json!(-1.0)),
    ] {
        let answer = value(&engine, &format!("SELECT {aggregate} FROM events")).await;
        let is_same = answer == expected || (answer.as_f64().unwrap_or(0.0) + 1.0).abs() < 1e-9;
        assert!(is_same, "{aggregate}: {answer}");
    }
}

/// Would catch an error that depends on the events: a text among numbers is cast only if it is read.
#[tokio::test]
async fn texts_among_other_values_are_refused() {
    let engine = engine().await;
    for sql in [
        "SELECT coalesce(metadata->>'n', 0) FROM events",
        "SELECT coalesce(metadata->>'n', 0) FROM events WHERE false",
        "SELECT ifnull(metadata->>'n', 0.5) FROM events",
        "SELECT nullif(metadata->>'n', 100) FROM events",
        "SELECT greatest(metadata->>'n', version) FROM events",
        "SELECT least(10, actor_id) FROM events",
        "SELECT coalesce(metadata->>'n', true) FROM events",
        "SELECT coalesce(metadata->>'n', occurred_at) FROM events",
        "SELECT coalesce(day, action) FROM events",
        "SELECT coalesce(n, 0) FROM (SELECT metadata->>'n' AS n FROM events)",
    ] {
        let text = refusal(&engine, sql).await;
        assert!(text.contains("which are no one type; cast the text"), "{sql}: {text}");
    }
    for sql in ["SELECT coalesce(version, 'none') FROM events", "SELECT greatest(day, 'never') FROM events"] {
        assert!(refusal(&engine, sql).await.contains("which is none; write"), "{sql}");
    }
    for (expression, expected) in [
        ("coalesce(version, '7')", json!(0)),
        ("coalesce(NULL, '7', version)", json!(7)),
        ("coalesce(NULL::timestamptz, '2026-11-01 03:30')", json!("2026-11-01T03:30:00Z")),
        ("coalesce((metadata->>'n')::bigint, 0)", json!(100)),
        ("CASE metadata->>'n' WHEN 100 THEN 'h' ELSE 'o' END", json!("h")),
        ("CASE metadata->>'n' WHEN version THEN 'h' ELSE 'o' END", json!("o")),
    ] {
        assert_eq!(column(&engine, expression).await[0], expected, "{expression}");
    }
    for sql in [
        "SELECT date_trunc('day', action) FROM events",
        "SELECT extract(year FROM t) FROM (SELECT metadata->>'n' AS t FROM events)",
    ] {
        assert!(refusal(&engine, sql).await.contains("and was given text; write a cast"), "{sql}");
    }
    for function in ["array_max", "array_min", "array_sort", "array_distinct", "array_sum"] {
        let text = refusal(&engine, &format!("SELECT {function}(ARRAY[metadata->'n']) FROM events")).await;
        assert!(text.contains("; write "), "{text}");
    }
    let lists = "SELECT (ARRAY[metadata->'n'])[1], array_length(ARRAY[metadata->'n'], 1) FROM events";
    batches(&engine, request(lists)).await.unwrap();
}

/// Would catch a call that is answered as a defect of this program: every function with JSON values, their texts and lists of them.
#[tokio::test]
async fn no_call_is_a_defect() {
    let engine = engine().await;
    let state =
        session::template(&Settings::default(), 64, Arc::new(RuntimeEnv::default()), Addresses::Canonical);
    let state = state.unwrap();
    let scalar = state.scalar_functions().keys();
    let names = scalar.chain(state.aggregate_functions().keys()).chain(state.window_functions().keys());
    let mut names: Vec<&String> = names.collect();
    names.sort();
    let (mut seen, mut wrong) = (0, Vec::new());
    for name in names {
        for arguments in [
            "metadata->'n'",
            "metadata->>'n'",
            "ARRAY[metadata->'n']",
            "metadata->'n', metadata->'k'",
            "metadata->'n', 1",
            "'day', metadata->'n'",
            "ARRAY[1, 2], metadata->'n'",
            "ARRAY[metadata->'n'], metadata->'n'",
            "metadata->'n', 'a', 1",
        ] {
            let is_window = state.window_functions().contains_key(name.as_str());
            let over = if is_window { " OVER (ORDER BY id)" } else { "" };
            let sql = format!("SELECT {name}({arguments}){over} AS a FROM events");
            match batches(&engine, request(&sql)).await {
                Ok(_) => seen += 1,
                Err(error) => {
                    let text = error.to_string();
                    let is_theirs = matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Limit);
                    let is_plain = !["Utf8", "Union(", "OneOf", "Signature", "\n"]
                        .iter()
                        .any(|word| text.contains(word));
                    if !is_theirs || !is_plain {
                        wrong.push(format!("{sql}: {:?} {text}", error.kind()));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 400, "{seen} were answered");
}
