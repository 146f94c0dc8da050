//! What a call was about: the targets of an event.
//!
//! In: `resources` (ARNs), `requestParameters`, `responseElements`, `serviceEventDetails` and `additionalEventData` (names), and of
//! refused calls, which have no parameters, the resource in `errorMessage`. Out: targets, named resources
//! first, then those that parameters name, in the order of the tables below, then what the name of the event says
//! (`DeleteFileSystem` and `fileSystemId`), then, if there is no target yet, what the private `last_resort` module finds. Types are the ones AWS itself uses (`AWS::S3::Bucket`), which also is what
//! `resources` says; `aws:{service}` (of a last resort `aws.{service}.{noun}`) where the table has none. Wrapped parameters of EC2 are read as if they were not. Parameters are copied (they stay in the metadata); entries of
//! `resources` are moved, and stay only if they have no ARN. How many there are does not matter: all become targets.

use serde_json::{Map, Value};

use super::{
    arn::{self, Scope},
    fits,
    groups::Groups,
    last_resort, plain, take_text,
    things::Things,
    wrapped,
};
use crate::limits::{NAME_BYTES_MAX, REFERENCE_BYTES_MAX, TYPE_BYTES_MAX};

/// Parameter by which services name a thing: service (empty: any), part of the event's name, path to the
/// parameter (through arrays), and the thing's type.
type Row = (&'static str, &'static str, &'static str, &'static str);

const REQUEST: &[Row] = &[
    ("iam", "", "userName", "AWS::IAM::User"),
    ("iam", "", "roleName", "AWS::IAM::Role"),
    ("iam", "", "groupName", "AWS::IAM::Group"),
    ("iam", "", "instanceProfileName", "AWS::IAM::InstanceProfile"),
    ("iam", "", "policyArn", "AWS::IAM::Policy"),
    ("iam", "", "policyName", "AWS::IAM::Policy"),
    ("iam", "", "accessKeyId", "AWS::IAM::AccessKey"),
    ("iam", "", "serialNumber", "AWS::IAM::VirtualMFADevice"),
    ("sts", "", "roleArn", "AWS::IAM::Role"),
    ("s3", "", "bucketName", "AWS::S3::Bucket"),
    ("cloudtrail", "Trail", "name", "AWS::CloudTrail::Trail"),
    ("cloudtrail", "Logging", "name", "AWS::CloudTrail::Trail"),
    ("cloudtrail", "", "trailName", "AWS::CloudTrail::Trail"),
    ("cloudtrail", "", "trailNameList", "AWS::CloudTrail::Trail"),
    ("cloudtrail", "", "s3BucketName", "AWS::S3::Bucket"),
    ("secretsmanager", "", "secretId", "AWS::SecretsManager::Secret"),
    ("secretsmanager", "Secret", "name", "AWS::SecretsManager::Secret"),
    ("ssm", "Parameter", "name", "AWS::SSM::Parameter"),
    ("ssm", "Parameter", "names", "AWS::SSM::Parameter"),
    ("ssm", "Document", "name", "AWS::SSM::Document"),
    ("ssm", "", "documentName", "AWS::SSM::Document"),
    ("ssm", "", "instanceIds", "AWS::EC2::Instance"),
    ("kms", "", "keyId", "AWS::KMS::Key"),
    ("kms", "", "aliasName", "AWS::KMS::Alias"),
    ("lambda", "", "functionName", "AWS::Lambda::Function"),
    ("rds", "", "dBInstanceIdentifier", "AWS::RDS::DBInstance"),
    ("rds", "", "dBSnapshotIdentifier", "AWS::RDS::DBSnapshot"),
    ("rds", "", "dBClusterIdentifier", "AWS::RDS::DBCluster"),
    ("rds", "", "dBSubnetGroupName", "AWS::RDS::DBSubnetGroup"),
    ("ec2", "", "instancesSet.items.instanceId", "AWS::EC2::Instance"),
    ("", "", "instanceId", "AWS::EC2::Instance"),
    ("ec2", "", "groupId", "AWS::EC2::SecurityGroup"),
    ("ec2", "SecurityGroup", "groupName", "AWS::EC2::SecurityGroup"),
    ("ec2", "", "volumeId", "AWS::EC2::Volume"),
    ("ec2", "", "snapshotId", "AWS::EC2::Snapshot"),
    ("ec2", "", "imageId", "AWS::EC2::Image"),
    ("ec2", "", "keyName", "AWS::EC2::KeyPair"),
    ("ec2", "", "networkInterfaceId", "AWS::EC2::NetworkInterface"),
    ("ec2", "", "routeTableId", "AWS::EC2::RouteTable"),
    ("ec2", "", "internetGatewayId", "AWS::EC2::InternetGateway"),
    ("ec2", "", "natGatewayId", "AWS::EC2::NatGateway"),
    ("ec2", "", "allocationId", "AWS::EC2::EIP"),
    ("ec2", "", "subnetId", "AWS::EC2::Subnet"),
    ("ec2", "", "vpcId", "AWS::EC2::VPC"),
    ("ec2", "", "flowLogId", "AWS::EC2::FlowLog"),
    ("ec2", "FlowLogs", "resourceId", "aws:ec2"),
    ("ec2", "", "vpcEndpointId", "AWS::EC2::VPCEndpoint"),
    ("ec2", "", "launchTemplateId", "AWS::EC2::LaunchTemplate"),
    ("ec2", "", "associationId", "aws:ec2"),
    ("ec2", "", "snapshotSet.items.snapshotId", "AWS::EC2::Snapshot"),
    ("ec2", "Tags", "resourcesSet.items.resourceId", "aws:ec2"),
    ("logs", "", "logGroupName", "AWS::Logs::LogGroup"),
    ("dynamodb", "", "tableName", "AWS::DynamoDB::Table"),
    ("sns", "", "topicArn", "AWS::SNS::Topic"),
    ("sns", "Topic", "name", "AWS::SNS::Topic"),
    ("sqs", "", "queueUrl", "AWS::SQS::Queue"),
    ("sqs", "", "queueName", "AWS::SQS::Queue"),
    ("ecr", "", "repositoryName", "AWS::ECR::Repository"),
    ("cloudformation", "", "stackName", "AWS::CloudFormation::Stack"),
    ("guardduty", "", "detectorId", "AWS::GuardDuty::Detector"),
    ("rolesanywhere", "", "trustAnchorId", "AWS::RolesAnywhere::TrustAnchor"),
    ("rolesanywhere", "", "profileId", "AWS::RolesAnywhere::Profile"),
];

