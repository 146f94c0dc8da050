//! The first events by time, against a plain sort of all.

use std::{ops::Range, sync::Arc};

use arrow::{
    array::{AsArray, RecordBatch},
    compute::cast,
    datatypes::{FieldRef, TimestampMicrosecondType},
};
use chrono::DateTime;
use futures::StreamExt as _;
use rand::{Rng, SeedableRng, distr::Alphanumeric, rngs::StdRng, seq::IndexedRandom};

use super::{
    differential::{TENANTS, plain, random_lake, random_predicate},
    fixture::*,
};
use crate::{
    error::Result,
    event::{
        TenantId,
        canonical::Rows,
        schema::{ID, OCCURRED_AT, TENANT_ID},
    },
    query::{
        Engine, Filter, FirstEvents, Narrowing, Request, Scope, Settings, Statistics,
        browse::{Order, PageQuery},
        columns::{self, EVENT},
        conditions::Conditions,
        topk::Direction,
    },
};

const EVER: Range<i64> = i64::MIN..i64::MAX;
const ACTOR: &str = "user-3";

fn question(predicate: &str, rows: usize, oldest_first: bool, scope: Scope) -> FirstEvents {
    let mut conditions = Conditions::default();
    conditions.add(predicate.to_owned());
    FirstEvents { conditions, direction: Direction { oldest_first, times: EVER }, rows, scope }
}

async fn answer(engine: &Engine, question: FirstEvents) -> Result<(Vec<RecordBatch>, Statistics)> {
    let mut running = engine.run(question).await?;
    let mut batches = Vec::new();
    while let Some(batch) = running.next().await {
        batches.push(batch?);
    }
    Ok((batches, running.statistics()))
}

/// What was found, one text per event, sorted; without `seq`, which a plain event has not.
fn found(batches: &[RecordBatch]) -> Vec<String> {
    let text =
        |batch: &RecordBatch, name: &str| batch.column_by_name(name).unwrap().as_string::<i32>().clone();
    let mut lines: Vec<String> = Vec::new();
    for batch in batches {
        let times = batch.column_by_name(OCCURRED_AT).unwrap().as_primitive::<TimestampMicrosecondType>();
        let (tenants, ids, events) = (text(batch, TENANT_ID), text(batch, ID), text(batch, EVENT));
        lines.extend((0..batch.num_rows()).map(|row| {
            let (time, tenant, id) = (times.value(row), tenants.value(row), ids.value(row));
            line((time, tenant, id), events.value(row))
        }));
    }
    lines.sort();
    lines
}

/// The same of rows with all columns of the table.
fn expected(batches: &[RecordBatch]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for batch in batches {
        let batch = as_table(batch);
        let times = batch.column_by_name(OCCURRED_AT).unwrap().as_primitive::<TimestampMicrosecondType>();
        let text = |name| batch.column_by_name(name).unwrap().as_string_view();
        let rows = Rows::new(&batch).unwrap();
        lines.extend((0..batch.num_rows()).map(|row| {
            let mut json = String::new();
            rows.push_api(row, &mut json);
            line((times.value(row), text(TENANT_ID).value(row), text(ID).value(row)), &json)
        }));
    }
    lines.sort();
    lines
}

fn line(place: (i64, &str, &str), json: &str) -> String {
    let mut event: serde_json::Value = serde_json::from_str(json).unwrap();
    event.as_object_mut().unwrap().remove("seq");
    format!("{place:?} {event}")
}

/// With text as views, and without other columns.
fn as_table(batch: &RecordBatch) -> RecordBatch {
    let fields = columns::table_columns();
    let column =
        |field: &FieldRef| cast(batch.column_by_name(field.name()).unwrap(), field.data_type()).unwrap();
    let arrays = fields.fields().iter().map(column).collect();
    RecordBatch::try_new(Arc::clone(&fields), arrays).unwrap()
}

