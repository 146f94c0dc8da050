//! Every format read back by a reader that is not ours, and bytes that depend on the rows alone.

use std::{io::Cursor, sync::Arc};

use ::arrow::{
    array::{
        ArrayRef, AsArray, BooleanArray, Date32Array, DurationSecondArray, Float64Array, Int64Array,
        IntervalMonthDayNanoArray, StringArray, StringViewArray, TimestampMicrosecondArray,
    },
    csv::ReaderBuilder,
    datatypes::{DataType, Field, Schema},
    ipc::reader::StreamReader,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    event::canonical::to_api_json,
    export::fixture::{assert_same, cut, events, file, plain, read_parquet, table, unpacked},
    limits,
};

fn read_arrow(bytes: Bytes) -> RecordBatch {
    let reader = StreamReader::try_new(Cursor::new(bytes), None).unwrap();
    let schema = reader.schema();
    let batches: Vec<RecordBatch> = reader.map(|batch| batch.unwrap()).collect();
    ::arrow::compute::concat_batches(&schema, &batches).unwrap()
}

/// The cells of a CSV text, its header included, by Arrow's reader; null and empty text are alike.
fn read_csv(text: &str, columns: usize) -> Vec<Vec<String>> {
    let fields: Vec<Field> =
        (0..columns).map(|number| Field::new(number.to_string(), DataType::Utf8, true)).collect();
    let reader =
        ReaderBuilder::new(Arc::new(Schema::new(fields))).build(Cursor::new(text.to_owned())).unwrap();
    let mut rows = Vec::new();
    for batch in reader {
        let batch = batch.unwrap();
        let cell = |column: &ArrayRef, row: usize| column.as_string::<i32>().value(row).to_owned();
        rows.extend(
            (0..batch.num_rows()).map(|row| batch.columns().iter().map(|column| cell(column, row)).collect()),
        );
    }
    rows
}

/// What a text may have become.
fn is_text_of(cell: &str, text: &str) -> bool {
    cell == text || cell.strip_prefix('\'') == Some(text)
}

/// Checks a row's cells against the event's API form.
fn check_cells<'a>(names: &[String], cells: &[String], event: &'a Value) {
    let at = |name: &str| &cells[names.iter().position(|found| found == name).unwrap()];
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    for (column, pointer) in [
        ("action", "/action"),
        ("outcome_reason", "/outcome/reason"),
        ("actor_type", "/actor/type"),
        ("actor_name", "/actor/name"),
        ("target_name", "/targets/0/name"),
        ("user_agent", "/context/user_agent"),
        ("description", "/description"),
        ("occurred_at", "/occurred_at"),
    ] {
        assert!(is_text_of(at(column), text(pointer)), "{column}: {:?} of {event}", at(column));
        assert!(!at(column).starts_with(['=', '+', '-', '@', '\t', '\r', '\n']), "{:?}", at(column));
    }
    for (column, pointer) in [("metadata", "/metadata"), ("changes", "/changes"), ("targets", "/targets")] {
        let found =
            if at(column).is_empty() { &Value::Null } else { &serde_json::from_str(at(column)).unwrap() };
        assert_eq!(found, event.pointer(pointer).unwrap_or(&Value::Null), "{column}");
    }
    let names = |target: &'a Value| {
        std::iter::once(&target["id"]).chain(target["aliases"].as_array().into_iter().flatten())
    };
    let ids: Vec<&Value> = event["targets"].as_array().into_iter().flatten().flat_map(names).collect();
    let found: Vec<Value> = if at("target_ids").is_empty() {
        Vec::new()
    } else {
        serde_json::from_str(at("target_ids")).unwrap()
    };
    assert_eq!(found.iter().collect::<Vec<_>>(), ids);
    assert_eq!(at("seq"), &event["seq"].to_string());
    assert_eq!(at("day"), &text("/occurred_at")[..10]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Would catch a value lost, added or changed on the way into a binary format.
    #[test]
    fn binary_files_have_the_rows(events in events(), at in 0..8_usize) {
        let rows = table(&events);
        let expected = plain(&rows);
        let parquet = file(Format::Parquet, Compression::None, &Content::Events, &cut(&rows, at));
        assert_same(&read_parquet(parquet), &expected);
        let arrow = file(Format::Arrow, Compression::None, &Content::Events, &cut(&rows, at));
        prop_assert_eq!(read_arrow(arrow), expected);
    }

    /// Would catch an event whose line is not the API's, and a packed file that other readers cannot open.
    #[test]
    fn lines_are_the_api_form(events in events(), at in 0..8_usize) {
        let rows = table(&events);
        let expected: String = (0..rows.num_rows()).map(|row| to_api_json(&rows, row) + "\n").collect();
        for compression in Compression::ALL {
            let packed = file(Format::Ndjson, compression, &Content::Events, &cut(&rows, at));
            prop_assert_eq!(&unpacked(compression, &packed), &expected);
        }
    }

    /// Would catch a cell that another reader splits elsewhere, a changed value, and a formula.
    #[test]
    fn csv_has_the_rows_and_no_formulas(events in events(), at in 0..8_usize) {
        let rows = table(&events);
        let packed = file(Format::Csv, Compression::Gzip, &Content::Events, &cut(&rows, at));
        let mut cells = read_csv(&unpacked(Compression::Gzip, &packed), rows.num_columns());
        let names = cells.remove(0);
        prop_assert_eq!(cells.len(), rows.num_rows());
        for (row, cells) in cells.iter().enumerate() {
            let event = serde_json::from_str(&to_api_json(&rows, row)).unwrap();
            check_cells(&names, cells, &event);
        }
    }

    /// Would catch bytes that depend on how a query cut its answer: a job taken up again would write another file.
    #[test]
    fn bytes_depend_on_rows_alone(events in events(), at in 0..8_usize) {
        let rows = table(&events);
        for format in Format::ALL {
            for compression in format.compressions() {
                let whole = file(format, *compression, &Content::Events, std::slice::from_ref(&rows));
                let pieces = file(format, *compression, &Content::Events, &cut(&rows, at));
                prop_assert!(whole == pieces, "{:?} {:?}", format, compression);
            }
        }
    }
}

