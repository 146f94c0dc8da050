//! Names that a record puts side by side for one thing.
//!
//! In: `requestParameters`, `responseElements` and details. Out: groups of texts: of `{"role": {"roleName": "deploy", "roleId":
//! "AROA…", "arn": "arn:…"}}` the three are one group. Guaranteed: only members of one object are grouped, and only if what
//! is before `Name`, `Id`, `Identifier`, `Url` or `Arn` is the same word (the object's own name counts as none); a group says
//! nothing about things whose type its word does not fit.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{arn::Arn, kinds, plain};
use crate::{import::members::fits, limits::NAME_BYTES_MAX};

/// Deeper objects (policies, filters) name other things.
const DEPTH_MAX: usize = 4;
const ENDINGS: [&str; 6] = ["arn", "identifier", "name", "id", "url", "uri"];
/// Words that mean the same thing as another one.
const SYNONYMS: [(&str, &str); 4] = [
    ("dbiresource", "dbinstance"),
    ("dbclusterresource", "dbcluster"),
    ("allocation", "eip"),
    ("key", "keypair"),
];
/// Groups are looked through one by one if there are no more.
const SCANNED_MAX: usize = 16;

struct Group<'a> {
    /// The word before the ending, plain: `role`; for an object's own `name`, `id` and `arn` the object's name, if it has one.
    word: String,
    texts: Vec<&'a str>,
}

/// All groups of a record.
#[derive(Default)]
pub(super) struct Groups<'a> {
    groups: Vec<Group<'a>>,
    arns: Vec<&'a str>,
    /// The groups that a text is in, if there are too many to look through.
    by_text: HashMap<&'a str, Vec<usize>>,
}

impl<'a> Groups<'a> {
    /// Looks through a member of the record.
    pub(super) fn read(&mut self, value: &'a Value) {
        if let Value::Object(members) = value {
            self.read_object(members, "", DEPTH_MAX);
        }
    }

    /// To be called when everything is read.
    pub(super) fn index(&mut self) {
        if self.groups.len() > SCANNED_MAX {
            for (at, group) in self.groups.iter().enumerate() {
                for text in &group.texts {
                    self.by_text.entry(text).or_default().push(at);
                }
            }
        }
    }

    /// Looks at `userIdentity`: whoever changes a user or role may be that user or role.
    pub(super) fn read_identity(&mut self, identity: &'a Value) {
        let issuer = identity.get("sessionContext").and_then(|context| context.get("sessionIssuer"));
        for (word, kind, members) in [("user", "IAMUser", Some(identity)), ("role", "Role", issuer)] {
            let text =
                |member: &str| members?.get(member)?.as_str().filter(|text| fits(text, NAME_BYTES_MAX));
            if text("type") == Some(kind) {
                let texts: Vec<&str> =
                    ["userName", "arn", "principalId"].into_iter().filter_map(text).collect();
                self.groups.push(Group { word: word.to_owned(), texts });
            }
        }
    }

    /// Every ARN of the members looked at.
    pub(super) fn arns(&self) -> impl Iterator<Item = &'a str> {
        self.arns.iter().copied()
    }

    /// Other names of what is called `name`, if its type can be what the group's word says.
    pub(super) fn names_of(&self, kind: &str, name: &str) -> impl Iterator<Item = &'a str> {
        let fits_kind = |word: &str| {
            let thing = plain(kinds::noun(kind));
            word.is_empty() || thing.contains(word) || word.contains(&thing)
        };
        let of_kind = |text: &str| Arn::parse(text).is_none_or(|arn| arn.can_be(kind));
        let mut texts: Vec<&'a str> = Vec::new();
        let mut add = |group: &Group<'a>| {
            if group.texts.contains(&name) && fits_kind(&group.word) {
                let others = group.texts.iter().copied().filter(|text| *text != name && of_kind(text));
                others.for_each(|text| {
                    if !texts.contains(&text) {
                        texts.push(text);
                    }
                });
            }
        };
        if self.by_text.is_empty() {
            self.groups.iter().for_each(add);
        } else {
            let groups = self.by_text.get(name).map_or(&[][..], Vec::as_slice);
            groups.iter().for_each(|at| add(&self.groups[*at]));
        }
        texts.into_iter()
    }

    fn read_object(&mut self, members: &'a Map<String, Value>, own: &str, depth: usize) {
        let mut groups: Vec<Group<'a>> = Vec::new();
        for (member, value) in members {
            match value {
                Value::String(text) if fits(text, NAME_BYTES_MAX) => {
                    let Some(word) = word(member, own) else { continue };
                    if text.starts_with("arn:") {
                        self.arns.push(text);
                    }
                    match groups.iter_mut().find(|group| group.word == word) {
                        Some(group) => group.texts.push(text),
                        None => groups.push(Group { word, texts: vec![text] }),
                    }
                }
                Value::Object(inner) if depth > 0 => self.read_object(inner, &plain(member), depth - 1),
                Value::Array(items) if depth > 0 => {
                    let own = plain(member);
                    let own = own.strip_suffix('s').unwrap_or(&own);
                    for item in items.iter().filter_map(Value::as_object) {
                        self.read_object(item, own, depth - 1);
                    }
                }
                _ => {}
            }
        }
        self.groups.extend(groups.into_iter().filter(|group| group.texts.len() > 1));
    }
}

/// The word before the ending of a member's name; `None` if the member does not name anything.
fn word(member: &str, own: &str) -> Option<String> {
    // Only names that end in one of the letters of the endings can be any of them.
    if !member.ends_with(['n', 'N', 'r', 'R', 'e', 'E', 'd', 'D', 'l', 'L', 'i', 'I', 'p', 'P']) {
        return None;
    }
    let member = plain(member);
    if member == "publicip" {
        return Some("eip".to_owned());
    }
    let ending = ENDINGS.iter().find(|ending| member.ends_with(**ending))?;
    let word = match member.strip_suffix(ending)? {
        // An address of its own is rather another thing's.
        "" if matches!(*ending, "url" | "uri") => return None,
        "" => own,
        word => word,
    };
    let synonym = SYNONYMS.iter().find(|(of, _)| *of == word);
    Some(synonym.map_or(word, |(_, word)| word).to_owned())
}
