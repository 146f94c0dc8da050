//! The things that a record names, each once, with all its names.
//!
//! In: what `resources`, parameters and answers say, one name at a time. Out: targets. Guaranteed: one target per thing,
//! in the order of first mention; its `id` is the first name it was given (`resources` come first, by ARN), its `name` the
//! first other one that a parameter gives, its `aliases` all names but the id. Two names are one thing if the one contains
//! the other as ARNs do, or if the record itself puts them side by side ([`Groups`]), and their types agree; things that have
//! different ARNs stay apart whatever else they are called. Control characters, which no field takes, are written as in URLs.

use std::{borrow::Cow, collections::HashMap};

use serde_json::{Map, Value};

use super::{
    arn::{self, Arn},
    groups::Groups,
    kinds,
    scope::{self, Scope},
};
use crate::{
    import::{
        members::{fits, put},
        names::put_aliases,
    },
    limits::{NAME_BYTES_MAX, REFERENCE_BYTES_MAX},
};

/// In records that name more things, ARNs are not made up for short names: the event has to fit its limit.
const DERIVED_THINGS_MAX: usize = 256;

struct Thing {
    kind: String,
    id: String,
    name: Option<String>,
    others: Vec<String>,
    metadata: Map<String, Value>,
    /// It turned out to be another one, which has its names now.
    is_merged: bool,
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
        let name = &*legible(name);
        if name.is_empty() || name.len() > REFERENCE_BYTES_MAX {
            return;
        }
        let mut names = other_names(kind, name);
        names.extend(groups.names_of(kind, name).map(str::to_owned));
        let mut known: Vec<usize> = Vec::new();
        if !self.list.is_empty() {
            for text in std::iter::once(name).chain(names.iter().map(String::as_str)) {
                if let Some(at) = self.find(kind, text)
                    && !known.contains(&at)
                    && self.may_have(at, name, &names)
                {
                    known.push(at);
                }
            }
        }
        let at = match known.first() {
            Some(at) => {
                let thing = &mut self.list[*at];
                if thing.name.is_none() && thing.id != name && fits(name, NAME_BYTES_MAX) {
                    thing.name = Some(name.to_owned());
                }
                names.push(name.to_owned());
                *at
            }
            None => self.push(kind, name.to_owned(), Map::new()),
        };
        for other in known.into_iter().skip(1) {
            self.merge(at, other);
        }
        self.give(at, names);
    }

    /// The name that an answer gives to what the call made, where the request has called it otherwise; `false` if there is no
    /// such thing, or several.
    pub(super) fn name_made(&mut self, kind: &str, name: &str) -> bool {
        if self.by_name.contains_key(name) {
            return false;
        }
        let has_other_form = |thing: &&Thing| {
            !thing.is_merged && thing.kind == kind && !thing.names().any(|known| same_form(known, name))
        };
        let mut made = (0..self.list.len()).filter(|at| has_other_form(&&self.list[*at]));
        let (Some(at), None) = (made.next(), made.next()) else { return false };
        let mut names = other_names(kind, name);
        names.push(name.to_owned());
        self.give(at, names);
        true
    }

    /// Another name of the only thing of its type; `false` if there is no such thing, or several.
    pub(super) fn complete(&mut self, kind: &str, name: &str) -> bool {
        let is_one = |at: &usize| !self.list[*at].is_merged && self.list[*at].kind == kind;
        let mut of_kind = (0..self.list.len()).filter(is_one);
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
                let may_be =
                    |at: &usize| arn.can_be(&things.list[*at].kind) && things.may_have(*at, arn_text, &[]);
                known.iter().copied().find(may_be)
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

    /// What things are parts of, as far as nothing is called so yet.
    pub(super) fn parents(&self) -> Vec<String> {
        let arns = self.list.iter().flat_map(Thing::names).filter(|name| name.starts_with("arn:"));
        arns.filter_map(arn::parent).filter(|parent| !self.knows(parent)).collect()
    }

    /// The targets, with the ARNs that their names make; first those whose type is the `noun` of the event's name.
    pub(super) fn into_targets(mut self, scope: Scope<'_>, path: &str, noun: &str) -> Vec<Value> {
        if self.list.len() <= DERIVED_THINGS_MAX {
            for thing in &mut self.list {
                if thing.names().any(|name| name.starts_with("arn:")) {
                    continue;
                }
                let made = thing.names().find_map(|name| scope.arn(&thing.kind, name, path));
                if let Some(arn) = made {
                    // What else the ARN says is mostly the name that made it.
                    let is_called_otherwise = matches!(
                        thing.kind.as_str(),
                        "AWS::SQS::Queue" | "AWS::Logs::LogGroup" | "AWS::Route53::HostedZone"
                    );
                    let names = if is_called_otherwise { arn::names(&arn) } else { Vec::new() };
                    thing.others.push(arn);
                    thing.others.extend(names);
                }
            }
        }
        let mut things = self.list;
        if things.len() > 1 && !noun.is_empty() {
            let is_noun = |kind: &str| {
                let thing = kinds::noun(kind);
                thing.eq_ignore_ascii_case(noun)
                    || noun.strip_suffix('s').is_some_and(|one| thing.eq_ignore_ascii_case(one))
            };
            things.sort_by_key(|thing| !is_noun(&thing.kind));
        }
        let things = things.into_iter().filter(|thing| !thing.is_merged);
        things.map(Thing::into_target).collect()
    }

    /// The thing of this name, if its type allows that it is the one.
    fn find(&self, kind: &str, name: &str) -> Option<usize> {
        let known = self.by_name.get(name)?;
        let is_it = |at: &usize| !self.list[*at].is_merged && agree(&self.list[*at], kind, name);
        known.iter().copied().find(is_it)
    }

    /// Whether a thing can have these names too: each ARN among them is of the same thing as one that it has, if it has any.
    fn may_have(&self, at: usize, name: &str, names: &[String]) -> bool {
        let own = || self.list[at].names().filter_map(Arn::parse);
        let mut given = std::iter::once(name).chain(names.iter().map(String::as_str)).filter_map(Arn::parse);
        given.all(|arn| own().next().is_none() || own().any(|known| known.is_of_same(&arn)))
    }

    fn push(&mut self, kind: &str, id: String, metadata: Map<String, Value>) -> usize {
        let at = self.list.len();
        self.by_name.entry(id.clone()).or_default().push(at);
        self.list.push(Thing {
            kind: kind.to_owned(),
            id,
            name: None,
            others: Vec::new(),
            metadata,
            is_merged: false,
        });
        at
    }

    /// Two things were one.
    fn merge(&mut self, at: usize, other: usize) {
        let merged = &mut self.list[other];
        merged.is_merged = true;
        let mut names = std::mem::take(&mut merged.others);
        names.push(merged.id.clone());
        let metadata = std::mem::take(&mut merged.metadata);
        self.list[at].metadata.extend(metadata);
        self.give(at, names);
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
    fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.id.as_str()).chain(self.others.iter().map(String::as_str))
    }

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
    kinds::same(&thing.kind, kind)
        || name.starts_with("arn:")
        || only_service(&thing.kind, kind)
        || only_service(kind, &thing.kind)
}

