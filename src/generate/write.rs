//! One event as a line of JSON, written straight into the buffer.
//!
//! No value tree is built: at twenty million events that would be most of the time. All texts come from the
//! catalog or are made of digits, and stand there as they stand inside a JSON string, so nothing is escaped.

use std::io::Write;

use chrono::DateTime;

use super::{
    catalog::{self, Action, Changes, Extra},
    company::{Actor, Tenant},
    dice::mix,
};

/// All that an event says.
pub(super) struct Event<'a> {
    /// Microseconds since 1970.
    pub(super) time: i64,
    /// Random bits of the id; see [`event_id`].
    pub(super) id: [u64; 2],
    pub(super) tenant: &'a Tenant,
    pub(super) action: &'a Action,
    pub(super) actor: &'a Actor,
    pub(super) on_behalf_of: Option<&'a Actor>,
    pub(super) api_key: Option<u64>,
    /// Number in [`catalog::WORKSPACES`].
    pub(super) workspace: Option<usize>,
    pub(super) targets: [Option<Thing<'a>>; 2],
    /// Result and reason.
    pub(super) outcome: (&'static str, Option<&'static str>),
    pub(super) address: u32,
    pub(super) country: &'a str,
    pub(super) agent: &'a str,
    pub(super) session: Option<u64>,
    pub(super) correlation: Option<u64>,
    /// Random bits that request id, changes and metadata are made of.
    pub(super) detail: u64,
    /// The number of the word that is searched for besides.
    pub(super) word: Option<u64>,
}

/// What an action was done to.
#[derive(Clone, Copy)]
pub(super) enum Thing<'a> {
    /// One of the tenant's documents and so on, whose id and title follow from its number.
    Numbered {
        kind: &'static str,
        prefix: &'static str,
        number: u64,
    },
    Person(&'a Actor),
}

/// The id of an event: a UUIDv7 (RFC 9562) of its time and random bits.
pub(super) fn event_id(time: i64, random: [u64; 2]) -> uuid::Uuid {
    let millis = (time / 1_000) as u64;
    let high = (millis << 16) | 0x7000 | (random[0] & 0xfff);
    let low = (random[1] & 0x3fff_ffff_ffff_ffff) | (1 << 63);
    uuid::Uuid::from_u64_pair(high, low)
}

/// A session's id.
pub(super) fn session_id(session: u64) -> String {
    format!("ses_{session:016x}")
}

/// What the id of a numbered thing of a tenant is made of.
pub(super) fn thing_key(tenant: &Tenant, prefix: &str, number: u64) -> u64 {
    let prefix_key = prefix.bytes().fold(0, |key, byte| (key << 8) | u64::from(byte));
    mix(tenant.key ^ mix(number) ^ prefix_key)
}

/// The id of an API key, of which [`thing_key`] gives the bits.
pub(super) fn api_key_id(key: u64) -> String {
    format!("key_{:012x}", key >> 16)
}

/// An IPv4 address as text.
pub(super) fn address_text(address: u32) -> String {
    std::net::Ipv4Addr::from_bits(address).to_string()
}

/// RFC 3339 in UTC with microseconds.
pub(super) fn time_text(time: i64) -> String {
    let moment = DateTime::from_timestamp_micros(time).unwrap_or_default();
    moment.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}

/// Shorthand for writing formatted text into a buffer, which cannot fail.
macro_rules! put {
    ($body:expr, $($argument:tt)*) => {
        write!($body, $($argument)*).expect("a Vec takes every write")
    };
}

