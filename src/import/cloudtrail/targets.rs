//! What a call was about: the targets of an event.
//!
//! In: `resources` (ARNs), `requestParameters`, `responseElements`, `serviceEventDetails` and `additionalEventData` (names), and of
//! refused calls, which have no parameters, the resource in `errorMessage`. Out: targets, named resources
//! first, then those that parameters name by the rows of the service (the private `rows` module), then objects of S3, then what
//! the name of the event says (`DeleteFileSystem` and `fileSystemId`), then, if there is no target yet, what the private
//! `last_resort` module finds, then what the call names in passing (subnets, keys, ARNs), and last what all of these are parts of
//! (the bucket of an object). Types are the ones AWS itself uses (`AWS::S3::Bucket`), which also is what
//! `resources` says; `aws:{service}` (of a last resort `aws.{service}.{noun}`) where the table has none. Wrapped parameters of EC2 are read as if they were not. Parameters are copied (they stay in the metadata); entries of
//! `resources` are moved, and stay only if they have no ARN. How many there are does not matter: all become targets.

use serde_json::{Map, Value};

use super::{
    arn, fits,
    groups::Groups,
    kinds, last_resort,
    mentions::{Mention, Search},
    objects, plain,
    rows::{self, Rows},
    scope::Scope,
    take_text,
    things::{Things, legible},
    wrapped,
};
use crate::limits::{NAME_BYTES_MAX, REFERENCE_BYTES_MAX, TYPE_BYTES_MAX};

/// Calls whose answer names what they made.
const MAKING: [&str; 9] =
    ["Create", "Allocate", "Register", "Import", "Copy", "Restore", "Publish", "Request", "Provision"];

/// The targets of a record, each once, with all names that the record gives them.
pub(super) fn take(rest: &mut Map<String, Value>) -> Vec<Value> {
    let mut things = Things::default();
    take_resources(rest, &mut things);
    let rest = &*rest;
    let service = text_of(rest, "eventSource").split('.').next().unwrap_or_default();
    let unwrapped = ["requestParameters", "responseElements"]
        .map(|member| rest.get(member).and_then(|value| wrapped::unwrapped(value, service)));
    let parts = Parts {
        request: unwrapped[0].as_ref().or_else(|| rest.get("requestParameters")),
        answer: unwrapped[1].as_ref().or_else(|| rest.get("responseElements")),
        details: rest.get("serviceEventDetails"),
        data: rest.get("additionalEventData"),
    };
    let mut groups = Groups::default();
    let all = [parts.request, parts.answer, parts.details, parts.data];
    all.into_iter().flatten().for_each(|value| groups.read(value));
    if let Some(identity) = rest.get("userIdentity") {
        groups.read_identity(identity);
    }
    groups.index();
    let event_name = text_of(rest, "eventName");
    let call = Call { service, event_name, noun: noun(event_name), groups: &groups };
    call.add(rest, parts, &mut things);
    things.learn(&groups);
    things.into_targets(scope(rest), text(rest.get("requestParameters"), "path"), &call.noun)
}

/// The members of a record that name things.
#[derive(Clone, Copy)]
struct Parts<'a> {
    request: Option<&'a Value>,
    answer: Option<&'a Value>,
    details: Option<&'a Value>,
    data: Option<&'a Value>,
}

fn text_of<'a>(rest: &'a Map<String, Value>, member: &str) -> &'a str {
    rest.get(member).and_then(Value::as_str).unwrap_or_default()
}

/// What was called, and what the record puts side by side.
struct Call<'a> {
    service: &'a str,
    event_name: &'a str,
    /// [`noun`] of the event's name.
    noun: String,
    groups: &'a Groups<'a>,
}

