//! Who made a call: `userIdentity` as the actor of an event.
//!
//! | `type` | `actor` | `on_behalf_of` |
//! |---|---|---|
//! | `IAMUser` | `user` | |
//! | `IdentityCenterUser` | `user`, by its `onBehalfOf.userId` | |
//! | `Root` | `root` | |
//! | `AssumedRole` | `role_session`, named as the session | `role`: the session's issuer |
//! | `Role` | `role` | |
//! | `FederatedUser` | `federated_user` | the user, role or root that issued the session |
//! | `SAMLUser`, `WebIdentityUser` | `federated_user` | |
//! | `AWSAccount` | `account` | |
//! | `AWSService`, or none but `invokedBy` | `service`, by its host name | |
//! | anything else | `unknown` | |
//!
//! Where an identity was propagated through a role (`onBehalfOf`), the person behind it is the
//! `on_behalf_of`, before the role. `accessKeyId` becomes the `credential`.
//!
//! The actor's id is the `principalId`. It is in every record (sign-ins have no ARN), and unlike the ARN it
//! does not pass on to the next user who gets the same name. Everything that is not moved into a field
//! (ARN, account, session context, the AWS `type` itself) stays in `actor.metadata` under its own name.

use serde_json::{Map, Value, json};

use super::{fits, take_text};
use crate::limits::{NAME_BYTES_MAX, REFERENCE_BYTES_MAX};

/// The actor of a record; never fails: who cannot be told is `unknown`, with all that is known as metadata.
pub(super) fn actor(identity: Value) -> Value {
    let mut rest = match identity {
        Value::Object(members) => members,
        Value::Null => Map::new(),
        other => Map::from_iter([("userIdentity".to_owned(), other)]),
    };
    rest.retain(|_, value| !value.is_null());
    let kind = kind(&rest);
    let on_behalf_of = on_behalf_of(&rest, kind);
    let name = name(&mut rest, kind);
    let id = id(&mut rest, kind);
    let mut actor = Map::from_iter([("type".to_owned(), kind.into()), ("id".to_owned(), id.into())]);
    if let Some(name) = name {
        actor.insert("name".into(), name.into());
    }
    if let Some(principal) = on_behalf_of {
        actor.insert("on_behalf_of".into(), principal);
    }
    if let Some(credential) = credential(&mut rest) {
        actor.insert("credential".into(), credential);
    }
    if !rest.is_empty() {
        actor.insert("metadata".into(), rest.into());
    }
    actor.into()
}

fn kind(identity: &Map<String, Value>) -> &'static str {
    match text(identity, "type") {
        Some("IAMUser" | "IdentityCenterUser") => "user",
        Some("Root") => "root",
        Some("AssumedRole") => "role_session",
        Some("Role") => "role",
        Some("FederatedUser" | "SAMLUser" | "WebIdentityUser") => "federated_user",
        Some("AWSAccount") => "account",
        Some("AWSService") => "service",
        None if text(identity, "invokedBy").is_some() => "service",
        Some(_) | None => "unknown",
    }
}

/// The first of the identity's names that is there. `principalId` moves; the others are copied.
fn id(rest: &mut Map<String, Value>, kind: &str) -> String {
    if let Some(principal) = take_text(rest, "principalId", REFERENCE_BYTES_MAX) {
        return principal;
    }
    if kind == "service"
        && let Some(service) = text(rest, "invokedBy")
    {
        return service.to_owned();
    }
    let person = rest.get("onBehalfOf").and_then(|person| text(person.as_object()?, "userId"));
    let known = ["arn", "accountId", "userName", "invokedBy"].iter().find_map(|name| text(rest, name));
    person.or(known).unwrap_or("unknown").to_owned()
}

/// `userName`, or for a role session the name that whoever assumed the role gave to it.
fn name(rest: &mut Map<String, Value>, kind: &str) -> Option<String> {
    if let Some(name) = take_text(rest, "userName", NAME_BYTES_MAX) {
        return Some(name);
    }
    if kind != "role_session" {
        return None;
    }
    let session = text(rest, "principalId")?.split_once(':')?.1;
    fits(session, NAME_BYTES_MAX).then(|| session.to_owned())
}

fn on_behalf_of(identity: &Map<String, Value>, kind: &str) -> Option<Value> {
    let person = identity.get("onBehalfOf").and_then(|person| text(person.as_object()?, "userId"));
    match person {
        // The user is the actor itself.
        Some(_) if text(identity, "type") == Some("IdentityCenterUser") => return None,
        Some(user) => return Some(json!({"type": "user", "id": user})),
        None => {}
    }
    if !matches!(kind, "role_session" | "federated_user") {
        return None;
    }
    let issuer = identity.get("sessionContext")?.get("sessionIssuer")?.as_object()?;
    let id = text(issuer, "principalId").or(text(issuer, "arn"))?;
    let mut principal = json!({"type": issuer_kind(issuer), "id": id});
    if let Some(name) = text(issuer, "userName") {
        principal["name"] = name.into();
    }
    Some(principal)
}

fn issuer_kind(issuer: &Map<String, Value>) -> &'static str {
    match text(issuer, "type") {
        Some("Role") => "role",
        Some("IAMUser") => "user",
        Some("Root") => "root",
        _ => "unknown",
    }
}

fn credential(rest: &mut Map<String, Value>) -> Option<Value> {
    if let Some(key) = take_text(rest, "accessKeyId", REFERENCE_BYTES_MAX) {
        return Some(json!({"type": "access_key", "id": key}));
    }
    // What users of IAM Identity Center have instead of a key.
    let session = take_text(rest, "credentialId", REFERENCE_BYTES_MAX)?;
    Some(json!({"type": "session", "id": session}))
}

/// Text short enough for any field of an identity.
fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    members.get(name)?.as_str().filter(|text| fits(text, NAME_BYTES_MAX))
}
