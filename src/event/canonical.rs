//! Stored rows back to JSON: the canonical form (RFC 8785), the API's answer, and a hash of the content.
//!
//! In: batches of any of the three schemas of [`super::schema`], fresh from decoding or read from Parquet
//! (text as Utf8, LargeUtf8 or Utf8View, or as a dictionary). Out: the event's bytes. Guaranteed: the same
//! event gives the same bytes wherever its row comes from, and decoding them gives the same columns again.

mod template;
mod time;

use std::net::IpAddr;

use arrow::{
    array::{Array, AsArray, Int32Array, Int64Array, RecordBatch, TimestampMicrosecondArray},
    datatypes::{DataType, Int32Type, Int64Type, TimestampMicrosecondType},
};
use twox_hash::XxHash64;

use self::template::{EVENT, Member, Slot};
use super::{
    columns::Column,
    jcs,
    schema::{self, OCCURRED_AT, RECEIVED_AT, SEALED, SEQ},
    sealed,
    text::{self, Text},
};
use crate::error::Result;

/// Size of a usual event, to begin with.
const EVENT_BYTES_ESTIMATE: usize = 768;

/// Digits of 2^63, the largest magnitude of an integer.
const INTEGER_DIGITS_MAX: usize = 19;

/// What an IPv4 address within IPv6 begins with, as std writes it.
const MAPPED: &str = "::ffff:";
/// The member that has an address, within the text before its value.
const IP_ADDRESS: &str = "\"ip_address\"";

/// Steps of an event with all members.
const STEPS_ESTIMATE: usize = 44;

/// Which of the server's fields a text has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// What the sender said, and the tenant and id it was stored under: neither `received_at`, `sealed` nor `seq`.
    Content,
    /// With `received_at`.
    Canonical,
    /// With `received_at` and, once committed, `seq`.
    Api,
}

/// A batch made ready to turn rows into JSON.
pub struct Rows {
    /// How a row is written.
    steps: Vec<Step>,
    sealed: Option<Text>,
    len: usize,
}

/// One step in writing a row. Everything that is written ends in a comma; the last one is taken back.
struct Step {
    key: &'static str,
    value: Value,
}

enum Value {
    Text(Text),
    Json(Text),
    Sealed(Text),
    /// What follows until [`Value::End`] is an object.
    Begin,
    End,
    OccurredAt(TimestampMicrosecondArray),
    ReceivedAt(TimestampMicrosecondArray),
    Seq(Int64Array),
    Version(Int32Array),
}

