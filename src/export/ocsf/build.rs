//! One event as an OCSF object: the tables of `mapping.rs`, done.
//!
//! What a class has no attribute for goes to `unmapped`; what a class requires and the event lacks has a stand-in that
//! [`FIELDS`](super::mapping::FIELDS) names.

use chrono::DateTime;

use super::{
    Form,
    event::{Actor as EventActor, Event, Target},
    kind::Kind,
    mapping::{Class, OTHER, SCHEMA_VERSION},
    object::{
        Actor, Api, Endpoint, HttpRequest, Json, Location, Metadata, Named, Object, Product, Request,
        Resource, Session, Time, Unmapped, UnmappedActor, UnmappedCredential, User,
    },
};
use crate::error::{Error, ErrorKind, Result};

/// `src_endpoint.name` where there must be an endpoint and there is none.
const UNKNOWN: &str = "unknown";
/// Types of targets whose account an event is about.
const ACCOUNTS: [&str; 7] = ["user", "member", "account", "person", "employee", "customer", "guest"];
/// Types of targets that are rights.
const POLICIES: [&str; 4] = ["role", "permission", "policy", "privilege"];

pub(super) fn object<'a>(event: &'a Event, targets: &'a [Target], form: Form) -> Result<Object<'a>> {
    let kind = Kind::of(&event.action);
    let is = |class: Class| kind.class == class;
    let (category_uid, category_name) = kind.class.category();
    let activity_name = kind.class.activity(kind.activity);
    let (status_id, status, severity_id, severity) = status(event.outcome.result.as_deref());
    let session = event.context.session_id.as_deref();
    let tenant = Named { name: None, uid: Some(&event.tenant_id) };
    Ok(Object {
        activity_id: kind.activity,
        activity_name: if kind.activity == OTHER { &event.action } else { activity_name },
        actor: Actor { session: session.map(|uid| Session { uid }), user: actor(&event.actor) },
        api: is(Class::ApiActivity).then(|| api(event)),
        category_name,
        category_uid,
        class_name: kind.class.name(),
        class_uid: kind.class.uid(),
        http_request: http_request(event),
        message: event.description.as_deref(),
        metadata: metadata(event)?,
        policy: policy(targets).filter(|_| is(Class::AccountChange)),
        resources: if is(Class::ApiActivity) { resources(targets, form) } else { Vec::new() },
        service: is(Class::Authentication).then_some(tenant),
        session: session.filter(|_| is(Class::Authentication)).map(|uid| Session { uid }),
        severity,
        severity_id,
        src_endpoint: endpoint(event, is(Class::ApiActivity)),
        status,
        status_code: event.outcome.result.as_deref(),
        status_detail: event.outcome.reason.as_deref(),
        status_id,
        time: millis(&event.occurred_at)?,
        time_dt: Time(&event.occurred_at),
        type_name: format!("{}: {activity_name}", kind.class.name()),
        type_uid: kind.type_uid(),
        // OCSF has one name and one id for a resource.
        unmapped: unmapped(event, !is(Class::ApiActivity) || targets.iter().any(has_aliases), form)?,
        user: (!is(Class::ApiActivity)).then(|| subject(event, targets)),
    })
}

/// `status_id`, its name, `severity_id`, its name.
fn status(result: Option<&str>) -> (i32, &'static str, i32, &'static str) {
    match result {
        Some("success") => (1, "Success", 1, "Informational"),
        Some("failure" | "denied") => (2, "Failure", 2, "Low"),
        _ => (0, "Unknown", 1, "Informational"),
    }
}

fn metadata<'a>(event: &'a Event) -> Result<Metadata<'a>> {
    Ok(Metadata {
        correlation_uid: event.correlation_id.as_deref(),
        event_code: &event.action,
        logged_time: millis(&event.received_at)?,
        logged_time_dt: Time(&event.received_at),
        product: Product { name: "auditlake", vendor_name: "auditlake", version: env!("CARGO_PKG_VERSION") },
        profiles: vec!["datetime"],
        sequence: event.seq,
        tenant_uid: &event.tenant_id,
        uid: &event.id,
        version: SCHEMA_VERSION,
    })
}

fn millis(time: &str) -> Result<i64> {
    let time = DateTime::parse_from_rfc3339(time).map_err(|cause| {
        Error::with_source(ErrorKind::Internal, format!("'{time}' of an event is not a time"), cause)
    })?;
    Ok(time.timestamp_millis())
}

/// `type_id` and the schema's name of it, if the type is one that the schema knows.
fn user_type(kind: &str) -> Option<(i32, &'static str)> {
    match kind {
        "user" | "person" | "member" | "customer" | "employee" => Some((1, "User")),
        "admin" | "administrator" | "owner" | "root" => Some((2, "Admin")),
        "system" => Some((3, "System")),
        _ => None,
    }
}

fn user<'a>(uid: &'a str, name: Option<&'a str>, kind: &'a str) -> User<'a> {
    let (type_id, r#type) = user_type(kind).unwrap_or((OTHER, kind));
    User { credential_uid: None, email_addr: None, name, r#type, type_id, uid }
}

fn actor<'a>(actor: &'a EventActor) -> User<'a> {
    User {
        credential_uid: actor.credential.as_ref().and_then(|credential| credential.id.as_deref()),
        email_addr: actor.email.as_deref().filter(|email| is_email(email)),
        ..user(&actor.id, actor.name.as_deref(), &actor.kind)
    }
}

