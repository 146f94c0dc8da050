//! What was before and what is now: pairs of members of an audit log event, as the event's changes.
//!
//! GitHub names the value before by the name of the value now: `old_permission` and `previous_visibility` beside
//! `permission` and `visibility`, `ruleset_old_enforcement` beside `ruleset_enforcement`, `config_was` and
//! `events_were` beside `config` and `events`. A value before without one now stays in the metadata.

use serde_json::{Map, Value, json};

const PREFIXES: [&str; 2] = ["old_", "previous_"];
const SUFFIXES: [&str; 2] = ["_was", "_were"];
const INFIX: &str = "_old_";

/// Takes all pairs away: `{"permission": {"old": …, "new": …}}`.
pub(super) fn take(rest: &mut Map<String, Value>) -> Map<String, Value> {
    let before: Vec<String> = rest.keys().filter(|name| name_now(name).is_some()).cloned().collect();
    let mut changes = Map::new();
    for name in before {
        let Some(now) = name_now(&name).filter(|now| rest.contains_key(now)) else { continue };
        let (old, new) = (rest.remove(&name), rest.remove(&now));
        changes.insert(now, json!({"old": old, "new": new}));
    }
    changes
}

fn name_now(name: &str) -> Option<String> {
    let prefix = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix));
    let now = prefix.or_else(|| SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix)));
    match now {
        Some(now) => Some(now.to_owned()),
        None => name.contains(INFIX).then(|| name.replacen(INFIX, "_", 1)),
    }
}
