//! Stored rows back to JSON: the canonical form (RFC 8785), the API's answer, and a hash of the content.
//!
//! In: batches of any of the three schemas of [`super::schema`], fresh from decoding or read from Parquet
//! (text as Utf8, LargeUtf8 or Utf8View, or as a dictionary). Out: the event's bytes. Guaranteed: the same
//! event gives the same bytes wherever its row comes from, and decoding them gives the same columns again.

mod template;

use arrow::{
    array::{Array, AsArray, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray},
    compute::cast,
    datatypes::{DataType, Int32Type, Int64Type, TimestampMicrosecondType},
};
use twox_hash::XxHash64;

use self::template::{EVENT, Member, Slot};
use super::{
    columns::Column,
    jcs,
    schema::{self, OCCURRED_AT, RECEIVED_AT, SEALED, SEQ},
    sealed,
};
use crate::error::{Error, ErrorKind, Result};

/// Size of a usual event, to begin with.
const EVENT_BYTES_ESTIMATE: usize = 768;

/// Digits of 2^63, the largest magnitude of an integer.
const INTEGER_DIGITS_MAX: usize = 19;

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
    text: [StringArray; Column::COUNT],
    occurred_at: TimestampMicrosecondArray,
    received_at: TimestampMicrosecondArray,
    version: Int32Array,
    seq: Option<Int64Array>,
}

