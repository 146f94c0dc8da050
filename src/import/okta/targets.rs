//! What it was done to: `target` of a System Log event.
//!
//! | entry of `target` | target |
//! |---|---|
//! | `type` | `type`, as Okta writes it (`User`, `AppInstance`); without one, or if it is `unknown`, the one that Okta's ids begin with (`00u`: `User`), else `unknown` |
//! | `id` | `id`; without one the `alternateId`, else the `displayName`, which stay where they are |
//! | `displayName` | `name`, and one of the `aliases` |
//! | `alternateId` | one of the `aliases`, and `metadata` |
//! | names and ids in `detailEntry` (`name`, `label`, `login`, `email`, `externalId`) | `aliases`, and `metadata` |
//! | `changeDetails` | the event's `changes`, if this is the only target that has it |
//! | everything else: `detailEntry` … | `metadata`, under its own name |
//!
//! All entries become targets, however many there are; those that name nothing stay in the event's metadata. A single entry
//! may stand there without a list.

use serde_json::{Map, Value, json};

use super::UNKNOWN;
use crate::{
    import::{
        members::{fits, put, take_reference, take_text, text_at},
        names::{nobody, put_aliases},
        results::plain,
    },
    limits::{NAME_BYTES_MAX, REFERENCE_BYTES_MAX, TYPE_BYTES_MAX},
};

const CHANGES: &str = "changeDetails";

/// The targets of a record, in its order.
pub(super) fn take(rest: &mut Map<String, Value>) -> Vec<Value> {
    let entries = match rest.remove("target") {
        Some(Value::Array(entries)) => entries,
        Some(entry @ Value::Object(_)) => match target(&entry) {
            Some(target) => return vec![target],
            None => {
                rest.insert("target".to_owned(), entry);
                return Vec::new();
            }
        },
        Some(other) => {
            rest.insert("target".to_owned(), other);
            return Vec::new();
        }
        None => return Vec::new(),
    };
    let (mut targets, mut others) = (Vec::new(), Vec::new());
    for entry in entries {
        match target(&entry) {
            Some(target) => targets.push(target),
            None => others.push(entry),
        }
    }
    put(rest, "target", others);
    targets
}

fn target(entry: &Value) -> Option<Value> {
    let mut members = entry.as_object()?.clone();
    members.retain(|_, value| !value.is_null());
    let names = names(&members);
    let id = take_id(&mut members)?;
    let kind = match kind_of(&id).filter(|_| text_at(&members, &["type"]).is_none_or(nobody)) {
        Some(kind) => kind.to_owned(),
        None => take_text(&mut members, "type", TYPE_BYTES_MAX).unwrap_or_else(|| UNKNOWN.to_owned()),
    };
    let mut target = Map::from_iter([("type".to_owned(), kind.into()), ("id".to_owned(), id.into())]);
    if text_at(&members, &["displayName"]).is_some_and(|name| !nobody(name)) {
        put(&mut target, "name", take_text(&mut members, "displayName", NAME_BYTES_MAX));
    }
    put_aliases(&mut target, names.iter().map(String::as_str));
    put(&mut target, "metadata", members);
    Some(target.into())
}

/// Everything but its id that a target is called.
fn names(members: &Map<String, Value>) -> Vec<String> {
    const DETAILS: [&str; 8] =
        ["name", "displayname", "label", "login", "username", "email", "alternateid", "externalid"];
    let own = ["alternateId", "displayName"].iter().filter_map(|name| text_at(members, &[name]));
    let details = members.get("detailEntry").and_then(Value::as_object);
    let details = details.into_iter().flatten().filter(|(name, _)| DETAILS.contains(&plain(name).as_str()));
    let details = details.filter_map(|(_, value)| value.as_str());
    own.chain(details).filter(|text| !nobody(text)).map(str::to_owned).collect()
}

/// What Okta's ids are of, which have 20 letters and digits.
fn kind_of(id: &str) -> Option<&'static str> {
    const STARTS: [(&str, &str); 5] = [
        ("00u", "User"),
        ("00g", "UserGroup"),
        ("0oa", "AppInstance"),
        ("0ua", "AppUser"),
        ("guo", "Device"),
    ];
    const ID_BYTES: usize = 20;
    let is_id = id.len() == ID_BYTES && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let known = STARTS.iter().find(|(start, _)| is_id && id.starts_with(start));
    known.map(|(_, kind)| *kind)
}

fn take_id(members: &mut Map<String, Value>) -> Option<String> {
    let mut names = ["alternateId", "displayName"].into_iter().filter_map(|name| text_at(members, &[name]));
    let other = names.find(|text| *text != UNKNOWN && fits(text, REFERENCE_BYTES_MAX)).map(str::to_owned);
    let unknown = text_at(members, &["id"]) == Some(UNKNOWN);
    match other {
        Some(other) if unknown => Some(other),
        other => take_reference(members, "id", REFERENCE_BYTES_MAX).or(other),
    }
}

/// `{"from": {…}, "to": {…}}` of the only target that has it, as the changes of the event.
pub(super) fn take_changes(targets: &mut [Value]) -> Option<Map<String, Value>> {
    let mut changed = targets.iter_mut().filter(|target| details(target).is_some());
    let (Some(target), None) = (changed.next(), changed.next()) else { return None };
    let changes = changes(details(target)?)?;
    let metadata = target.get_mut("metadata")?.as_object_mut()?;
    metadata.remove(CHANGES);
    if metadata.is_empty() {
        target.as_object_mut()?.remove("metadata");
    }
    Some(changes)
}

fn details(target: &Value) -> Option<&Value> {
    target.get("metadata")?.get(CHANGES)
}

/// `None` if the details are anything but properties before and after, so that they stay where they are.
fn changes(details: &Value) -> Option<Map<String, Value>> {
    let mut changes = Map::new();
    for (side, properties) in details.as_object()? {
        let side = match side.as_str() {
            "from" => "old",
            "to" => "new",
            _ => return None,
        };
        match properties {
            Value::Null => {}
            Value::Object(properties) => {
                for (name, value) in properties {
                    let change = changes.entry(name.clone()).or_insert_with(|| json!({}));
                    change[side] = value.clone();
                }
            }
            _ => return None,
        }
    }
    (!changes.is_empty()).then_some(changes)
}
