//! What it was done to: the things that an audit log event names.
//!
//! | record | target | `aliases` |
//! |---|---|---|
//! | `repo`, else `repository` | `repo`, by `owner/name`: every form of the log has it; its number is its metadata | `repo_id`, `repository_id`; in `repo.rename` `old_name`, as it is and after `owner/` |
//! | `repositories_added_names`, `repositories_removed_names`, `repository_names` (copied) | `repo`, by name | the number at the same place of `repositories_added`, `repositories_removed`, `repository_ids` (copied) |
//! | `team` | `team`, by `organisation/name`; `team_id` is its metadata | `team_id`; in `team.rename` `old_name` |
//! | `target_login`, `blocked_user` | `user`, by login | |
//! | `hook_id`, `ruleset_id`, `workflow_id`, `runner_id`, `key` of a secret, `fingerprint` of a key, … | what the private `things` module says, by that, with the name where the log has one | the name, and what else the log calls it |
//! | `user`, `user_id` | `user`, by the number if there is one (its actor's, if that is the user), else by login | the login |
//! | `business` of `business…` and `enterprise…` actions, or if nothing else is named | `business` | `business_id` |
//! | `org` of `org…` actions, or if nothing else is named (copied) | `org` | `org_id` |
//!
//! First comes what the action is about (`team.add_member`: the team), then the order above. What is a target is
//! moved; everything that only describes it stays in the metadata.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::things::{self, Thing};
use crate::{
    import::{
        members::{fits, put, take_reference, take_text, text_at},
        names::put_aliases,
    },
    limits::{NAME_BYTES_MAX, REFERENCE_BYTES_MAX},
};

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
    let mut needs_org = true;
    for thing in things::of(action, rest) {
        let repeated = thing.again && targets.iter().any(|target| target["type"] == thing.kind);
        if !repeated && let Some(target) = take_thing(rest, thing, action) {
            needs_org &= thing.needs_org;
            targets.push(target);
        }
    }
    let named = targets.len();
    add_repositories(rest, &mut targets);
    targets.extend(take_user(rest, actor));
    needs_org &= targets.len() == named;
    let about_business = action.starts_with("business") || action.starts_with("enterprise");
    if about_business || (needs_org && org.is_none()) {
        let business = take_text(rest, "business", REFERENCE_BYTES_MAX);
        needs_org &= business.is_none();
        targets
            .extend(business.map(|id| account("business", &id, rest.get("business_id").and_then(reference))));
    }
    if action.starts_with("org") || needs_org {
        targets.extend(org.map(|id| {
            let others = earlier_names(rest, "org", id, action);
            account("org", id, rest.get("org_id").and_then(reference).into_iter().chain(others))
        }));
    }
    // A stable sort: only what the action is about changes its place.
    targets.sort_by_key(|target| !is_about(action, target["type"].as_str().unwrap_or_default()));
    targets
}

fn is_about(action: &str, kind: &str) -> bool {
    action.starts_with(kind) || (kind == "business" && action.starts_with("enterprise"))
}

fn take_thing(rest: &mut Map<String, Value>, thing: &Thing, action: &str) -> Option<Value> {
    let id = thing.ids.iter().find_map(|member| take_reference(rest, member, REFERENCE_BYTES_MAX))?;
    let mut others = earlier_names(rest, thing.kind, &id, action);
    let members = thing.ids.iter().chain(thing.others).chain([&thing.number]);
    others.splice(0..0, members.filter_map(|member| rest.get(*member).and_then(reference)));
    match thing.kind {
        "protected_branch" | "branch" => others.extend(other_branch(&id)),
        "hook" => others.extend(text_at(rest, &["config", "url"]).map(str::to_owned)),
        _ => {}
    }
    let mut target = Map::from_iter([("type".to_owned(), thing.kind.into()), ("id".to_owned(), id.into())]);
    let name = take_text(rest, thing.name, NAME_BYTES_MAX);
    put_aliases(&mut target, name.iter().chain(&others).map(String::as_str));
    put(&mut target, "name", name);
    if let Some(number) = rest.remove(thing.number) {
        target.insert("metadata".into(), json!({thing.number: number}));
    }
    Some(target.into())
}

/// `refs/heads/main` of `main`, and the other way round: pushes have the one and settings the other.
fn other_branch(name: &str) -> Option<String> {
    match name.strip_prefix("refs/heads/") {
        Some(short) => Some(short.to_owned()),
        None if name.starts_with("refs/") => None,
        None => Some(format!("refs/heads/{name}")),
    }
}

/// What a thing was called before this event, or is from now on; of a repository without an owner also with the owner, and under
/// its earlier owner.
fn earlier_names(rest: &Map<String, Value>, kind: &str, id: &str, action: &str) -> Vec<String> {
    const NAMES: [&str; 6] = ["old_name", "old_login", "name_was", "repo_was", "new_nwo", "previous_name"];
    const OWNERS: [&str; 2] = ["old_user", "owner_was"];
    let is_renamed =
        |verb: &str| ["rename", "transfer", "transfer_outgoing", "transfer_start"].contains(&verb);
    let verb = action.strip_prefix(kind).and_then(|rest| rest.strip_prefix('.'));
    if !verb.is_some_and(is_renamed) {
        return Vec::new();
    }
    let text = |member: &&str| text_at(rest, &[member]).filter(|text| !text.is_empty());
    let (owner, name) = id.split_once('/').unzip();
    let mut names = Vec::new();
    for old in NAMES.iter().filter_map(text) {
        names.extend(owner.filter(|_| !old.contains('/')).map(|owner| format!("{owner}/{old}")));
        names.push(old.to_owned());
    }
    if kind == "repo" {
        let owners = OWNERS.iter().filter_map(text);
        names.extend(owners.filter_map(|owner| Some(format!("{owner}/{}", name?))));
    }
    names
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
fn account(kind: &str, id: &str, others: impl IntoIterator<Item = String>) -> Value {
    let others: Vec<String> = others.into_iter().collect();
    let mut target = Map::from_iter([("type".to_owned(), kind.into()), ("id".to_owned(), id.into())]);
    put_aliases(&mut target, others.iter().map(String::as_str));
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
                targets.push(account("repo", name, numbers.get(at).filter(|_| beside).and_then(reference)));
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