/// Appends the event and a line feed.
pub(super) fn write_event(body: &mut Vec<u8>, event: &Event<'_>) {
    let tenant = event.tenant;
    body.extend_from_slice(b"{\"id\":\"");
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    let id = event_id(event.time, event.id).hyphenated();
    body.extend_from_slice(id.encode_lower(&mut text).as_bytes());
    push_all(body, &["\",\"tenant_id\":\"", &tenant.id, "\",\"action\":\"", event.action.name]);
    body.extend_from_slice(b"\",\"occurred_at\":\"");
    push_time(body, event.time);
    write_actor(body, event);
    if let Some((id, name)) = event.workspace.map(|number| catalog::WORKSPACES[number]) {
        push_all(body, &[",\"workspace\":{\"id\":\"", id, "\",\"name\":\"", name, "\"}"]);
    }
    write_targets(body, event);
    write_context(body, event);
    push_all(body, &[",\"outcome\":{\"result\":\"", event.outcome.0, "\""]);
    if let Some(reason) = event.outcome.1 {
        push_all(body, &[",\"reason\":\"", reason, "\""]);
    }
    body.push(b'}');
    if let Some(correlation) = event.correlation {
        put!(body, ",\"correlation_id\":\"run_{correlation:016x}\"");
    }
    write_changes(body, event);
    write_metadata(body, event);
    body.extend_from_slice(b"}\n");
}

fn push_all(body: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        body.extend_from_slice(part.as_bytes());
    }
}

/// As [`time_text`], several times as fast: formatting is otherwise the largest single cost.
fn push_time(body: &mut Vec<u8>, time: i64) {
    let moment = DateTime::from_timestamp_micros(time).unwrap_or_default();
    let date = moment.date_naive();
    let (year, month, day) = {
        use chrono::Datelike;
        (date.year() as u32, date.month(), date.day())
    };
    let micros = time.rem_euclid(super::DAY_MICROS) as u64;
    let seconds = (micros / 1_000_000) as u32;
    for (number, width, end) in [
        (year, 4, b'-'),
        (month, 2, b'-'),
        (day, 2, b'T'),
        (seconds / 3_600, 2, b':'),
        (seconds / 60 % 60, 2, b':'),
        (seconds % 60, 2, b'.'),
        ((micros % 1_000_000) as u32, 6, b'Z'),
    ] {
        let start = body.len();
        body.resize(start + width, b'0');
        let mut rest = number;
        for digit in body[start..].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        body.push(end);
    }
}

fn write_actor(body: &mut Vec<u8>, event: &Event<'_>) {
    let actor = event.actor;
    let kind = if actor.email.is_some() { "user" } else { "service_account" };
    push_all(body, &["\",\"actor\":{\"type\":\"", kind, "\",\"id\":\"", &actor.id]);
    push_all(body, &["\",\"name\":\"", &actor.name, "\""]);
    if let Some(email) = &actor.email {
        push_all(body, &[",\"email\":\"", email, "\""]);
    }
    if let Some(other) = event.on_behalf_of {
        push_all(body, &[",\"on_behalf_of\":{\"type\":\"user\",\"id\":\"", &other.id]);
        push_all(body, &["\",\"name\":\"", &other.name, "\"}"]);
    }
    if let Some(key) = event.api_key {
        put!(body, ",\"credential\":{{\"type\":\"api_key\",\"id\":\"key_{:012x}\"}}", key >> 16);
    }
    body.push(b'}');
}

fn write_targets(body: &mut Vec<u8>, event: &Event<'_>) {
    let mut separator = ",\"targets\":[";
    for thing in event.targets.iter().flatten() {
        push_all(body, &[separator, "{\"type\":\""]);
        match thing {
            Thing::Person(person) => {
                push_all(body, &["user\",\"id\":\"", &person.id, "\",\"name\":\"", &person.name, "\"}"]);
            }
            Thing::Numbered { kind, prefix, number } => {
                let key = thing_key(event.tenant, prefix, *number) >> 16;
                put!(body, "{kind}\",\"id\":\"{prefix}_{key:012x}\",\"name\":\"");
                push_name(body, event.tenant, kind, *number);
                body.extend_from_slice(b"\"}");
            }
        }
        separator = ",";
    }
    if separator == "," {
        body.push(b']');
    }
}

/// The name of a numbered thing, the same every time.
fn push_name(body: &mut Vec<u8>, tenant: &Tenant, kind: &str, number: u64) {
    if !catalog::TITLED.contains(&kind) {
        put!(body, "{kind} {number}");
        return;
    }
    let bits = mix(tenant.key.rotate_left(7) ^ number);
    let subject = catalog::SUBJECTS[(bits % 16) as usize];
    let kind = catalog::KINDS[(bits / 16 % 12) as usize];
    put!(body, "{subject} {kind} {number}");
}

