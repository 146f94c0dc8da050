//! Every format read back by a reader that is not ours.

use std::io::Cursor;

use ::arrow::{
    array::{AsArray, RecordBatch},
    csv::ReaderBuilder,
    ipc::reader::StreamReader,
};
use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use futures::{StreamExt, TryStreamExt};
use serde_json::{Value, json};

use super::*;
use crate::query::{
    Engine, Settings,
    tests::fixture::{Event, Lake, START, request},
};

async fn engine(events: usize) -> Engine {
    let lake = Lake::new().await;
    let events: Vec<Event> =
        (0..events).map(|number| Event { at: START, ..Event::numbered(number) }).collect();
    lake.add_file("acme", &events).await;
    lake.engine(Settings::default())
}

async fn encoded(engine: &Engine, sql: &str, format: Format) -> Vec<u8> {
    let running = engine.run(request(sql)).await.unwrap();
    let chunks: Vec<Bytes> = encode(running, format).try_collect().await.unwrap();
    chunks.concat()
}

/// One row with a value of every kind.
const KINDS: &str = r#"
    SELECT 'a "quoted", text' AS t, CAST(NULL AS VARCHAR) AS nothing, '' AS empty, 42 AS i, 1.5 AS f,
           CAST('NaN' AS DOUBLE) AS nan, CAST('Infinity' AS DOUBLE) AS inf, true AS b,
           CAST('2026-11-22T03:04:05.678901Z' AS TIMESTAMP WITH TIME ZONE) AS z,
           CAST('2026-11-22T03:04:05' AS TIMESTAMP) AS l, CAST('2026-11-22' AS DATE) AS d,
           make_array('x', 'y"', NULL) AS xs, arrow_cast('AZ', 'Binary') AS bin,
           '{"a":1}' AS j, CAST(12.34 AS DECIMAL(10, 2)) AS dec, 'zwei
Zeilen' AS lines"#;

/// Would catch a value that changes or loses its type on the way into JSON.
#[tokio::test]
async fn json_has_schema_rows_and_statistics() {
    let engine = engine(10).await;
    let document: Value = serde_json::from_slice(&encoded(&engine, KINDS, Format::Json).await).unwrap();
    assert_eq!(
        document["rows"],
        json!([{
            "t": "a \"quoted\", text", "nothing": null, "empty": "", "i": 42, "f": 1.5, "nan": null, "inf": null,
            "b": true, "z": "2026-11-22T03:04:05.678901Z", "l": "2026-11-22T03:04:05.000000", "d": "2026-11-22",
            "xs": ["x", "y\"", null], "bin": "415a", "j": "{\"a\":1}", "dec": 12.34, "lines": "zwei\nZeilen"
        }])
    );
    let types: Vec<&str> = document["schema"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| column["type"].as_str().unwrap())
        .collect();
    assert_eq!(types[..4], ["string", "string", "string", "int64"]);
    assert_eq!(types[8..12], ["timestamp", "timestamp", "date", "list<string>"]);
    assert_eq!(document["statistics"]["rows_returned"], 1);
    // Without any row the document is whole, too.
    let empty = encoded(&engine, "SELECT id FROM events WHERE id = 'none'", Format::Json).await;
    let empty: Value = serde_json::from_slice(&empty).unwrap();
    assert_eq!((&empty["rows"], &empty["schema"][0]["name"]), (&json!([]), &json!("id")));
}

/// Would catch lines that are not objects, and a row lost between batches.
#[tokio::test]
async fn ndjson_is_one_object_a_line() {
    let engine = engine(3_000).await;
    let bytes = encoded(&engine, "SELECT id, target_ids FROM events ORDER BY id", Format::Ndjson).await;
    let lines: Vec<Value> =
        bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(parsed).collect();
    assert_eq!(lines.len(), 3_000);
    assert_eq!(lines[2_999], json!({"id": "event-002999", "target_ids": ["user-17", "d,\"1\""]}));
}

fn parsed(line: &[u8]) -> Value {
    serde_json::from_slice(line).unwrap()
}

