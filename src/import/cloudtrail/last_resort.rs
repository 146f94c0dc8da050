//! What a call was about, where nothing that is certain says it.
//!
//! In: the parameters and the answer of a call, and its name. Out: targets by members such as `name`, `id` or `jobName`, of the type in
//! the table below, else `aws.{service}.{noun}` (`aws.apprunner.Service` of `DeleteService`). Guaranteed: only asked where no
//! other rule has found a target; lists and searches are about no thing that they name by `name` or `id`.

use serde_json::Value;

use super::{fits, groups::Groups, kinds, plain, things::Things};
use crate::limits::{NAME_BYTES_MAX, TYPE_BYTES_MAX};

/// Service, noun of the event's name, and the type.
const NOUNS: [(&str, &str, &str); 10] = [
    ("eks", "Cluster", "AWS::EKS::Cluster"),
    ("route53", "HostedZone", "AWS::Route53::HostedZone"),
    ("events", "Rule", "AWS::Events::Rule"),
    ("codebuild", "Project", "AWS::CodeBuild::Project"),
    ("codepipeline", "Pipeline", "AWS::CodePipeline::Pipeline"),
    ("cloudfront", "Distribution", "AWS::CloudFront::Distribution"),
    ("states", "StateMachine", "AWS::StepFunctions::StateMachine"),
    ("wafv2", "WebACL", "AWS::WAFv2::WebACL"),
    ("athena", "WorkGroup", "AWS::Athena::WorkGroup"),
    ("apigateway", "RestApi", "AWS::ApiGateway::RestApi"),
];
/// Verbs of calls whose `name` or `id` is a filter.
const LOOKING: [&str; 3] = ["List", "Search", "Lookup"];
/// Ends of members that name something.
const ENDINGS: [&str; 4] = ["name", "id", "arn", "identifier"];
/// Shorter words are part of too many others.
const WORD_BYTES_MIN: usize = 3;

/// Adds what `parameters` name of the thing that the event's name says.
pub(super) fn add(
    parameters: &Value,
    service: &str,
    event_name: &str,
    groups: &Groups<'_>,
    things: &mut Things,
) {
    let Some(members) = parameters.as_object() else { return };
    if LOOKING.iter().any(|verb| event_name.starts_with(verb)) {
        return;
    }
    let noun = noun(event_name);
    let kind = kind(service, noun);
    let noun = plain(noun);
    for (member, value) in members {
        if is_of(&plain(member), &noun) {
            visit(value, "", &mut |name| {
                // EC2's ids say what they are of.
                let by_id = if service == "ec2" { kinds::of_ec2(name) } else { kinds::EC2 };
                things.add(if by_id == kinds::EC2 { &kind } else { by_id }, name, groups);
            });
        }
    }
    if things.is_empty() {
        let own = ["name", "id", "identifier"].iter().filter_map(|member| members.get(*member)?.as_str());
        for name in own.filter(|name| fits(name, NAME_BYTES_MAX)) {
            if !things.complete(&kind, name) {
                things.add(&kind, name, groups);
            }
        }
    }
    // `{"hostedZone": {"id": …}}` of an answer.
    let inner = members.iter().find(|(member, value)| value.is_object() && plain(member) == noun);
    for member in ["name", "id"] {
        if let Some((_, inner)) = inner.filter(|_| things.is_empty()) {
            visit(inner, member, &mut |name| things.add(&kind, name, groups));
        }
    }
}

/// Whether a member names what the noun says: `rule` and `ruleName` of a `Rule`, `alarmName` of a `MetricAlarm`, `jobIds` of `Jobs`.
fn is_of(member: &str, noun: &str) -> bool {
    let member = member.strip_suffix('s').unwrap_or(member);
    let word = ENDINGS.iter().find_map(|ending| member.strip_suffix(ending)).unwrap_or("");
    member == noun.strip_suffix('s').unwrap_or(noun)
        || (word.len() >= WORD_BYTES_MIN
            && noun.len() >= WORD_BYTES_MIN
            && (noun.contains(word) || word.contains(noun)))
}

/// `RestApi` of `DeleteRestApi`, without the version at the end of `DeleteDistribution2020_05_31`.
fn noun(event_name: &str) -> &str {
    let start = event_name.char_indices().skip(1).find(|(_, letter)| letter.is_ascii_uppercase());
    let noun = start.map_or("", |(at, _)| &event_name[at..]);
    noun.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '_')
}

fn kind(service: &str, noun: &str) -> String {
    if let Some((.., kind)) = NOUNS.iter().find(|(of, thing, _)| *of == service && *thing == noun) {
        return (*kind).to_owned();
    }
    let kind = if noun.is_empty() { format!("aws:{service}") } else { format!("aws.{service}.{noun}") };
    let usable = !service.is_empty() && fits(&kind, TYPE_BYTES_MAX.min(NAME_BYTES_MAX));
    if usable { kind } else { "aws:unknown".to_owned() }
}

/// Calls `found` with each text at `path`, in any array on the way or at its end.
fn visit(value: &Value, path: &str, found: &mut impl FnMut(&str)) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| visit(item, path, found)),
        Value::Object(members) if !path.is_empty() => {
            let (first, rest) = path.split_once('.').unwrap_or((path, ""));
            if let Some(member) = members.get(first) {
                visit(member, rest, found);
            }
        }
        Value::String(text) if path.is_empty() && fits(text, NAME_BYTES_MAX) => found(text),
        _ => {}
    }
}
