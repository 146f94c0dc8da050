//! What a call was about: the targets of an event.
//!
//! In: `resources` (ARNs), `requestParameters` and `responseElements` (names). Out: targets, named resources
//! first, then those that parameters name, in the order of the tables below. Types are the ones AWS itself
//! uses (`AWS::S3::Bucket`), which also is what `resources` says. Parameters are copied (they stay in the
//! metadata); entries of `resources` are moved, and stay only if they have no ARN or there are too many.

use serde_json::{Map, Value, json};

use super::fits;
use crate::limits::{NAME_BYTES_MAX, REFERENCE_BYTES_MAX, TARGETS_MAX, TYPE_BYTES_MAX};

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
    ("logs", "", "logGroupName", "AWS::Logs::LogGroup"),
    ("dynamodb", "", "tableName", "AWS::DynamoDB::Table"),
    ("sns", "", "topicArn", "AWS::SNS::Topic"),
    ("sqs", "", "queueUrl", "AWS::SQS::Queue"),
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
    ("ec2", "CreateVolume", "volumeId", "AWS::EC2::Volume"),
    ("ec2", "RegisterImage", "imageId", "AWS::EC2::Image"),
];

/// Types of ARNs whose entry in `resources` does not say its type: service, start of the resource, type.
const UNTYPED: [(&str, &str, &str); 4] = [
    ("ssm", "parameter/", "AWS::SSM::Parameter"),
    ("ssm", "association/", "AWS::SSM::Association"),
    ("ssm", "managed-instance-inventory/", "AWS::SSM::ManagedInstanceInventory"),
    ("ec2", "instance/", "AWS::EC2::Instance"),
];

/// The targets of a record, at most [`TARGETS_MAX`], each once.
pub(super) fn take(rest: &mut Map<String, Value>) -> Vec<Value> {
    let mut targets = take_resources(rest);
    let member = |name: &str| rest.get(name).and_then(Value::as_str).unwrap_or_default();
    let service = member("eventSource").split('.').next().unwrap_or_default();
    let event_name = member("eventName");
    for (table, member) in [(REQUEST, "requestParameters"), (RESPONSE, "responseElements")] {
        let Some(parameters) = rest.get(member) else { continue };
        for &(for_service, for_event, path, kind) in table {
            if (for_service.is_empty() || for_service == service) && event_name.contains(for_event) {
                visit(parameters, path, &mut |name| add(&mut targets, kind, name));
            }
        }
        if service == "s3" {
            add_object(parameters, &mut targets);
        }
    }
    targets
}

/// Adds a thing by the name a parameter gives, or gives that name to the resource that is the same thing.
fn add(targets: &mut Vec<Value>, kind: &str, name: &str) {
    let same = |target: &&mut Value| {
        let id = target["id"].as_str().unwrap_or_default();
        let before = id.strip_suffix(name);
        before
            .is_some_and(|before| before.is_empty() || name.starts_with('/') || before.ends_with([':', '/']))
    };
    if let Some(target) = targets.iter_mut().find(same) {
        if target.get("name").is_none() && target["id"] != name {
            target["name"] = name.into();
        }
    } else if targets.len() < TARGETS_MAX {
        targets.push(json!({"type": kind, "id": name}));
    }
}

/// An object's key means nothing without its bucket: the id is both.
fn add_object(parameters: &Value, targets: &mut Vec<Value>) {
    let part = |name: &str| parameters.get(name).and_then(Value::as_str);
    if let (Some(bucket), Some(key)) = (part("bucketName"), part("key")) {
        let id = format!("{bucket}/{key}");
        if fits(&id, NAME_BYTES_MAX) {
            add(targets, "AWS::S3::Object", &id);
        }
    }
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

fn take_resources(rest: &mut Map<String, Value>) -> Vec<Value> {
    let mut targets = Vec::new();
    let Some(Value::Array(resources)) = rest.remove("resources") else { return targets };
    let mut others = Vec::new();
    for resource in resources {
        match resource_target(&resource) {
            Some(target) if targets.len() < TARGETS_MAX => targets.push(target),
            _ => others.push(resource),
        }
    }
    if !others.is_empty() {
        rest.insert("resources".into(), others.into());
    }
    targets
}

/// `{"ARN": …, "accountId": …, "type": …}` as a target; members without a field go into its metadata.
fn resource_target(resource: &Value) -> Option<Value> {
    let mut members = resource.as_object()?.clone();
    let mut take = |name: &str, bytes_max| super::take_text(&mut members, name, bytes_max);
    let arn = take("ARN", REFERENCE_BYTES_MAX).or_else(|| take("ARNPrefix", REFERENCE_BYTES_MAX))?;
    let kind = take("type", TYPE_BYTES_MAX).unwrap_or_else(|| kind_of_arn(&arn));
    members.retain(|_, value| !value.is_null());
    let mut target = json!({"type": kind, "id": arn});
    if !members.is_empty() {
        target["metadata"] = members.into();
    }
    Some(target)
}

/// From `arn:partition:service:region:account:resource`; `aws:{service}` for services not in the table.
fn kind_of_arn(arn: &str) -> String {
    let mut parts = arn.splitn(6, ':').skip(2);
    let service = parts.next().unwrap_or_default();
    let resource = parts.nth(2).unwrap_or_default();
    let known = UNTYPED.iter().find(|(of, start, _)| *of == service && resource.starts_with(start));
    known.map_or_else(|| format!("aws:{service}"), |(_, _, kind)| (*kind).to_owned())
}
