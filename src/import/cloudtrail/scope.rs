//! ARNs that short names make.
//!
//! In: the short name of a thing, with the account and region of its record. Out: the thing's ARN. Guaranteed: an ARN is made
//! only where the syntax leaves no choice (a secret's six random characters do, and so does the name of an EC2 key pair).

use super::{
    arn::{OBJECT, is_pattern},
    kinds,
};

/// Whose things a record speaks of where it names them by short names.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scope<'a> {
    pub(super) region: &'a str,
    /// Empty if the caller's account is not the one that the record is of.
    pub(super) account: &'a str,
}

impl Scope<'_> {
    fn partition(&self) -> &'static str {
        match self.region {
            region if region.starts_with("cn-") => "aws-cn",
            region if region.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        }
    }

    /// The ARN that a short name makes, where its syntax is certain. IAM's paths are `/` unless the record says otherwise.
    pub(super) fn arn(&self, kind: &str, name: &str, path: &str) -> Option<String> {
        let (partition, region, account) = (self.partition(), self.region, self.account);
        if name.starts_with("arn:") || is_pattern(name, kind == OBJECT) {
            return None;
        }
        match kind {
            "AWS::S3::Bucket" | "AWS::S3::Object" => return Some(format!("arn:{partition}:s3:::{name}")),
            "AWS::Route53::HostedZone" => {
                let id = name.strip_prefix("/hostedzone/").unwrap_or(name);
                // Names of zones have a dot, ids have none.
                return (!id.contains(['.', '/']))
                    .then(|| format!("arn:{partition}:route53:::hostedzone/{id}"));
            }
            _ => {}
        }
        if kind.starts_with("AWS::EC2::") && !region.is_empty() && kinds::of_ec2(name) == kind {
            let resource = kinds::arn_of_ec2(name)?;
            let account = match resource {
                "image" | "snapshot" => "",
                _ if account.is_empty() => return None,
                _ => account,
            };
            return Some(format!("arn:{partition}:ec2:{region}:{account}:{resource}/{name}"));
        }
        if account.is_empty() {
            return None;
        }
        let path = if path.starts_with('/') && path.ends_with('/') { path } else { "/" };
        let global = match kind {
            "AWS::IAM::Role" => Some("role"),
            "AWS::IAM::User" => Some("user"),
            "AWS::IAM::Group" => Some("group"),
            "AWS::IAM::InstanceProfile" => Some("instance-profile"),
            _ => None,
        };
        if let Some(resource) = global {
            return Some(format!("arn:{partition}:iam::{account}:{resource}{path}{name}"));
        }
        if region.is_empty() {
            return None;
        }
        let one_word = !name.contains([':', '/']);
        let (service, resource) = match kind {
            "AWS::KMS::Key" if one_word => ("kms", "key/"),
            "AWS::KMS::Alias" | "AWS::KMS::Key" if name.starts_with("alias/") => ("kms", ""),
            "AWS::Lambda::Function" if one_word => ("lambda", "function:"),
            "AWS::SNS::Topic" if one_word => ("sns", ""),
            "AWS::SQS::Queue" if one_word => ("sqs", ""),
            "AWS::DynamoDB::Table" if one_word => ("dynamodb", "table/"),
            "AWS::RDS::DBInstance" if one_word => ("rds", "db:"),
            "AWS::RDS::DBCluster" if one_word => ("rds", "cluster:"),
            "AWS::RDS::DBSnapshot" => ("rds", "snapshot:"),
            "AWS::Logs::LogGroup" if !name.contains(':') => ("logs", "log-group:"),
            "AWS::ECR::Repository" => ("ecr", "repository/"),
            "AWS::SSM::Parameter" if name.starts_with('/') => ("ssm", "parameter"),
            "AWS::SSM::Parameter" => ("ssm", "parameter/"),
            "AWS::CloudTrail::Trail" if one_word => ("cloudtrail", "trail/"),
            "AWS::RDS::DBClusterSnapshot" => ("rds", "cluster-snapshot:"),
            "AWS::RDS::DBSubnetGroup" if one_word => ("rds", "subgrp:"),
            "AWS::EKS::Cluster" if one_word => ("eks", "cluster/"),
            "AWS::ECS::Cluster" if one_word => ("ecs", "cluster/"),
            "AWS::ECS::TaskDefinition" if name.contains(':') => ("ecs", "task-definition/"),
            "AWS::Redshift::Cluster" if one_word => ("redshift", "cluster:"),
            "AWS::Kinesis::Stream" if one_word => ("kinesis", "stream/"),
            "AWS::KinesisFirehose::DeliveryStream" if one_word => ("firehose", "deliverystream/"),
            "AWS::CloudWatch::Alarm" => ("cloudwatch", "alarm:"),
            "AWS::EFS::FileSystem" if one_word => ("elasticfilesystem", "file-system/"),
            "AWS::Cognito::UserPool" if one_word => ("cognito-idp", "userpool/"),
            "AWS::CodeBuild::Project" if one_word => ("codebuild", "project/"),
            _ => return None,
        };
        Some(format!("arn:{partition}:{service}:{region}:{account}:{resource}{name}"))
    }
}

