//! Filters of the events API over values of `metadata`.

use arrow::array::AsArray;
use futures::StreamExt as _;
use serde_json::{Value, json};

use super::fixture::*;
use crate::{
    event::schema::ID,
    query::{Engine, Filter, FirstEvents, Request, Scope, Settings, topk::Direction},
};

/// The ids of the first page.
async fn page(engine: &Engine, filter: &Filter) -> Value {
    let direction = Direction { oldest_first: true, times: i64::MIN..i64::MAX };
    let first = FirstEvents { conditions: filter.conditions(), direction, rows: 100, scope: Scope::All };
    let mut running = engine.run(first).await.unwrap();
    let mut ids = Vec::new();
    while let Some(batch) = running.next().await {
        let batch = batch.unwrap();
        let column = batch.column_by_name(ID).unwrap().as_string::<i32>();
        ids.extend(column.iter().flatten().map(str::to_owned));
    }
    ids.sort();
    json!(ids)
}

/// Would catch a number that is looked for as text, a text that is found by a number that it is not, and a filter that finds others in a
/// statement than on a page.
#[tokio::test]
async fn numbers_are_found_by_their_value_and_texts_by_their_letters() {
    let lake = Lake::new().await;
    let values = [json!(100), json!("100"), json!(1e-7), json!(-2.5), json!(true), json!("1e2"), json!(1e21)];
    let events = values.iter().enumerate().map(|(number, value)| Event {
        id: format!("e{number}"),
        metadata: Some(json!({ "n": value }).to_string()),
        ..Event::numbered(number)
    });
    lake.add_file("acme", &events.collect::<Vec<_>>()).await;
    let engine = lake.engine(Settings::default());
    for (given, expected) in [
        ("100", json!(["e0", "e1"])),
        ("100.0", json!(["e0"])),
        ("1e2", json!(["e0", "e5"])),
        ("1e-7", json!(["e2"])),
        ("0.0000001", json!(["e2"])),
        ("-2.50", json!(["e3"])),
        ("1e21", json!(["e6"])),
        ("1000000000000000000000", json!(["e6"])),
        ("true", json!(["e4"])),
        ("1e400", json!([])),
        ("NaN", json!([])),
    ] {
        let mut filter = Filter::default();
        filter.set("metadata.n", given).unwrap();
        let conditions = filter.conditions();
        let sql = format!("SELECT id FROM events {} ORDER BY id", conditions.clause());
        let request = Request { sql, params: conditions.params.clone(), scope: Scope::All };
        let found = rows_of(engine.run(request).await.unwrap()).await.unwrap();
        let ids: Vec<Value> = found.iter().map(|row| row["id"].clone()).collect();
        assert_eq!(json!(ids), expected, "{given}");
        assert_eq!(page(&engine, &filter).await, expected, "{given}");
    }
}
