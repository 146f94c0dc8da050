//! The things that a record names, each once, with all its names.
//!
//! In: what `resources`, parameters and answers say, one name at a time. Out: targets. Guaranteed: one target per thing,
//! in the order of first mention; its `id` is the first name it was given (`resources` come first, by ARN), its `name` the
//! first other one that a parameter gives, its `aliases` all names but the id. Two names are one thing if the one contains
//! the other as ARNs do, or if the record itself puts them side by side ([`Groups`]), and their types agree.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{
    arn::{self, Arn, Scope},
    groups::Groups,
};
use crate::{
    import::{
        members::{fits, put},
        names::put_aliases,
    },
    limits::NAME_BYTES_MAX,
};

/// In records that name more things, ARNs are not made up for short names: the event has to fit its limit.
const DERIVED_THINGS_MAX: usize = 256;

struct Thing {
    kind: String,
    id: String,
    name: Option<String>,
    others: Vec<String>,
    metadata: Map<String, Value>,
}

/// The things of one record.
#[derive(Default)]
pub(super) struct Things {
    list: Vec<Thing>,
    by_name: HashMap<String, Vec<usize>>,
}

impl Things {
    /// A thing that the record lists as a resource, with what else the entry says.
    pub(super) fn add_resource(&mut self, kind: &str, arn: String, metadata: Map<String, Value>) {
        let names = arn::names(&arn);
        let at = self.push(kind, arn, metadata);
        self.give(at, names);
    }

    /// A thing by the name that a parameter gives; `groups` knows other names.
    pub(super) fn add(&mut self, kind: &str, name: &str, groups: &Groups<'_>) {
        let mut names = other_names(kind, name);
        names.extend(groups.names_of(kind, name).map(str::to_owned));
        let known = self.find(kind, name);
        let known = known.or_else(|| names.iter().find_map(|other| self.find(kind, other)));
        let at = match known {
            Some(at) => {
                let thing = &mut self.list[at];
                if thing.name.is_none() && thing.id != name && fits(name, NAME_BYTES_MAX) {
                    thing.name = Some(name.to_owned());
                }
                self.give(at, vec![name.to_owned()]);
                at
            }
            None => self.push(kind, name.to_owned(), Map::new()),
        };
        self.give(at, names);
    }

    /// Another name of the only thing of its type; `false` if there is no such thing, or several.
    pub(super) fn complete(&mut self, kind: &str, name: &str) -> bool {
        let mut of_kind = (0..self.list.len()).filter(|at| self.list[*at].kind == kind);
        let (Some(at), None) = (of_kind.next(), of_kind.next()) else { return false };
        let mut names = other_names(kind, name);
        names.push(name.to_owned());
        self.give(at, names);
        true
    }

    /// Gives the things the names that the record puts beside one that they have.
    pub(super) fn learn(&mut self, groups: &Groups<'_>) {
        for arn_text in groups.arns() {
            let Some(arn) = Arn::parse(arn_text) else { continue };
            let names = arn::names(arn_text);
            let of_arn = |things: &Self, name: &str| {
                let known = things.by_name.get(name)?;
                known.iter().copied().find(|at| arn.can_be(&things.list[*at].kind))
            };
            let Some(at) =
                of_arn(self, arn_text).or_else(|| names.iter().find_map(|name| of_arn(self, name)))
            else {
                continue;
            };
            let kind = self.list[at].kind.clone();
            let mut all: Vec<String> = vec![arn_text.to_owned()];
            all.extend(names);
            all.extend(groups.names_of(&kind, arn_text).map(str::to_owned));
            self.give(at, all);
        }
    }

    /// Whether nothing is named yet.
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether anything has this name.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// The targets, with the ARNs that their names make.
    pub(super) fn into_targets(mut self, scope: Scope<'_>, path: &str) -> Vec<Value> {
        if self.list.len() <= DERIVED_THINGS_MAX {
            for thing in &mut self.list {
                let has_arn =
                    std::iter::once(&thing.id).chain(&thing.others).any(|name| name.starts_with("arn:"));
                if !has_arn {
                    let names = std::iter::once(&thing.id).chain(&thing.others);
                    let made = names.filter_map(|name| scope.arn(&thing.kind, name, path)).next();
                    thing.others.extend(made);
                }
            }
        }
        self.list.into_iter().map(Thing::into_target).collect()
    }

    /// The thing of this name, if its type allows that it is the one.
    fn find(&self, kind: &str, name: &str) -> Option<usize> {
        let known = self.by_name.get(name)?;
        known.iter().copied().find(|at| agree(&self.list[*at], kind, name))
    }

    fn push(&mut self, kind: &str, id: String, metadata: Map<String, Value>) -> usize {
        let at = self.list.len();
        self.by_name.entry(id.clone()).or_default().push(at);
        self.list.push(Thing { kind: kind.to_owned(), id, name: None, others: Vec::new(), metadata });
        at
    }

    fn give(&mut self, at: usize, names: Vec<String>) {
        for name in names {
            let thing = &mut self.list[at];
            if thing.id != name && !thing.others.contains(&name) {
                thing.others.push(name.clone());
                self.by_name.entry(name).or_default().push(at);
            }
        }
    }
}

impl Thing {
    fn into_target(self) -> Value {
        let mut target =
            Map::from_iter([("type".to_owned(), self.kind.into()), ("id".to_owned(), self.id.into())]);
        put(&mut target, "name", self.name);
        put_aliases(&mut target, self.others.iter().map(String::as_str));
        put(&mut target, "metadata", self.metadata);
        target.into()
    }
}

/// Types agree if they are the same, if one of them only says the service, or if both mean one ARN.
fn agree(thing: &Thing, kind: &str, name: &str) -> bool {
    let service = |kind: &str| kind.split("::").nth(1).map(str::to_ascii_lowercase);
    let only_service = |general: &str, kind: &str| {
        general
            .strip_prefix("aws:")
            .is_some_and(|of| !of.starts_with(':') && service(kind).as_deref() == Some(of))
    };
    thing.kind == kind
        || name.starts_with("arn:")
        || only_service(&thing.kind, kind)
        || only_service(kind, &thing.kind)
}

fn other_names(kind: &str, name: &str) -> Vec<String> {
    if name.starts_with("arn:") {
        return arn::names(name);
    }
    match kind {
        "AWS::SQS::Queue" => arn::queue_names(name),
        // `account:function:name`, and `name:version`.
        "AWS::Lambda::Function" if name.contains(':') => {
            let short = name.split_once(":function:").map_or(name, |(_, short)| short);
            short.split(':').take(1).filter(|short| !short.is_empty()).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}
