//! What transports and pages put around records: which objects are envelopes, and what is inside.
//!
//! In: the members of an object that is no record of the format asked for. Out: the JSON inside, one level deeper; or that
//! the object holds no events, and why. Guaranteed: an envelope is told by the members that its transport documents,
//! never by a guess from one common word; an object that is none is left to the mapping of its format, which names what is
//! wrong with it. What the envelope itself says (times of delivery, names of queues) is not kept, so that one record is one
//! event, whichever way it came.
//!
//! What tells each of them is in `docs/import.md`. Transports are told by members that they alone have; log shippers and tables
//! by the one member that holds JSON, or a record of the format for certain. Where two do, none is opened: the refusal names both.

mod shippers;

use std::{borrow::Cow, io::Read};

use base64::{Engine as _, engine::general_purpose};

use super::{
    Source,
    json::{self, Member},
    members::is_spelling,
};
use crate::limits::IMPORT_UNPACKED_BYTES_MAX;

/// Members that hold the records of a file, page or batch.
pub(super) const LISTS: [&str; 18] = [
    "Records",
    "records",
    "Events",
    "events",
    "logEvents",
    "Messages",
    "messages",
    "items",
    "data",
    "results",
    "entries",
    "logs",
    "value",
    "hits",
    "streams",
    "resourceLogs",
    "scopeLogs",
    "logRecords",
];
/// All members that Splunk's HTTP event collector takes.
const HEC: [&str; 8] = ["time", "host", "source", "sourcetype", "index", "fields", "event", "channel"];
const SEARCH: [&str; 4] = ["preview", "offset", "lastrow", "init_offset"];
const STREAM: [&str; 24] = [
    "data",
    "Data",
    "recordId",
    "approximateArrivalTimestamp",
    "ApproximateArrivalTimestamp",
    "kinesisRecordMetadata",
    "SequenceNumber",
    "sequenceNumber",
    "PartitionKey",
    "partitionKey",
    "EncryptionType",
    "encryptionType",
    "kinesisSchemaVersion",
    "messageId",
    "message_id",
    "publishTime",
    "publish_time",
    "attributes",
    "orderingKey",
    "subsequenceNumber",
    "ExplicitHashKey",
    "explicitHashKey",
    "metadata",
    "timestamp",
];
const QUEUE: [&str; 12] = [
    "MessageId",
    "messageId",
    "ReceiptHandle",
    "receiptHandle",
    "MD5OfBody",
    "md5OfBody",
    "eventSourceARN",
    "Attributes",
    // Captures of Azure's Event Hubs.
    "EnqueuedTimeUtc",
    "SystemProperties",
    "SequenceNumber",
    "Offset",
];
/// Members of an action line of Elasticsearch's bulk format.
const BULK: [&str; 9] = [
    "_index",
    "_type",
    "_id",
    "routing",
    "version",
    "version_type",
    "if_seq_no",
    "if_primary_term",
    "require_alias",
];
/// What an envelope is that holds no record at all.
pub(super) const EMPTY_LIST: &str = "an empty list";
/// What begins gzip and zstd.
pub(super) const GZIP: &[u8] = &[0x1f, 0x8b];
pub(super) const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// What is inside an envelope.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content<'t> {
    /// JSON values, each of its own.
    Values(Vec<&'t str>),
    /// A text of JSON values, one after another.
    Text(Vec<u8>),
    /// No events, and what it is instead.
    NoEvents(&'static str),
}

/// The members of an object, by name.
#[derive(Debug)]
pub(super) struct Members<'t>(Vec<Member<'t>>);

impl<'t> Members<'t> {
    /// Those of the object that `text` is; `None` if it is none.
    pub(super) fn of(text: &'t str) -> Option<Self> {
        json::members(text).ok().map(Self)
    }

    /// The text of a member's value.
    pub(super) fn get(&self, name: &str) -> Option<&'t str> {
        self.0.iter().find(|member| member.name == name).map(|member| member.value)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Whether a member has this name but for case and underscores.
    pub(super) fn has_spelling(&self, name: &str) -> bool {
        self.0.iter().any(|member| is_spelling(&member.name, name))
    }

