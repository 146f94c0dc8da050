//! Names that an ARN contains, and ARNs that a name makes.
//!
//! In: `arn:partition:service:region:account:resource`, or the short name of a thing with the account and region of its
//! record. Out: the other names of the same thing. Guaranteed: a name is a part of the ARN as the service's own API writes it;
//! an ARN is made only where the syntax leaves no choice (a secret's six random characters do).
//!
//! The rule for an ARN is its syntax: the resource is `name`, `type/name` or `type:name`, and after a path (`type/a/b/name`)
//! the last part is a name as well. [`SLASHED`] lists services whose names have slashes of their own, `names` what else is
//! written in its own way.

use crate::{
    import::members::fits,
    limits::{REFERENCE_BYTES_MAX, TYPE_BYTES_MAX},
};

/// Services in whose names a slash is a letter like any other.
const SLASHED: [&str; 7] = ["s3", "secretsmanager", "ssm", "logs", "ecr", "dynamodb", "execute-api"];
/// Random characters, with their hyphen, at the end of a secret's ARN.
const SECRET_SUFFIX_BYTES: usize = 7;

/// The parts of an ARN.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arn<'a> {
    pub(super) service: &'a str,
    region: &'a str,
    account: &'a str,
    resource: &'a str,
}

impl<'a> Arn<'a> {
    /// `None` if the text is no ARN, or a pattern of ARNs.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.strip_prefix("arn:")?.splitn(5, ':').skip(1);
        let (service, region, account) = (parts.next()?, parts.next()?, parts.next()?);
        let resource = parts.next()?;
        (!service.is_empty() && !resource.is_empty()).then_some(Self { service, region, account, resource })
    }

    /// `role` and `deploy` of `role/deploy`; no type where the resource is a name only.
    fn split(&self) -> (&'a str, &'a str) {
        let is_bucket = self.service == "s3" && self.region.is_empty() && self.account.is_empty();
        match self.resource.split_once(['/', ':']) {
            Some((kind, name)) if !is_bucket => (kind, name),
            _ => ("", self.resource),
        }
    }

    /// Whether a thing of this AWS type can be what the ARN names: `AWS::IAM::Role` and `iam`, `role`.
    pub(super) fn can_be(&self, kind: &str) -> bool {
        let mut parts = kind.split("::").skip(1);
        let (Some(service), Some(thing)) = (parts.next(), parts.next()) else {
            let service = kind.strip_prefix("aws.").and_then(|rest| rest.split_once('.'));
            return kind.strip_prefix("aws:") == Some(self.service)
                || service.is_some_and(|(service, _)| service == self.service);
        };
        let (of_arn, _) = self.split();
        let of_arn = super::plain(of_arn);
        let of_kind = super::plain(thing);
        service_is(service, self.service)
            && (of_arn.is_empty() || of_kind.contains(&of_arn) || of_arn.contains(&of_kind))
    }
}

/// `SecretsManager` of a type is `secretsmanager` of an ARN.
fn service_is(of_type: &str, of_arn: &str) -> bool {
    let of_arn = if of_arn == "elasticloadbalancing" { "elasticloadbalancingv2" } else { of_arn };
    of_type.eq_ignore_ascii_case(of_arn)
        || of_arn.strip_suffix("v2").is_some_and(|service| of_type.eq_ignore_ascii_case(service))
}

/// Other names of the thing that an ARN names, the shortest that its API takes first.
pub(super) fn names(text: &str) -> Vec<String> {
    let Some(arn) = Arn::parse(text) else { return Vec::new() };
    let (kind, rest) = arn.split();
    let last = rest.rsplit('/').next().unwrap_or(rest);
    let first = rest.split(['/', ':']).next().unwrap_or(rest);
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let mut names = match (arn.service, kind) {
        ("iam", "") | ("sts", _) | ("sns" | "sqs", "") => owned(&[rest]),
        ("iam", "oidc-provider") => owned(&[rest]),
        ("iam", _) => owned(&[last]),
        ("secretsmanager", "secret") => match secret_name(rest) {
            Some(name) => owned(&[name, rest]),
            None => owned(&[rest]),
        },
        ("ssm", "parameter") if rest.contains('/') => vec![format!("/{rest}")],
        ("ssm", "parameter") => vec![rest.to_owned(), format!("/{rest}")],
        ("logs", "log-group") => log_names(text, rest),
        ("lambda", "function") if first != rest => {
            let end = text.len() - (rest.len() - first.len());
            owned(&[first, &text[..end]])
        }
        ("cloudformation", "stack") => owned(&[first]),
        ("autoscaling", _) => owned(&[text.rsplit("Name/").next().unwrap_or(rest)]),
        ("elasticloadbalancing", "targetgroup") => owned(&[first]),
        ("elasticloadbalancing", "loadbalancer") => owned(&[rest.split('/').nth(1).unwrap_or(first)]),
        ("kms", "alias") => owned(&[arn.resource]),
        (service, _) if SLASHED.contains(&service) || last == rest => owned(&[rest]),
        _ => owned(&[last, rest]),
    };
    names.retain(|name| {
        name != text && name != "root" && !name.contains('*') && fits(name, REFERENCE_BYTES_MAX)
    });
    names
}