/// Would catch CSV that another reader splits elsewhere, or that mixes up null and empty.
#[tokio::test]
async fn csv_follows_rfc_4180() {
    let engine = engine(10).await;
    let text = String::from_utf8(encoded(&engine, KINDS, Format::Csv).await).unwrap();
    let expected = "t,nothing,empty,i,f,nan,inf,b,z,l,d,xs,bin,j,dec,lines\r\n\
        \"a \"\"quoted\"\", text\",,\"\",42,1.5,NaN,inf,true,2026-11-22T03:04:05.678901Z,\
        2026-11-22T03:04:05.000000,2026-11-22,\"[\"\"x\"\",\"\"y\\\"\"\"\",null]\",415a,\
        \"{\"\"a\"\":1}\",12.34,\"zwei\nZeilen\"\r\n";
    assert_eq!(text, expected);

    let sql = "SELECT id, ip_address, metadata, occurred_at FROM events ORDER BY id";
    let bytes = encoded(&engine, sql, Format::Csv).await;
    let schema = engine.run(request(sql)).await.unwrap().schema();
    let mut reader = ReaderBuilder::new(schema).with_header(true).build(Cursor::new(bytes)).unwrap();
    let batch = reader.next().unwrap().unwrap();
    assert_eq!(batch.num_rows(), 10);
    assert_eq!(batch.column(2).as_string::<i32>().value(1), Event::numbered(1).metadata.unwrap());
    let empty = encoded(&engine, "SELECT id FROM events WHERE id = 'none'", Format::Csv).await;
    assert_eq!(empty, b"id\r\n");
}

/// Would catch an answer that a spreadsheet runs, and a way to the text as it is that changes it.
#[tokio::test]
async fn csv_is_safe_in_a_spreadsheet_or_raw() {
    let engine = engine(10).await;
    let sql = "SELECT '=1+1' AS \"=name\", ' @x' AS a, -2 AS n, interval '-1 day' AS i, ['-1'] AS l, '-1' AS t, NULL AS u";
    let text = async |format| String::from_utf8(encoded(&engine, sql, format).await).unwrap();
    let safe = text(Format::Csv).await;
    assert_eq!(
        safe,
        "\"'=name\",a,n,i,l,t,u\r\n\"'=1+1\",\"' @x\",-2,\"'-1 days\",\"[\"\"-1\"\"]\",\"'-1\",\r\n"
    );
    let raw = text(Format::CsvRaw).await;
    assert_eq!(raw, "=name,a,n,i,l,t,u\r\n=1+1, @x,-2,-1 days,\"[\"\"-1\"\"]\",-1,\r\n");
    assert_eq!(Format::from_accept("text/csv"), Some(Format::Csv));
}

/// Would catch a time that a reader refuses, or a view inside of another type, whatever a function made of it.
#[tokio::test]
async fn times_are_microseconds_and_text_is_plain_everywhere() {
    let engine = engine(10).await;
    let sql = "SELECT now() AS a, date_bin(interval '1 hour', occurred_at) AS b, to_timestamp('2026-11-22T01:02:03.123456789Z') AS c,
               date_trunc('day', occurred_at) AS d, CAST('12:00:00.5' AS TIME) AS e, extract(epoch FROM now() - occurred_at) AS f,
               array_agg(actor_id) OVER () AS g, struct(actor_id, now()) AS h, map([action], [now()]) AS i,
               [struct(actor_id, [now()])] AS j, arrow_cast(occurred_at, 'Timestamp(Second, None)') AS k,
               arrow_cast([action], 'List(Dictionary(Int32, Utf8))') AS l, target_ids AS m, current_date AS n,
               current_timestamp AS o, to_timestamp_millis(0) AS p, arrow_cast([action], 'LargeList(LargeUtf8)') AS q
               FROM events ORDER BY id LIMIT 3";
    let schema = engine.run(request(sql)).await.unwrap().schema();
    let shown = format!("{schema:?}");
    for word in ["Nanosecond", "Millisecond, ", "Second,", "View", "Large", "Dictionary"] {
        assert!(!shown.contains(word), "{word}: {shown}");
    }
    let document: Value = serde_json::from_slice(&encoded(&engine, sql, Format::Json).await).unwrap();
    assert_eq!(document["rows"][0]["c"], "2026-11-22T01:02:03.123456Z");
    assert_eq!(document["rows"][0]["h"]["c1"], "2026-11-01T00:00:00.000000Z");
    assert_eq!(document["rows"][0]["e"], "12:00:00.500000");
    for format in [Format::Arrow, Format::Parquet] {
        assert!(!encoded(&engine, sql, format).await.is_empty());
    }
    let file = encoded(&engine, sql, Format::Parquet).await;
    let file = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(file)).unwrap();
    let columns =
        file.parquet_schema().columns().iter().map(|column| format!("{:?}", column.logical_type_ref()));
    assert!(
        columns.clone().all(|column| !column.contains("NANOS") && !column.contains("MILLIS")),
        "{columns:?}"
    );
    for span in ["now() - occurred_at", "interval '1 day'", "[struct(now() - occurred_at)]"] {
        let running = engine.run(request(&format!("SELECT {span} AS f FROM events"))).await.unwrap();
        let error = super::parquet::Parquet::new(running.schema()).err().unwrap().to_string();
        assert!(error.contains("column f") && error.contains("extract(epoch FROM"), "{error}");
    }
    // What a microsecond cannot count to is an error, not NULL.
    let far = "SELECT arrow_cast(9223372036855, 'Timestamp(Second, None)') AS t";
    let error = async { engine.run(request(far)).await?.try_collect::<Vec<_>>().await }.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
}