    fn has_any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.has(name))
    }

    fn has_only(&self, names: &[&str]) -> bool {
        self.0.iter().all(|member| names.contains(&&*member.name))
    }

    fn text(&self, name: &str) -> Option<Cow<'t, str>> {
        self.get(name).and_then(json::string)
    }

    fn object(&self, name: &str) -> Option<&'t str> {
        self.get(name).filter(|value| value.starts_with('{'))
    }

    fn array(&self, name: &str) -> Option<&'t str> {
        self.get(name).filter(|value| value.starts_with('['))
    }

    /// The names, for messages: the first few, with quotation marks.
    pub(super) fn names(&self) -> String {
        const NAMED_MAX: usize = 8;
        let mut names: Vec<String> =
            self.0.iter().take(NAMED_MAX).map(|member| format!("{:?}", member.name)).collect();
        if self.0.len() > NAMED_MAX {
            names.push(format!("{} more", self.0.len() - NAMED_MAX));
        }
        names.join(", ")
    }

    /// The members that hold lists of objects; if there is none, the first one that holds a list of texts.
    fn lists(&self) -> Vec<&'static str> {
        let begins = |name: &str, marks: [char; 2]| {
            self.elements(name)
                .is_some_and(|elements| elements.first().is_some_and(|first| first.starts_with(marks)))
        };
        let of_objects: Vec<&str> = LISTS.into_iter().filter(|name| begins(name, ['{', '['])).collect();
        if !of_objects.is_empty() {
            return of_objects;
        }
        LISTS.into_iter().find(|name| begins(name, ['"', '"'])).into_iter().collect()
    }

    /// The first member that holds a list of records.
    pub(super) fn list_name(&self) -> Option<&'static str> {
        self.lists().first().copied()
    }

    /// The elements of a member, or of the member inside it that has them.
    fn elements(&self, name: &str) -> Option<Vec<&'t str>> {
        if let Some(value) = self.array(name) {
            return json::elements(value).ok();
        }
        let inner = || Members::of(self.object(name)?);
        let list = match name {
            "hits" => inner()?.array("hits")?,
            // What a query of Loki gives.
            "data" if inner().is_some_and(|inner| inner.has("resultType")) => inner()?.array("result")?,
            // A record may have a member of that name as well, and it has others.
            "data" => inner().filter(|inner| inner.has_only(&["events"]))?.array("events")?,
            _ => return None,
        };
        json::elements(list).ok()
    }

    /// The elements of a member that is an array.
    fn elements_of(&self, name: &str) -> Option<Vec<&'t str>> {
        json::elements(self.array(name)?).ok()
    }

    fn iter(&self) -> impl Iterator<Item = (&str, &'t str)> {
        self.0.iter().map(|member| (&*member.name, member.value))
    }

    fn has_empty_list(&self) -> bool {
        let is_empty = |name: &&str| self.elements(name).is_some_and(|elements| elements.is_empty());
        LISTS.iter().any(is_empty) || self.get("Records") == Some("null")
    }

    /// A name that two members have.
    fn twice(&self) -> Option<&str> {
        let mut names: Vec<&str> = self.0.iter().map(|member| &*member.name).collect();
        names.sort_unstable();
        names.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
    }
}

impl<'t> From<Vec<Member<'t>>> for Members<'t> {
    fn from(members: Vec<Member<'t>>) -> Self {
        Self(members)
    }
}

/// What is inside the object of these members, if it is an envelope of records of `source`. Errors: it is one, and cannot be
/// opened; why.
pub(super) fn open<'t>(members: &Members<'t>, source: Source) -> Result<Option<Content<'t>>, String> {
    if let Some(what) = without_events(members) {
        return Ok(Some(Content::NoEvents(what)));
    }
    // What one transport alone has is surer than a list of a common name, and that is surer than what a shipper adds.
    let inside = transport(members).or_else(|| list(members)).or_else(|| shippers::open(members, source));
    let Some(content) = inside else {
        return Ok(members.has_empty_list().then_some(Content::NoEvents(EMPTY_LIST)));
    };
    if let Some(name) = members.twice() {
        return Err(format!("the envelope has the member {name:?} twice"));
    }
    content.map(Some)
}

/// What stands in the folders and queues of logs and holds no events.
fn without_events(members: &Members<'_>) -> Option<&'static str> {
    let says = |name: &str, word: &str| members.text(name).is_some_and(|text| text == word);
    if says("messageType", "CONTROL_MESSAGE") && members.has("logEvents") {
        return Some("a control message of CloudWatch Logs");
    }
    if members.has("digestStartTime") && members.has("digestEndTime") && members.has("logFiles") {
        return Some("a CloudTrail digest");
    }
    if members.has("configSnapshotId") || members.array("configurationItems").is_some() {
        return Some("a configuration of AWS Config");
    }
    if (says("Type", "SubscriptionConfirmation") || says("Type", "UnsubscribeConfirmation"))
        && members.has("TopicArn")
    {
        return Some("a confirmation of SNS");
    }
    if says("eventSource", "aws:s3") && members.has("s3") {
        return Some("a notification of S3 about an object");
    }
    if says("Event", "s3:TestEvent") {
        return Some("a test message of S3");
    }
    let is_bulk_action = |name: &str| {
        let action = members.object(name).and_then(Members::of);
        members.has_only(&[name]) && action.is_some_and(|action| action.has_only(&BULK))
    };
    if ["index", "create"].into_iter().any(is_bulk_action) {
        return Some("an action line of Elasticsearch's bulk format");
    }
    if members.has("s3Bucket") && members.has("s3ObjectKey") && members.has_only(&["s3Bucket", "s3ObjectKey"])
    {
        return Some("a notification of a log file, without its events");
    }
    None
}

fn list<'t>(members: &Members<'t>) -> Option<Result<Content<'t>, String>> {
    match members.lists()[..] {
        [] => None,
        [name] => members.elements(name).map(|elements| Ok(Content::Values(elements))),
        [first, second, ..] => Some(Err(not_certain(first, second))),
    }
}

