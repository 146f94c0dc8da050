//! JSON values against a row-by-row evaluation, in many small files and in one.

use std::cmp::Ordering;

use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Map, Value, json};

use crate::query::{
    Engine, Pushdown, Request, Scope, Settings,
    tests::fixture::{DAY_MICROS, Event, Lake, START, request, rows, rows_of},
};

/// Values as canonical events have them, the member missing, and no metadata at all.
const VALUES: [Option<&str>; 25] = [
    None,
    Some("100"),
    Some("20.25"),
    Some("9"),
    Some("0"),
    Some("-5"),
    Some("-0.5"),
    Some("1e+21"),
    Some("1e-7"),
    Some("9007199254740992"),
    Some("1200"),
    Some("\"100\""),
    Some("\" 1e2 \""),
    Some("\"20.25\""),
    Some("\"9007199254740993\""),
    Some("\"many\""),
    Some("\"NaN\""),
    Some("\"\""),
    Some("\"a \\\"b\\\"\""),
    Some("true"),
    Some("false"),
    Some("null"),
    Some("[1,2]"),
    Some("{\"a\":1}"),
    Some("missing"),
];

/// One event and its value.
#[derive(Clone)]
struct Told {
    event: Event,
    value: Option<Value>,
}

fn random_events(random: &mut StdRng) -> Vec<Told> {
    let told = |number: usize| {
        let mut event = Event::numbered(number);
        let text = VALUES.choose(random).copied().unwrap();
        event.at = START + random.random_range(0..2) * DAY_MICROS + number as i64;
        event.metadata = match text {
            None => None,
            Some("missing") => Some(r#"{"other":1}"#.to_owned()),
            Some(json) => Some(format!(r#"{{"in":{{"k":{json}}},"k":{json}}}"#)),
        };
        let value = text.filter(|text| *text != "missing").map(|text| serde_json::from_str(text).unwrap());
        Told { event, value }
    };
    (0..60).map(told).collect()
}

/// The same events in files of a few, and in one of each day.
async fn lakes(random: &mut StdRng, told: &[Told]) -> [Lake; 2] {
    let (small, large) = (Lake::new().await, Lake::new().await);
    for day in 0..2 {
        let of_day = |told: &&Told| (told.event.at - START) / DAY_MICROS == day;
        let events: Vec<Event> = told.iter().filter(of_day).map(|told| told.event.clone()).collect();
        large.add_file("acme", &events).await;
        let mut rest = events.as_slice();
        while !rest.is_empty() {
            let (some, others) = rest.split_at(random.random_range(1..=rest.len().min(5)));
            match random.random_range(0..5) {
                0 => small.add_uncommitted("acme", some).await,
                1 => drop(small.add_file_only("acme", some).await),
                _ => small.add_file("acme", some).await,
            }
            rest = others;
        }
    }
    [small, large]
}

fn engines(lakes: &[Lake; 2]) -> Vec<Engine> {
    let settings = Settings::default();
    let with = |pushdown| Settings { pushdown, ..settings.clone() };
    let all =
        [settings.clone(), with(Pushdown::Always), Settings { pruning: false, ..with(Pushdown::Never) }];
    lakes.iter().flat_map(|lake| all.iter().map(|settings| lake.engine(settings.clone()))).collect()
}

/// The number of a JSON value.
fn number(value: &Value) -> Option<f64> {
    value.as_f64()
}

/// The number that the text of a JSON value says.
fn number_of_text(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) if text.trim() != "NaN" => text.trim().parse().ok(),
        other => other.as_f64(),
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(canonical(other)),
    }
}

/// A number as canonical events write it.
fn canonical(value: &Value) -> String {
    let text = value.to_string();
    VALUES
        .iter()
        .flatten()
        .find(|known| serde_json::from_str::<Value>(known).ok().as_ref() == Some(value))
        .map_or(text, |known| (*known).to_owned())
}

async fn ids(engine: &Engine, condition: &str, params: Value) -> Vec<String> {
    let params = params.as_object().unwrap().clone();
    let sql = format!("SELECT id FROM events WHERE {condition} ORDER BY id");
    let running = engine.run(Request { sql, params, scope: Scope::All }).await;
    let rows = rows_of(running.unwrap_or_else(|error| panic!("{condition}: {error:?}"))).await;
    let id = |row: Map<String, Value>| row["id"].as_str().unwrap().to_owned();
    rows.unwrap_or_else(|error| panic!("{condition}: {error:?}")).into_iter().map(id).collect()
}

fn expected(told: &[Told], wanted: impl Fn(&Value) -> Option<bool>) -> Vec<String> {
    let passes = |told: &&Told| told.value.as_ref().and_then(&wanted) == Some(true);
    let mut ids: Vec<String> = told.iter().filter(passes).map(|told| told.event.id.clone()).collect();
    ids.sort();
    ids
}

fn holds(op: &str, order: Ordering) -> bool {
    match op {
        "=" => order.is_eq(),
        "<>" => order.is_ne(),
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        ">" => order.is_gt(),
        _ => order.is_ge(),
    }
}

const OPERATORS: [&str; 6] = ["=", "<>", "<", "<=", ">", ">="];

/// Would catch a number of one form that numbers of another do not see, a word that is an error where its file is read with others,
/// text that is taken for a number or the other way round, and an index that rules out what matches.
#[tokio::test]
async fn numbers_compare_as_numbers() {
    let seeds = std::env::var("AUDITLAKE_DIFFERENTIAL_SEEDS").map_or(2, |text| text.parse().unwrap());
    for seed in 0..seeds {
        let mut random = StdRng::seed_from_u64(seed);
        let told = random_events(&mut random);
        let lakes = lakes(&mut random, &told).await;
        for (place, engine) in engines(&lakes).iter().enumerate() {
            for _ in 0..24 {
                let op = *OPERATORS.choose(&mut random).unwrap();
                let literal = *["100", "20.25", "0", "-5", "1e2", "1000", "9", "-0.5", "1e21", "0.0000001"]
                    .choose(&mut random)
                    .unwrap();
                let against: f64 = literal.parse().unwrap();
                let passes = |read: Option<f64>| Some(holds(op, read?.partial_cmp(&against).unwrap()));
                let (of_json, of_text) = (
                    expected(&told, |value| passes(number(value))),
                    expected(&told, |value| passes(number_of_text(value))),
                );
                let param = json!({"n": serde_json::from_str::<Value>(literal).unwrap()});
                for (condition, params, expected) in [
                    (format!("metadata->'k' {op} {literal}"), json!({}), &of_json),
                    (format!("metadata->'in'->'k' {op} ({literal})"), json!({}), &of_json),
                    (format!("metadata->'k' {op} $n"), param.clone(), &of_json),
                    (format!("(metadata->'k')::double {op} {literal}"), json!({}), &of_json),
                    (
                        format!(
                            "id IN (SELECT id FROM (SELECT id, metadata->'k' AS x FROM events) WHERE x {op} {literal})"
                        ),
                        json!({}),
                        &of_json,
                    ),
                    (format!("metadata->>'k' {op} {literal}"), json!({}), &of_text),
                    (format!("metadata->'in'->>'k' {op} $n"), param, &of_text),
                ] {
                    assert_eq!(
                        ids(engine, &condition, params).await,
                        *expected,
                        "seed {seed}, engine {place}: {condition}"
                    );
                }
            }
            compare_other_questions(engine, &told, &format!("seed {seed}, engine {place}")).await;
        }
    }
}

async fn compare_other_questions(engine: &Engine, told: &[Told], what: &str) {
    let between = |value: &Value| number(value).map(|number| (0.0..=100.0).contains(&number));
    let outside = |value: &Value| number(value).map(|number| !(0.0..=100.0).contains(&number));
    let one_of = |value: &Value| number(value).map(|number| [100.0, 20.25].contains(&number));
    let text_of = |value: &Value| Some(text(value)? == "100");
    let truth = |value: &Value| value.as_bool();
    let half = |value: &Value| number(value).map(|number| number / 2.0 + 1.0 > 50.0);
    let large = |value: &Value| number(value).map(|number| number > 9_007_199_254_740_992.0);
    for (condition, expected) in [
        ("metadata->'k' BETWEEN 0 AND 100", expected(told, between)),
        ("metadata->'k' NOT BETWEEN 0 AND 100", expected(told, outside)),
        ("metadata->'k' IN (100, 20.25)", expected(told, one_of)),
        ("metadata->'k' NOT IN (100, 20.25)", expected(told, |value| one_of(value).map(|is| !is))),
        ("metadata->'k' = '100'", expected(told, text_of)),
        ("metadata->>'k' = '100'", expected(told, text_of)),
        ("metadata->'k' = true", expected(told, truth)),
        ("metadata->'k' AND true", expected(told, truth)),
        ("NOT (metadata->'k' = true)", expected(told, |value| truth(value).map(|is| !is))),
        ("(metadata->'k') / 2 + 1 > 50", expected(told, half)),
        ("metadata->'k' = metadata->'in'->'k'", expected(told, |value| Some(!value.is_null()))),
        ("metadata->'k' = ANY (ARRAY[100, 20])", is_number(told, |number| number == 100.0)),
        (
            "array_has([100, 20.25], metadata->'k')",
            is_number(told, |number| [100.0, 20.25].contains(&number)),
        ),
        (
            "metadata->'k' IN (SELECT version * 0 + 100 FROM events WHERE version IS NOT NULL)",
            is_number(told, |number| number == 100.0),
        ),
        ("metadata->>'k' IN (SELECT 100)", expected(told, |value| Some(number_of_text(value)? == 100.0))),
        (
            "id IN (SELECT e.id FROM events e JOIN events o ON e.metadata->'k' = o.metadata->'in'->'k' AND e.id = o.id)",
            expected(told, |value| Some(!value.is_null())),
        ),
        (
            "id IN (SELECT e.id FROM events e JOIN (SELECT 100::bigint AS n) o ON e.metadata->'k' = o.n)",
            is_number(told, |number| number == 100.0),
        ),
        (
            "id IN (SELECT id FROM (SELECT id, metadata->'k' AS x FROM events GROUP BY 1, 2) WHERE x > 50)",
            is_number(told, |number| number > 50.0),
        ),
        (
            "id IN (SELECT id FROM (SELECT DISTINCT id, metadata->'k' AS x FROM events) WHERE x = 'many')",
            expected(told, |value| Some(value == "many")),
        ),
        (
            "CASE WHEN version > -1 OR true THEN metadata->'k' ELSE 0 END > 50",
            is_number(told, |number| number > 50.0),
        ),
        ("greatest(metadata->'k', 50) > 50", is_number(told, |number| number > 50.0)),
        ("metadata->'k' LIKE 'ma%'", expected(told, |value| Some(value == "many"))),
        ("(metadata->'k') || 'x' = 'manyx'", expected(told, |value| Some(value == "many"))),
        ("(metadata->'k') IS TRUE", expected(told, |value| value.as_bool())),
        ("0 - (metadata->'k') > -50", is_number(told, |number| number < 50.0)),
        // What a double cannot hold is not rounded to one.
        ("metadata->'k' = 9007199254740993", Vec::new()),
        ("metadata->'k' >= 9007199254740993", expected(told, large)),
        ("metadata->>'k' = 9007199254740993", expected(told, |value| Some(value == "9007199254740993"))),
        ("metadata->'k' = version::bigint * 0 + 100", expected_with_version(told)),
    ] {
        assert_eq!(ids(engine, condition, json!({})).await, expected, "{what}: {condition}");
    }

    let numbers: Vec<f64> = told.iter().filter_map(|told| number(told.value.as_ref()?)).collect();
    let values = told.iter().filter(|told| told.value.as_ref().is_some_and(|value| !value.is_null())).count();
    let sql = "SELECT sum(x) AS sum, sum((x)::double) AS cast, min(x) AS low, max(x) AS high, avg(x) AS mean, count(x) AS n,
                      max(x::bigint) AS whole, sum(metadata->'k') AS direct,
                      percentile_cont(0.5) WITHIN GROUP (ORDER BY x) AS middle, sum(metadata->>'k') AS texts,
                      max(total) AS total
               FROM (SELECT metadata, metadata->'k' AS x, sum(metadata->'k') OVER () AS total FROM events)";
    let found = rows(engine, sql).await.remove(0);
    let sum: f64 = numbers.iter().sum();
    let close = |found: &Value, expected: f64| {
        let found = found.as_f64().unwrap();
        assert!((found - expected).abs() <= expected.abs() * 1e-9, "{what}: {found} is not {expected}");
    };
    for name in ["sum", "cast", "direct", "total"] {
        close(&found[name], sum);
    }
    let of_texts = told.iter().filter_map(|told| number_of_text(told.value.as_ref()?)).sum();
    close(&found["texts"], of_texts);
    let mut sorted = numbers.clone();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    close(
        &found["middle"],
        if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 },
    );
    close(&found["mean"], sum / numbers.len() as f64);
    assert_eq!(found["low"].as_f64(), numbers.iter().copied().reduce(f64::min), "{what}");
    assert_eq!(found["high"].as_f64(), numbers.iter().copied().reduce(f64::max), "{what}");
    assert_eq!(found["n"].as_u64(), Some(values as u64), "{what}");
    let whole = numbers.iter().filter(|number| number.abs() < 9e18).map(|number| number.round() as i64).max();
    assert_eq!(found["whole"].as_i64(), whole, "{what}");
    compare_orders(engine, told, what).await;
}

