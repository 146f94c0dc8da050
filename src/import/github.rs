//! Events of GitHub's audit log as native events, without losing anything.
//!
//! In: one event of an organisation's or enterprise's audit log, in the form of the REST API, of a stream, or of
//! the JSON export of the web page (older ones keep some members in `data`, from where they are taken as if they
//! stood beside it). Out: the event in API form:
//!
//! | record | event |
//! |---|---|
//! | `_document_id` | `id`; without one, or with one that is too short to identify anything, it is `sha256:` of the record |
//! | `@timestamp` (milliseconds), else `created_at` | `occurred_at` |
//! | `action` | `action`, as it is; `unknown` without one |
//! | `actor_id`, `actor`, `actor_is_bot`, `external_identity_nameid` | `actor` (the private `actor` module says how) |
//! | `hashed_token`, else `token_id`, with `programmatic_access_type` | `actor.credential`: its id and type |
//! | `repo`, `team`, `user`, `hook_id`, … | `targets`, with names and numbers as `aliases` (the private `targets` module says how) |
//! | `org` | `workspace.id`; the organisation is a target as well if the action is about it or nothing else is |
//! | `conclusion` of a workflow, `status_code` of an API request, `audit_log_stream_result` | `outcome` (all stay in `metadata`): 2xx is success, 401 and 403 denied, other 4xx and 5xx failure; `cancelled`, `skipped`, `neutral`, 3xx and a run that ended without a conclusion unknown |
//! | `action` where none of them is | `outcome`: words such as `failed` and `failure` in its last part are failure, one that begins with `rejected_` is denied, all others success, since the log holds what was done; unknown without an action |
//! | `visibility` and `previous_visibility`, `permission` and `old_permission`, `events` and `events_were`, … | `changes` |
//! | `actor_ip`, `user_agent`, `request_id` | `context.ip_address` (of several addresses the first, and the list stays in `metadata`), `.user_agent`, `.request_id` |
//! | `actor_session` | `context.session_id` |
//! | `actor_location.country_code`, else the code of `.country_name` (copied) | `context.country` |
//! | everything else: `operation_type`, `business`, `org_id`, `token_scopes`, `transport_protocol_name` … | `metadata`, under its own name |
//!
//! Sources: [audit log events for an organization](https://docs.github.com/en/organizations/keeping-your-organization-secure/managing-security-settings-for-your-organization/audit-log-events-for-your-organization),
//! [the REST API](https://docs.github.com/en/enterprise-cloud@latest/rest/orgs/orgs#get-the-audit-log-for-an-organization),
//! [streaming](https://docs.github.com/en/enterprise-cloud@latest/admin/monitoring-activity-in-your-enterprise/reviewing-audit-logs-for-your-enterprise/streaming-the-audit-log-for-your-enterprise),
//! [events by token](https://docs.github.com/en/enterprise-cloud@latest/organizations/keeping-your-organization-secure/managing-security-settings-for-your-organization/identifying-audit-log-events-performed-by-an-access-token).
//! Logs that went through a data warehouse are read as well: `at_sign_timestamp` is `@timestamp`, times may be text
//! without an offset (they are UTC), `p_event_time` stands in for them, and objects may be JSON in a text, which then stays in
//! `metadata` as it was given. The CSV export is not read.
//!
//! Guaranteed: each value of the record is found in the event, in the field above or, where it does not fit
//! there, in `metadata` under its own name. Members that are `null` are left out; numbers that are ids, and integers
//! beyond 2^53, become text. The mapping looks at nothing but the record, so the same record gives the same event
//! for ever; records that are equal in everything are one event. What is too large for an event is refused by the decoder.

mod actor;
mod changes;
mod targets;
mod things;

use serde_json::{Map, Value, json};

use super::{
    addresses, countries,
    members::{
        NotARecord, make_exact, of, put, restore_names, take_id, take_reference, take_text, take_text_at,
        take_time, text_at,
    },
    results::{self, Ending},
    texts::{self, Object, object},
};
use crate::limits;

/// Shorter texts are words that somebody put in place of the ids; GitHub's have 22 characters or more.
const DOCUMENT_ID_BYTES_MIN: usize = 16;
const TIMES: [&str; 4] = ["@timestamp", "at_sign_timestamp", "created_at", "p_event_time"];
/// Members that become fields of an event, in GitHub's spelling.
const MEMBERS: [&str; 30] = [
    "@timestamp",
    "_document_id",
    "action",
    "actor",
    "actor_id",
    "actor_ip",
    "actor_is_agent",
    "actor_is_bot",
    "actor_location",
    "actor_session",
    "at_sign_timestamp",
    "business",
    "business_id",
    "conclusion",
    "created_at",
    "data",
    "external_identity_nameid",
    "hashed_token",
    "org",
    "org_id",
    "programmatic_access_type",
    "repo",
    "repo_id",
    "request_id",
    "status_code",
    "team",
    "token_id",
    "user",
    "user_agent",
    "user_id",
];
/// Members that are objects or lists, which data warehouses may give as text.
const OBJECTS: [Object; 12] = [
    object("actor_location"),
    object("config"),
    object("config_was"),
    object("data"),
    object("events"),
    object("events_were"),
    object("repositories_added"),
    object("repositories_added_names"),
    object("repositories_removed"),
    object("repositories_removed_names"),
    object("repository_ids"),
    object("repository_names"),
];
const UNKNOWN: &str = "unknown";
/// Members that tell how it ended, whatever the action is called.
const RESULTS: [&str; 3] = ["conclusion", "status_code", "audit_log_stream_result"];
/// Reports of runs, which have a conclusion if they have ended well or badly.
const ENDED_RUN: &str = "workflows.completed_workflow_run";