/// Many events, some of them large, all made of their number.
fn many(count: usize) -> RecordBatch {
    // Text that compresses to about half, as hexadecimal digits do.
    let text = |number: usize| -> String {
        let steps = (0..number % 8 * 100).scan(number as u64, |state, _| {
            *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            Some(format!("{:08x}", *state >> 32))
        });
        steps.collect()
    };
    let event = |number: usize| {
        json!({
            "id": format!("e{number}"), "tenant_id": "acme", "action": "document.view",
            "occurred_at": format!("2026-01-02T03:{:02}:{:02}Z", number / 60 % 60, number % 60),
            "actor": {"type": "user", "id": format!("u{}", number % 97)},
            "metadata": {"text": text(number), "n": number}
        })
    };
    let parts: Vec<RecordBatch> = (0..count)
        .step_by(500)
        .map(|start| table(&(start..count.min(start + 500)).map(event).collect::<Vec<_>>()))
        .collect();
    ::arrow::compute::concat_batches(&parts[0].schema(), &parts).unwrap()
}

/// Would catch groups, pages or blocks whose borders follow the batches once there are several of them.
#[test]
fn large_files_depend_on_rows_alone() {
    let rows = many(9_000);
    for format in Format::ALL {
        let compression = format.default_compression();
        let whole = file(format, compression, &Content::Events, std::slice::from_ref(&rows));
        let pieces: Vec<RecordBatch> =
            (0..9_000).step_by(777).map(|at| rows.slice(at, 777.min(9_000 - at))).collect();
        assert!(file(format, compression, &Content::Events, &pieces) == whole, "{format:?}");
    }
}

/// Would catch an empty export that nobody can open.
#[test]
fn a_file_of_no_rows_is_a_file() {
    let empty = table(&[]);
    for batches in [vec![], vec![empty.clone()]] {
        for format in [Format::Parquet, Format::OcsfParquet] {
            let rows = read_parquet(file(format, Compression::None, &Content::Events, &batches));
            assert_eq!(rows.num_rows(), 0);
            assert!(rows.column_by_name("day").is_some() || rows.column_by_name("class_uid").is_some());
        }
        assert_eq!(
            read_arrow(file(Format::Arrow, Compression::None, &Content::Events, &batches)),
            plain(&empty)
        );
        for compression in Compression::ALL {
            for format in [Format::Ndjson, Format::OcsfNdjson] {
                assert_eq!(unpacked(compression, &file(format, compression, &Content::Events, &batches)), "");
            }
            let csv = unpacked(compression, &file(Format::Csv, compression, &Content::Events, &batches));
            assert!(
                csv.starts_with("seq,id,tenant_id,occurred_at,") && csv.ends_with(",version,day\r\n"),
                "{csv}"
            );
        }
    }
}

/// One row with a value of every kind that an answer may have.
fn kinds() -> RecordBatch {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("t", Arc::new(StringArray::from(vec![Some("=a \"b\""), None, Some("")]))),
        ("v", Arc::new(StringViewArray::from(vec![Some("-1"), None, Some("x")]))),
        ("i", Arc::new(Int64Array::from(vec![Some(-1), None, Some(2)]))),
        ("f", Arc::new(Float64Array::from(vec![Some(-1.5), None, Some(2.0)]))),
        ("b", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]))),
        ("d", Arc::new(Date32Array::from(vec![Some(20_000), None, Some(-1)]))),
        ("z", Arc::new(TimestampMicrosecondArray::from(vec![Some(1), None, Some(0)]).with_timezone("UTC"))),
        ("=x", Arc::new(StringArray::from(vec!["a", "b", "c"]))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))
        .unwrap()
}

