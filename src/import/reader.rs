//! Reads inputs one after another and gathers their events into batches.
//!
//! In: [`Input`]s and what they hold. Out: [`Step`]s, in the order of the inputs: a batch of events as NDJSON
//! with their origins, what was refused and why, or what there is to tell. Guaranteed: every record of every input ends up
//! in exactly one batch or one refusal, what holds no events is told of, and [`Counts`] adds up to the same.

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    Found, Input, Source,
    records::{self, Outlet, Problem},
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
    /// The record; `None` if it is the file, the rest of it, or what stands between two records.
    pub origin: Option<Origin>,
    /// The line at which it is wrong, from 1; `None` if it is the whole file.
    pub line: Option<u64>,
    /// The record's own id, if it has one.
    pub id: Option<String>,
    /// The member that is wrong, as a JSON pointer into the record, if it is one.
    pub pointer: Option<String>,
    /// What is wrong.
    pub reason: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Some(origin) => write!(f, "{origin}")?,
            None => write!(f, "{}", self.input)?,
        }
        if let Some(id) = &self.id {
            write!(f, ", id {id}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// Something to tell that is no refusal.
#[derive(Debug, PartialEq, Eq)]
pub struct Note {
    /// What it is about.
    pub kind: NoteKind,
    /// The file's name.
    pub input: Arc<str>,
    /// The record, or the first value that it is about; `None` if it is the file.
    pub origin: Option<Origin>,
    /// The record's own id, if it has one.
    pub id: Option<String>,
    /// The member, as a JSON pointer into the record, if it is one.
    pub pointer: Option<String>,
    /// What there is to tell.
    pub text: String,
}

/// What a [`Note`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoteKind {
    /// A file that holds no events.
    FileWithoutEvents,
    /// Values without events in a file that holds events as well.
    ValuesWithoutEvents,
    /// Text of an event that is not in all its letters what the record has, because that is no Unicode.
    Changed,
}

/// What reading comes to, bit by bit.
#[derive(Debug)]
pub enum Step {
    /// Events to store.
    Batch(Batch),
    /// Something to report; reading goes on.
    Refused(Refusal),
    /// Something to tell; reading goes on.
    Noted(Note),
}

/// What was read so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Inputs opened, or tried to.
    pub inputs: u64,
    /// Inputs that could not be read to their end.
    pub inputs_refused: u64,
    /// Inputs that hold no events: empty ones, digests, lists without records.
    pub inputs_without_events: u64,
    /// Values that hold no events, in inputs that hold records as well; they are no records themselves.
    pub values_without_events: u64,
    /// Texts of records that became events, which no Unicode text can be.
    pub changed: u64,
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
    /// How many values hold no events, and of the first one where it is and what.
    without_events: u64,
    first_without: Option<(u64, &'static str)>,
}

impl Reader {
    /// Nothing is opened before the first step is asked for.
    pub fn new(inputs: impl Into<Found>, source: Source, settings: Settings) -> Self {
        let Found { inputs, .. } = inputs.into();
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
        if let Some(what) = input.without_events() {
            self.bytes_read.fetch_add(input.stored_bytes(), Ordering::Relaxed);
            return self.note_without_events(name, what.into());
        }
        match input.open(&self.bytes_read) {
            Ok(bytes) => {
                let values = Values::new(bytes, self.source);
                let (without_events, first_without) = (0, None);
                self.open = Some(Open { name, values, index: 0, without_events, first_without });
            }
            Err(error) => self.refuse_input(name, ValuesError::Open(error)),
        }
    }

    /// Takes one value of the open input into the batch, or closes the input.
    fn read_value(&mut self, mut open: Open) {
        let Open { name, values, index, without_events, first_without } = &mut open;
        match values.next_value() {
            Ok(Some(cut)) => {
                let (source, start) = (self.source, self.batch.body.len());
                let mut gathering =
                    Gathering { reader: self, name, start, index, without_events, first_without };
                records::read(source, cut, &mut gathering);
                self.open = Some(open);
            }
            Ok(None) => self.close(open),
            Err(error) if !error.is_final() => {
                self.refuse_part(open.name.clone(), &error);
                self.open = Some(open);
            }
            Err(error) => {
                let name = open.name.clone();
                self.note_values(open);
                self.refuse_input(name, error);
            }
        }
    }

    /// Tells what there is to tell of an input that was read to its end.
    fn close(&mut self, open: Open) {
        if open.index > 0 {
            return self.note_values(open);
        }
        let what = match open.first_without {
            Some((_, what)) => what,
            None if open.values.began() => "an empty list",
            None => "it is empty",
        };
        self.note_without_events(open.name, what.into());
    }

    /// Tells of the values without events in an input that holds records as well.
    fn note_values(&mut self, open: Open) {
        let Open { name, index, without_events, first_without, .. } = open;
        self.counts.values_without_events += without_events;
        if let Some((line, what)) = first_without {
            let text = match without_events {
                1 => format!("a value without events: {what}"),
                count => format!("{count} values without events, the first one is {what}"),
            };
            let origin = Some(Origin { input: name.clone(), index, line });
            let kind = NoteKind::ValuesWithoutEvents;
            self.ready.push_back(Step::Noted(Note {
                kind,
                input: name,
                origin,
                id: None,
                pointer: None,
                text,
            }));
        }
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

    fn refuse_record(&mut self, origin: Origin, problem: Problem) {
        self.counts.refused += 1;
        let Problem { id, pointer, reason } = problem;
        let (input, line) = (origin.input.clone(), Some(origin.line));
        let refusal = Refusal { input, origin: Some(origin), line, id, pointer, reason };
        self.ready.push_back(Step::Refused(refusal));
    }

    fn refuse_input(&mut self, input: Arc<str>, error: ValuesError) {
        self.counts.inputs_refused += 1;
        self.refuse_part(input, &error);
    }

    /// Tells of what is wrong with an input beside its records.
    fn refuse_part(&mut self, input: Arc<str>, error: &ValuesError) {
        let (line, reason) = (error.line(), error.to_string());
        let refusal = Refusal { input, origin: None, line, id: None, pointer: None, reason };
        self.ready.push_back(Step::Refused(refusal));
    }

    fn note_without_events(&mut self, input: Arc<str>, text: String) {
        self.counts.inputs_without_events += 1;
        let kind = NoteKind::FileWithoutEvents;
        let note = Note { kind, input, origin: None, id: None, pointer: None, text };
        self.ready.push_back(Step::Noted(note));
    }
}

/// Takes what a value comes to into the reader's batch.
struct Gathering<'r> {
    reader: &'r mut Reader,
    name: &'r Arc<str>,
    /// Where in the batch the next event begins.
    start: usize,
    index: &'r mut u64,
    without_events: &'r mut u64,
    first_without: &'r mut Option<(u64, &'static str)>,
}