/// The event of one record; see the table at the top of this file.
///
/// ```
/// let record = serde_json::json!({
///     "_document_id": "beeZYapIUe-wKg5-beadb33", "@timestamp": 1_606_929_874_512_u64,
///     "action": "team.add_member", "actor": "ana", "actor_id": 7, "actor_ip": "203.0.113.7",
///     "org": "acme", "team": "acme/ops", "user": "ben", "operation_type": "create",
/// });
/// let event = auditlake::import::github::event(record).unwrap();
/// assert_eq!(event["occurred_at"], "2020-12-02T17:24:34.512Z");
/// assert_eq!(event["actor"]["id"], "7");
/// assert_eq!(event["targets"][0]["id"], "acme/ops");
/// assert_eq!(event["metadata"]["operation_type"], "create");
/// ```
pub fn event(record: Value) -> Result<Map<String, Value>, NotARecord> {
    let mut rest = of(record)?;
    restore_names(&mut rest, &MEMBERS);
    let given = texts::parse(&mut rest, &OBJECTS);
    let mut event = Map::new();
    event.insert("id".into(), take_id(&mut rest, "_document_id", is_document_id).into());
    lift_data(&mut rest);
    event.insert("occurred_at".into(), take_time(&mut rest, &TIMES)?.into());
    let action = take_text(&mut rest, "action", limits::ACTION_BYTES_MAX);
    let action = action.unwrap_or_else(|| UNKNOWN.to_owned());
    let actor = actor::take(&mut rest);
    let org = take_text(&mut rest, "org", limits::NAME_BYTES_MAX);
    put(&mut event, "targets", targets::take(&mut rest, &action, &actor, org.as_deref()));
    event.insert("actor".into(), actor);
    put(&mut event, "workspace", org.map(|org| json!({"id": org})));
    event.insert("outcome".into(), json!({"result": outcome(&action, &rest)}));
    event.insert("action".into(), action.into());
    put(&mut event, "changes", changes::take(&mut rest));
    put(&mut event, "context", take_context(&mut rest));
    rest.extend(given);
    put(&mut event, "metadata", rest);
    event.values_mut().for_each(make_exact);
    Ok(event)
}

/// Base64 in either alphabet.
fn is_document_id(text: &str) -> bool {
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"-_+/=".contains(&byte);
    text.len() >= DOCUMENT_ID_BYTES_MIN && text.bytes().all(is_base64)
}

/// Moves the members of `data` beside it, except those whose names are taken.
fn lift_data(rest: &mut Map<String, Value>) {
    if !rest.get("data").is_some_and(Value::is_object) {
        return;
    }
    let Some(Value::Object(inner)) = rest.remove("data") else { return };
    let mut taken = Map::new();
    for (name, value) in inner {
        if value.is_null() {
            continue;
        }
        if rest.contains_key(&name) {
            taken.insert(name, value);
        } else {
            rest.insert(name, value);
        }
    }
    put(rest, "data", taken);
}

fn outcome(action: &str, rest: &Map<String, Value>) -> &'static str {
    let told = RESULTS.iter().find_map(|member| rest.get(*member));
    if let Some(told) = told {
        return results::of(told).map_or(UNKNOWN, Ending::as_str);
    }
    let last_part = action.rsplit('.').next().unwrap_or_default();
    let failed = last_part.split('_').any(|word| matches!(word, "fail" | "failed" | "failure"));
    match () {
        () if failed => "failure",
        // What the rules of a branch did not let happen; `request_denied` is a deed, and was done.
        () if last_part.starts_with("rejected_") => "denied",
        () if matches!(action, UNKNOWN | ENDED_RUN) => UNKNOWN,
        () => "success",
    }
}

fn take_context(rest: &mut Map<String, Value>) -> Map<String, Value> {
    let mut context = Map::new();
    put(&mut context, "ip_address", addresses::take(rest, &["actor_ip"]));
    put(&mut context, "user_agent", take_text(rest, "user_agent", limits::USER_AGENT_BYTES_MAX));
    put(&mut context, "request_id", take_text(rest, "request_id", limits::TRACE_ID_BYTES_MAX));
    put(&mut context, "session_id", take_reference(rest, "actor_session", limits::TRACE_ID_BYTES_MAX));
    put(&mut context, "country", take_country(rest));
    context
}

fn take_country(rest: &mut Map<String, Value>) -> Option<String> {
    const CODE_BYTES: usize = 2;
    let code = ["actor_location", "country_code"];
    if text_at(rest, &code).is_some_and(countries::is_code) {
        return take_text_at(rest, &code, CODE_BYTES);
    }
    let name = text_at(rest, &["actor_location", "country_name"])?;
    countries::code(name).map(str::to_owned)
}

#[cfg(test)]
mod tests;
