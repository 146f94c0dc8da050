//! Names that a record puts side by side for one thing.
//!
//! In: `requestParameters`, `responseElements` and details. Out: groups of texts: of `{"role": {"roleName": "deploy", "roleId":
//! "AROA…", "arn": "arn:…"}}` the three are one group. Guaranteed: only members of one object are grouped, and only if what
//! is before `Name`, `Id`, `Identifier`, `Url` or `Arn` is the same word (the object's own name counts as none); a group says
//! nothing about things whose type its word does not fit.

use serde_json::{Map, Value};

use super::{arn::Arn, plain};
use crate::{import::members::fits, limits::NAME_BYTES_MAX};

/// Deeper objects (policies, filters) name other things.
const DEPTH_MAX: usize = 4;
const ENDINGS: [&str; 6] = ["arn", "identifier", "name", "id", "url", "uri"];

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
}

impl<'a> Groups<'a> {
    /// Looks through a member of the record.
    pub(super) fn read(&mut self, value: &'a Value) {
        if let Value::Object(members) = value {
            self.read_object(members, "", DEPTH_MAX);
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
            let thing = plain(kind.rsplit("::").next().unwrap_or_default());
            word.is_empty() || thing.contains(word) || word.contains(&thing)
        };
        let of_kind = |text: &str| Arn::parse(text).is_none_or(|arn| arn.can_be(kind));
        let groups = self.groups.iter().filter(|group| group.texts.contains(&name) && fits_kind(&group.word));
        let texts: Vec<&'a str> = groups
            .flat_map(|group| group.texts.iter().copied())
            .filter(|text| *text != name && of_kind(text))
            .collect();
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
    if !member.ends_with(['n', 'N', 'r', 'R', 'e', 'E', 'd', 'D', 'l', 'L', 'i', 'I']) {
        return None;
    }
    let member = plain(member);
    let ending = ENDINGS.iter().find(|ending| member.ends_with(**ending))?;
    match member.strip_suffix(ending)? {
        // An address of its own is rather another thing's.
        "" if matches!(*ending, "url" | "uri") => None,
        "" => Some(own.to_owned()),
        word => Some(word.to_owned()),
    }
}
