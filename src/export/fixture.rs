//! Events to export in tests, and whole files of them.

use std::{io::Read, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, Date32Array, RecordBatch},
    compute::cast,
    datatypes::{DataType, Field, Schema, TimestampMicrosecondType},
};
use bytes::Bytes;
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Value, json};

use super::encode::{Compression, Content, Encoder, Format};
use crate::event::{
    properties, schema,
    sealed::{SealedFields, seal},
};

const DAY_MICROS: i64 = 86_400_000_000;

/// Events as `SELECT * FROM events` gives them: text as views, `seq`, `day`.
pub(super) fn table(events: &[Value]) -> RecordBatch {
    as_selected(&properties::stored(&properties::decoded(&json!(events).to_string())))
}

/// The same of a tenant that seals names.
pub(super) fn sealed_table(events: &[Value]) -> RecordBatch {
    let names = ["actor.name", "targets.name", "context.ip_address"].map(str::to_owned).to_vec();
    let fields = SealedFields::try_from(names).unwrap();
    as_selected(&properties::stored(&seal(properties::decoded(&json!(events).to_string()), &fields).unwrap()))
}

fn as_selected(stored: &RecordBatch) -> RecordBatch {
    let occurred_at = stored.column_by_name(schema::OCCURRED_AT).unwrap();
    let days = occurred_at.as_primitive::<TimestampMicrosecondType>().values().iter();
    let days = Date32Array::from_iter_values(days.map(|micros| micros.div_euclid(DAY_MICROS) as i32));
    let stored_schema = stored.schema();
    let fields = stored_schema.fields().iter().map(|field| match field.data_type() {
        DataType::Utf8 => Field::new(field.name(), DataType::Utf8View, field.is_nullable()),
        _ => field.as_ref().clone(),
    });
    let fields: Vec<Field> = fields.chain([Field::new(schema::DAY, DataType::Date32, true)]).collect();
    let columns = stored.columns().iter().zip(&fields).map(|(column, field)| cast(column, field.data_type()));
    let mut columns: Vec<ArrayRef> = columns.collect::<Result<_, _>>().unwrap();
    columns.push(Arc::new(days));
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

/// The same rows in the columns in which an export has them.
pub(super) fn plain(table: &RecordBatch) -> RecordBatch {
    let schema = schema::table_schema();
    let columns = schema.fields().iter().zip(table.columns());
    let columns = columns.map(|(field, column)| cast(column, field.data_type()).unwrap()).collect();
    RecordBatch::try_new(schema, columns).unwrap()
}

/// Arbitrary events, of which some say what OCSF has words for, or what spreadsheets take for formulas.
pub(super) fn events() -> impl Strategy<Value = Vec<Value>> {
    let actions = vec![
        "user.login_failed",
        "user.logout",
        "mfa.verify",
        "user.create",
        "iam.DeleteUser",
        "role.grant",
        "password.reset",
        "mfa.enroll",
        "profile.update",
        "document.view",
        "document.delete",
        "webhook.deliver",
        "=1+1",
        "view",
    ];
    let words = vec!["user", "admin", "system", "role", "api_key", "=cmd", " +1", "-1", "@x"];
    let known = (
        properties::event(),
        prop::option::of(select(actions)),
        prop::option::of(select(words)),
        prop::option::of("[a-z]{1,5}@[a-z]{1,5}\\.[a-z]{2}"),
    );
    let event = known.prop_map(|(mut event, action, word, email)| {
        if let Some(action) = action {
            event["action"] = json!(action);
        }
        if let Some(word) = word {
            event["actor"]["type"] = json!(word);
            event["description"] = json!(word);
            if let Some(target) = event["targets"].get_mut(0) {
                target["type"] = json!(word);
                target["name"] = json!(word);
            }
        }
        if let Some(email) = email {
            event["actor"]["email"] = json!(email);
        }
        event
    });
    vec(event, 0..6)
}

/// The file of these batches, taken piece by piece.
pub(super) fn file(
    format: Format,
    compression: Compression,
    content: &Content,
    batches: &[RecordBatch],
) -> Bytes {
    let mut encoder = Encoder::new(format, compression, content).unwrap();
    let mut file = Vec::new();
    for batch in batches {
        encoder.write(batch).unwrap();
        file.extend(encoder.take());
    }
    file.extend(encoder.finish().unwrap());
    Bytes::from(file)
}

/// Rows cut into three batches, of which the first may be empty.
pub(super) fn cut(rows: &RecordBatch, at: usize) -> Vec<RecordBatch> {
    let (first, second) = (at % (rows.num_rows() + 1), rows.num_rows());
    let middle = first + (second - first) / 2;
    vec![rows.slice(0, first), rows.slice(first, middle - first), rows.slice(middle, second - middle)]
}

/// The text of a packed file, by other readers.
pub(super) fn unpacked(compression: Compression, file: &[u8]) -> String {
    let reader: Box<dyn Read> = match compression {
        Compression::None => Box::new(file),
        Compression::Gzip => Box::new(flate2::read::GzDecoder::new(file)),
        Compression::Zstd => Box::new(zstd::stream::read::Decoder::new(file).unwrap()),
    };
    std::io::read_to_string(reader).unwrap()
}

/// Rows of a Parquet file.
pub(super) fn read_parquet(file: Bytes) -> RecordBatch {
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let schema = reader.schema().clone();
    let batches: Vec<RecordBatch> = reader.build().unwrap().map(|batch| batch.unwrap()).collect();
    arrow::compute::concat_batches(&schema, &batches).unwrap()
}

/// Fails unless both have the same columns, names and values; nullability and names of list items do not matter.
pub(super) fn assert_same(found: &RecordBatch, expected: &RecordBatch) {
    let names = |batch: &RecordBatch| -> Vec<String> {
        batch.schema().fields().iter().map(|field| field.name().clone()).collect()
    };
    assert_eq!(names(found), names(expected));
    assert_eq!(found.num_rows(), expected.num_rows());
    for (name, (found, expected)) in names(found).iter().zip(found.columns().iter().zip(expected.columns())) {
        let found = cast(found, expected.data_type()).unwrap();
        assert_eq!(found.as_ref() as &dyn Array, expected.as_ref(), "{name}");
    }
}