/// What a call made, and an investigation will look for.
const RESPONSE: &[Row] = &[
    ("iam", "CreateAccessKey", "accessKey.accessKeyId", "AWS::IAM::AccessKey"),
    ("ec2", "RunInstances", "instancesSet.items.instanceId", "AWS::EC2::Instance"),
    ("ec2", "CreateSecurityGroup", "groupId", "AWS::EC2::SecurityGroup"),
    ("ec2", "CreateSnapshot", "snapshotId", "AWS::EC2::Snapshot"),
    ("ec2", "CreateSnapshots", "snapshotSet.items.snapshotId", "AWS::EC2::Snapshot"),
    ("ec2", "CreateFlowLogs", "flowLogIdSet.items", "AWS::EC2::FlowLog"),
    ("ec2", "Associate", "associationId", "aws:ec2"),
    ("ec2", "CreateVolume", "volumeId", "AWS::EC2::Volume"),
    ("ec2", "RegisterImage", "imageId", "AWS::EC2::Image"),
];

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
    add_parameters(rest, parts, service, &groups, &mut things);
    things.learn(&groups);
    things.into_targets(scope(rest), text(rest.get("requestParameters"), "path"))
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
    let rows = |table: &'static [Row]| {
        table.iter().filter(|(of, start, ..)| (of.is_empty() || *of == service) && event_name.contains(start))
    };
    for parameters in [parts.request, parts.details].into_iter().flatten() {
        for (_, _, path, kind) in rows(REQUEST) {
            visit(parameters, path, &mut |name| {
                let kind = if *kind == "aws:ec2" { kind_of_ec2(name) } else { kind };
                // What an alias stands for is the key among the resources.
                let is_alias = kind == "AWS::KMS::Key" && name.contains("alias/");
                if !(is_alias && things.complete(kind, name)) {
                    things.add(kind, name, groups);
                }
            });
        }
        if service == "s3" {
            add_object(parameters, groups, things);
        }
        add_named_by_event(parameters, service, event_name, groups, things);
    }
    let makes = MAKING.iter().any(|verb| event_name.starts_with(verb));
    if let Some(answer) = parts.answer {
        for (_, _, path, kind) in rows(RESPONSE) {
            visit(answer, path, &mut |name| {
                let kind = if *kind == "aws:ec2" { kind_of_ec2(name) } else { kind };
                // Of what is in a set there may be several.
                let is_one = event_name.starts_with("Create") && !path.contains("Set.");
                if !(is_one && things.complete(kind, name)) {
                    things.add(kind, name, groups);
                }
            });
        }
        if makes {
            add_named_by_event(answer, service, event_name, groups, things);
        }
    }
    if let Some(data) = parts.data {
        add_named_by_event(data, service, event_name, groups, things);
    }
    let refused = refused_resource(member("errorMessage"));
    if fits(refused, NAME_BYTES_MAX) && arn::Arn::parse(refused).is_some() {
        things.add(&arn::kind(refused), refused, groups);
    }
    for parameters in [parts.request, parts.answer.filter(|_| makes)].into_iter().flatten() {
        if things.is_empty() {
            last_resort::add(parameters, service, event_name, groups, things);
        }
    }
    let endpoint = member("vpcEndpointId");
    if member("eventCategory") == "NetworkActivity" && fits(endpoint, NAME_BYTES_MAX) {
        things.add("AWS::EC2::VPCEndpoint", endpoint, groups);
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
                        things.add(
                            &kind_of_resource(service, text(Some(parameters), "resourceType")),
                            name,
                            groups,
                        );
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
    let known = REQUEST.iter().find(|(of, _, path, _)| *of == service && plain(path) == member);
    if let Some((.., kind)) = known {
        return (*kind).to_owned();
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
    let word = plain(word);
    let known = REQUEST.iter().find(|(of, .., kind)| {
        *of == service && !word.is_empty() && kind.rsplit("::").next().is_some_and(|last| plain(last) == word)
    });
    known.map_or_else(|| kind_of_member(service, ""), |(.., kind)| (*kind).to_owned())
}

/// EC2's ids say what they are of.
pub(super) fn kind_of_ec2(id: &str) -> &'static str {
    const PREFIXES: [(&str, &str); 22] = [
        ("i-", "AWS::EC2::Instance"),
        ("vol-", "AWS::EC2::Volume"),
        ("sg-", "AWS::EC2::SecurityGroup"),
        ("snap-", "AWS::EC2::Snapshot"),
        ("ami-", "AWS::EC2::Image"),
        ("eni-", "AWS::EC2::NetworkInterface"),
        ("rtb-", "AWS::EC2::RouteTable"),
        ("igw-", "AWS::EC2::InternetGateway"),
        ("nat-", "AWS::EC2::NatGateway"),
        ("eipalloc-", "AWS::EC2::EIP"),
        ("subnet-", "AWS::EC2::Subnet"),
        // Before the shorter one.
        ("vpc-cidr-assoc-", "AWS::EC2::VPCCidrBlock"),
        ("vpc-", "AWS::EC2::VPC"),
        ("vpce-", "AWS::EC2::VPCEndpoint"),
        ("fl-", "AWS::EC2::FlowLog"),
        ("lt-", "AWS::EC2::LaunchTemplate"),
        ("acl-", "AWS::EC2::NetworkAcl"),
        ("pcx-", "AWS::EC2::VPCPeeringConnection"),
        ("tgw-", "AWS::EC2::TransitGateway"),
        ("eipassoc-", "AWS::EC2::EIPAssociation"),
        ("rtbassoc-", "AWS::EC2::SubnetRouteTableAssociation"),
        ("aclassoc-", "AWS::EC2::SubnetNetworkAclAssociation"),
    ];
    PREFIXES.iter().find(|(start, _)| id.starts_with(start)).map_or("aws:ec2", |(_, kind)| kind)
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

/// An object's key means nothing without its bucket: the id is both.
fn add_object(parameters: &Value, groups: &Groups<'_>, things: &mut Things) {
    let part = |name: &str| parameters.get(name).and_then(Value::as_str);
    if let (Some(bucket), Some(key)) = (part("bucketName"), part("key")) {
        let id = format!("{bucket}/{key}");
        if fits(&id, NAME_BYTES_MAX) {
            things.add("AWS::S3::Object", &id, groups);
        }
    }
}

/// Calls `found` with each text at `path`, in any array on the way or at its end.
pub(super) fn visit(value: &Value, path: &str, found: &mut impl FnMut(&str)) {
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
/// given back.
fn add_resource(resource: Value, things: &mut Things) -> Result<(), Value> {
    let Value::Object(mut members) = resource else { return Err(resource) };
    let names = ["ARN", "arn", "ARNPrefix"];
    let Some(arn) = names.iter().find_map(|name| take_text(&mut members, name, REFERENCE_BYTES_MAX)) else {
        return Err(members.into());
    };
    let kind = take_text(&mut members, "type", TYPE_BYTES_MAX).unwrap_or_else(|| arn::kind(&arn));
    members.retain(|_, value| !value.is_null());
    things.add_resource(&kind, arn, members);
    Ok(())
}