impl Gathering<'_> {
    fn origin(&self, line: u64) -> Origin {
        Origin { input: self.name.clone(), index: *self.index, line }
    }

    /// The next record's.
    fn next_origin(&mut self, line: u64) -> Origin {
        let origin = self.origin(line);
        *self.index += 1;
        self.reader.counts.records += 1;
        origin
    }
}

impl Outlet for Gathering<'_> {
    fn body(&mut self) -> &mut Vec<u8> {
        &mut self.reader.batch.body
    }

    fn event(&mut self, line: u64) {
        let origin = self.next_origin(line);
        let length = self.reader.batch.body.len() - self.start;
        if length > self.reader.settings.batch_bytes_max {
            self.reader.batch.body.truncate(self.start);
            let reason = format!("the event has {length} bytes");
            return self.reader.refuse_record(origin, Problem { reason, ..Problem::default() });
        }
        self.reader.keep(origin, self.start);
        self.start = self.reader.batch.body.len();
    }

    fn refused(&mut self, line: u64, problem: Problem) {
        let origin = self.next_origin(line);
        self.reader.batch.body.truncate(self.start);
        self.reader.refuse_record(origin, problem);
    }

    fn changed(&mut self, line: u64, id: Option<String>, pointer: String) {
        self.reader.counts.changed += 1;
        let text = match pointer.as_str() {
            "" => "bytes that are no UTF-8 became U+FFFD".to_owned(),
            _ => format!("{pointer}: what was no Unicode letter became U+FFFD"),
        };
        let (kind, origin) = (NoteKind::Changed, self.origin(line));
        let note =
            Note { kind, input: self.name.clone(), origin: Some(origin), id, pointer: Some(pointer), text };
        self.reader.ready.push_back(Step::Noted(note));
    }

    fn without_events(&mut self, line: u64, what: &'static str) {
        *self.without_events += 1;
        self.first_without.get_or_insert((line, what));
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

#[cfg(test)]
mod tests;
