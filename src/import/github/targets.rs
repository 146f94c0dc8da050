//! What it was done to: the things that an audit log event names.
//!
//! | record | target | `aliases` |
//! |---|---|---|
//! | `repo`, else `repository` | `repo`, by `owner/name`: every form of the log has it; its number is its metadata | `repo_id`, `repository_id`; in `repo.rename` `old_name`, as it is and after `owner/` |
//! | `repositories_added_names`, `repositories_removed_names`, `repository_names` (copied) | `repo`, by name | the number at the same place of `repositories_added`, `repositories_removed`, `repository_ids` (copied) |
//! | `team` | `team`, by `organisation/name`; `team_id` is its metadata | `team_id`; in `team.rename` `old_name` |
//! | `target_login`, `blocked_user` | `user`, by login | |
//! | `hook_id`, `ruleset_id`, `workflow_id`, `workflow_run_id`, `runner_id`, `runner_group_id`, `project_id`, `pull_request_id`, `environment_name`, `deploy_key_fingerprint` | by that, with the name where the log has one | the name |
//! | `oauth_application_id` of `oauth…` actions, `integration` of `integration…` actions | `oauth_application`, `integration` | `oauth_application_name`, `integration_id` |
//! | `user`, `user_id` | `user`, by the number if there is one (its actor's, if that is the user), else by login | the login |
//! | `business` of `business…` and `enterprise…` actions, or if nothing else is named | `business` | `business_id` |
//! | `org` of `org…` actions, or if nothing else is named (copied) | `org` | `org_id` |
//!
//! First comes what the action is about (`team.add_member`: the team), then the order above. What is a target is
//! moved; everything that only describes it stays in the metadata.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use crate::{
    import::{
        members::{fits, put, take_reference, take_text},
        names::put_aliases,
    },
    limits::{NAME_BYTES_MAX, REFERENCE_BYTES_MAX},
};

/// A thing by the member that identifies it.
struct Thing {
    kind: &'static str,
    id: &'static str,
    /// The member that names it, if that is another one.
    name: &'static str,
    /// A member that is kept with it, and another name of it.
    number: &'static str,
    /// A member that is another name of it and stays where it is.
    other: &'static str,
    /// How its actions begin, if the member says something else in others.
    only: &'static str,
}

const fn thing(kind: &'static str, id: &'static str) -> Thing {
    Thing { kind, id, name: "", number: "", other: "", only: "" }
}

const THINGS: [Thing; 17] = [
    Thing { number: "repo_id", other: "repository_id", ..thing("repo", "repo") },
    Thing { number: "repository_id", ..thing("repo", "repository") },
    Thing { number: "team_id", ..thing("team", "team") },
    thing("user", "target_login"),
    thing("user", "blocked_user"),
    thing("hook", "hook_id"),
    Thing { name: "ruleset_name", ..thing("ruleset", "ruleset_id") },
    thing("workflow", "workflow_id"),
    thing("workflow_run", "workflow_run_id"),
    Thing { name: "runner_name", ..thing("runner", "runner_id") },
    Thing { name: "runner_group_name", ..thing("runner_group", "runner_group_id") },
    Thing { name: "project_name", ..thing("project", "project_id") },
    Thing {
        name: "pull_request_title",
        other: "pull_request_url",
        ..thing("pull_request", "pull_request_id")
    },
    thing("environment", "environment_name"),
    thing("deploy_key", "deploy_key_fingerprint"),
    Thing {
        name: "oauth_application_name",
        only: "oauth",
        ..thing("oauth_application", "oauth_application_id")
    },
    Thing { only: "integration", other: "integration_id", ..thing("integration", "integration") },
];
/// Lists of repositories that an action is about: of their names, and of their numbers.
const REPOSITORIES: [(&str, &str); 3] = [
    ("repositories_added_names", "repositories_added"),
    ("repositories_removed_names", "repositories_removed"),
    ("repository_names", "repository_ids"),
];
/// What GitHub writes where an event affects no user.
const NO_USER: &str = "0";

/// The targets of a record, whose actor and organisation are known already.
pub(super) fn take(
    rest: &mut Map<String, Value>,
    action: &str,
    actor: &Value,
    org: Option<&str>,
) -> Vec<Value> {
    let mut targets: Vec<Value> = Vec::new();
    for thing in &THINGS {
        let repeated = thing.id == "repository" && targets.iter().any(|target| target["type"] == "repo");
        if action.starts_with(thing.only) && !repeated {
            targets.extend(take_thing(rest, thing, action));
        }
    }
    add_repositories(rest, &mut targets);
    targets.extend(take_user(rest, actor));
    let about_business = action.starts_with("business") || action.starts_with("enterprise");
    if about_business || (targets.is_empty() && org.is_none()) {
        let business = take_text(rest, "business", REFERENCE_BYTES_MAX);
        targets.extend(business.map(|id| account("business", &id, rest.get("business_id"))));
    }
    if action.starts_with("org") || targets.is_empty() {
        targets.extend(org.map(|id| account("org", id, rest.get("org_id"))));
    }
    // A stable sort: only what the action is about changes its place.
    targets.sort_by_key(|target| !is_about(action, target["type"].as_str().unwrap_or_default()));
    targets
}

