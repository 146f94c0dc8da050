//! What is compacted and queried: files made to be hard on memory, written by a process that nobody measures.

use std::{fmt::Write as _, sync::Arc, time::Instant};

use arrow::{
    array::{ArrayRef, AsArray, Int64Array, RecordBatch, UInt32Array},
    datatypes::Int64Type,
};
use auditlake::{
    event::{
        TenantId,
        decode::{BodyFormat, DecodeContext, decode},
        schema,
    },
    generate::{Generator, Settings},
    limits,
    table::{Commit, DataFile, FileWriter, Table},
};
use chrono::NaiveDate;

use super::phases;

/// Events made at a time.
const CHUNK_EVENTS: usize = 2_000;
const LARGE_CHUNK_EVENTS: u64 = 200;
/// A moment after all events.
const RECEIVED_AT_MICROS: i64 = 1_790_000_000_000_000;
const RANDOM_TEXT_BYTES: usize = 2_048;
/// The most that one event may bring: what is left is for its other columns.
const LARGEST_TEXT_BYTES: usize = limits::EVENT_BYTES_MAX / 4 - 512;
/// Rows of the file that answers are made of, and how many such files there are.
const ANSWER_FILE_ROWS: u64 = 1_000_000;
const ANSWER_FILES: u64 = 10;
/// Events that long answers and exports are of.
pub(crate) const ANSWER_ROWS: u64 = ANSWER_FILE_ROWS * ANSWER_FILES;

/// Files for one compaction.
pub(crate) struct Input {
    pub(crate) name: &'static str,
    events: Events,
    files: u64,
    /// Files that share a span of time, row by row; the others follow.
    at_once: u64,
    rows_per_file: u64,
}

/// What the events are like.
#[derive(Clone, Copy)]
enum Events {
    /// As the generator makes them.
    Ordinary,
    /// The largest that are accepted: four JSON columns of almost 16 KiB. All alike, so that they take nearly nothing stored.
    LargestAlike,
    /// The same of random text, which takes most of its size stored.
    LargestRandom,
    /// As large, with long text that no other event has in every column, and that compresses well.
    LargestSpread,
    /// 2 KiB of random text: large files of few rows.
    Random,
}

/// All of them, from the most usual to the oddest.
pub(crate) const INPUTS: [Input; 8] = [
    input("16 files that overlap", Events::Ordinary, 16, 16, 125_000),
    input("64 files, one after another", Events::Ordinary, 64, 1, 8_000),
    input("256 small files, two at a time", Events::Ordinary, 256, 2, 400),
    input("16 files of largest events, all alike", Events::LargestAlike, 16, 16, 400),
    input("the same, one after another", Events::LargestAlike, 16, 1, 400),
    input("16 files of largest events, random", Events::LargestRandom, 16, 16, 200),
    input("8 files of largest events, text in all columns", Events::LargestSpread, 8, 8, 800),
    input("4 files just below half the target", Events::Random, 4, 4, 63_000),
];

const fn input(name: &'static str, events: Events, files: u64, at_once: u64, rows_per_file: u64) -> Input {
    Input { name, events, files, at_once, rows_per_file }
}

/// Writes the files of the input of this name, with `percent` of its rows, and commits them.
pub(crate) async fn prepare(name: &str, percent: u64, folder: &str) {
    let started = Instant::now();
    let input = INPUTS.iter().find(|input| input.name == name).expect("a known input");
    let rows_per_file = (input.rows_per_file * percent / 100).max(1);
    let (_, tables) = phases::open(folder).await;
    let mut source = Source::new(input.events, input.files * rows_per_file);
    let mut batch = source.next().expect("there are events");
    let table = tables.get_or_create(&tenant_of(&batch)).await.expect("a table");
    let mut files = Vec::new();
    for _ in 0..input.files / input.at_once {
        let mut writers: Vec<FileWriter> = (0..input.at_once).map(|_| table.file_writer(day())).collect();
        let mut left = input.at_once * rows_per_file;
        while left > 0 {
            if batch.num_rows() == 0 {
                batch = source.next().expect("there are enough events");
            }
            let rows = batch.num_rows().min(left as usize);
            deal(&batch.slice(0, rows), &mut writers).await;
            batch = batch.slice(rows, batch.num_rows() - rows);
            left -= rows as u64;
        }
        for writer in writers {
            files.push(writer.finish().await.expect("the folder takes it"));
        }
    }
    let rows = files.iter().map(|file| file.rows).sum();
    commit(&table, files, rows).await;
    phases::tell(rows, started.elapsed(), "");
}

