//! Answers: every format, read back by a reader of that format; large ones; and clients that leave in the middle.

use std::io::Cursor;

use arrow::{
    array::{Array as _, AsArray as _, RecordBatch},
    datatypes::{DataType, Int64Type, TimeUnit},
    ipc::reader::StreamReader,
};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::{event, question, refused, store};
use crate::support::{
    place::{Place, in_every_place},
    program,
    server::{Launch, ROOT_KEY, Server},
};

/// Events of one action: joined with themselves on it they make 360,000 rows, more than any buffer on the way holds.
const EVENTS: usize = 600;
const MANY_ROWS: &str = "SELECT a.seq AS left_seq, b.id AS right_id, a.description FROM events a \
                         JOIN events b ON a.action = b.action";

async fn answer(server: &Server, format: &str, sql: &str) -> Response {
    let answer = question(server, format, &json!({ "sql": sql })).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{format}: {sql}");
    answer
}

fn texts(batch: &RecordBatch, column: &str) -> Vec<String> {
    let column = batch.column_by_name(column).unwrap();
    let text = arrow::compute::cast(column, &DataType::Utf8).unwrap();
    text.as_string::<i32>().iter().map(|value| value.unwrap_or("(null)").to_owned()).collect()
}

in_every_place!(every_format_reads_back);

/// Would catch a format that its own readers cannot read, and formats that disagree on a value.
async fn every_format_reads_back(place: &Place) {
    let server = Server::start(&place.calm(), &[]).await;
    let (mut first, second) = (event("acme", "1"), event("acme", "2"));
    first["description"] = "said \"yes, \u{1F600}\"\nand left".into();
    store(&server, &[first.clone(), second]).await;
    let sql = "SELECT id, occurred_at, day, description, version FROM events ORDER BY id";
    let row = |id: &str, description: &Value| {
        json!({
            "id": id, "occurred_at": "2025-03-01T12:00:00.000000Z", "day": "2025-03-01",
            "description": description, "version": null,
        })
    };
    let (one, two) = (row("1", &first["description"]), row("2", &Value::Null));

    let document: Value = answer(&server, "json", sql).await.json().await.unwrap();
    assert_eq!(document["rows"], json!([one, two]));
    let names: Vec<_> = document["schema"].as_array().unwrap().iter().map(|column| &column["name"]).collect();
    assert_eq!(json!(names), json!(["id", "occurred_at", "day", "description", "version"]));
    assert_eq!(document["statistics"]["rows_returned"], 2);

    assert_eq!(server.api().sql(sql).await, [one, two], "NDJSON");

    let csv = answer(&server, "csv", sql).await.text().await.unwrap();
    let expected = "id,occurred_at,day,description,version\r\n\
                    1,2025-03-01T12:00:00.000000Z,2025-03-01,\"said \"\"yes, \u{1F600}\"\"\nand left\",\r\n\
                    2,2025-03-01T12:00:00.000000Z,2025-03-01,,\r\n";
    assert_eq!(csv, expected);

    let arrow = answer(&server, "arrow", sql).await.bytes().await.unwrap();
    let parquet = answer(&server, "parquet", sql).await.bytes().await.unwrap();
    let ipc: Vec<_> = StreamReader::try_new(Cursor::new(arrow), None).unwrap().map(Result::unwrap).collect();
    let builder = ParquetRecordBatchReaderBuilder::try_new(parquet).unwrap();
    let file: Vec<_> = builder.build().unwrap().map(Result::unwrap).collect();
    for batches in [ipc, file] {
        let batch = arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap();
        assert_eq!(texts(&batch, "id"), ["1", "2"]);
        assert_eq!(texts(&batch, "description"), [first["description"].as_str().unwrap(), "(null)"]);
        let time = batch.schema().field_with_name("occurred_at").unwrap().data_type().clone();
        assert_eq!(time, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())));
    }

    let accepted = server.api().post("/v1/sql").header("accept", "text/csv").json(&json!({ "sql": sql }));
    assert_eq!(accepted.send().await.unwrap().text().await.unwrap(), expected, "by Accept");
    for (format, expected) in [("csv", "f\r\n\"'=1+1\"\r\n"), ("csv-raw", "f\r\n=1+1\r\n")] {
        let formula = answer(&server, format, "SELECT '=1+1' AS f").await;
        assert_eq!(formula.headers()["content-type"], "text/csv; charset=utf-8; header=present");
        assert_eq!(formula.text().await.unwrap(), expected, "{format}");
    }
}

