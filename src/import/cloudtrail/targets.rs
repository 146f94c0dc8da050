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
    objects, plain, rows,
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
    add_parameters(rest, parts, service, &groups, &mut things);
    things.learn(&groups);
    things.into_targets(
        scope(rest),
        text(rest.get("requestParameters"), "path"),
        &noun(text_of(rest, "eventName")),
    )
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

fn add_parameters(
    rest: &Map<String, Value>,
    parts: Parts<'_>,
    service: &str,
    groups: &Groups<'_>,
    things: &mut Things,
) {
    let member = |name: &str| text_of(rest, name);
    let event_name = member("eventName");
    let search = Search { rows: rows::Rows::of(service, event_name), service, arns: true };
    let mut in_passing = Vec::new();
    for parameters in [parts.request, parts.details].into_iter().flatten() {
        for mention in search.within(parameters) {
            if mention.own {
                add_mention(&mention, groups, things);
            } else {
                in_passing.push(mention);
            }
        }
        if service == "s3" {
            objects::add(parameters, groups, things);
        }
        if service == "dynamodb" {
            add_tables_of_batch(parameters, groups, things);
        }
        add_named_by_event(parameters, service, event_name, groups, things);
    }
    let makes = MAKING.iter().any(|verb| event_name.starts_with(verb));
    if let Some(answer) = parts.answer {
        let noun = noun(event_name);
        let is_removal = event_name.starts_with("Delete") || event_name.starts_with("Deregister");
        let search = Search { arns: false, ..search };
        for mention in search.within(answer) {
            let is_made = makes && !noun.is_empty() && plain(kinds::noun(&mention.kind)) == noun;
            if is_made && things.name_made(&mention.kind, mention.name) {
                continue;
            }
            // Nothing was done to the network of a database that was deleted.
            if is_removal && plain(kinds::noun(&mention.kind)) != noun {
                continue;
            }
            if mention.own {
                add_mention(&mention, groups, things);
            } else {
                in_passing.push(mention);
            }
        }
        if makes {
            add_named_by_event(answer, service, event_name, groups, things);
        }
    }
    if let Some(data) = parts.data {
        add_named_by_event(data, service, event_name, groups, things);
    }
    let refused = refused_resource(member("errorMessage"));
    if fits(refused, REFERENCE_BYTES_MAX) && arn::is_of_thing(refused) {
        things.add(&arn::kind(refused), refused, groups);
    }
    for parameters in [parts.request, parts.answer.filter(|_| makes)].into_iter().flatten() {
        if things.is_empty() {
            last_resort::add(parameters, service, event_name, groups, things);
        }
    }
    in_passing.iter().for_each(|mention| add_mention(mention, groups, things));
    let endpoint = member("vpcEndpointId");
    if member("eventCategory") == "NetworkActivity" && fits(endpoint, NAME_BYTES_MAX) {
        things.add("AWS::EC2::VPCEndpoint", endpoint, groups);
    }
    for parent in things.parents() {
        things.add(&arn::kind(&parent), &parent, groups);
    }
}

fn add_mention(mention: &Mention<'_>, groups: &Groups<'_>, things: &mut Things) {
    let (kind, name) = (&*mention.kind, mention.name);
    // What an alias stands for is the key among the resources.
    let is_alias = kind == "AWS::KMS::Key" && name.contains("alias/");
    if (is_alias || mention.renames) && things.complete(kind, name) {
        return;
    }
    things.add(kind, name, groups);
}

/// `{"requestItems": {"users": …}}`: batches name their tables as members.
fn add_tables_of_batch(parameters: &Value, groups: &Groups<'_>, things: &mut Things) {
    let tables = parameters.get("requestItems").and_then(Value::as_object);
    for name in tables.into_iter().flat_map(Map::keys) {
        things.add("AWS::DynamoDB::Table", name, groups);
    }
}

/// What the event's name says that it is about: `DeleteFileSystem` the `fileSystemId`, `UpdateStateMachine` the
/// `stateMachineArn`, `TagResource` the `resourceArn`; also one object further in (`CreateVpc` and `vpc.vpcId`).
fn add_named_by_event(
    parameters: &Value,
    service: &str,
    event_name: &str,
    groups: &Groups<'_>,
    things: &mut Things,
) {
    const ENDINGS: [&str; 5] = ["arn", "id", "identifier", "name", "url"];
    let Some(members) = parameters.as_object() else { return };
    let noun = noun(event_name);
    let mut arns = Vec::new();
    for (member, value) in members {
        let plain_member = plain(member);
        let member = plain_member.as_str();
        match value {
            Value::Object(_) if member == noun => {
                add_named_by_event(value, service, event_name, groups, things);
            }
            Value::Array(items) if member.starts_with("resource") => {
                arns.extend(items.iter().filter_map(Value::as_str).filter(|text| text.starts_with("arn:")));
            }
            Value::String(name) if fits(name, NAME_BYTES_MAX) => {
                let is_named =
                    |word: &str| ENDINGS.iter().any(|ending| member.strip_suffix(ending) == Some(word));
                let is_noun = !noun.is_empty() && is_named(&noun);
                let is_resource = is_named("resource") && member != "resourcename";
                match name.starts_with("arn:") {
                    true if is_noun || is_resource || member == "arn" => arns.push(name),
                    false if is_resource && !things.knows(name) => {
                        let word = text(Some(parameters), "resourceType");
                        let by_id = kinds::of_ec2_id(name, "ec2").filter(|_| !word.starts_with("AWS::"));
                        let kind = by_id.map_or_else(|| kind_of_resource(service, word), str::to_owned);
                        things.add(&kind, name, groups);
                    }
                    false if is_noun && !things.knows(name) => {
                        things.add(&kind_of_member(service, member), name, groups);
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }
    // Short names first: they are the ids under which other calls know the thing.
    for arn in arns {
        if fits(arn, NAME_BYTES_MAX) && !things.knows(arn) {
            things.add(&arn::kind(arn), arn, groups);
        }
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