/// A table of ten files with a million events each (`percent` of them), of the same million times: all that differs are their numbers.
pub(crate) async fn prepare_answers(percent: u64, folder: &str) {
    let started = Instant::now();
    let rows = (ANSWER_FILE_ROWS * percent / 100).max(1);
    let (_, tables) = phases::open(folder).await;
    let mut source = Source::new(Events::Ordinary, rows).peekable();
    let tenant = tenant_of(source.peek().expect("there are events"));
    let table = tables.get_or_create(&tenant).await.expect("a table");
    let mut writers: Vec<_> = (0..ANSWER_FILES).map(|_| table.file_writer(day())).collect();
    for batch in source {
        for (number, writer) in (0..).zip(&mut writers) {
            writer.write(numbered(&batch, number)).await.expect("it is encoded");
        }
    }
    let mut files = Vec::new();
    for writer in writers {
        files.push(writer.finish().await.expect("the folder takes it"));
    }
    commit(&table, files, rows * ANSWER_FILES).await;
    phases::tell(rows * ANSWER_FILES, started.elapsed(), "");
}

/// The events as file `number` of those that share them has them.
fn numbered(batch: &RecordBatch, number: i64) -> RecordBatch {
    let schema = batch.schema();
    let place = schema.index_of(schema::SEQ).expect("events are numbered");
    let seqs = batch.column(place).as_primitive::<Int64Type>();
    let mut columns = batch.columns().to_vec();
    columns[place] = Arc::new(Int64Array::from_iter_values(
        seqs.values().iter().map(|seq| seq * ANSWER_FILES as i64 + number),
    ));
    RecordBatch::try_new(schema, columns).expect("the same columns")
}

/// How many events are stored in a folder.
pub(crate) async fn rows_of(folder: &str) -> u64 {
    let (_, tables) = phases::open(folder).await;
    let mut rows = 0;
    for tenant in tables.tenants() {
        rows +=
            tables.get(&tenant).await.expect("the table loads").map_or(0, |table| table.snapshot().rows());
    }
    rows
}

/// Row by row, one file after the other: every file spans the whole time.
async fn deal(batch: &RecordBatch, writers: &mut [FileWriter]) {
    let count = writers.len();
    for (at, writer) in writers.iter_mut().enumerate() {
        let rows = UInt32Array::from_iter_values((at..batch.num_rows()).step_by(count).map(|row| row as u32));
        let part = arrow::compute::take_record_batch(batch, &rows).expect("rows of the batch");
        if part.num_rows() > 0 {
            writer.write(part).await.expect("it is encoded");
        }
    }
}

async fn commit(table: &Table, files: Vec<DataFile>, rows: u64) {
    let commit = Commit {
        operation: "WRITE",
        add: files,
        remove: Vec::new(),
        data_change: true,
        wal_through: Some(1),
        next_seq: Some(rows as i64),
        tree: None,
    };
    table.commit(commit).await.expect("the folder takes it");
}

fn day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 1, 7).expect("a date")
}

fn tenant_of(batch: &RecordBatch) -> TenantId {
    let tenants = batch.column_by_name(schema::TENANT_ID).expect("every event has a tenant");
    TenantId::parse(tenants.as_string::<i32>().value(0)).expect("a tenant id")
}

/// Events of one tenant and day in the order of time, checked and numbered as the server does it.
struct Source {
    events: Events,
    generator: Generator,
    left: u64,
    next_seq: u64,
    random: u64,
}

impl Source {
    fn new(events: Events, count: u64) -> Self {
        let settings =
            Settings { seed: 1, tenants: 1, events: count, start: day(), days: 1, enterprise_percent: None };
        let generator = Generator::new(&settings).expect("a company");
        Self { events, generator, left: count, next_seq: 0, random: 1 }
    }

