//! What parameters and answers of a call mention.
//!
//! In: `requestParameters`, `responseElements` or details. Out: the names in it that the table of the private `rows` module knows,
//! ARNs (of requests and details), and ids of EC2, each with its type. Guaranteed: one walk, whatever the table holds; policies,
//! filters, tags and the like, which speak of other things, are passed over.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{
    arn, kinds,
    rows::{Rows, kind_of},
};
use crate::limits::REFERENCE_BYTES_MAX;

/// Deeper objects describe something else.
const DEPTH_MAX: usize = 6;
/// Behind all rows of the table.
const AT_LAST: usize = usize::MAX;

/// A name and what it is of.
#[derive(Debug)]
pub(super) struct Mention<'a> {
    rank: usize,
    /// Whether the service's own rows say so; all others are named in passing.
    pub(super) own: bool,
    pub(super) kind: Cow<'static, str>,
    pub(super) name: &'a str,
    /// Whether it is a new name of a thing that has another one.
    pub(super) renames: bool,
}

/// What to look for.
#[derive(Clone, Copy)]
pub(super) struct Search<'a> {
    pub(super) rows: Rows<'a>,
    pub(super) service: &'a str,
    /// Whether any ARN is a mention.
    pub(super) arns: bool,
}

impl Search<'_> {
    /// All mentions in a value, in the order of the table's rows.
    pub(super) fn within<'v>(&self, value: &'v Value) -> Vec<Mention<'v>> {
        let mut found = Vec::new();
        if let Value::Object(members) = value {
            self.object("", members, DEPTH_MAX, &mut found);
        }
        found.sort_by_key(|mention| (mention.renames, mention.rank));
        found
    }

    /// `own` is the member that the object is the value of.
    fn object<'v>(
        &self,
        own: &str,
        members: &'v Map<String, Value>,
        depth: usize,
        found: &mut Vec<Mention<'v>>,
    ) {
        for (member, value) in members {
            match value {
                // `{"hostedZone": {"id": …}}` is a `hostedZoneId`.
                Value::String(text) if !own.is_empty() && matches!(member.as_str(), "name" | "id") => {
                    match self.rows.find(member) {
                        Some(_) => self.text(member, text, members, found),
                        None => self.text(&format!("{own}{member}"), text, members, found),
                    }
                }
                Value::String(text) => self.text(member, text, members, found),
                Value::Array(items) => {
                    for item in items {
                        match item {
                            Value::String(text) => self.text(member, text, members, found),
                            Value::Object(inner) if depth > 0 && !is_passed_over(member) => {
                                self.object(member, inner, depth - 1, found);
                            }
                            _ => {}
                        }
                    }
                }
                Value::Object(inner) if depth > 0 && !is_passed_over(member) => {
                    self.object(member, inner, depth - 1, found);
                }
                _ => {}
            }
        }
    }

    fn text<'v>(
        &self,
        member: &str,
        name: &'v str,
        beside: &Map<String, Value>,
        found: &mut Vec<Mention<'v>>,
    ) {
        if name.is_empty() || name.len() > REFERENCE_BYTES_MAX {
            return;
        }
        let (meaning, renames) = match self.rows.find(member) {
            None if member.starts_with("new") => (self.rows.find_new(member), true),
            meaning => (meaning, false),
        };
        if let Some(meaning) = meaning {
            if let Some(kind) = kind_of(meaning.kind, name, beside) {
                found.push(Mention { rank: meaning.rank, own: meaning.own, kind, name, renames });
            }
        } else if self.arns && name.starts_with("arn:") {
            if arn::is_of_thing(name) {
                found.push(Mention {
                    rank: AT_LAST,
                    own: false,
                    kind: arn::kind(name).into(),
                    name,
                    renames,
                });
            }
        } else if !is_description(member)
            && let Some(kind) = kinds::of_ec2_id(name, self.service)
        {
            found.push(Mention { rank: AT_LAST, own: false, kind: kind.into(), name, renames });
        }
    }
}

/// Whether what is in a member speaks of other things: who may do what, what is searched for, what somebody noted.
fn is_passed_over(member: &str) -> bool {
    const STARTS: [&str; 7] =
        ["tag", "filter", "statement", "condition", "principal", "encryptioncontext", "environment"];
    let starts = |start: &&str| {
        let bytes = member.as_bytes();
        bytes.len() >= start.len() && bytes[..start.len()].eq_ignore_ascii_case(start.as_bytes())
    };
    STARTS.iter().any(|start| starts(start))
        || member.ends_with("olicy")
        || member.ends_with("olicyDocument")
}

/// Whether a member holds free text.
fn is_description(member: &str) -> bool {
    const ENDS: [&str; 6] = ["name", "Name", "escription", "oken", "alue", "key"];
    ENDS.iter().any(|end| member.ends_with(end))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Would catch a thing that is named deep in a request or in a list, and one that is only spoken of.
    #[test]
    fn things_are_named_anywhere_but_in_policies_and_filters() {
        let request = json!({
            "instancesSet": {"items": [{"imageId": "ami-1", "keyName": "web"}]},
            "networkInterfaceSet": {"items": [{"groupSet": {"items": [{"groupId": "sg-1"}]}}]},
            "iamInstanceProfile": {"arn": "arn:aws:iam::111122223333:instance-profile/web"},
            "filterSet": {"items": [{"name": "vpc-id", "valueSet": {"items": [{"value": "vpc-1"}]}}]},
            "tagSet": {"items": [{"key": "of", "value": "i-1"}]},
            "bucketPolicy": {"Statement": [{"Resource": "arn:aws:s3:::b"}]},
            "clientToken": "i-2", "description": "vol-1",
        });
        let search = Search { rows: Rows::of("ec2", "RunInstances"), service: "ec2", arns: true };
        let names: Vec<&str> = search.within(&request).iter().map(|mention| mention.name).collect();
        assert_eq!(names, ["sg-1", "ami-1", "web", "arn:aws:iam::111122223333:instance-profile/web"]);
        let without = Search { arns: false, ..search };
        assert_eq!(without.within(&request).len(), 3);
    }
}
