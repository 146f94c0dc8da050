//! Who did it: the members of an audit log event that describe its actor, and the token that was used.
//!
//! | record | event |
//! |---|---|
//! | `actor_is_bot` is true, or `actor` ends in `[bot]` | `type`: `bot` |
//! | `actor_is_agent` is true | `type`: `agent` |
//! | otherwise | `type`: `user`, or `unknown` if there is no actor, or one whose name names nobody |
//! | `actor_id` | `id`; a login passes on to the next user who takes it, a number does not. Without one, or with 0 or a negative one, which nobody has, the `actor` |
//! | `actor` | `name` |
//! | `external_identity_nameid` | `email`, if it has an `@` and the event affects nobody but its actor |
//! | `hashed_token`, else `token_id` | `credential.id`: the hash is what GitHub's guide to leaked tokens looks for |
//! | `programmatic_access_type` | `credential.type`, in GitHub's words; without an id it stays in `metadata` |

use serde_json::{Map, Value, json};

use crate::{
    import::{
        members::{put, take_reference, take_text, text_at},
        names::nobody,
    },
    limits::{EMAIL_BYTES_MAX, NAME_BYTES_MAX, REFERENCE_BYTES_MAX, TYPE_BYTES_MAX},
};

const BOT_SUFFIX: &str = "[bot]";
const UNKNOWN: &str = "unknown";

/// The actor of a record; never fails: who cannot be told is `unknown`.
pub(super) fn take(rest: &mut Map<String, Value>) -> Value {
    let email = take_email(rest);
    let has_name = text_at(rest, &["actor"]).is_some_and(|name| !nobody(name));
    let login = if has_name { take_text(rest, "actor", NAME_BYTES_MAX) } else { None };
    let number = if is_number_of_somebody(rest) {
        take_reference(rest, "actor_id", REFERENCE_BYTES_MAX)
    } else {
        None
    };
    let kind = match (&number, &login) {
        (None, None) => UNKNOWN,
        _ => kind(rest, login.as_deref().unwrap_or_default()),
    };
    let id = number.or(login.clone()).unwrap_or_else(|| UNKNOWN.to_owned());
    let mut actor = Map::from_iter([("type".to_owned(), kind.into()), ("id".to_owned(), id.into())]);
    put(&mut actor, "name", login);
    put(&mut actor, "email", email);
    put(&mut actor, "credential", take_credential(rest));
    actor.into()
}

/// Deploy keys and those who are not known have 0 or -1: all of them would be one actor.
fn is_number_of_somebody(rest: &Map<String, Value>) -> bool {
    match rest.get("actor_id") {
        Some(Value::Number(number)) => {
            number.as_u64() != Some(0) && !number.as_i64().is_some_and(i64::is_negative)
        }
        Some(Value::String(text)) => text.parse::<i64>().map_or(!nobody(text), |number| number > 0),
        _ => true,
    }
}

fn kind(rest: &Map<String, Value>, login: &str) -> &'static str {
    let is = |member: &str| rest.get(member) == Some(&Value::Bool(true));
    match () {
        () if is("actor_is_agent") => "agent",
        () if is("actor_is_bot") || login.ends_with(BOT_SUFFIX) => "bot",
        () => "user",
    }
}

/// The log does not say whose identity it is where two people are in an event.
fn take_email(rest: &mut Map<String, Value>) -> Option<String> {
    let user = text_at(rest, &["user"]).unwrap_or_default();
    if !user.is_empty() && text_at(rest, &["actor"]) != Some(user) {
        return None;
    }
    text_at(rest, &["external_identity_nameid"]).filter(|text| text.contains('@'))?;
    take_text(rest, "external_identity_nameid", EMAIL_BYTES_MAX)
}

fn take_credential(rest: &mut Map<String, Value>) -> Option<Value> {
    let id = take_text(rest, "hashed_token", REFERENCE_BYTES_MAX)
        .or_else(|| take_reference(rest, "token_id", REFERENCE_BYTES_MAX))?;
    let kind = take_text(rest, "programmatic_access_type", TYPE_BYTES_MAX);
    Some(json!({"type": kind.as_deref().unwrap_or("token"), "id": id}))
}
