//! Who did it: `actor` of a System Log event, with the credential that Okta saw.
//!
//! | `actor` | event |
//! |---|---|
//! | `type` | `type`, written `like_this`: `User` is `user`, `PublicClientApp` is `public_client_app`; it stays in `actor.metadata` as well; a user whose id is `unknown` is of type `unknown` |
//! | `id` | `id`; where it is `unknown` (a sign-in by a name that does not exist) or names nobody the `alternateId` instead, else the `displayName`, so that the accounts tried stay apart; `unknown` if those name nobody either |
//! | `displayName` | `name` |
//! | `alternateId` | `email`, if it has an `@` |
//! | everything else | `actor.metadata`, under its own name |
//!
//! While Okta's support impersonates a user (`user.session.impersonation.initiate`, `.extend`, `.end`), the user that
//! is the target is the `on_behalf_of` too. The log says so of no other event. Credentials have an id only if they are
//! API tokens or OAuth clients; the kind of all others stays in `metadata` (`authenticationContext.credentialType`).

use serde_json::{Map, Value, json};

use super::UNKNOWN;
use crate::{
    import::{
        members::{fits, put, take_text, take_text_at, text_at},
        names::nobody,
    },
    limits::{EMAIL_BYTES_MAX, NAME_BYTES_MAX, REFERENCE_BYTES_MAX, TYPE_BYTES_MAX},
};

const IMPERSONATION: &str = "user.session.impersonation.";

/// The actor of a record; never fails: who cannot be told is `unknown`.
pub(super) fn take(rest: &mut Map<String, Value>, action: &str, targets: &[Value]) -> Value {
    let mut members = match rest.remove("actor") {
        Some(Value::Object(members)) => members,
        Some(other) => Map::from_iter([("actor".to_owned(), other)]),
        None => Map::new(),
    };
    members.retain(|_, value| !value.is_null());
    let mut actor = Map::new();
    let id = take_id(&mut members);
    let kind = match kind(&members) {
        kind if kind == "user" && id == UNKNOWN => UNKNOWN.to_owned(),
        kind => kind,
    };
    actor.insert("type".into(), kind.into());
    actor.insert("id".into(), id.into());
    if text_at(&members, &["displayName"]).is_some_and(|name| !nobody(name)) {
        put(&mut actor, "name", take_text(&mut members, "displayName", NAME_BYTES_MAX));
    }
    if text_at(&members, &["alternateId"]).is_some_and(|text| text.contains('@')) {
        put(&mut actor, "email", take_text(&mut members, "alternateId", EMAIL_BYTES_MAX));
    }
    put(&mut actor, "on_behalf_of", on_behalf_of(action, targets));
    put(&mut actor, "credential", take_credential(rest));
    put(&mut actor, "metadata", members);
    actor.into()
}

fn kind(members: &Map<String, Value>) -> String {
    let kind = text_at(members, &["type"]).map(snake_case).unwrap_or_default();
    if fits(&kind, TYPE_BYTES_MAX) { kind } else { UNKNOWN.to_owned() }
}

/// `PublicClientApp` and `IP address` become `public_client_app` and `ip_address`.
fn snake_case(text: &str) -> String {
    let mut out = String::new();
    let mut before = ' ';
    for letter in text.chars() {
        if letter.is_whitespace() {
            out.push('_');
        } else {
            if letter.is_uppercase() && (before.is_lowercase() || before.is_ascii_digit()) {
                out.push('_');
            }
            out.extend(letter.to_lowercase());
        }
        before = letter;
    }
    out
}

/// The login or name is copied, since `unknown` then stays in the metadata; an id moves.
fn take_id(members: &mut Map<String, Value>) -> String {
    let known = |name: &&str| {
        text_at(members, &[name]).filter(|text| !nobody(text) && fits(text, REFERENCE_BYTES_MAX))
    };
    if known(&"id").is_some() {
        return take_text(members, "id", REFERENCE_BYTES_MAX).unwrap_or_else(|| UNKNOWN.to_owned());
    }
    ["alternateId", "displayName"].iter().find_map(known).unwrap_or(UNKNOWN).to_owned()
}

fn take_credential(rest: &mut Map<String, Value>) -> Option<Value> {
    let kinds: [(&str, &[&str]); 2] =
        [("api_token", &["transaction", "detail", "requestApiTokenId"]), ("client", &["client", "id"])];
    kinds.into_iter().find_map(|(kind, path)| {
        text_at(rest, path).filter(|text| *text != UNKNOWN)?;
        let id = take_text_at(rest, path, REFERENCE_BYTES_MAX)?;
        Some(json!({"type": kind, "id": id}))
    })
}

fn on_behalf_of(action: &str, targets: &[Value]) -> Option<Value> {
    if !matches!(action.strip_prefix(IMPERSONATION)?, "initiate" | "extend" | "end") {
        return None;
    }
    let user = targets.iter().find(|target| target["type"] == "User")?;
    let mut principal = json!({"type": "user", "id": user["id"]});
    if let Some(name) = user.get("name") {
        principal["name"] = name.clone();
    }
    Some(principal)
}