impl Rows {
    /// Finds the columns by name and casts them where needed; cheap for a batch of plain Utf8 or of views.
    ///
    /// # Errors
    /// Of kind `Internal`, if a column of [`schema::accepted_schema`] is missing or of another kind.
    pub fn new(batch: &RecordBatch) -> Result<Self> {
        // Absent from what was written before fields were sealed.
        let sealed = batch.column_by_name(SEALED).map(|array| Text::new(array, SEALED)).transpose()?;
        let sealed = sealed.filter(Text::has_values);
        // Those that stand in no member have to be there as well.
        for column in Column::ALL {
            if column != Column::Sealed {
                text::column(batch, column.name())?;
            }
        }
        let mut steps = Vec::with_capacity(STEPS_ESTIMATE);
        add_steps(batch, EVENT, &mut steps)?;
        Ok(Self { steps, sealed, len: batch.num_rows() })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends the canonical form of a row: RFC 8785, with `received_at`, without `seq`.
    pub fn push_canonical(&self, row: usize, out: &mut String) {
        self.push(row, Form::Canonical, out);
    }

    /// Appends a row as the API shows it: the canonical form with `seq`, if it has one.
    pub fn push_api(&self, row: usize, out: &mut String) {
        self.push(row, Form::Api, out);
    }

    /// Appends what the leaf of a row is the hash of: the canonical form, in which digests stand for sealed values.
    pub fn push_leaf(&self, row: usize, out: &mut String) {
        let start = out.len();
        self.push_canonical(row, out);
        if self.sealed.as_ref().is_some_and(|sealed| sealed.get(row).is_some())
            && let Some(committed) = sealed::committed(&out[start..])
        {
            out.truncate(start);
            out.push_str(&committed);
        }
    }

    /// Hash of all that makes the event what it is: everything but `received_at`, `sealed` and `seq`.
    ///
    /// XXH64 (seed 0) of the canonical form without `received_at` and `sealed`: the same in every process and version, and
    /// no defence against someone who wants two contents to collide. An IPv4 address that a version before stored within IPv6 counts as
    /// itself, so that an event that is sent again is the same event. `scratch` is overwritten.
    pub fn content_hash(&self, row: usize, scratch: &mut String) -> u64 {
        scratch.clear();
        self.push(row, Form::Content, scratch);
        XxHash64::oneshot(0, scratch.as_bytes())
    }

    /// Writes the members that have a value.
    fn push(&self, row: usize, form: Form, out: &mut String) {
        out.push('{');
        for Step { key, value } in &self.steps {
            match value {
                Value::Text(text) => {
                    let Some(text) = text.get(row) else { continue };
                    out.push_str(key);
                    match form == Form::Content && text.starts_with(MAPPED) && key.contains(IP_ADDRESS) {
                        true => out.push_str(&without_mapping(text)),
                        false => jcs::push_escaped(out, text),
                    }
                    out.push_str("\",");
                }
                Value::Sealed(_) if form == Form::Content => {}
                Value::Json(json) | Value::Sealed(json) => {
                    let Some(json) = json.get(row) else { continue };
                    out.push_str(key);
                    out.push_str(json);
                    out.push(',');
                }
                Value::Begin => {
                    out.push_str(key);
                    out.push('{');
                }
                // Nothing was written in it: nothing is written of it.
                Value::End if out.ends_with('{') => out.truncate(out.len() - key.len() - 1),
                Value::End => {
                    out.truncate(out.len() - 1);
                    out.push_str("},");
                }
                Value::ReceivedAt(_) if form == Form::Content => {}
                Value::OccurredAt(times) | Value::ReceivedAt(times) => {
                    out.push_str(key);
                    time::push(out, times.value(row));
                    out.push(',');
                }
                Value::Seq(seq) if form != Form::Api || seq.is_null(row) => {}
                Value::Seq(seq) => {
                    out.push_str(key);
                    push_integer(out, seq.value(row));
                    out.push(',');
                }
                Value::Version(version) if version.is_null(row) => {}
                Value::Version(version) => {
                    out.push_str(key);
                    push_integer(out, version.value(row).into());
                    out.push(',');
                }
            }
        }
        out.truncate(out.len() - 1);
        out.push('}');
    }
}

/// Adds what it takes to write `members`. Most have no value in any row of a batch: they are no step.
fn add_steps(batch: &RecordBatch, members: &[Member], steps: &mut Vec<Step>) -> Result<()> {
    let time = |name: &str| -> Result<TimestampMicrosecondArray> {
        let array = text::column_as(batch, name, &schema::timestamp_type())?;
        Ok(array.as_primitive::<TimestampMicrosecondType>().clone())
    };
    let text =
        |column: Column| Text::of(batch, column.name()).map(|text| Some(text).filter(Text::has_values));
    for Member { key, slot } in members {
        let value = match slot {
            Slot::Text(column) => text(*column)?.map(Value::Text),
            Slot::Json(Column::Sealed) if batch.column_by_name(SEALED).is_none() => None,
            Slot::Json(Column::Sealed) => text(Column::Sealed)?.map(Value::Sealed),
            Slot::Json(column) => text(*column)?.map(Value::Json),
            Slot::Object(inner) => {
                steps.push(Step { key, value: Value::Begin });
                let before = steps.len();
                add_steps(batch, inner, steps)?;
                if steps.len() == before {
                    steps.pop();
                    continue;
                }
                Some(Value::End)
            }
            Slot::OccurredAt => Some(Value::OccurredAt(time(OCCURRED_AT)?)),
            Slot::ReceivedAt => Some(Value::ReceivedAt(time(RECEIVED_AT)?)),
            Slot::Seq if batch.column_by_name(SEQ).is_none() => None,
            Slot::Seq => {
                let seq = text::column_as(batch, SEQ, &DataType::Int64)?;
                Some(Value::Seq(seq.as_primitive::<Int64Type>().clone()))
            }
            Slot::Version => {
                let version = text::column_as(batch, "version", &DataType::Int32)?;
                Some(Value::Version(version.as_primitive::<Int32Type>().clone()))
            }
        };
        steps.extend(value.map(|value| Step { key, value }));
    }
    Ok(())
}

/// The canonical form of one row; for many rows keep a [`Rows`].
///
/// # Panics
/// If the batch is of none of the schemas of [`super::schema`], or `row` is not in it.
pub fn canonical_json(batch: &RecordBatch, row: usize) -> Vec<u8> {
    let mut out = String::with_capacity(EVENT_BYTES_ESTIMATE);
    rows(batch).push_canonical(row, &mut out);
    out.into_bytes()
}

/// One row as the API shows it: the canonical form with `seq`; for many rows keep a [`Rows`].
///
/// # Panics
/// If the batch is of none of the schemas of [`super::schema`], or `row` is not in it.
pub fn to_api_json(batch: &RecordBatch, row: usize) -> String {
    let mut out = String::with_capacity(EVENT_BYTES_ESTIMATE);
    rows(batch).push_api(row, &mut out);
    out
}

/// The text of an address as events have it that are accepted today.
fn without_mapping(address: &str) -> String {
    address.parse::<IpAddr>().map_or_else(|_| address.to_owned(), |parsed| parsed.to_canonical().to_string())
}

/// [`Rows::content_hash`] of every row.
///
/// # Panics
/// If the batch is of none of the schemas of [`super::schema`].
pub fn content_hashes(batch: &RecordBatch) -> Vec<u64> {
    let rows = rows(batch);
    let mut scratch = String::with_capacity(EVENT_BYTES_ESTIMATE);
    (0..rows.len()).map(|row| rows.content_hash(row, &mut scratch)).collect()
}

fn rows(batch: &RecordBatch) -> Rows {
    Rows::new(batch).expect("the batch has the columns of an event")
}

fn push_integer(out: &mut String, value: i64) {
    let mut digits = [0; INTEGER_DIGITS_MAX];
    let mut start = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        out.push('-');
    }
    out.push_str(std::str::from_utf8(&digits[start..]).expect("digits are ASCII"));
}