impl Call<'_> {
    fn add(&self, rest: &Map<String, Value>, parts: Parts<'_>, things: &mut Things) {
        let search =
            Search { rows: Rows::of(self.service, self.event_name), service: self.service, arns: true };
        let makes = MAKING.iter().any(|verb| self.event_name.starts_with(verb));
        let mut in_passing = Vec::new();
        for parameters in [parts.request, parts.details].into_iter().flatten() {
            for mention in search.within(parameters) {
                self.add_or_keep(mention, &mut in_passing, things);
            }
            match self.service {
                "s3" => objects::add(parameters, self.groups, things),
                "dynamodb" => add_tables_of_batch(parameters, self.groups, things),
                _ => {}
            }
            self.add_named_by_event(parameters, things);
        }
        if let Some(answer) = parts.answer {
            for mention in (Search { arns: false, ..search }).within(answer) {
                if self.is_of_answer(&mention, makes, things) {
                    self.add_or_keep(mention, &mut in_passing, things);
                }
            }
            if makes {
                self.add_named_by_event(answer, things);
            }
        }
        if let Some(data) = parts.data {
            self.add_named_by_event(data, things);
        }
        let refused = refused_resource(text_of(rest, "errorMessage"));
        if fits(refused, REFERENCE_BYTES_MAX) && arn::is_of_thing(refused) {
            things.add(&arn::kind(refused), refused, self.groups);
        }
        for parameters in [parts.request, parts.answer.filter(|_| makes)].into_iter().flatten() {
            if things.is_empty() {
                last_resort::add(parameters, self.service, self.event_name, self.groups, things);
            }
        }
        in_passing.iter().for_each(|mention| self.add_mention(mention, things));
        let endpoint = text_of(rest, "vpcEndpointId");
        if text_of(rest, "eventCategory") == "NetworkActivity" && fits(endpoint, NAME_BYTES_MAX) {
            things.add("AWS::EC2::VPCEndpoint", endpoint, self.groups);
        }
        for parent in things.parents() {
            things.add(&arn::kind(&parent), &parent, self.groups);
        }
    }

    /// Whether a name in the answer is still to be added: one that the call's own thing got has been given to it, and what a
    /// deleted thing was connected with (the network of a database) was not deleted.
    fn is_of_answer(&self, mention: &Mention<'_>, makes: bool, things: &mut Things) -> bool {
        let removes = self.event_name.starts_with("Delete") || self.event_name.starts_with("Deregister");
        if !(makes || removes) {
            return true;
        }
        let is_own = !self.noun.is_empty() && plain(kinds::noun(&mention.kind)) == self.noun;
        let is_given = makes && is_own && things.name_made(&mention.kind, mention.name);
        !is_given && (is_own || !removes)
    }

    /// What the service's rows say goes first.
    fn add_or_keep<'v>(&self, mention: Mention<'v>, in_passing: &mut Vec<Mention<'v>>, things: &mut Things) {
        if mention.own {
            self.add_mention(&mention, things);
        } else {
            in_passing.push(mention);
        }
    }

    fn add_mention(&self, mention: &Mention<'_>, things: &mut Things) {
        let (kind, name) = (&*mention.kind, mention.name);
        // What an alias stands for is the key among the resources.
        let is_alias = kind == "AWS::KMS::Key" && name.contains("alias/");
        if !((is_alias || mention.renames) && things.complete(kind, name)) {
            things.add(kind, name, self.groups);
        }
    }

    /// What the event's name says that it is about: `DeleteFileSystem` the `fileSystemId`, `UpdateStateMachine` the
    /// `stateMachineArn`, `TagResource` the `resourceArn`; also one object further in (`CreateVpc` and `vpc.vpcId`).
    fn add_named_by_event(&self, parameters: &Value, things: &mut Things) {
        let Some(members) = parameters.as_object() else { return };
        let mut arns = Vec::new();
        for (member, value) in members {
            match value {
                Value::Object(_) if plain(member) == self.noun => self.add_named_by_event(value, things),
                Value::Array(items) if plain(member).starts_with("resource") => {
                    let texts = items.iter().filter_map(Value::as_str);
                    arns.extend(texts.filter(|text| text.starts_with("arn:")));
                }
                Value::String(name) if fits(name, NAME_BYTES_MAX) => {
                    let Some(about) = self.about(member) else { continue };
                    match name.starts_with("arn:") {
                        true => arns.push(name),
                        false if about == About::Itself || things.knows(name) => {}
                        false => {
                            things.add(&self.kind_named(about, member, name, parameters), name, self.groups)
                        }
                    }
                }
                _ => {}
            }
        }
        // Short names first: they are the ids under which other calls know the thing.
        for arn in arns {
            if fits(arn, NAME_BYTES_MAX) && !things.knows(arn) {
                things.add(&arn::kind(arn), arn, self.groups);
            }
        }
    }

    /// What a member says of the event's thing by its own name; nothing if it is no name of it.
    fn about(&self, member: &str) -> Option<About> {
        const ENDINGS: [&str; 5] = ["arn", "id", "identifier", "name", "url"];
        // Only names that end in one of these letters end in one of those words.
        if !member.ends_with(['n', 'N', 'd', 'D', 'r', 'R', 'e', 'E', 'l', 'L']) {
            return None;
        }
        let member = plain(member);
        let is_named = |word: &str| ENDINGS.iter().any(|ending| member.strip_suffix(ending) == Some(word));
        match () {
            () if is_named("resource") && member != "resourcename" => Some(About::Resource),
            () if !self.noun.is_empty() && is_named(&self.noun) => Some(About::Noun),
            () if member == "arn" => Some(About::Itself),
            () => None,
        }
    }

    fn kind_named(&self, about: About, member: &str, name: &str, parameters: &Value) -> String {
        if about == About::Noun {
            return kind_of_member(self.service, &plain(member));
        }
        let word = text(Some(parameters), "resourceType");
        let by_id = kinds::of_ec2_id(name, "ec2").filter(|_| !word.starts_with("AWS::"));
        by_id.map_or_else(|| kind_of_resource(self.service, word), str::to_owned)
    }
}