/// Would catch an answer of some SQL that loses values or types.
#[test]
fn answers_are_files_as_well() {
    let rows = kinds();
    let content = Content::Rows(rows.schema());
    let file = |format, compression| file(format, compression, &content, &cut(&rows, 1));
    assert_same(&read_parquet(file(Format::Parquet, Compression::None)), &rows);
    assert_eq!(read_arrow(file(Format::Arrow, Compression::None)), rows);
    let lines = unpacked(Compression::Zstd, &file(Format::Ndjson, Compression::Zstd));
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        lines[0],
        json!({"t": "=a \"b\"", "v": "-1", "i": -1, "f": -1.5, "b": true, "d": "2024-10-04",
               "z": "1970-01-01T00:00:00.000001Z", "=x": "a"})
    );
    assert_eq!(lines[1]["t"], Value::Null);
    assert_eq!(lines.len(), 3);
    let csv = unpacked(Compression::None, &file(Format::Csv, Compression::None));
    assert_eq!(
        csv,
        "t,v,i,f,b,d,z,\"'=x\"\r\n\
         \"'=a \"\"b\"\"\",\"'-1\",-1,-1.5,true,2024-10-04,1970-01-01T00:00:00.000001Z,a\r\n\
         ,,,,,,,b\r\n\
         \"\",x,2,2.0,false,1969-12-31,1970-01-01T00:00:00.000000Z,c\r\n"
    );
    let raw = unpacked(Compression::None, &file(Format::CsvRaw, Compression::None));
    assert!(raw.starts_with("t,v,i,f,b,d,z,=x\r\n\"=a \"\"b\"\"\",-1,-1,-1.5,true,"), "{raw}");
}

/// Would catch a wrong request that is found out late, or that is reported as a defect of the server.
#[test]
fn what_cannot_be_written_is_the_requests_mistake() {
    let interval: ArrayRef = Arc::new(IntervalMonthDayNanoArray::from(vec![None]));
    let rows = RecordBatch::try_from_iter([("span", interval)]).unwrap();
    let content = Content::Rows(rows.schema());
    for format in [Format::OcsfParquet, Format::OcsfNdjson] {
        let error = Encoder::new(format, format.default_compression(), &content).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().starts_with(format.name()), "{error}");
    }
    let error = Encoder::new(Format::Parquet, Compression::Gzip, &Content::Events).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    // Parquet has no type for an interval of months, days and nanoseconds together, and says so when it gets one.
    let mut encoder = Encoder::new(Format::Parquet, Compression::None, &content).unwrap();
    let error = encoder.write(&rows).and_then(|()| encoder.finish()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
    assert!(error.to_string().contains("CAST"), "{error}");
    let seconds: ArrayRef = Arc::new(DurationSecondArray::from(vec![-1]));
    let rows = RecordBatch::try_from_iter([("age", seconds)]).unwrap();
    let csv = file(Format::Csv, Compression::None, &Content::Rows(rows.schema()), &[rows]);
    assert_eq!(csv, "age\r\n\"'-PT1S\"\r\n", "a spreadsheet takes a minus for a formula");
}

/// Would catch rows written although columns are missing or are not what was announced.
#[test]
fn other_columns_than_announced_are_errors() {
    let mut encoder = Encoder::new(Format::Ndjson, Compression::None, &Content::Events).unwrap();
    let error = encoder.write(&kinds()).unwrap_err();
    assert_eq!(error.to_string(), "column seq is missing from events to export");
    let content = Content::Rows(kinds().schema());
    let mut encoder = Encoder::new(Format::Csv, Compression::None, &content).unwrap();
    assert_eq!(encoder.write(&table(&[])).unwrap_err().kind(), ErrorKind::Internal);
}

/// Would catch a size by which files are cut that has nothing to do with the file's, and memory that grows with it.
#[test]
fn the_size_so_far_is_about_the_files_and_little_is_held() {
    let rows = many(8_000);
    for format in Format::ALL {
        let mut encoder = Encoder::new(format, format.default_compression(), &Content::Events).unwrap();
        let (mut taken, mut before) = (0, 0);
        for at in (0..8_000).step_by(1_000) {
            encoder.write(&rows.slice(at, 1_000)).unwrap();
            assert!(encoder.encoded_bytes() >= before, "{format:?}");
            before = encoder.encoded_bytes();
            taken += encoder.take().len() as u64;
            let held = encoder.encoded_bytes() - taken;
            assert!(held <= limits::ROW_GROUP_BYTES_MAX as u64, "{format:?} holds {held} bytes");
        }
        let whole = taken + encoder.finish().unwrap().len() as u64;
        // The last group is in the file and not in the size; the footer neither.
        assert!(before > whole / 2 && before < whole + whole / 10, "{format:?}: {before} of {whole}");
    }
}