/// Would catch a page that lacks an event or one of the same time as its last, has one that a reader may not see or that does not fit,
/// or differs with what is in memory, with the index, or with where events are.
#[tokio::test]
async fn the_first_events_are_those_of_a_sort() {
    let seeds = std::env::var("AUDITLAKE_DIFFERENTIAL_SEEDS").map_or(16, |text| text.parse().unwrap());
    for seed in 0..seeds {
        let mut random = StdRng::seed_from_u64(seed + 1_000_000);
        let (lake, rows) = random_lake(&mut random).await;
        let plain = plain(rows).await;
        let settings = Settings::default();
        let engines = [
            lake.engine(settings.clone()),
            lake.engine(Settings { block_cache_bytes: 0, skip_index: false, ..settings.clone() }),
            lake.engine(Settings { pruning: false, ..settings }),
        ];
        for _ in 0..40 {
            let predicate = random_predicate(&mut random, 3);
            // A page asks for addresses and blocks of them, and not for a range of their texts, as the plain rows would take it.
            let has_range = ["ip_address <", "ip_address >"].iter().any(|range| predicate.contains(range));
            if predicate.contains("seq") || has_range {
                continue;
            }
            let (rows, oldest_first) = (random.random_range(1..30), random.random_bool(0.5));
            let tenant = TenantId::parse(TENANTS.choose(&mut random).unwrap()).unwrap();
            let narrowing = Narrowing { actor_id: Some(ACTOR.to_owned()), ..Narrowing::default() };
            let (scope, seen) = match random.random_range(0..3) {
                0 => (Scope::All, "true".to_owned()),
                1 => (Scope::Tenant(tenant.clone()), format!("tenant_id = '{tenant}'")),
                _ => (
                    Scope::Part(tenant.clone(), Arc::new(narrowing)),
                    format!("tenant_id = '{tenant}' AND actor_id = '{ACTOR}'"),
                ),
            };
            let (from, to) = (random.random_range(-72..120), random.random_range(0..96));
            let times = START + from * 3_600_000_000..START + (from + to) * 3_600_000_000;
            let time = |micros| DateTime::from_timestamp_micros(micros).unwrap().to_rfc3339();
            let predicate = match random.random_bool(0.5) {
                true => predicate,
                false => format!(
                    "({predicate}) AND occurred_at >= '{}' AND occurred_at < '{}'",
                    time(times.start),
                    time(times.end)
                ),
            };
            let mut asked = question(&predicate, rows, oldest_first, scope);
            if predicate.ends_with(&format!("'{}'", time(times.end))) && random.random_bool(0.8) {
                asked.direction.times = times;
            }
            let order = if oldest_first { "ASC" } else { "DESC" };
            let sql = format!(
                "SELECT * FROM (SELECT *, rank() OVER (ORDER BY occurred_at {order}) AS place FROM events
                 WHERE {seen} AND ({predicate})) AS e WHERE place <= {rows}"
            );
            let expected = expected(&plain.sql(&sql).await.unwrap().collect().await.unwrap());
            for (number, engine) in engines.iter().enumerate() {
                for time in ["first", "second"] {
                    let answered = answer(engine, asked.clone()).await;
                    let (batches, _) = answered.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
                    assert_eq!(
                        found(&batches),
                        expected,
                        "seed {seed}, engine {number}, the {time} time: {sql}"
                    );
                }
            }
        }
    }
}

/// Would catch conditions that are evaluated on events that a reader may not see: they would tell of them by the errors that they meet there.
#[tokio::test]
async fn nothing_is_evaluated_on_what_is_not_seen() {
    let lake = days().await;
    lake.add_uncommitted("acme", &(0..30).map(Event::numbered).collect::<Vec<_>>()).await;
    let engine = lake.engine(Settings::default());
    let fails_elsewhere = format!("10 / (CASE WHEN actor_id = '{ACTOR}' THEN 1 ELSE 0 END) = 10");
    let tenant = TenantId::parse("acme").unwrap();
    let narrowing = Narrowing { actor_id: Some(ACTOR.to_owned()), ..Narrowing::default() };
    let narrowed = Scope::Part(tenant.clone(), Arc::new(narrowing));
    let (given, _) = answer(&engine, question(&fails_elsewhere, 500, false, narrowed)).await.unwrap();
    let own = format!("actor_id = '{ACTOR}'");
    let (all, _) = answer(&engine, question(&own, 500, false, Scope::Tenant(tenant.clone()))).await.unwrap();
    assert_eq!(found(&given), found(&all));
    assert!(answer(&engine, question(&fails_elsewhere, 500, false, Scope::Tenant(tenant))).await.is_err());
}

