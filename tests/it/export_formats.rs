//! Export files for readers that are not ours: Python's `pyarrow`, `csv` and the published schema of OCSF.
//!
//! They are asked where they are installed, see `readers.rs`; `ocsf-json-schema` and `jsonschema` beside them, if they are.

use std::{fs, process::Command, sync::Arc};

use arrow::{
    array::{Array, AsArray, Date32Array, Int64Array, RecordBatch},
    datatypes::TimestampMicrosecondType,
};
use auditlake::{
    event::{
        decode::{BodyFormat, DecodeContext, decode},
        schema,
    },
    export::encode::{Compression, Content, Encoder, Format},
};
use serde_json::{Value, json};

use crate::{readers, support::program};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/read_export.py");
const DAY_MICROS: i64 = 86_400_000_000;
/// 2026-12-01T00:00:00Z
const RECEIVED_AT: i64 = 1_796_083_200_000_000;

/// A generated company's events, and some made to be hard, as the columns of the table.
fn rows() -> RecordBatch {
    let generate = ["generate", "--events", "3000", "--tenants", "2", "--days", "3"];
    let ended = program::run(program::command(&generate), b"");
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let hard = json!({
        "id": "hard", "tenant_id": "acme", "action": "=cmd|' /C calc'!A0", "occurred_at": "2026-01-02T03:04:05Z",
        "actor": {"type": "@x", "id": "-1", "name": "a\r\nb \"c\", d", "email": "none"}, "description": "=1+1",
        "metadata": {"é😀": [null, {"x": "\u{0}\u{2028}"}]}
    });
    let body = format!("{}\n{hard}\n", ended.stdout);
    let context = DecodeContext::new(None, RECEIVED_AT);
    let decoded = decode(body.as_bytes(), BodyFormat::Ndjson, &context).unwrap();
    assert_eq!(decoded.rejected, vec![]);
    let batch = decoded.batch;
    let occurred_at =
        batch.column_by_name(schema::OCCURRED_AT).unwrap().as_primitive::<TimestampMicrosecondType>();
    let days = occurred_at.values().iter().map(|micros| micros.div_euclid(DAY_MICROS) as i32);
    let mut columns: Vec<Arc<dyn Array>> =
        vec![Arc::new(Int64Array::from_iter_values(0..batch.num_rows() as i64))];
    columns.extend(batch.columns().iter().cloned());
    columns.push(Arc::new(Date32Array::from_iter_values(days)));
    RecordBatch::try_new(schema::table_schema(), columns).unwrap()
}

fn file(format: Format, compression: Compression, rows: &RecordBatch) -> Vec<u8> {
    let mut encoder = Encoder::new(format, compression, &Content::Events).unwrap();
    encoder.write(rows).unwrap();
    let mut file = encoder.take().to_vec();
    file.extend(encoder.finish().unwrap());
    file
}

/// Would catch files that only auditlake's own libraries can read, formulas that a spreadsheet's reader sees, and OCSF events
/// that are none by the published schema.
#[test]
fn python_reads_the_same_events_in_every_format() {
    let Some(python) = readers::python("import pyarrow") else { return };
    let (rows, folder) = (rows(), tempfile::tempdir().unwrap());
    for (name, format, compression) in [
        ("events.parquet", Format::Parquet, Compression::None),
        ("events.arrows", Format::Arrow, Compression::None),
        ("events.csv.gz", Format::Csv, Compression::Gzip),
        ("ocsf.parquet", Format::OcsfParquet, Compression::None),
        ("ocsf.ndjson.gz", Format::OcsfNdjson, Compression::Gzip),
    ] {
        fs::write(folder.path().join(name), file(format, compression, &rows)).unwrap();
    }
    let output = Command::new(python).arg(SCRIPT).arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let ids = rows.column_by_name("id").unwrap().as_string::<i32>();
    let ids: Vec<&str> = ids.iter().map(Option::unwrap).collect();
    for member in ["ids", "csv", "ocsf"] {
        assert_eq!(found[member], json!(ids), "{member}");
    }
    assert_eq!((&found["same"], &found["ocsf_same"]), (&json!(true), &json!(true)));
    assert_eq!(found["csv_descriptions"]["'=1+1"], 1);
    assert!(found["csv_descriptions"].get("=1+1").is_none());
    for class in ["3001", "3002", "6003"] {
        assert!(found["ocsf_classes"][class].as_u64().unwrap() > 0, "{class}: {}", found["ocsf_classes"]);
    }
    if found["ocsf_faults"].is_null() {
        println!(
            "not held against the published OCSF schema: Python has not ocsf-json-schema and jsonschema"
        );
    } else {
        assert_eq!(found["ocsf_faults"], json!([]));
    }
}