/// How a member names what an event is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    /// `fileSystemId` of `DeleteFileSystem`.
    Noun,
    /// `resourceId` of any event.
    Resource,
    /// `arn`, whose type is its own.
    Itself,
}

/// `{"requestItems": {"users": …}}`: batches name their tables as members.
fn add_tables_of_batch(parameters: &Value, groups: &Groups<'_>, things: &mut Things) {
    let tables = parameters.get("requestItems").and_then(Value::as_object);
    for name in tables.into_iter().flat_map(Map::keys) {
        things.add("AWS::DynamoDB::Table", name, groups);
    }
}

/// `arn:…` of `User: … is not authorized to perform: … on resource: arn:… because …`: a refused call has no parameters.
fn refused_resource(message: &str) -> &str {
    let resource = message.split_once(" on resource: ").map_or("", |(_, resource)| resource);
    resource.split([' ', ',']).next().unwrap_or_default().trim_end_matches('.')
}

/// `filesystem` of `DeleteFileSystem`; the first word is the verb.
fn noun(event_name: &str) -> String {
    let start = event_name.char_indices().skip(1).find(|(_, letter)| letter.is_ascii_uppercase());
    start.map_or_else(String::new, |(at, _)| plain(&event_name[at..]))
}

/// The type that the table has for a parameter of this name.
fn kind_of_member(service: &str, member: &str) -> String {
    if let Some(known) = rows::kind_of_member(service, member) {
        return known.to_owned();
    }
    let kind = format!("aws:{service}");
    if !service.is_empty() && fits(&kind, TYPE_BYTES_MAX) { kind } else { "aws:unknown".to_owned() }
}

/// An AWS type as it is, else the type of the service's table whose last part is the word: `AWS::SSM::Parameter` for
/// `Parameter`.
fn kind_of_resource(service: &str, word: &str) -> String {
    if word.starts_with("AWS::") && fits(word, TYPE_BYTES_MAX) {
        return word.to_owned();
    }
    rows::kind_of_word(service, word).map_or_else(|| kind_of_member(service, ""), str::to_owned)
}

/// The account is told only if the caller's and the record's are one: a short name could be either's.
fn scope(rest: &Map<String, Value>) -> Scope<'_> {
    let member = |name: &str| rest.get(name).and_then(Value::as_str).unwrap_or_default();
    let recipient = member("recipientAccountId");
    let caller = text(rest.get("userIdentity"), "accountId");
    let account = match (recipient, caller) {
        ("", caller) => caller,
        (recipient, "") => recipient,
        (recipient, caller) if recipient == caller => recipient,
        _ => "",
    };
    Scope { region: member("awsRegion"), account }
}

fn text<'a>(value: Option<&'a Value>, member: &str) -> &'a str {
    value.and_then(|value| value.get(member)).and_then(Value::as_str).unwrap_or_default()
}

fn take_resources(rest: &mut Map<String, Value>, things: &mut Things) {
    if !rest.get("resources").is_some_and(Value::is_array) {
        return;
    }
    let Some(Value::Array(resources)) = rest.remove("resources") else { return };
    let others: Vec<Value> =
        resources.into_iter().filter_map(|resource| add_resource(resource, things).err()).collect();
    if !others.is_empty() {
        rest.insert("resources".into(), others.into());
    }
}

/// `{"ARN": …, "accountId": …, "type": …}` as a thing; members without a field go into its metadata. What has no ARN is
/// given back, and so is an ARN that no field takes as it is.
fn add_resource(resource: Value, things: &mut Things) -> Result<(), Value> {
    let Value::Object(mut members) = resource else { return Err(resource) };
    let names = ["ARN", "arn", "ARNPrefix"];
    if let Some(arn) = names.iter().find_map(|name| take_text(&mut members, name, REFERENCE_BYTES_MAX)) {
        let kind = take_text(&mut members, "type", TYPE_BYTES_MAX).unwrap_or_else(|| arn::kind(&arn));
        members.retain(|_, value| !value.is_null());
        things.add_resource(&kind, arn, members);
        return Ok(());
    }
    let odd = names.iter().find_map(|name| members.get(*name)?.as_str().filter(|arn| !arn.is_empty()));
    if let Some(arn) = odd.map(legible).filter(|arn| arn.len() <= REFERENCE_BYTES_MAX) {
        let kind = members.get("type").and_then(Value::as_str).filter(|kind| fits(kind, TYPE_BYTES_MAX));
        let kind = kind.map_or_else(|| arn::kind(&arn), str::to_owned);
        things.add_resource(&kind, arn.into_owned(), Map::new());
    }
    Err(members.into())
}