fn other_names(kind: &str, name: &str) -> Vec<String> {
    if name.starts_with("arn:") {
        return arn::names(name);
    }
    match kind {
        "AWS::SQS::Queue" => scope::queue_names(name),
        // `/hostedzone/Z1` and `Z1`; `acme.example.` and `acme.example`.
        "AWS::Route53::HostedZone" => {
            let id = name.strip_prefix("/hostedzone/").or(name.strip_suffix('.'));
            id.map(str::to_owned).into_iter().collect()
        }
        // `account:function:name`, and `name:version`.
        "AWS::Lambda::Function" if name.contains(':') => {
            let short = name.split_once(":function:").map_or(name, |(_, short)| short);
            short.split(':').take(1).filter(|short| !short.is_empty()).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

/// Whether two names are written in one way, as the ids of two things are: both ARNs, or ids of EC2 of one type.
fn same_form(one: &str, other: &str) -> bool {
    let form = |name: &str| match name.starts_with("arn:") {
        true => "arn",
        false => kinds::of_ec2(name),
    };
    form(one) == form(other) && form(one) != kinds::EC2
}

/// A name with its control characters as `%0A`.
pub(super) fn legible(name: &str) -> Cow<'_, str> {
    let is_plain = name.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if is_plain || !name.chars().any(char::is_control) {
        return name.into();
    }
    let mut out = String::with_capacity(name.len() + 8);
    for letter in name.chars() {
        if letter.is_control() {
            let mut bytes = [0; 4];
            for byte in letter.encode_utf8(&mut bytes).bytes() {
                out.push_str(&format!("%{byte:02X}"));
            }
        } else {
            out.push(letter);
        }
    }
    out.into()
}