/// A space and the made-up word of a number, the same every time, another one for each number up to 512,000.
fn push_word(body: &mut Vec<u8>, number: u64) {
    const CONSONANTS: &[u8; 16] = b"bdfghklmnprstvwz";
    const VOWELS: &[u8; 5] = b"aeiou";
    const SYLLABLES: u64 = 80;
    body.push(b' ');
    // A factor without 2 and 5 in it reaches each of the 80 * 80 * 80 words once.
    let mut rest = (number * 70_921 + 104_729) % (SYLLABLES * SYLLABLES * SYLLABLES);
    for _ in 0..3 {
        let syllable = (rest % SYLLABLES) as usize;
        body.extend([CONSONANTS[syllable / 5], VOWELS[syllable % 5]]);
        rest /= SYLLABLES;
    }
}

fn write_context(body: &mut Vec<u8>, event: &Event<'_>) {
    let [a, b, c, d] = event.address.to_be_bytes();
    put!(body, ",\"context\":{{\"ip_address\":\"{a}.{b}.{c}.{d}\"");
    push_all(body, &[",\"country\":\"", event.country, "\",\"user_agent\":\"", event.agent, "\""]);
    if let Some(session) = event.session {
        put!(body, ",\"session_id\":\"ses_{session:016x}\"");
    }
    put!(body, ",\"request_id\":\"req_{:016x}\"}}", mix(event.detail));
}

fn write_changes(body: &mut Vec<u8>, event: &Event<'_>) {
    let bits = event.detail as usize;
    let two = |from: &[&'static str]| {
        let old = bits % from.len();
        let new = (old + 1 + bits / 8 % (from.len() - 1)) % from.len();
        (from[old], from[new])
    };
    let (field, (old, new)) = match event.action.changes {
        Changes::None => return,
        Changes::Title => ("title", two(&catalog::KINDS)),
        Changes::Status => ("status", two(&catalog::STATUSES)),
        Changes::Role => ("role", two(&catalog::ROLES)),
        Changes::Setting => (catalog::SETTINGS[bits / 64 % 4], two(&["on", "off", "default"])),
        Changes::Member => {
            put!(body, ",\"changes\":{{\"members\":{{\"new\":\"u_{:016x}\"}}}}", mix(event.detail >> 40));
            return;
        }
    };
    push_all(body, &[",\"changes\":{\"", field, "\":{\"old\":\"", old, "\",\"new\":\"", new, "\"}}"]);
}

fn write_metadata(body: &mut Vec<u8>, event: &Event<'_>) {
    let bits = event.detail >> 16;
    match event.action.extra {
        Extra::None => {}
        Extra::Login => {
            let method = if bits.is_multiple_of(3) { "sso" } else { "password" };
            let mfa = !bits.is_multiple_of(5);
            put!(body, ",\"metadata\":{{\"method\":\"{method}\",\"mfa\":{mfa}}}");
        }
        Extra::Transfer => {
            // Most files are small, a few are large.
            let bytes = (bits & 0xffff) << (bits >> 20 & 7);
            let format = catalog::FORMATS[(bits >> 24 & 3) as usize];
            put!(body, ",\"metadata\":{{\"bytes\":{bytes},\"format\":\"{format}\"}}");
        }
        Extra::Query => {
            let (subject, kind) =
                (catalog::SUBJECTS[(bits & 15) as usize], catalog::KINDS[(bits >> 4) as usize % 12]);
            push_all(body, &[",\"metadata\":{\"query\":\"", subject, " ", kind]);
            if let Some(number) = event.word {
                push_word(body, number);
            }
            put!(body, "\",\"results\":{}}}", bits >> 12 & 127);
        }
        Extra::Sync => {
            put!(body, ",\"metadata\":{{\"records\":{},\"cursor\":\"{:x}\"}}", bits & 1023, bits >> 10);
        }
    }
}