fn is_number(told: &[Told], wanted: impl Fn(f64) -> bool) -> Vec<String> {
    expected(told, |value| number(value).map(&wanted))
}

fn expected_with_version(told: &[Told]) -> Vec<String> {
    let with_version: Vec<Told> = told.iter().filter(|told| told.event.version.is_some()).cloned().collect();
    expected(&with_version, |value| number(value).map(|number| number == 100.0))
}

/// Kinds of values in their order.
fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::String(_) => 1,
        Value::Number(_) => 2,
        Value::Bool(_) => 3,
        Value::Array(_) => 4,
        Value::Object(_) => 5,
    }
}

fn order(one: &Value, other: &Value) -> Ordering {
    let same_kind = || match (one, other) {
        (Value::String(one), Value::String(other)) => one.cmp(other),
        (Value::Bool(one), Value::Bool(other)) => one.cmp(other),
        (Value::Number(_), Value::Number(_)) => number(one).partial_cmp(&number(other)).unwrap(),
        _ => one.to_string().cmp(&other.to_string()),
    };
    rank(one).cmp(&rank(other)).then_with(same_kind)
}

async fn compare_orders(engine: &Engine, told: &[Told], what: &str) {
    let mut with_value: Vec<(&Value, &str)> = told
        .iter()
        .filter_map(|told| {
            Some((told.value.as_ref().filter(|value| !value.is_null())?, told.event.id.as_str()))
        })
        .collect();
    with_value.sort_by(|(one, id), (other, other_id)| order(one, other).then(id.cmp(other_id)));
    let expected: Vec<&str> = with_value.iter().map(|(_, id)| *id).collect();
    for sql in [
        "SELECT id FROM events ORDER BY metadata->'k' NULLS LAST, id LIMIT 500",
        "SELECT id FROM (SELECT id, metadata->'k' AS x FROM events) ORDER BY x NULLS LAST, id",
        "SELECT id FROM (SELECT id, row_number() OVER (ORDER BY metadata->'k' NULLS LAST, id) AS n FROM events) ORDER BY n",
    ] {
        let found = rows(engine, sql).await;
        let found: Vec<&str> = found.iter().map(|row| row["id"].as_str().unwrap()).collect();
        assert_eq!(found[..expected.len()], expected, "{what}: {sql}");
    }
    let mut distinct: Vec<String> = with_value.iter().map(|(value, _)| value.to_string()).collect();
    distinct.sort();
    distinct.dedup();
    for sql in [
        "SELECT metadata->'k' AS x FROM events GROUP BY metadata->'k'",
        "SELECT x FROM (SELECT metadata->'k' AS x FROM events) GROUP BY x",
        "SELECT DISTINCT metadata->'k' AS x FROM events",
        "SELECT metadata->'k' AS x FROM events UNION SELECT metadata->'k' FROM events",
    ] {
        let found = rows(engine, sql).await;
        let json = |row: &Map<String, Value>| {
            Some(serde_json::from_str::<Value>(row["x"].as_str()?).unwrap().to_string())
        };
        let mut found: Vec<String> = found.iter().filter_map(json).collect();
        found.sort();
        assert_eq!(found, distinct, "{what}: {sql}");
    }
    let first_of_each =
        "SELECT DISTINCT ON (metadata->'k') id, metadata->'k' AS x FROM events ORDER BY metadata->'k', id";
    let found = rows(engine, first_of_each).await;
    let mut firsts: Vec<&str> =
        with_value.chunk_by(|one, other| order(one.0, other.0).is_eq()).map(|same| same[0].1).collect();
    firsts.sort_unstable();
    let mut found: Vec<&str> =
        found.iter().filter(|row| !row["x"].is_null()).map(|row| row["id"].as_str().unwrap()).collect();
    found.sort_unstable();
    assert_eq!(found, firsts, "{what}: {first_of_each}");
    let found = rows(engine, "SELECT count(DISTINCT metadata->'k') AS n FROM events").await;
    assert_eq!(found[0]["n"].as_u64(), Some(distinct.len() as u64), "{what}");
}