/// Would catch binary formats whose batches do not add up to the answer, with rows and without.
#[tokio::test]
async fn arrow_and_parquet_read_back() {
    let engine = engine(3_000).await;
    for filter in ["true", "id = 'none'"] {
        let sql = format!("SELECT * FROM events WHERE {filter} ORDER BY id");
        let running = engine.run(request(&sql)).await.unwrap();
        let schema = running.schema();
        let batches: Vec<RecordBatch> = running.try_collect().await.unwrap();
        let expected = ::arrow::compute::concat_batches(&schema, &batches).unwrap();

        let bytes = encoded(&engine, &sql, Format::Arrow).await;
        let reader = StreamReader::try_new(Cursor::new(bytes), None).unwrap();
        let found: Vec<RecordBatch> = reader.map(|batch| batch.unwrap()).collect();
        assert_eq!(::arrow::compute::concat_batches(&schema, &found).unwrap(), expected);

        let bytes = encoded(&engine, &sql, Format::Parquet).await;
        let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes)).unwrap().build().unwrap();
        let found: Vec<RecordBatch> = reader.map(|batch| batch.unwrap()).collect();
        let found = ::arrow::compute::concat_batches(&schema, &found).unwrap();
        assert_eq!(found, expected);
    }
}

/// Would catch a column type that one of the formats cannot write, found out only in front of a user.
#[tokio::test]
async fn every_format_writes_every_kind() {
    let engine = engine(10).await;
    let others = "SELECT metadata->'plan' AS json, interval '1 day' AS span, now() - occurred_at AS age,
                  struct('a', 1) AS pair, CAST(NULL AS INT) AS n, NULL AS untyped, map(['k'], [1]) AS m,
                  to_timestamp('2026-11-22') AS nanos, [[1], [2]] AS deep, CAST('12:00' AS TIME) AS noon,
                  arrow_cast('v', 'Utf8View') AS v, arrow_cast(['v'], 'List(Utf8View)') AS vs FROM events";
    for format in Format::ALL {
        for sql in [KINDS, others, "EXPLAIN SELECT id FROM events", "DESCRIBE events", "SELECT * FROM events"]
        {
            // Parquet has no type for spans of time.
            let sql = if format == Format::Parquet {
                sql.replace("interval '1 day'", "1").replace("now() - occurred_at", "2")
            } else {
                sql.to_string()
            };
            let running = engine.run(request(&sql)).await.unwrap();
            let written: Result<Vec<Bytes>> = encode(running, format).try_collect().await;
            let written = written.unwrap_or_else(|error| panic!("{format:?}: {sql}: {error:?}"));
            assert!(written.iter().map(Bytes::len).sum::<usize>() > 0);
        }
    }
}