impl Rows {
    /// Finds the columns by name and casts them where needed; cheap for a batch of plain Utf8.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] if a column of [`schema::accepted_schema`] is missing or of another kind.
    pub fn new(batch: &RecordBatch) -> Result<Self> {
        let mut text = Vec::with_capacity(Column::COUNT);
        for column in Column::ALL {
            text.push(match column {
                // Absent from what was written before fields were sealed.
                Column::Sealed if batch.column_by_name(SEALED).is_none() => {
                    StringArray::new_null(batch.num_rows())
                }
                _ => column_as(batch, column.name(), &DataType::Utf8)?.as_string::<i32>().clone(),
            });
        }
        let time = |name: &str| -> Result<TimestampMicrosecondArray> {
            let array = column_as(batch, name, &schema::timestamp_type())?;
            Ok(array.as_primitive::<TimestampMicrosecondType>().clone())
        };
        let seq = match batch.column_by_name(SEQ) {
            Some(_) => Some(column_as(batch, SEQ, &DataType::Int64)?.as_primitive::<Int64Type>().clone()),
            None => None,
        };
        Ok(Self {
            text: text.try_into().expect("there is one array for each text column"),
            occurred_at: time(OCCURRED_AT)?,
            received_at: time(RECEIVED_AT)?,
            version: column_as(batch, "version", &DataType::Int32)?.as_primitive::<Int32Type>().clone(),
            seq,
        })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.occurred_at.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends the canonical form of a row: RFC 8785, with `received_at`, without `seq`.
    pub fn push_canonical(&self, row: usize, out: &mut String) {
        self.push_object(EVENT, row, Form::Canonical, out);
    }

    /// Appends a row as the API shows it: the canonical form with `seq`, if it has one.
    pub fn push_api(&self, row: usize, out: &mut String) {
        self.push_object(EVENT, row, Form::Api, out);
    }

    /// Appends what the leaf of a row is the hash of: the canonical form, in which digests stand for sealed values.
    pub fn push_leaf(&self, row: usize, out: &mut String) {
        let start = out.len();
        self.push_canonical(row, out);
        if self.text[Column::Sealed as usize].is_valid(row)
            && let Some(committed) = sealed::committed(&out[start..])
        {
            out.truncate(start);
            out.push_str(&committed);
        }
    }

    /// Hash of all that makes the event what it is: everything but `received_at`, `sealed` and `seq`.
    ///
    /// XXH64 (seed 0) of the canonical form without `received_at` and `sealed`: the same in every process and version, and
    /// no defence against someone who wants two contents to collide. `scratch` is overwritten.
    pub fn content_hash(&self, row: usize, scratch: &mut String) -> u64 {
        scratch.clear();
        self.push_object(EVENT, row, Form::Content, scratch);
        XxHash64::oneshot(0, scratch.as_bytes())
    }

    /// Writes the members that have a value; whether there was one.
    fn push_object(&self, members: &[Member], row: usize, form: Form, out: &mut String) -> bool {
        let start = out.len();
        // Keys are our own names: nothing in them needs an escape.
        let key = |member: &Member, out: &mut String| {
            out.push(if out.len() == start { '{' } else { ',' });
            out.push('"');
            out.push_str(member.key);
            out.push_str("\":");
        };
        for member in members {
            // Most members have none: that is looked at before anything is written.
            match member.slot {
                Slot::Text(column) => {
                    let Some(text) = self.get(column, row) else { continue };
                    key(member, out);
                    jcs::push_text(out, text);
                }
                Slot::Json(Column::Sealed) if form == Form::Content => {}
                Slot::Json(column) => {
                    let Some(json) = self.get(column, row) else { continue };
                    key(member, out);
                    out.push_str(json);
                }
                Slot::Object(inner) => {
                    let undo = out.len();
                    key(member, out);
                    if !self.push_object(inner, row, form, out) {
                        out.truncate(undo);
                    }
                }
                Slot::OccurredAt => {
                    key(member, out);
                    push_time(out, self.occurred_at.value(row));
                }
                Slot::ReceivedAt if form == Form::Content => {}
                Slot::ReceivedAt => {
                    key(member, out);
                    push_time(out, self.received_at.value(row));
                }
                Slot::Seq => {
                    let seq = self.seq.as_ref().filter(|seq| form == Form::Api && seq.is_valid(row));
                    let Some(seq) = seq else { continue };
                    key(member, out);
                    push_integer(out, seq.value(row));
                }
                Slot::Version if self.version.is_null(row) => {}
                Slot::Version => {
                    key(member, out);
                    push_integer(out, self.version.value(row).into());
                }
            }
        }
        let any = out.len() > start;
        if any {
            out.push('}');
        }
        any
    }

    fn get(&self, column: Column, row: usize) -> Option<&str> {
        let array = &self.text[column as usize];
        array.is_valid(row).then(|| array.value(row))
    }
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

fn column_as(batch: &RecordBatch, name: &str, wanted: &DataType) -> Result<arrow::array::ArrayRef> {
    let Some(array) = batch.column_by_name(name) else {
        return Err(Error::new(
            ErrorKind::Internal,
            format!("column {name} is missing from a batch of events"),
        ));
    };
    if array.data_type() == wanted {
        return Ok(array.clone());
    }
    cast(array, wanted).map_err(|error| {
        let found = array.data_type();
        Error::with_source(ErrorKind::Internal, format!("column {name} is {found}, not {wanted}"), error)
    })
}

/// Appends a time as a JSON string: RFC 3339 in UTC with six fractional digits, the only form times go out in.
fn push_time(out: &mut String, micros: i64) {
    use chrono::{DateTime, Datelike, Timelike};
    let time = DateTime::from_timestamp_micros(micros).expect("event times lie within the years of RFC 3339");
    let mut text = *b"\"0000-00-00T00:00:00.000000Z\"";
    let mut number = |mut value: u32, digits: std::ops::Range<usize>| {
        for digit in text[digits].iter_mut().rev() {
            *digit += (value % 10) as u8;
            value /= 10;
        }
    };
    number(time.year() as u32, 1..5);
    number(time.month(), 6..8);
    number(time.day(), 9..11);
    number(time.hour(), 12..14);
    number(time.minute(), 15..17);
    number(time.second(), 18..20);
    number(time.timestamp_subsec_micros(), 21..27);
    out.push_str(std::str::from_utf8(&text).expect("digits and signs are ASCII"));
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