async fn many_events(launch: &Launch) -> Server {
    let server = Server::start(launch, &[]).await;
    let events: Vec<_> = (0..EVENTS)
        .map(|number| {
            let mut event = event("acme", &format!("e-{number}"));
            event["description"] = "x".repeat(100).into();
            event
        })
        .collect();
    store(&server, &events).await;
    server
}

/// Would catch an answer that is gathered before it is sent, cut at some buffer's size, or doubled at a batch's edge.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_answer_streams_and_is_whole() {
    let place = Place::folder();
    let server = many_events(&place.calm()).await;
    let answer_csv = answer(&server, "csv", MANY_ROWS).await;
    assert_eq!(answer_csv.content_length(), None, "its size is not known when it begins");
    let csv = answer_csv.text().await.unwrap();
    assert_eq!(csv.lines().count(), 1 + EVENTS * EVENTS);

    let ipc: Bytes = answer(&server, "arrow", MANY_ROWS).await.bytes().await.unwrap();
    let batches = StreamReader::try_new(Cursor::new(ipc), None).unwrap();
    let (mut rows, mut sum) = (0, 0);
    for batch in batches {
        let batch = batch.unwrap();
        rows += batch.num_rows();
        let numbers =
            arrow::compute::cast(batch.column_by_name("left_seq").unwrap(), &DataType::Int64).unwrap();
        sum += numbers.as_primitive::<Int64Type>().iter().flatten().sum::<i64>();
        assert_eq!(batch.column_by_name("right_id").unwrap().null_count(), 0);
    }
    assert_eq!(rows, EVENTS * EVENTS);
    // Uncommitted events have no number yet.
    assert_eq!(sum, 0);
}

/// Would catch a query that goes on without its client, or takes others' answers with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_ends_its_query_only() {
    let place = Place::folder();
    let server = many_events(&place.calm()).await;
    for _ in 0..3 {
        let mut leaving = answer(&server, "ndjson", MANY_ROWS).await;
        let first = leaving.chunk().await.unwrap().unwrap();
        assert!(first.starts_with(b"{\"left_seq\""), "{first:?}");
        drop(leaving);
    }
    // The server learns of it when it writes on; until then it may count the query as running.
    let left = loop {
        let metrics =
            server.api().request(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
        let value = |name: &str| metrics.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        if value("auditlake_queries_running ").as_deref() == Some("0") {
            break value("auditlake_queries_unfinished_total ");
        }
    };
    assert_eq!(left.as_deref(), Some("3"), "queries that ended without their client");
    assert_eq!(server.api().sql("SELECT count(*) AS n FROM events").await[0]["n"], EVENTS);
}

/// Would catch the worst answer of all: one that a limit cut and that looks whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_cut_by_a_limit_never_looks_whole() {
    let place = Place::folder();
    let mut launch = place.calm();
    launch.environment.push(("AUDITLAKE_QUERY__ROWS_MAX", "100000".into()));
    let server = many_events(&launch).await;
    for format in ["json", "ndjson", "csv", "arrow"] {
        let cut = answer(&server, format, MANY_ROWS).await;
        cut.bytes().await.expect_err(format);
    }
    // Nothing of a Parquet file is sent before its first row group is full, so that its status can still tell.
    refused(question(&server, "parquet", &json!({ "sql": MANY_ROWS })), 422, "invalid").await;
    let ended = tokio::task::block_in_place(|| {
        let mut question = program::command(&["sql", "--format", "csv", MANY_ROWS]);
        question.args(["--server", server.api().address(), "--key", ROOT_KEY]);
        program::run(question, b"")
    });
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("not complete"), "{}", ended.stderr);
    let mut alone = place.command(&["sql", "--format", "csv", MANY_ROWS]);
    assert!(server.terminate().await.status.success());
    alone.env("AUDITLAKE_QUERY__ROWS_MAX", "100000");
    let ended = program::run(alone, b"");
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("100000 rows"), "{}", ended.stderr);
}