/// Would catch an equality with a number that reads files of which the index knows that they have no such number.
#[tokio::test]
async fn equality_with_a_number_prunes() {
    let lake = Lake::new().await;
    for number in 0..8_usize {
        let mut event = Event::numbered(number);
        event.at = START + number as i64;
        event.metadata = Some(format!(r#"{{"k":{}.5}}"#, 1_000 + number));
        lake.add_file("acme", &[event]).await;
    }
    let engine = lake.engine(Settings::default());
    let mut running =
        engine.run(request("SELECT id FROM events WHERE metadata->'k' = 1003.5")).await.unwrap();
    let mut found = 0;
    while let Some(batch) = futures::StreamExt::next(&mut running).await {
        found += batch.unwrap().num_rows();
    }
    assert_eq!((found, running.statistics().files_kept), (1, 1));
}

/// Would catch a question about dates and booleans in JSON that is an error because of what another event in the same file says.
#[tokio::test]
async fn texts_that_are_no_time_and_no_boolean_are_null() {
    let lake = Lake::new().await;
    let told = [
        r#"{"due":"2026-02-01","dry":"true"}"#,
        r#"{"due":"soon","dry":"perhaps"}"#,
        r#"{"due":7,"dry":true}"#,
    ];
    let event = |(number, told): (usize, &&str)| {
        let mut event = Event::numbered(number);
        event.metadata = Some((*told).to_owned());
        event
    };
    lake.add_file("acme", &told.iter().enumerate().map(event).collect::<Vec<_>>()).await;
    let engine = lake.engine(Settings::default());
    for (condition, expected) in [
        ("metadata->>'due' < date '2026-06-01'", 1),
        ("date '2026-06-01' > metadata->>'due'", 1),
        ("metadata->'due' < date '2026-06-01'", 1),
        ("metadata->>'due' < now()", 1),
        ("(metadata->>'due')::date < date '2026-06-01'", 1),
        ("(metadata->>'due')::timestamptz IS NULL", 2),
        ("(metadata->>'dry')::boolean", 2),
        ("metadata->>'dry' = true", 2),
    ] {
        let found = rows(&engine, &format!("SELECT id FROM events WHERE {condition}")).await;
        assert_eq!(found.len(), expected, "{condition}");
    }
}
