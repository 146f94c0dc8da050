//! Who made a call: `userIdentity` as the actor of an event.
//!
//! | `type` | `actor` | `on_behalf_of` |
//! |---|---|---|
//! | `IAMUser` | `user` | |
//! | `IdentityCenterUser` | `user`, by its `onBehalfOf.userId` | |
//! | `Directory`, `User`, and `Unknown` or none with a name | `user` | |
//! | `Root` | `root` | |
//! | `AssumedRole` | `role_session`, named as the session | `role`: the session's issuer |
//! | `Role` | `role` | |
//! | `FederatedUser` | `federated_user` | the user, role or root that issued the session |
//! | `SAMLUser`, `WebIdentityUser` | `federated_user` | |
//! | `AWSAccount` | `account` (of another company or department: its number is all that is known) | |
//! | `AWSService`, or none but `invokedBy` | `service`, by its host name | |
//! | none at all, in events of services and insights | `service`: the one that wrote the record (not in sign-ins: who signed in is not known) | |
//! | another type of an application's own events with `User` or `Identity` in it | `user` | |
//! | anything else that names somebody | `unknown`, by that name | |
//! | whatever names nobody | `unknown`, with the id `unknown` | |
//!
//! Where an identity was propagated through a role (`onBehalfOf`), the person behind it is the
//! `on_behalf_of`, before the role. `accessKeyId` becomes the `credential`, for users of IAM Identity Center the `credentialId`.
//!
//! The actor's id is the `principalId`. It is in nearly every record (sign-ins have no ARN), and unlike the ARN it
//! does not pass on to the next user who gets the same name. Where it names nobody (the account's number in the records of
//! sign-ins, `HIDDEN_DUE_TO_SECURITY_REASONS`, nothing at all), it is the first of `onBehalfOf.userId`, the ARN, `userName`, and the
//! user name in `additionalEventData` or `serviceEventDetails`. The account's number is nobody, except for `Root` and `AWSAccount`.
//! Everything that is not moved into a field (ARN, account, session context with `webIdFederationData` and `ec2RoleDelivery`,
//! the AWS `type` itself) stays in `actor.metadata` under its own name.

use serde_json::{Map, Value, json};

use super::{fits, plain, take_text};
use crate::{
    import::{members::text_at, names::nobody},
    limits::{NAME_BYTES_MAX, REFERENCE_BYTES_MAX},
};

const UNKNOWN: &str = "unknown";
/// Services at which people sign in, [`plain`].
const SIGN_IN_SOURCES: [&str; 2] = ["cognitoidp", "signin"];
/// Words in the names of events in which somebody signs in, [`plain`].
const SIGN_INS: [&str; 6] = ["login", "logon", "signin", "authenticat", "credentialverification", "oauth2"];
/// The number of an AWS account.
const ACCOUNT_DIGITS: usize = 12;

/// What other members of the record say about who it was.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hints<'a> {
    /// The user's name outside of `userIdentity`.
    user_name: Option<&'a str>,
    /// The service that wrote the record, if it is not about anybody's call.
    service: Option<&'a str>,
    /// Whether it is about somebody signing in, who is not the service.
    is_sign_in: bool,
}

impl<'a> Hints<'a> {
    /// The hints in the members of a record.
    pub(super) fn of(record: &'a Map<String, Value>) -> Self {
        const IN_DATA: [&[&str]; 2] = [&["UserName"], &["userName"]];
        const IN_DETAILS: [&[&str]; 5] =
            [&["UserName"], &["userName"], &["user", "name"], &["user", "userName"], &["user"]];
        let names = |text: &&str| !nobody(text) && fits(text, NAME_BYTES_MAX);
        let name_in = |member: &str, paths: &[&[&str]]| {
            let members = record.get(member)?.as_object()?;
            paths.iter().find_map(|path| text_at(members, path).filter(names))
        };
        let user_name =
            name_in("additionalEventData", &IN_DATA).or_else(|| name_in("serviceEventDetails", &IN_DETAILS));
        let service = match text_at(record, &["eventType"]) {
            Some("AwsServiceEvent") => text_at(record, &["eventSource"]),
            Some("AwsCloudTrailInsight") => Some("cloudtrail.amazonaws.com"),
            _ => None,
        };
        let part = |member: &str| plain(text_at(record, &[member]).unwrap_or_default());
        let (source, event) = (part("eventSource"), part("eventName"));
        let is_sign_in = SIGN_IN_SOURCES.iter().any(|start| source.starts_with(start))
            || SIGN_INS.iter().any(|word| event.contains(word));
        Self { user_name, service: service.filter(names), is_sign_in }
    }
}

