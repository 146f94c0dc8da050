//! What an import tells: each thing on stderr as it comes, and a summary on stdout at the end.
//!
//! In: what became of each batch, what was refused, noted or left out. Out: lines, or one JSON object. Guaranteed: everything
//! is counted; of each kind the first ones are named, and the rest is counted by reason. The exit code is told by what
//! was refused alone.

use std::collections::BTreeMap;

use indicatif::ProgressBar;
use serde_json::{Value, json};

use super::{Label, Summary};
use crate::{
    cli::{
        Outcome,
        progress::{self, Watch},
        sink::{Refused, Sent},
        text,
    },
    error::Result,
    import::{Counts, LeftOut, Note, NoteKind, Origin, Reader, Refusal},
    limits::{IMPORT_LISTED_MAX, IMPORT_REASONS_COUNTED_MAX, IMPORT_REFUSALS_SHOWN_MAX},
};

/// How the refusal of an event ends whose id is stored with other content.
const OTHER_CONTENT: &str = "belongs to another event with other content";

pub(super) struct Report {
    pub(super) bar: ProgressBar,
    watch: Watch,
    bytes: u64,
    accepted: u64,
    duplicates: u64,
    /// Refused because their ids are stored with other content.
    known_otherwise: u64,
    refusals: Told,
    left_out: Told,
    without_events: Told,
    changed: Told,
}

/// One kind of thing that is told.
struct Told {
    /// How a line about one begins.
    word: &'static str,
    count: u64,
    /// The first ones, for the summary in JSON.
    listed: Vec<Value>,
    /// Those that are not shown one by one, by reason.
    not_shown: BTreeMap<String, u64>,
}

impl Told {
    fn new(word: &'static str) -> Self {
        Self { word, count: 0, listed: Vec::new(), not_shown: BTreeMap::new() }
    }

    fn add(&mut self, bar: &ProgressBar, place: &str, reason: &str, entry: impl FnOnce() -> Value) {
        self.count += 1;
        if self.listed.len() < IMPORT_LISTED_MAX {
            self.listed.push(entry());
        }
        if self.count <= IMPORT_REFUSALS_SHOWN_MAX {
            bar.suspend(|| eprintln!("{} {place}: {reason}", self.word));
        } else if let Some(count) = self.not_shown.get_mut(reason) {
            *count += 1;
        } else if self.not_shown.len() < IMPORT_REASONS_COUNTED_MAX {
            self.not_shown.insert(reason.to_owned(), 1);
        }
    }

    /// Those that were not shown one by one, and why, as far as the reasons are few.
    fn print_not_shown(&self) {
        let more = self.count.saturating_sub(IMPORT_REFUSALS_SHOWN_MAX);
        if more == 0 {
            return;
        }
        eprintln!("{} {} more, not shown", self.word, text::count(more));
        for (reason, count) in &self.not_shown {
            eprintln!("  {} × {reason}", text::count(*count));
        }
        let other = more - self.not_shown.values().sum::<u64>();
        if other > 0 {
            eprintln!("  {} × other reasons", text::count(other));
        }
    }

    fn not_listed(&self) -> u64 {
        self.count - self.listed.len() as u64
    }
}

impl Report {
    pub(super) fn new(reader: &Reader, left_out: Vec<LeftOut>) -> Self {
        let mut report = Self {
            bar: progress::of_bytes(reader.bytes_total(), "importing"),
            watch: Watch::start(),
            bytes: 0,
            accepted: 0,
            duplicates: 0,
            known_otherwise: 0,
            refusals: Told::new("refused"),
            left_out: Told::new("left out"),
            without_events: Told::new("no events in"),
            changed: Told::new("changed"),
        };
        for LeftOut { path, reason } in left_out {
            let file = path.display().to_string();
            report.left_out.add(&report.bar, &file, reason, || json!({"file": file, "reason": reason}));
        }
        report
    }

    /// Adds a batch that was stored, or what is told in its place.
    pub(super) fn add(&mut self, label: Label, bytes: u64, sent: Sent) {
        self.bytes += bytes;
        self.accepted += sent.accepted;
        self.duplicates += sent.duplicates;
        match label {
            Label::Refused(refusal) => self.refuse(&refusal),
            Label::Noted(note) => self.note(&note),
            Label::Events(origins) => {
                for refused in sent.refused {
                    self.refuse_event(&origins, refused);
                }
            }
        }
        self.bar.set_message(format!("{} events", text::count(self.accepted + self.duplicates)));
    }

    /// An event that the store or server refused.
    fn refuse_event(&mut self, origins: &[Origin], refused: Refused) {
        let Refused { index, id, reason } = refused;
        self.known_otherwise += u64::from(reason.ends_with(OTHER_CONTENT));
        let origin = origins.get(index).cloned();
        let input = origin.as_ref().map_or_else(|| "".into(), |origin| origin.input.clone());
        // The first problem's member stands before its description.
        let pointer = reason.split_once(": ").map(|(pointer, _)| pointer);
        let pointer = pointer.filter(|pointer| pointer.starts_with('/')).map(str::to_owned);
        let line = origin.as_ref().map(|origin| origin.line);
        self.refuse(&Refusal { input, origin, line, id, pointer, reason });
    }

