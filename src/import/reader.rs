//! Reads inputs one after another and gathers their events into batches.
//!
//! In: [`Input`]s and what they hold. Out: [`Step`]s, in the order of the inputs: a batch of events as NDJSON
//! with their origins, or what was refused and why. Guaranteed: every value of every input ends up in exactly
//! one batch or one refusal, and [`Counts`] adds up to the same.

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use serde_json::{Map, Value};

use super::{
    Input, NotARecord, Source, cloudtrail, github, okta,
    values::{Values, ValuesError},
};
use crate::limits;

/// How large a batch may become.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Events in a batch.
    pub batch_events_max: usize,
    /// Bytes in a batch; an event that is larger by itself is refused.
    pub batch_bytes_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            batch_events_max: limits::IMPORT_BATCH_EVENTS_MAX,
            batch_bytes_max: limits::IMPORT_BATCH_BYTES_MAX,
        }
    }
}

/// Where an event comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The file's name as reports show it.
    pub input: Arc<str>,
    /// Number of the record in the file, from 0.
    pub index: u64,
    /// Line at which the record starts, from 1.
    pub line: u64,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: record {} (line {})", self.input, self.index, self.line)
    }
}

/// Events in API form, one a line.
#[derive(Debug, Default)]
pub struct Batch {
    /// NDJSON, each line ended by a line feed; no blank lines.
    pub body: Vec<u8>,
    /// For each line where it comes from.
    pub origins: Vec<Origin>,
}

/// A record, or a file from some place on, that could not be imported.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The file's name.
    pub input: Arc<str>,
    /// The record; `None` if it is the file, or the rest of it.
    pub origin: Option<Origin>,
    /// What is wrong.
    pub reason: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Some(origin) => write!(f, "{origin}: {}", self.reason),
            None => write!(f, "{}: {}", self.input, self.reason),
        }
    }
}

/// What reading comes to, bit by bit.
#[derive(Debug)]
pub enum Step {
    /// Events to store.
    Batch(Batch),
    /// Something to report; reading goes on.
    Refused(Refusal),
}

/// What was read so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Inputs opened, or tried to.
    pub inputs: u64,
    /// Inputs that could not be read to their end.
    pub inputs_refused: u64,
    /// Records found.
    pub records: u64,
    /// Records that became events.
    pub mapped: u64,
    /// Records that did not.
    pub refused: u64,
}

/// Reads `inputs` to their end; see [`Step`].
///
/// ```
/// use auditlake::import::{Input, Reader, Settings, Source, Step};
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("events.json");
/// std::fs::write(&path, r#"[{"action":"a"}, {"action":"b"}]"#).unwrap();
///
/// let inputs = Input::find(&[path]).unwrap();
/// let mut reader = Reader::new(inputs, Source::Native, Settings::default());
/// let Some(Step::Batch(batch)) = reader.next() else { panic!("one batch") };
/// assert_eq!(batch.body, b"{\"action\":\"a\"}\n{\"action\":\"b\"}\n");
/// assert!(reader.next().is_none());
/// ```
pub struct Reader {
    inputs: VecDeque<Input>,
    source: Source,
    settings: Settings,
    open: Option<Open>,
    batch: Batch,
    /// Given out before anything else is read.
    ready: VecDeque<Step>,
    counts: Counts,
    bytes_read: Arc<AtomicU64>,
    bytes_total: u64,
}

/// The input being read.
struct Open {
    name: Arc<str>,
    values: Values,
    index: u64,
}

impl Reader {
    /// Nothing is opened before the first step is asked for.
    pub fn new(inputs: Vec<Input>, source: Source, settings: Settings) -> Self {
        let bytes_total = inputs.iter().map(Input::stored_bytes).sum();
        Self {
            inputs: inputs.into(),
            source,
            settings,
            open: None,
            batch: Batch::default(),
            ready: VecDeque::new(),
            counts: Counts::default(),
            bytes_read: Arc::default(),
            bytes_total,
        }
    }

    /// What was read so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Bytes read so far as they are stored, compression included.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    /// Bytes of all inputs as they are stored; standard input counts nothing.
    pub fn bytes_total(&self) -> u64 {
        self.bytes_total
    }