/// Why an object with two possible records, or lists of records, is not opened.
fn not_certain(first: &str, second: &str) -> String {
    format!("its members {first:?} and {second:?} may both hold what is to be read: take one of them out")
}

/// A record, or a further envelope, that an object holds as its transport documents.
fn transport<'t>(members: &Members<'t>) -> Option<Result<Content<'t>, String>> {
    let (name, value) = transported(members)?;
    match value.as_bytes().first()? {
        b'{' => Some(Ok(Content::Values(vec![value]))),
        b'[' => Some(Ok(Content::Values(json::elements(value).ok()?))),
        b'"' => Some(text_of(name, &json::string(value)?)),
        _ => None,
    }
}

/// The member that a transport puts a record into, and its value.
fn transported<'t>(members: &Members<'t>) -> Option<(&'static str, &'t str)> {
    let told: [(bool, &[&'static str]); 10] = [
        (members.has("detail-type"), &["detail"]),
        (members.has("specversion"), &["data", "data_base64"]),
        (members.has("event") && members.has_only(&HEC), &["event"]),
        (members.has_any(&SEARCH), &["result"]),
        (members.has("_index"), &["_source"]),
        (members.has("subscription"), &["message"]),
        (members.has("CloudTrailEvent"), &["CloudTrailEvent"]),
        (members.has_any(&["TopicArn", "MessageId", "Type"]), &["Message"]),
        (members.has_any(&QUEUE), &["Body", "body"]),
        (members.has_only(&STREAM), &["data", "Data"]),
    ];
    let names = told.iter().filter(|(is_told, _)| *is_told).flat_map(|(_, names)| names.iter());
    let around = ["awslogs", "kinesis", "Sns"];
    let objects = around.into_iter().filter_map(|name| Some((name, members.object(name)?)));
    names
        .filter_map(|name| Some((*name, members.get(name).filter(|value| *value != "null")?)))
        .chain(objects)
        .next()
}

/// What the text of a member holds.
fn text_of<'t>(name: &str, text: &str) -> Result<Content<'t>, String> {
    unpack(text).map(Content::Text).map_err(|reason| format!("the text in its member {name:?} {reason}"))
}

/// The JSON that a text is, or that it becomes when it is read as base64 and decompressed.
pub(super) fn unpack(text: &str) -> Result<Vec<u8>, String> {
    let trimmed = text.trim_start_matches('\u{feff}').trim();
    if begins_json(trimmed.as_bytes()) {
        return Ok(trimmed.as_bytes().to_vec());
    }
    let engines = [&general_purpose::STANDARD, &general_purpose::URL_SAFE, &general_purpose::STANDARD_NO_PAD];
    let decoded = engines.into_iter().find_map(|engine| engine.decode(trimmed).ok());
    let unpacked = decompress(decoded.ok_or("is neither JSON nor base64")?)?;
    if begins_json(unpacked.trim_ascii_start()) {
        Ok(unpacked)
    } else {
        Err("is base64, but not of JSON".into())
    }
}

/// Whether text begins as an object, an array or JSON text in quotation marks does.
fn begins_json(text: &[u8]) -> bool {
    matches!(text.first(), Some(b'{' | b'[')) || text.starts_with(b"\"{") || text.starts_with(b"\"[")
}

/// The bytes, out of as many layers of gzip or zstd as senders put around.
fn decompress(mut bytes: Vec<u8>) -> Result<Vec<u8>, String> {
    const LAYERS_MAX: usize = 3;
    for _ in 0..LAYERS_MAX {
        let unpacked = if bytes.starts_with(GZIP) {
            read_capped(flate2::read::MultiGzDecoder::new(&bytes[..]))?
        } else if bytes.starts_with(ZSTD) {
            read_capped(zstd::stream::read::Decoder::new(&bytes[..]).map_err(|error| error.to_string())?)?
        } else {
            break;
        };
        bytes = unpacked;
    }
    Ok(bytes)
}

fn read_capped(reader: impl Read) -> Result<Vec<u8>, String> {
    let mut unpacked = Vec::new();
    let read = reader.take(IMPORT_UNPACKED_BYTES_MAX as u64 + 1).read_to_end(&mut unpacked);
    read.map_err(|error| format!("cannot be decompressed: {error}"))?;
    if unpacked.len() > IMPORT_UNPACKED_BYTES_MAX {
        return Err(format!("has more than {IMPORT_UNPACKED_BYTES_MAX} bytes when it is decompressed"));
    }
    Ok(unpacked)
}

#[cfg(test)]
mod tests;