/// The actor of a record; never fails: who cannot be told is `unknown`, with all that is known as metadata.
pub(super) fn actor(identity: Value, hints: Hints<'_>) -> Value {
    let mut rest = match identity {
        Value::Object(members) => members,
        Value::Null => Map::new(),
        other => Map::from_iter([("userIdentity".to_owned(), other)]),
    };
    rest.retain(|_, value| !value.is_null());
    let (kind, id) = who(&mut rest, hints);
    let on_behalf_of = on_behalf_of(&rest, kind);
    let name = name(&mut rest, kind, &id, hints);
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
        Some("IAMUser" | "IdentityCenterUser" | "Directory" | "User") => "user",
        Some("Root") => "root",
        Some("AssumedRole") => "role_session",
        Some("Role") => "role",
        Some("FederatedUser" | "SAMLUser" | "WebIdentityUser") => "federated_user",
        Some("AWSAccount") => "account",
        Some("AWSService") => "service",
        // `CustomUserIdentity`: only applications that write their own events say more about a user there.
        Some(other)
            if identity.contains_key("details") && (other.contains("User") || other.contains("Identity")) =>
        {
            "user"
        }
        None if text(identity, "invokedBy").is_some() => "service",
        Some(_) | None => UNKNOWN,
    }
}

/// Type and id. `principalId` moves if it is the id, everything else is copied.
fn who(rest: &mut Map<String, Value>, hints: Hints<'_>) -> (&'static str, String) {
    let kind = kind(rest);
    let is_account = matches!(kind, "root" | "account");
    let names = |text: &&str| !nobody(text) && (is_account || !is_account_number(text));
    if text(rest, "principalId").filter(names).is_some()
        && let Some(principal) = take_text(rest, "principalId", REFERENCE_BYTES_MAX)
    {
        return (kind, principal);
    }
    let known = |member: &str| text(rest, member).filter(names).map(str::to_owned);
    if kind == "service"
        && let Some(service) = known("invokedBy")
    {
        return (kind, service);
    }
    let person = rest.get("onBehalfOf").and_then(|person| text(person.as_object()?, "userId"));
    let person = person.filter(names).map(str::to_owned);
    let named = person.or_else(|| known("arn")).or_else(|| known("userName"));
    let named = named.or_else(|| hints.user_name.map(str::to_owned));
    if let Some(id) = named {
        // `Unknown` is what CloudTrail writes for people of IAM Identity Center and of applications.
        let is_plain = matches!(text(rest, "type"), None | Some("Unknown"));
        return (if kind == UNKNOWN && is_plain && !id.starts_with("arn:") { "user" } else { kind }, id);
    }
    let other = known("invokedBy").or_else(|| is_account.then(|| known("accountId")).flatten());
    match (other, hints.service) {
        (Some(id), _) => (kind, id),
        // An account's number says nothing about who signed in.
        (None, Some(_)) if hints.is_sign_in && !rest.is_empty() => (UNKNOWN, UNKNOWN.to_owned()),
        (None, Some(service)) if !rest.contains_key("type") => ("service", service.to_owned()),
        (None, _) => (UNKNOWN, UNKNOWN.to_owned()),
    }
}

fn is_account_number(text: &str) -> bool {
    text.len() == ACCOUNT_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `userName`, or for a role session the name that whoever assumed the role gave to it, or the last part of the ARN of a user, role or
/// federated user.
fn name(rest: &mut Map<String, Value>, kind: &str, id: &str, hints: Hints<'_>) -> Option<String> {
    if text(rest, "userName").is_some_and(|name| !nobody(name)) {
        return take_text(rest, "userName", NAME_BYTES_MAX);
    }
    if kind == "role_session" {
        let session = id.split_once(':')?.1;
        return (!id.starts_with("arn:") && fits(session, NAME_BYTES_MAX)).then(|| session.to_owned());
    }
    let of_arn = || {
        let (_, last) = text(rest, "arn")?.rsplit_once('/')?;
        fits(last, NAME_BYTES_MAX).then(|| last.to_owned())
    };
    if matches!(text(rest, "type"), Some("IAMUser" | "FederatedUser" | "Role")) {
        return hints.user_name.map(str::to_owned).or_else(of_arn);
    }
    let detailed = ["userName", "username", "name", "displayName"];
    let detailed = detailed.iter().find_map(|member| text_at(rest, &["details", member]));
    let detailed = detailed.filter(|name| !nobody(name) && fits(name, NAME_BYTES_MAX));
    (kind == "user").then(|| hints.user_name.or(detailed)).flatten().map(str::to_owned)
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