    fn open_next(&mut self, input: &Input) {
        self.counts.inputs += 1;
        let name: Arc<str> = input.to_string().into();
        match input.open(&self.bytes_read) {
            Ok(bytes) => {
                let values = Values::new(bytes, self.source == Source::Cloudtrail);
                self.open = Some(Open { name, values, index: 0 });
            }
            Err(error) => self.refuse_input(name, ValuesError::Read(error)),
        }
    }

    /// Takes one value of the open input into the batch, or closes the input.
    fn read_value(&mut self, mut open: Open) {
        let (text, line) = match open.values.next_value() {
            Ok(Some(value)) => value,
            Ok(None) => return,
            Err(error) => return self.refuse_input(open.name, error),
        };
        let origin = Origin { input: open.name.clone(), index: open.index, line };
        self.counts.records += 1;
        let before = self.batch.body.len();
        let appended = append(self.source, text, &mut self.batch.body);
        let length = self.batch.body.len() - before;
        match appended {
            Ok(()) if length > self.settings.batch_bytes_max => {
                self.batch.body.truncate(before);
                self.refuse_record(origin, format!("the event has {length} bytes"));
            }
            Ok(()) => self.keep(origin, before),
            Err(reason) => {
                self.batch.body.truncate(before);
                self.refuse_record(origin, reason);
            }
        }
        open.index += 1;
        self.open = Some(open);
    }

    /// Keeps the event that begins at `start` in this batch, or in the next one if this is full.
    fn keep(&mut self, origin: Origin, start: usize) {
        self.counts.mapped += 1;
        if start > 0 && self.batch.body.len() > self.settings.batch_bytes_max {
            let body = self.batch.body.split_off(start);
            self.finish_batch();
            self.batch.body = body;
        }
        self.batch.origins.push(origin);
        if self.batch.origins.len() >= self.settings.batch_events_max {
            self.finish_batch();
        }
    }

    fn finish_batch(&mut self) {
        if !self.batch.origins.is_empty() {
            self.ready.push_back(Step::Batch(std::mem::take(&mut self.batch)));
        }
    }

    fn refuse_record(&mut self, origin: Origin, reason: String) {
        self.counts.refused += 1;
        let refusal = Refusal { input: origin.input.clone(), origin: Some(origin), reason };
        self.ready.push_back(Step::Refused(refusal));
    }

    fn refuse_input(&mut self, input: Arc<str>, error: ValuesError) {
        self.counts.inputs_refused += 1;
        self.ready.push_back(Step::Refused(Refusal { input, origin: None, reason: error.to_string() }));
    }
}

impl Iterator for Reader {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        loop {
            if let Some(step) = self.ready.pop_front() {
                return Some(step);
            }
            if let Some(open) = self.open.take() {
                self.read_value(open);
            } else if let Some(input) = self.inputs.pop_front() {
                self.open_next(&input);
            } else if self.batch.origins.is_empty() {
                return None;
            } else {
                self.finish_batch();
            }
        }
    }
}

/// Appends one value as one line of NDJSON. On an error the caller drops what was appended.
fn append(source: Source, text: &[u8], body: &mut Vec<u8>) -> Result<(), String> {
    match source {
        // A line feed cannot be part of a JSON string, so it is white space.
        Source::Native => {
            body.extend(text.iter().map(|&byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }));
        }
        Source::Cloudtrail => {
            write(&cloudtrail::event(parse(text)?).map_err(|error| refused(source, &error))?, body)?
        }
        Source::Okta => write(&okta::event(parse(text)?).map_err(|error| refused(source, &error))?, body)?,
        Source::Github => {
            write(&github::event(parse(text)?).map_err(|error| refused(source, &error))?, body)?
        }
    }
    body.push(b'\n');
    Ok(())
}

fn parse(text: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(text).map_err(|error| format!("is not JSON: {error}"))
}

fn write(event: &Map<String, Value>, body: &mut Vec<u8>) -> Result<(), String> {
    serde_json::to_writer(body, event).map_err(|error| error.to_string())
}

fn refused(source: Source, error: &NotARecord) -> String {
    format!("not a record of format {source}: {error}")
}

#[cfg(test)]
mod tests;
