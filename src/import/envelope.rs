//! What transports and pages put around records: which objects are envelopes, and what is inside.
//!
//! In: the members of an object that is no record of the format asked for. Out: the JSON inside, one level deeper; or that
//! the object holds no events, and why. Guaranteed: an envelope is told by the members that its transport documents,
//! never by a guess from one common word; an object that is none is left to the mapping of its format, which names what is
//! wrong with it. What the envelope itself says (times of delivery, names of queues) is not kept, so that one record is one
//! event, whichever way it came.
//!
//! | envelope | told by | records |
//! |---|---|---|
//! | log file, page of an API, batch of a transport | an array of objects in one of [`LISTS`] | its elements |
//! | event hook (Okta) | `data` with an array `events` | its elements |
//! | Elasticsearch | `hits.hits`, `_source` beside `_index`, `event.original` | as they say |
//! | EventBridge | `detail-type` | `detail` |
//! | CloudEvents | `specversion` | `data`, `data_base64` |
//! | Splunk HEC | nothing but [`HEC`] | `event`, an object or JSON text |
//! | Splunk search results | `result` beside [`SEARCH`], `_raw` | `result`, `_raw` |
//! | CloudWatch Logs subscription | `logEvents`; `awslogs.data` packed | `message` of each |
//! | CloudWatch Logs, log shippers | `message` beside one of [`LOG_LINE`] | JSON text |
//! | Firehose, Kinesis, Pub/Sub | `data` with nothing but [`STREAM`]; `kinesis`, `message` around it | base64, packed or not |
//! | SNS | `Message` beside `TopicArn`, `MessageId` or `Type`; `Sns` around it | JSON text |
//! | SQS | `Body` or `body` beside one of [`QUEUE`] | JSON text |
//! | `aws cloudtrail lookup-events` | `CloudTrailEvent` | JSON text |

use std::{borrow::Cow, io::Read};

use base64::{Engine as _, engine::general_purpose};

use super::{
    json::{self, Member},
    members::is_spelling,
};
use crate::limits::IMPORT_UNPACKED_BYTES_MAX;

/// Members that hold the records of a file, page or batch.
pub(super) const LISTS: [&str; 14] = [
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
];
/// All members that Splunk's HTTP event collector takes.
const HEC: [&str; 8] = ["time", "host", "source", "sourcetype", "index", "fields", "event", "channel"];
const SEARCH: [&str; 4] = ["preview", "offset", "lastrow", "init_offset"];
const LOG_LINE: [&str; 11] = [
    "timestamp",
    "ingestionTime",
    "@timestamp",
    "logStreamName",
    "eventId",
    "@log",
    "@logStream",
    "id",
    "agent",
    "ecs",
    "log",
];
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
const QUEUE: [&str; 8] = [
    "MessageId",
    "messageId",
    "ReceiptHandle",
    "receiptHandle",
    "MD5OfBody",
    "md5OfBody",
    "eventSourceARN",
    "Attributes",
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

    /// The first member that holds a list of records.
    pub(super) fn list_name(&self) -> Option<&'static str> {
        // A list of words or numbers is not what holds records.
        let holds_records =
            |elements: Vec<&str>| elements.first().is_some_and(|first| first.starts_with(['{', '"', '[']));
        LISTS.into_iter().find(|name| self.elements(name).is_some_and(holds_records))
    }

    /// The elements of a member, or of the member inside it that has them.
    fn elements(&self, name: &str) -> Option<Vec<&'t str>> {
        if let Some(value) = self.array(name) {
            return json::elements(value).ok();
        }
        let inner_name = match name {
            "data" => "events",
            "hits" => "hits",
            _ => return None,
        };
        let inner = Members::of(self.object(name)?)?;
        // A record may have a member of that name as well, and it has others.
        (name != "data" || inner.has_only(&["events"]))
            .then(|| json::elements(inner.array(inner_name)?).ok())?
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

/// What is inside the object of these members, if it is an envelope. Errors: it is one, and cannot be opened; why.
pub(super) fn open<'t>(members: &Members<'t>) -> Result<Option<Content<'t>>, String> {
    if let Some(what) = without_events(members) {
        return Ok(Some(Content::NoEvents(what)));
    }
    // What one transport alone has is surer than a list of a common name.
    let inside = object_inside(members).or_else(|| list(members)).map(Ok).or_else(|| text_inside(members));
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
    if members.has("s3Bucket") && members.has("s3ObjectKey") && members.has_only(&["s3Bucket", "s3ObjectKey"])
    {
        return Some("a notification of a log file, without its events");
    }
    None
}

fn list<'t>(members: &Members<'t>) -> Option<Content<'t>> {
    members.elements(members.list_name()?).map(Content::Values)
}

/// A record, or a further envelope, that an object holds as an object.
fn object_inside<'t>(members: &Members<'t>) -> Option<Content<'t>> {
    let inside = if members.has("detail-type") {
        members.object("detail")
    } else if members.has("specversion") {
        members.object("data")
    } else if members.has("event") && members.has_only(&HEC) {
        members.object("event")
    } else if members.has_any(&SEARCH) {
        members.object("result")
    } else if members.has("_index") {
        members.object("_source")
    } else if members.has("subscription") {
        members.object("message")
    } else {
        let around = ["awslogs", "kinesis", "Sns"];
        around.into_iter().find_map(|name| members.object(name))
    };
    inside.map(|value| Content::Values(vec![value]))
}

/// A record, or a further envelope, that an object holds as text.
fn text_inside<'t>(members: &Members<'t>) -> Option<Result<Content<'t>, String>> {
    let (name, text) = if members.has("event") && members.has_only(&HEC) {
        ("event", members.text("event")?)
    } else if members.has("CloudTrailEvent") {
        ("CloudTrailEvent", members.text("CloudTrailEvent")?)
    } else if members.has("Message") && members.has_any(&["TopicArn", "MessageId", "Type"]) {
        ("Message", members.text("Message")?)
    } else if members.has_any(&QUEUE) && members.has_any(&["Body", "body"]) {
        ("Body", members.text("Body").or_else(|| members.text("body"))?)
    } else if members.has("specversion") && members.has("data_base64") {
        ("data_base64", members.text("data_base64")?)
    } else if members.has_any(&["data", "Data"]) && (members.has_only(&STREAM) || members.has("specversion"))
    {
        ("data", members.text("data").or_else(|| members.text("Data"))?)
    } else if members.has("_raw") {
        ("_raw", members.text("_raw")?)
    } else if let Some(event) = members.object("event").and_then(Members::of) {
        ("event/original", event.text("original")?)
    } else if members.has_any(&LOG_LINE) {
        ("message", members.text("message")?)
    } else {
        return None;
    };
    Some(
        unpack(&text)
            .map(Content::Text)
            .map_err(|reason| format!("the text in its member {name:?} {reason}")),
    )
}

/// The JSON that a text is, or that it becomes when it is read as base64 and decompressed.
fn unpack(text: &str) -> Result<Vec<u8>, String> {
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