/// `prod/db` of `prod/db-AbCdEf`.
fn secret_name(rest: &str) -> Option<&str> {
    let at =
        rest.len().checked_sub(SECRET_SUFFIX_BYTES).filter(|at| *at > 0 && rest.is_char_boundary(*at))?;
    let (name, suffix) = rest.split_at(at);
    let random = suffix.strip_prefix('-')?;
    random.bytes().all(|byte| byte.is_ascii_alphanumeric()).then_some(name)
}

/// A log group's ARN has `:*` at its end in some calls and not in others.
fn log_names(text: &str, rest: &str) -> Vec<String> {
    if let Some((_, stream)) = rest.split_once(":log-stream:") {
        return vec![stream.to_owned()];
    }
    match rest.strip_suffix(":*") {
        Some(name) => vec![name.to_owned(), text[..text.len() - 2].to_owned()],
        None => vec![rest.to_owned()],
    }
}

/// The AWS type of the thing; `aws:{service}` for services not in the table.
pub(super) fn kind(text: &str) -> String {
    /// Service, start of the resource, type.
    const KINDS: [(&str, &str, &str); 22] = [
        ("ssm", "parameter/", "AWS::SSM::Parameter"),
        ("ssm", "association/", "AWS::SSM::Association"),
        ("ssm", "managed-instance-inventory/", "AWS::SSM::ManagedInstanceInventory"),
        ("ec2", "instance/", "AWS::EC2::Instance"),
        ("ec2", "subnet/", "AWS::EC2::Subnet"),
        ("ec2", "vpc/", "AWS::EC2::VPC"),
        ("iam", "role/", "AWS::IAM::Role"),
        ("iam", "user/", "AWS::IAM::User"),
        ("iam", "group/", "AWS::IAM::Group"),
        ("iam", "policy/", "AWS::IAM::Policy"),
        ("kms", "key/", "AWS::KMS::Key"),
        ("kms", "alias/", "AWS::KMS::Alias"),
        ("lambda", "function:", "AWS::Lambda::Function"),
        ("dynamodb", "table/", "AWS::DynamoDB::Table"),
        ("secretsmanager", "secret:", "AWS::SecretsManager::Secret"),
        ("rds", "db:", "AWS::RDS::DBInstance"),
        ("rds", "cluster:", "AWS::RDS::DBCluster"),
        ("rds", "snapshot:", "AWS::RDS::DBSnapshot"),
        ("logs", "log-group:", "AWS::Logs::LogGroup"),
        ("cloudtrail", "trail/", "AWS::CloudTrail::Trail"),
        ("ecr", "repository/", "AWS::ECR::Repository"),
        ("cloudformation", "stack/", "AWS::CloudFormation::Stack"),
    ];
    let Some(arn) = Arn::parse(text) else { return "aws:unknown".to_owned() };
    let known = KINDS.iter().find(|(of, start, _)| *of == arn.service && arn.resource.starts_with(start));
    match (known, arn.service) {
        (Some((_, _, kind)), _) => (*kind).to_owned(),
        (None, "s3") if arn.account.is_empty() && arn.resource.contains('/') => "AWS::S3::Object".to_owned(),
        (None, "s3") if arn.account.is_empty() => "AWS::S3::Bucket".to_owned(),
        (None, "sqs") => "AWS::SQS::Queue".to_owned(),
        (None, "sns") if !arn.resource.contains(':') => "AWS::SNS::Topic".to_owned(),
        (None, service) => {
            let kind = format!("aws:{service}");
            if fits(&kind, TYPE_BYTES_MAX) { kind } else { "aws:unknown".to_owned() }
        }
    }
}

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
        if name.starts_with("arn:") || name.contains(['*', '?']) {
            return None;
        }
        let without_account = match kind {
            "AWS::S3::Bucket" | "AWS::S3::Object" => Some(format!("arn:{partition}:s3:::{name}")),
            "AWS::EC2::Image" if !region.is_empty() => {
                Some(format!("arn:{partition}:ec2:{region}::image/{name}"))
            }
            "AWS::EC2::Snapshot" if !region.is_empty() => {
                Some(format!("arn:{partition}:ec2:{region}::snapshot/{name}"))
            }
            _ => None,
        };
        if without_account.is_some() || account.is_empty() {
            return without_account;
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
            "AWS::EC2::Instance" if name.starts_with("i-") => ("ec2", "instance/"),
            "AWS::EC2::Volume" => ("ec2", "volume/"),
            "AWS::EC2::SecurityGroup" if name.starts_with("sg-") => ("ec2", "security-group/"),
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

    /// Would catch a name that an ARN contains and under which its thing is not found, or one that is another thing's.
    #[test]
    fn arns_contain_names() {
        for (arn, expected) in [
            ("arn:aws:s3:::acme-data", &["acme-data"][..]),
            ("arn:aws:s3:::acme-data/2024/q1.pdf", &["acme-data/2024/q1.pdf"]),
            ("arn:aws:s3:eu-west-1:111122223333:accesspoint/reports", &["reports"]),
            ("arn:aws:iam::111122223333:role/deploy", &["deploy"]),
            ("arn:aws:iam::111122223333:role/service-role/build", &["build"]),
            ("arn:aws-us-gov:iam::111122223333:user/ana", &["ana"]),
            ("arn:aws:iam::111122223333:root", &[]),
            ("arn:aws:sts::111122223333:assumed-role/deploy/ana", &["deploy/ana"]),
            ("arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab", &["1234abcd-12ab"]),
            ("arn:aws:kms:eu-west-1:111122223333:alias/main", &["alias/main"]),
            (
                "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db-AbCdEf",
                &["prod/db", "prod/db-AbCdEf"],
            ),
            ("arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db", &["prod/db"]),
            ("arn:aws:ssm:eu-west-1:111122223333:parameter/db/password", &["/db/password"]),
            ("arn:aws:ssm:eu-west-1:111122223333:parameter/token", &["token", "/token"]),
            ("arn:aws:lambda:eu-west-1:111122223333:function:resize", &["resize"]),
            (
                "arn:aws:lambda:eu-west-1:111122223333:function:resize:live",
                &["resize", "arn:aws:lambda:eu-west-1:111122223333:function:resize"],
            ),
            (
                "arn:aws:logs:eu-west-1:111122223333:log-group:/aws/lambda/resize:*",
                &["/aws/lambda/resize", "arn:aws:logs:eu-west-1:111122223333:log-group:/aws/lambda/resize"],
            ),
            ("arn:aws:sns:eu-west-1:111122223333:alerts", &["alerts"]),
            ("arn:aws:sqs:eu-west-1:111122223333:jobs", &["jobs"]),
            ("arn:aws:dynamodb:eu-west-1:111122223333:table/users", &["users"]),
            ("arn:aws:rds:eu-west-1:111122223333:db:main", &["main"]),
            ("arn:aws:rds:eu-west-1:111122223333:snapshot:rds:main-2024", &["rds:main-2024"]),
            ("arn:aws:ec2:eu-west-1:111122223333:instance/i-0abc", &["i-0abc"]),
            ("arn:aws:ecr:eu-west-1:111122223333:repository/team/api", &["team/api"]),
            ("arn:aws:ecs:eu-west-1:111122223333:service/prod/api", &["api", "prod/api"]),
            ("arn:aws:eks:eu-west-1:111122223333:cluster/prod", &["prod"]),
            ("arn:aws:cloudformation:eu-west-1:111122223333:stack/web/6e1c", &["web"]),
            ("arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/app/web/50dc", &["web"]),
            ("arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/web/50dc", &["web"]),
            ("arn:aws:states:eu-west-1:111122223333:stateMachine:orders", &["orders"]),
            ("arn:aws:new-service:eu-west-1:111122223333:thing/x", &["x"]),
            ("arn:aws:s3:::*", &[]),
            ("arn:aws:iam::111122223333:role/*", &[]),
            ("arn:aws:s3", &[]),
            ("acme-data", &[]),
        ] {
            assert_eq!(names(arn), expected, "{arn}");
        }
    }

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

    /// Would catch a role and an instance profile of one name taken for one thing.
    #[test]
    fn an_arn_can_be_things_of_its_own_type_only() {
        let role = Arn::parse("arn:aws:iam::111122223333:role/web").unwrap();
        assert!(role.can_be("AWS::IAM::Role") && !role.can_be("AWS::IAM::InstanceProfile"));
        assert!(role.can_be("aws:iam") && !role.can_be("aws:ec2") && !role.can_be("AWS::EC2::Instance"));
        let bucket = Arn::parse("arn:aws:s3:::b").unwrap();
        assert!(bucket.can_be("AWS::S3::Bucket"));
        let database = Arn::parse("arn:aws:rds:eu-west-1:1:db:main").unwrap();
        assert!(database.can_be("AWS::RDS::DBInstance") && !database.can_be("AWS::DynamoDB::Table"));
    }
}