    /// JSON lines of the next `count` events, one for each millisecond.
    fn write_large(&mut self, count: u64, body: &mut String) {
        for number in self.next_seq..self.next_seq + count {
            if matches!(self.events, Events::LargestSpread) {
                write_spread(number, body);
                continue;
            }
            let (minute, second, milli) = (number / 60_000, number / 1_000 % 60, number % 1_000);
            let _ = write!(
                body,
                r#"{{"tenant_id":"large","action":"document.update","occurred_at":"2026-01-07T10:{minute:02}:{second:02}.{milli:03}Z","metadata":{}"#,
                self.metadata()
            );
            let _ = match self.events {
                Events::Random => writeln!(body, r#","actor":{{"type":"user","id":"u_1"}}}}"#),
                _ => writeln!(
                    body,
                    r#","actor":{{"type":"user","id":"u_1","metadata":{}}},"targets":[{{"type":"document","id":"d_1","metadata":{}}}],"changes":{{"title":{{"old":{},"new":""}}}}}}"#,
                    self.metadata(),
                    self.metadata(),
                    self.metadata()
                ),
            };
        }
    }

    fn metadata(&mut self) -> String {
        let text = match self.events {
            Events::LargestAlike => "a".repeat(LARGEST_TEXT_BYTES),
            Events::LargestRandom => self.random_text(LARGEST_TEXT_BYTES),
            Events::Ordinary | Events::Random | Events::LargestSpread => self.random_text(RANDOM_TEXT_BYTES),
        };
        format!(r#"{{"text":"{text}"}}"#)
    }

    /// Letters that no compressor makes much smaller: six bits in eight are random (SplitMix64).
    fn random_text(&mut self, bytes: usize) -> String {
        const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut text = String::with_capacity(bytes + 10);
        while text.len() < bytes {
            self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut word = self.random;
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            text.extend((0..10).map(|at| char::from(LETTERS[(word >> (at * 6)) as usize % 64])));
        }
        text
    }
}

/// A line of JSON with long text in every column, all of it different from the other events'.
fn write_spread(number: u64, body: &mut String) {
    let (minute, second, milli) = (number / 60_000, number / 1_000 % 60, number % 1_000);
    let text = |column: &str, bytes: usize| {
        let mut text = format!("{column}-{number}-");
        while text.len() < bytes {
            text.push_str("of all that was done ");
        }
        text.truncate(bytes);
        text
    };
    let named = |column: &str| {
        format!(
            r#""type":"{}","id":"{}","name":"{}""#,
            text(column, limits::TYPE_BYTES_MAX),
            text(column, limits::REFERENCE_BYTES_MAX),
            text(column, limits::NAME_BYTES_MAX)
        )
    };
    let _ = writeln!(
        body,
        r#"{{"tenant_id":"large","id":"{}","action":"{}","occurred_at":"2026-01-07T10:{minute:02}:{second:02}.{milli:03}Z","actor":{{{},"email":"{}","on_behalf_of":{{{}}},"credential":{{"type":"key","id":"{}"}}}},"workspace":{{"id":"{}","name":"{}"}},"targets":[{{{}}}],"context":{{"user_agent":"{}","session_id":"{}","request_id":"{}"}},"outcome":{{"result":"failure","reason":"{}"}},"description":"{}","correlation_id":"{}","metadata":{{"text":"{}"}},"changes":{{"title":{{"old":"{}","new":""}}}}}}"#,
        text("id", limits::EVENT_ID_BYTES_MAX),
        text("action", limits::ACTION_BYTES_MAX),
        named("actor"),
        text("email", limits::EMAIL_BYTES_MAX),
        named("behalf"),
        text("credential", limits::REFERENCE_BYTES_MAX),
        text("workspace", limits::REFERENCE_BYTES_MAX),
        text("workspace", limits::NAME_BYTES_MAX),
        named("target"),
        text("agent", limits::USER_AGENT_BYTES_MAX),
        text("session", limits::TRACE_ID_BYTES_MAX),
        text("request", limits::TRACE_ID_BYTES_MAX),
        text("reason", limits::REASON_BYTES_MAX),
        text("description", limits::DESCRIPTION_BYTES_MAX),
        text("correlation", limits::TRACE_ID_BYTES_MAX),
        text("metadata", 12_000),
        text("changes", 12_000),
    );
}

impl Iterator for Source {
    type Item = RecordBatch;

    fn next(&mut self) -> Option<RecordBatch> {
        let mut body = Vec::new();
        let count = match self.events {
            Events::Ordinary => self.generator.fill(&mut body, CHUNK_EVENTS),
            _ => {
                let count = self.left.min(LARGE_CHUNK_EVENTS);
                let mut text = String::new();
                self.write_large(count, &mut text);
                body = text.into_bytes();
                count as usize
            }
        };
        if count == 0 {
            return None;
        }
        let context = DecodeContext::new(None, RECEIVED_AT_MICROS);
        let decoded = decode(&body, BodyFormat::Ndjson, &context).expect("the body is NDJSON");
        assert_eq!(decoded.batch.num_rows(), count, "{:?}", decoded.rejected.first());
        let first = self.next_seq as i64;
        let seq: Int64Array = (first..first + count as i64).collect();
        self.next_seq += count as u64;
        self.left -= count as u64;
        let columns =
            std::iter::once(Arc::new(seq) as ArrayRef).chain(decoded.batch.columns().iter().cloned());
        Some(RecordBatch::try_new(schema::stored_schema(), columns.collect()).expect("the stored columns"))
    }
}