/// Would catch large blocks that are decoded whole because they take few bytes in the file.
#[tokio::test]
async fn what_is_compressed_well_is_read_in_parts() {
    let lake = Lake::new().await;
    let text = format!(r#"{{"text":"{}"}}"#, "a".repeat(1_500_000));
    let large = |number: usize| Event {
        at: START + number as i64,
        metadata: Some(text.clone()),
        ..Event::numbered(number)
    };
    lake.add_file("acme", &(0..8).map(large).collect::<Vec<_>>()).await;
    let engine = lake.engine(Settings::default());
    let (given, _) = answer(&engine, question("metadata IS NOT NULL", 8, false, Scope::All)).await.unwrap();
    let rows: Vec<usize> = given.iter().map(RecordBatch::num_rows).collect();
    assert_eq!(rows.iter().sum::<usize>(), 8);
    assert!(rows.iter().all(|rows| *rows <= 4), "{rows:?}: 4 MB are read at once");
}

/// Would catch a filter by which a statement leaves out files and blocks, and a page does not.
#[tokio::test]
async fn pages_prune_as_statements_do() {
    let lake = days().await;
    let mut kept = Vec::new();
    for (name, value) in [
        ("id", "event-000123"),
        ("actor_id", "user-3"),
        ("actor_email", "ana@example.com"),
        ("target_id", "user-4"),
        ("ip_address", "203.0.113.9"),
        ("session_id", "s_1"),
        ("request_id", "r_1"),
        ("correlation_id", "c_1"),
        ("action", "document.*"),
        ("outcome", "failure"),
        ("target_type", "document"),
        ("metadata.number", "64"),
        ("q", "number 64"),
        ("from", "2026-11-20"),
        ("to", "2026-11-05T12:00:00Z"),
    ] {
        let mut filter = Filter::default();
        filter.set(name, value).unwrap();
        let query = PageQuery { filter, order: Order::Desc, limit: 10, after: None };
        let (_, of_page) =
            answer(&lake.engine(Settings::default()), query.question(Scope::All)).await.unwrap();
        let conditions = query.filter.conditions();
        let sql = format!("SELECT id FROM events {}", conditions.clause());
        let engine = lake.engine(Settings::default());
        let mut running = engine.run(Request { params: conditions.params, ..request(&sql) }).await.unwrap();
        while running.next().await.is_some() {}
        let of_statement = running.statistics();
        let pruned = |cost: &Statistics| (cost.files_kept, cost.rows_kept, cost.files_pruned_by_index);
        assert_eq!(pruned(&of_page), pruned(&of_statement), "{name}={value}");
        kept.push((name, of_page.rows_kept));
    }
    let pruning = kept.iter().filter(|(_, rows)| *rows < 1_600).count();
    assert!(pruning >= 11, "{kept:?}");
}

/// Forty days of files of forty events, ten a block.
async fn days() -> Lake {
    let lake = Lake::new().await;
    for day in 0..40 {
        let event = |number: usize| Event {
            at: START + day as i64 * DAY_MICROS + number as i64,
            ..Event::numbered(day * 40 + number)
        };
        lake.add_file("acme", &(0..40).map(event).collect::<Vec<_>>()).await;
    }
    lake
}

/// Would catch a page that reads files and blocks that cannot be on it, or all columns of events that are not.
#[tokio::test]
async fn a_page_is_read_from_its_end() {
    let lake = days().await;
    for oldest_first in [false, true] {
        let engine = lake.engine(Settings::default());
        let (all, cost) = answer(&engine, question("true", 10_000, oldest_first, Scope::All)).await.unwrap();
        assert_eq!(all.iter().map(RecordBatch::num_rows).sum::<usize>(), 1_600);
        let engine = lake.engine(Settings::default());
        for (predicate, part) in
            [("true", 10), ("action = 'user.login'", 10), ("starts_with(id, 'event')", 8)]
        {
            let (few, of_few) =
                answer(&engine, question(predicate, 5, oldest_first, Scope::All)).await.unwrap();
            assert_eq!(few.iter().map(RecordBatch::num_rows).sum::<usize>(), 5);
            let (read, all) = (of_few.bytes_read, cost.bytes_read);
            assert!(read * part < all, "{predicate}: {read} of {all} bytes");
        }
    }
}

/// Would catch a page that reads again what is in memory. What it reads ahead may differ from time to time.
#[tokio::test]
async fn the_same_page_is_read_once() {
    let engine = days().await.engine(Settings::default());
    let asked = question("actor_id IN ('user-3', 'user-5')", 20, false, Scope::All);
    let (first, cost) = answer(&engine, asked.clone()).await.unwrap();
    assert!(cost.bytes_read > 0);
    for time in 0.. {
        let (again, cost) = answer(&engine, asked.clone()).await.unwrap();
        assert_eq!(found(&again), found(&first));
        if cost.bytes_read == 0 {
            break;
        }
        assert!(time < 40, "there is nothing left to read ahead in forty files");
    }
}

/// Would catch blocks of large events that are decoded whole, and rows of their parts that are mixed up.
#[tokio::test]
async fn large_events_are_read_in_parts() {
    let lake = Lake::new().await;
    let mut random = StdRng::seed_from_u64(1);
    let events: Vec<Event> = (0..12)
        .map(|number| {
            let text: String = (0..200_000).map(|_| char::from(random.sample(Alphanumeric))).collect();
            Event {
                at: START + number as i64,
                metadata: Some(format!(r#"{{"text":"{text}"}}"#)),
                ..Event::numbered(number)
            }
        })
        .collect();
    lake.add_file("acme", &events).await;
    let engine = lake.engine(Settings::default());
    for predicate in ["true", "metadata IS NOT NULL", "has_words(metadata, 'text')", "version IS NULL"] {
        let (given, _) = answer(&engine, question(predicate, 7, false, Scope::All)).await.unwrap();
        let sql = format!("SELECT * FROM events WHERE {predicate} ORDER BY occurred_at DESC LIMIT 7");
        let by_sql = batches(&engine, request(&sql)).await.unwrap();
        assert_eq!(found(&given), expected(&by_sql), "{predicate}");
        if predicate != "version IS NULL" {
            assert!(given.len() > 1, "{predicate}: 1.4 MB, 11 decoded, are given at once");
        }
    }
}

/// Would catch words that are looked for again in texts whose words are known, and rows that are found by words of another block, or lost.
#[tokio::test]
async fn the_words_of_blocks_are_learned_once() {
    let lake = days().await;
    let engine = lake.engine(Settings::default());
    let without = lake.engine(Settings { block_cache_bytes: 0, ..Settings::default() });
    let words = |words: &str| {
        let predicate = format!("has_words(action, metadata, '{words}')");
        question(&predicate, 5_000, false, Scope::All)
    };
    let mut bytes = Vec::new();
    for asked in ["document pro", "login", "document pro", "read tier", "none of these", "number 7"] {
        let (given, cost) = answer(&engine, words(asked)).await.unwrap();
        let (expected, _) = answer(&without, words(asked)).await.unwrap();
        assert_eq!(found(&given), found(&expected), "{asked}");
        bytes.push(cost.bytes_read);
    }
    assert_eq!(bytes[2], 0, "what was asked before is in memory");
    let member = question("metadata->>'number' = '64' AND action = 'document.read'", 9, false, Scope::All);
    let (given, _) = answer(&engine, member.clone()).await.unwrap();
    assert_eq!(found(&given), found(&answer(&without, member).await.unwrap().0));
}

/// Would catch a page among very many events of one time that is not the beginning of their order, and rows that are held without bounds.
#[tokio::test]
async fn very_many_events_of_one_time_are_given_in_parts() {
    let lake = Lake::new().await;
    let many: Vec<Event> =
        (0..270_000).map(|number| Event { at: START, ..Event::numbered(number) }).collect();
    lake.add_uncommitted("acme", &many).await;
    lake.add_file("acme", &[Event { at: START, id: "a".to_owned(), ..Event::numbered(0) }]).await;
    let engine = lake.engine(Settings::default());
    for (order, expected) in [(Order::Asc, "a"), (Order::Desc, "event-269999")] {
        let query = PageQuery { filter: Filter::default(), order, limit: 2, after: None };
        let page = query.read(engine.run(query.question(Scope::All)).await.unwrap()).await.unwrap();
        assert!(page.events[0].contains(&format!(r#""id":"{expected}""#)), "{}", page.events[0]);
        assert!(page.end.is_some());
    }
}