/// Would catch a panic of a writer, or a defect reported where the query has to change.
#[tokio::test]
async fn types_without_a_form_are_the_querys_mistake() {
    let engine = engine(10).await;
    // Parquet has no type for an interval of months, days and nanoseconds together.
    let running = engine.run(request("SELECT interval '1 day' AS span")).await.unwrap();
    let written: Result<Vec<Bytes>> = encode(running, Format::Parquet).try_collect().await;
    let error = written.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
    // A JSON value may be of any type; inside of a list it has no text form.
    for sql in
        ["SELECT [metadata->'plan'] AS x FROM events", "SELECT struct(metadata->'plan') AS x FROM events"]
    {
        let error = engine.run(request(sql)).await.map(|_| ()).expect_err(sql);
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
        assert!(error.to_string().contains("->>"), "{error}");
    }
}

/// Would catch a table that drives the terminal, or hides that it is cut.
#[tokio::test]
async fn a_text_table_is_bounded_and_says_so() {
    let engine = engine(1_500).await;
    let text = encoded(&engine, "SELECT id, ip_address FROM events ORDER BY id", Format::Table).await;
    let text = String::from_utf8(text).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "id            ip_address");
    assert_eq!(lines[3], "event-000001  203.0.113.1");
    assert_eq!(lines.len(), 2 + 1_000 + 1);
    assert_eq!(lines[1_002], "(the first 1000 of 1500 rows; other formats show all)");
    let text = encoded(&engine, "SELECT chr(27) || '[31mred' AS x", Format::Table).await;
    assert!(!text.contains(&27));
}

/// Would catch a failed answer that ends like a whole one.
#[tokio::test]
async fn a_failure_in_mid_stream_is_an_error_and_the_end() {
    let lake = Lake::new().await;
    let events: Vec<Event> =
        (0..3_000).map(|number| Event { at: START, ..Event::numbered(number) }).collect();
    lake.add_file("acme", &events).await;
    let engine = lake.engine(Settings { rows_max: 2_000, ..Settings::default() });
    for format in Format::ALL {
        let mut chunks = encode(engine.run(request("SELECT id FROM events")).await.unwrap(), format);
        let mut last = None;
        while let Some(chunk) = chunks.next().await {
            assert!(!matches!(last, Some(Err(_))), "{format:?} goes on after an error");
            last = Some(chunk.map(|_| ()));
        }
        let error = last.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit, "{format:?}: {error:?}");
    }
}

/// Would catch an answer that is read to its end although nobody reads it: memory would grow with the rows.
#[tokio::test]
async fn a_slow_reader_slows_the_query_down() {
    let engine = engine(100).await;
    let sql =
        "SELECT a.metadata FROM events a CROSS JOIN events b CROSS JOIN (SELECT id FROM events LIMIT 100) c";
    let running = engine.run(request(sql)).await.unwrap();
    let ledger = running.cost();
    let mut chunks = encode(running, Format::Ndjson);
    for _ in 0..3 {
        chunks.next().await.unwrap().unwrap();
    }
    let batches_in_flight = (2 * RESULT_BATCHES_QUEUED_MAX + 3) as u64;
    assert!(ledger.statistics().rows_returned <= batches_in_flight * 8_192, "{:?}", ledger.statistics());
    drop(chunks);
    drop(engine.places().all().acquire_many(4).await.unwrap());
    assert!(ledger.statistics().rows_returned < 1_000_000);
}

/// Would catch a preference that is not honoured.
#[test]
fn accept_headers_choose() {
    for (header, expected) in [
        ("application/json", Some(Format::Json)),
        ("*/*", Some(Format::Json)),
        ("text/html, */*;q=0.1", Some(Format::Json)),
        ("application/*", Some(Format::Json)),
        ("text/*", Some(Format::Csv)),
        ("TEXT/CSV", Some(Format::Csv)),
        ("text/csv; charset=utf-8", Some(Format::Csv)),
        ("text/plain", Some(Format::Table)),
        ("application/vnd.apache.parquet;q=0.9, application/vnd.apache.arrow.stream", Some(Format::Arrow)),
        ("application/json;q=0, text/csv", Some(Format::Csv)),
        ("image/png", None),
        ("", None),
    ] {
        assert_eq!(Format::from_accept(header), expected, "{header}");
    }
    for format in Format::ALL {
        assert_eq!(Format::from_name(format.name()).unwrap(), format);
    }
    assert!(Format::from_name("xml").unwrap_err().to_string().contains("json, ndjson, csv"));
}