/// Whose account it is about: the first target that is one, else the actor.
fn subject<'a>(event: &'a Event, targets: &'a [Target]) -> User<'a> {
    match targets.iter().find(|target| ACCOUNTS.contains(&target.kind.as_str())) {
        Some(target) if target.id != event.actor.id => user(&target.id, target.name.as_deref(), &target.kind),
        _ => actor(&event.actor),
    }
}

fn policy<'a>(targets: &'a [Target]) -> Option<Named<'a>> {
    let right = targets.iter().find(|target| POLICIES.contains(&target.kind.as_str()))?;
    Some(Named { name: right.name.as_deref(), uid: Some(&right.id) })
}

fn api<'a>(event: &'a Event) -> Api<'a> {
    let service = event.action.rsplit_once('.').map(|(service, _)| service).filter(|name| !name.is_empty());
    Api {
        operation: &event.action,
        request: event.context.request_id.as_deref().map(|uid| Request { uid }),
        service: service.map(|name| Named { name: Some(name), uid: None }),
    }
}

fn has_aliases(target: &Target) -> bool {
    !target.aliases.is_empty()
}

fn resources<'a>(targets: &'a [Target], form: Form) -> Vec<Resource<'a>> {
    let resource = |target: &'a Target| Resource {
        data: target.metadata.map(|metadata| match form {
            Form::Lines => Json::Value(metadata),
            Form::Columns => Json::Text(metadata.get().into()),
        }),
        name: target.name.as_deref(),
        r#type: &target.kind,
        uid: &target.id,
    };
    targets.iter().map(resource).collect()
}

fn http_request<'a>(event: &'a Event) -> Option<HttpRequest<'a>> {
    let (uid, user_agent) = (event.context.request_id.as_deref(), event.context.user_agent.as_deref());
    (uid.is_some() || user_agent.is_some()).then_some(HttpRequest { uid, user_agent })
}

/// Where it came from. An endpoint needs an address or a name.
fn endpoint<'a>(event: &'a Event, required: bool) -> Option<Endpoint<'a>> {
    let ip = event.context.ip_address.as_deref();
    let location = event.context.country.as_deref().map(|country| Location { country });
    let name = ip.is_none().then_some(UNKNOWN);
    (required || ip.is_some() || location.is_some()).then_some(Endpoint { ip, location, name })
}

fn unmapped<'a>(event: &'a Event, targets: bool, form: Form) -> Result<Option<Json<'a>>> {
    let unmapped = Unmapped {
        actor: unmapped_actor(&event.actor),
        changes: event.changes,
        metadata: event.metadata,
        sealed: event.sealed,
        targets: event.targets.filter(|_| targets),
        version: event.version,
        workspace: event.workspace.as_ref(),
    };
    if unmapped.is_empty() {
        return Ok(None);
    }
    if form == Form::Lines {
        return Ok(Some(Json::Unmapped(Box::new(unmapped))));
    }
    let text = serde_json::to_string(&unmapped).map_err(|cause| {
        Error::with_source(ErrorKind::Internal, format!("write event '{}' as OCSF", event.id), cause)
    })?;
    Ok(Some(Json::Text(text.into())))
}

fn unmapped_actor<'a>(actor: &'a EventActor) -> Option<UnmappedActor<'a>> {
    let credential = actor.credential.as_ref().and_then(|credential| credential.kind.as_deref());
    let unmapped = UnmappedActor {
        credential: credential.map(|kind| UnmappedCredential { kind }),
        email: actor.email.as_deref().filter(|email| !is_email(email)),
        metadata: actor.metadata,
        on_behalf_of: actor.on_behalf_of.as_ref(),
        kind: user_type(&actor.kind).map(|_| actor.kind.as_str()),
    };
    (!unmapped.is_empty()).then_some(unmapped)
}

/// Whether OCSF takes `text` for an address: its type `email_t` is
/// ``^[a-zA-Z0-9!#$%&'*+-/=?^_`{|}~.]+@[a-zA-Z0-9-]+\.[a-zA-Z0-9-.]+$``.
fn is_email(text: &str) -> bool {
    let Some((mailbox, domain)) = text.split_once('@') else { return false };
    let Some((label, rest)) = domain.split_once('.') else { return false };
    let in_mailbox = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+,-./=?^_`{|}~".contains(&byte);
    let in_label = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !mailbox.is_empty()
        && mailbox.bytes().all(in_mailbox)
        && !label.is_empty()
        && label.bytes().all(in_label)
        && !rest.is_empty()
        && rest.bytes().all(|byte| in_label(byte) || byte == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch an address that OCSF's own check refuses, or one that is put aside without need.
    #[test]
    fn addresses_are_those_of_ocsf() {
        for text in ["a@b.c", "ana.b+x@acme.example", "o'neill@mail.acme-x.co.uk", "a@b.c."] {
            assert!(is_email(text), "{text}");
        }
        for text in
            ["", "a", "@b.c", "a@b", "a@.c", "a@b.", "a b@c.d", "a@b@c.d", "é@b.c", "a@b_c.d", "a@b.c\n"]
        {
            assert!(!is_email(text), "{text}");
        }
    }
}