    fn refuse(&mut self, refusal: &Refusal) {
        let Refusal { input, origin, line, id, pointer, reason } = refusal;
        let place = place(input, origin.as_ref(), id.as_deref());
        self.refusals.add(&self.bar, &place, reason, || {
            json!({
                "file": **input, "record": origin.as_ref().map(|origin| origin.index),
                "line": line, "id": id, "pointer": pointer, "reason": reason,
            })
        });
    }

    fn note(&mut self, note: &Note) {
        let Note { kind, input, origin, id, pointer, text } = note;
        let line = origin.as_ref().map(|origin| origin.line);
        match kind {
            NoteKind::FileWithoutEvents | NoteKind::ValuesWithoutEvents => {
                let place = line.map_or_else(|| input.to_string(), |line| format!("{input} (line {line})"));
                let entry = || json!({"file": **input, "line": line, "reason": text});
                self.without_events.add(&self.bar, &place, text, entry);
            }
            NoteKind::Changed => {
                let place = place(input, origin.as_ref(), id.as_deref());
                let entry =
                    || json!({"file": **input, "line": line, "id": id, "pointer": pointer, "change": text});
                self.changed.add(&self.bar, &place, text, entry);
            }
        }
    }

    /// Prints the summary, and says how the import ended.
    pub(super) fn print(&self, form: Summary, counts: Counts, stopped: bool) -> Result<Outcome> {
        for told in [&self.left_out, &self.without_events, &self.changed, &self.refusals] {
            told.print_not_shown();
        }
        self.print_known_otherwise();
        let summary = match form {
            Summary::Text => self.line(counts, stopped),
            Summary::Json => self.object(counts, stopped).to_string(),
        };
        text::write_stdout(format!("{summary}\n").as_bytes())?;
        Ok(match (stopped, self.refusals.count) {
            (true, _) => Outcome::Stopped,
            (false, 0) => Outcome::Complete,
            (false, _) => Outcome::Partial,
        })
    }

    /// What to do about records that are stored with other content.
    fn print_known_otherwise(&self) {
        if self.known_otherwise > 0 {
            eprintln!(
                "{} refused because the id is stored with other content: what is stored stays. If an earlier version of auditlake \
                 stored these records, it mapped them otherwise: import new files only, or into another tenant",
                text::counted(self.known_otherwise, "record")
            );
        }
    }

    fn line(&self, counts: Counts, stopped: bool) -> String {
        let events = self.accepted + self.duplicates;
        let mut line = format!(
            "{}{} from {}: {} new, {} known before, {} refused; {} {}",
            if stopped { "stopped after " } else { "" },
            text::counted(counts.records, "record"),
            text::counted(counts.inputs, "file"),
            text::count(self.accepted),
            text::count(self.duplicates),
            text::count(self.refusals.count),
            text::bytes(self.bytes),
            self.watch.describe(events, "event"),
        );
        let hold = |count| if count == 1 { "holds" } else { "hold" };
        for (count, noun, what) in [
            (
                counts.inputs_without_events,
                "file",
                format!("{} no events", hold(counts.inputs_without_events)),
            ),
            (
                counts.values_without_events,
                "value",
                format!("{} no events", hold(counts.values_without_events)),
            ),
            (self.left_out.count, "file", "left out".to_owned()),
            (self.changed.count, "text", "changed".to_owned()),
        ] {
            if count > 0 {
                line.push_str(&format!("; {} {what}", text::counted(count, noun)));
            }
        }
        line
    }

    fn object(&self, counts: Counts, stopped: bool) -> Value {
        json!({
            "stopped": stopped,
            "files": {
                "read": counts.inputs,
                "refused": counts.inputs_refused,
                "without_events": counts.inputs_without_events,
                "left_out": self.left_out.count,
            },
            "records": counts.records,
            "new": self.accepted,
            "known": self.duplicates,
            "refused": self.refusals.count,
            "known_otherwise": self.known_otherwise,
            "values_without_events": counts.values_without_events,
            "changed": self.changed.count,
            "bytes": self.bytes,
            "seconds": self.watch.seconds(),
            "left_out": self.left_out.listed,
            "without_events": self.without_events.listed,
            "changes": self.changed.listed,
            "refusals": self.refusals.listed,
            "not_listed": {
                "left_out": self.left_out.not_listed(),
                "without_events": self.without_events.not_listed(),
                "changes": self.changed.not_listed(),
                "refusals": self.refusals.not_listed(),
            },
        })
    }
}

fn place(input: &str, origin: Option<&Origin>, id: Option<&str>) -> String {
    let place = origin.map_or_else(|| input.to_owned(), Origin::to_string);
    match id {
        Some(id) => format!("{place}, id {id}"),
        None => place,
    }
}