/// Name and ARN of a queue from its URL, `https://sqs.{region}.amazonaws.com/{account}/{name}`.
pub(super) fn queue_names(url: &str) -> Vec<String> {
    let Some((host, path)) = url.strip_prefix("https://").and_then(|rest| rest.split_once('/')) else {
        return Vec::new();
    };
    let Some((account, name)) = path.split_once('/') else { return Vec::new() };
    let mut labels = host.split('.');
    let region = match (labels.next(), labels.next()) {
        (Some("sqs"), Some(region)) if region != "amazonaws" => region,
        (Some(region), Some("queue")) => region,
        _ => return vec![name.to_owned()],
    };
    let scope = Scope { region, account };
    let arn = scope.arn("AWS::SQS::Queue", name, "");
    [Some(name.to_owned()), arn].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch an ARN of another account, region or partition, and one that is only likely.
    #[test]
    fn names_make_arns_where_the_syntax_is_certain() {
        let scope = Scope { region: "eu-west-1", account: "111122223333" };
        for (kind, name, path, expected) in [
            ("AWS::S3::Bucket", "acme-data", "", Some("arn:aws:s3:::acme-data")),
            ("AWS::IAM::Role", "deploy", "", Some("arn:aws:iam::111122223333:role/deploy")),
            ("AWS::IAM::User", "ana", "/people/", Some("arn:aws:iam::111122223333:user/people/ana")),
            ("AWS::KMS::Key", "1234", "", Some("arn:aws:kms:eu-west-1:111122223333:key/1234")),
            ("AWS::KMS::Key", "alias/main", "", Some("arn:aws:kms:eu-west-1:111122223333:alias/main")),
            (
                "AWS::Lambda::Function",
                "resize",
                "",
                Some("arn:aws:lambda:eu-west-1:111122223333:function:resize"),
            ),
            ("AWS::Lambda::Function", "111122223333:function:resize", "", None),
            ("AWS::SSM::Parameter", "/db/x", "", Some("arn:aws:ssm:eu-west-1:111122223333:parameter/db/x")),
            ("AWS::EC2::Image", "ami-1", "", Some("arn:aws:ec2:eu-west-1::image/ami-1")),
            ("AWS::EC2::Subnet", "subnet-1", "", Some("arn:aws:ec2:eu-west-1:111122223333:subnet/subnet-1")),
            ("AWS::EC2::SecurityGroup", "web", "", None),
            ("AWS::EC2::EIPAssociation", "eipassoc-1", "", None),
            ("AWS::Route53::HostedZone", "/hostedzone/Z1", "", Some("arn:aws:route53:::hostedzone/Z1")),
            ("AWS::Route53::HostedZone", "acme.example.", "", None),
            ("AWS::EKS::Cluster", "main", "", Some("arn:aws:eks:eu-west-1:111122223333:cluster/main")),
            ("AWS::SecretsManager::Secret", "prod/db", "", None),
            ("AWS::IAM::Policy", "inline", "", None),
        ] {
            assert_eq!(scope.arn(kind, name, path).as_deref(), expected, "{kind} {name}");
        }
        let foreign = Scope { region: "cn-north-1", account: "" };
        assert_eq!(foreign.arn("AWS::S3::Bucket", "b", "").as_deref(), Some("arn:aws-cn:s3:::b"));
        assert_eq!(foreign.arn("AWS::IAM::Role", "deploy", ""), None);
        let queue = ["jobs", "arn:aws:sqs:eu-west-1:111122223333:jobs"];
        assert_eq!(queue_names("https://sqs.eu-west-1.amazonaws.com/111122223333/jobs"), queue);
        assert_eq!(queue_names("https://eu-west-1.queue.amazonaws.com/111122223333/jobs"), queue);
        assert_eq!(queue_names("https://queue.amazonaws.com/111122223333/jobs"), ["jobs"]);
    }
}