fn is_about(action: &str, kind: &str) -> bool {
    action.starts_with(kind) || (kind == "business" && action.starts_with("enterprise"))
}

fn take_thing(rest: &mut Map<String, Value>, thing: &Thing, action: &str) -> Option<Value> {
    let id = take_reference(rest, thing.id, REFERENCE_BYTES_MAX)?;
    let earlier = earlier_names(rest, thing.kind, &id, action);
    let mut target = Map::from_iter([("type".to_owned(), thing.kind.into()), ("id".to_owned(), id.into())]);
    let name = take_text(rest, thing.name, NAME_BYTES_MAX);
    let others = [thing.number, thing.other].map(|member| rest.get(member).and_then(reference));
    let others = others.iter().flatten();
    put_aliases(&mut target, name.iter().chain(others).chain(&earlier).map(String::as_str));
    put(&mut target, "name", name);
    if let Some(number) = rest.remove(thing.number) {
        target.insert("metadata".into(), json!({thing.number: number}));
    }
    Some(target.into())
}

/// What a thing was called until this event: `old_name` of `repo.rename`, which has no owner, also with the owner.
fn earlier_names(rest: &Map<String, Value>, kind: &str, id: &str, action: &str) -> Vec<String> {
    let renamed = action.strip_suffix(".rename") == Some(kind);
    let Some(old) = rest.get("old_name").and_then(Value::as_str).filter(|_| renamed) else {
        return Vec::new();
    };
    let owner = id.split_once('/').map(|(owner, _)| owner).filter(|_| !old.contains('/'));
    let full = owner.map(|owner| format!("{owner}/{old}"));
    full.into_iter().chain([old.to_owned()]).collect()
}

/// A name or number as text, if it can be an id.
fn reference(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        Value::String(text) if fits(text, REFERENCE_BYTES_MAX) => Some(text.clone()),
        _ => None,
    }
}

/// An organisation, enterprise or repository, whose number stays where it is.
fn account(kind: &str, id: &str, number: Option<&Value>) -> Value {
    let mut target = Map::from_iter([("type".to_owned(), kind.into()), ("id".to_owned(), id.into())]);
    put_aliases(&mut target, number.and_then(reference).iter().map(String::as_str));
    target.into()
}

fn add_repositories(rest: &Map<String, Value>, targets: &mut Vec<Value>) {
    let mut known: HashSet<String> = HashSet::new();
    known.extend(
        targets.iter().filter(|target| target["type"] == "repo").filter_map(|it| reference(&it["id"])),
    );
    let list = |member: &str| rest.get(member).and_then(Value::as_array);
    for (names, numbers) in REPOSITORIES {
        let numbers = list(numbers).map_or(&[][..], Vec::as_slice);
        let names = list(names).map_or(&[][..], Vec::as_slice);
        let beside = numbers.len() == names.len();
        for (at, name) in names.iter().enumerate() {
            let Some(name) = name.as_str().filter(|name| fits(name, REFERENCE_BYTES_MAX)) else { continue };
            if known.insert(name.to_owned()) {
                targets.push(account("repo", name, numbers.get(at).filter(|_| beside)));
            }
        }
        // Where nothing says the names, the numbers are all there is.
        for number in numbers.iter().filter(|_| names.is_empty()).filter_map(reference) {
            if known.insert(number.clone()) {
                targets.push(json!({"type": "repo", "id": number}));
            }
        }
    }
}

fn take_user(rest: &mut Map<String, Value>, actor: &Value) -> Option<Value> {
    let login = take_text(rest, "user", NAME_BYTES_MAX);
    let has_number = rest.get("user_id").is_some_and(|id| *id != 0 && *id != NO_USER);
    let number = if has_number { take_reference(rest, "user_id", REFERENCE_BYTES_MAX) } else { None };
    let actors = || login.as_deref().filter(|login| actor["name"] == *login).and(actor["id"].as_str());
    let id = number.as_deref().or_else(actors).or(login.as_deref())?;
    let mut user = Map::from_iter([("type".to_owned(), "user".into()), ("id".to_owned(), id.into())]);
    put_aliases(&mut user, login.as_deref());
    put(&mut user, "name", login.as_deref());
    Some(user.into())
}
