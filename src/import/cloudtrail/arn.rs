//! What an ARN says: the other names of its thing, the type, and what the thing is a part of.
//!
//! In: `arn:partition:service:region:account:resource`. Out: the other names of the same thing. Guaranteed: a name is a part
//! of the ARN as the service's own API writes it.
//!
//! The rule for an ARN is its syntax: the resource is `name`, `type/name` or `type:name`, and after a path (`type/a/b/name`)
//! the last part is a name as well. [`SLASHED`] lists services whose names have slashes of their own, `names` what else is
//! written in its own way.

use super::kinds;
use crate::{
    import::members::fits,
    limits::{REFERENCE_BYTES_MAX, TYPE_BYTES_MAX},
};

/// Services in whose names a slash is a letter like any other.
const SLASHED: [&str; 7] = ["s3", "secretsmanager", "ssm", "logs", "ecr", "dynamodb", "execute-api"];
/// The type of what is in a bucket.
pub(super) const OBJECT: &str = "AWS::S3::Object";
/// Random characters, with their hyphen, at the end of a secret's ARN.
const SECRET_SUFFIX_BYTES: usize = 7;

/// The parts of an ARN.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arn<'a> {
    partition: &'a str,
    service: &'a str,
    region: &'a str,
    account: &'a str,
    resource: &'a str,
}

impl<'a> Arn<'a> {
    /// `None` if the text is no ARN, or a pattern of ARNs.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.strip_prefix("arn:")?.splitn(5, ':');
        let (partition, service, region) = (parts.next()?, parts.next()?, parts.next()?);
        let (account, resource) = (parts.next()?, parts.next()?);
        let is_arn = !service.is_empty() && !resource.is_empty();
        is_arn.then_some(Self { partition, service, region, account, resource })
    }

    /// `role` and `deploy` of `role/deploy`; no type where the resource is a name only.
    fn split(&self) -> (&'a str, &'a str) {
        let is_bucket = self.service == "s3" && self.region.is_empty() && self.account.is_empty();
        match self.resource.split_once(['/', ':']) {
            Some((kind, name)) if !is_bucket => (kind, name),
            _ => ("", self.resource),
        }
    }

    /// The type of what it names, if the tables have it.
    fn kind(&self) -> Option<&'static str> {
        match self.service {
            "s3" if self.account.is_empty() && self.resource.contains('/') => Some(OBJECT),
            "s3" if self.resource.contains("/object/") => Some(OBJECT),
            "s3" if self.account.is_empty() => Some("AWS::S3::Bucket"),
            "s3" if self.resource.starts_with("accesspoint/") => Some("AWS::S3::AccessPoint"),
            "dynamodb" if self.resource.contains("/index/") => Some("aws.dynamodb.Index"),
            "dynamodb" if self.resource.contains("/stream/") => Some("aws.dynamodb.Stream"),
            "dynamodb" if self.resource.contains("/backup/") => Some("aws.dynamodb.Backup"),
            "logs" if self.resource.contains(":log-stream:") => Some("AWS::Logs::LogStream"),
            "sqs" => Some("AWS::SQS::Queue"),
            "sns" if !self.resource.contains([':', '/']) => Some("AWS::SNS::Topic"),
            service => kinds::of_arn(service, self.resource),
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
        if let Some(known) = self.kind() {
            return kinds::same(known, kind);
        }
        let (of_arn, _) = self.split();
        let of_arn = super::plain(of_arn);
        let of_kind = super::plain(thing);
        service_is(service, self.service)
            && (of_arn.is_empty() || of_kind.contains(&of_arn) || of_arn.contains(&of_kind))
    }

    /// Whether two ARNs can be of one thing: the account and region are the same, and what one of them says more than the other
    /// is a version, an alias, or the random characters of a secret. Services that had shorter ARNs before have both.
    pub(super) fn is_of_same(&self, other: &Self) -> bool {
        let longer = |one: &str, other: &str| {
            let more = one.strip_prefix(other);
            more.is_some_and(|more| more.is_empty() || more.starts_with(':') || is_secret_suffix(more))
        };
        let (one, two) = (self.split(), other.split());
        let had_shorter = self.service == "ecs"
            && one.0 == two.0
            && one.1.rsplit('/').next() == two.1.rsplit('/').next()
            && one.1.contains('/') != two.1.contains('/');
        self.service == other.service
            && self.account == other.account
            && self.region == other.region
            && (had_shorter || longer(self.resource, other.resource) || longer(other.resource, self.resource))
    }

    /// What the thing is a part of, as an ARN: the bucket of an object, the table of an index, the cluster of a service.
    fn parent(&self) -> Option<String> {
        let parts = |count: usize| -> Option<Vec<&str>> {
            let parts: Vec<&str> = self.resource.split('/').collect();
            (parts.len() >= count).then_some(parts)
        };
        let resource = match self.service {
            "s3" if self.account.is_empty() => self.resource.split_once('/')?.0.to_owned(),
            "s3" => self.resource.split_once("/object/")?.0.to_owned(),
            "dynamodb" => parts(4).filter(|parts| parts[0] == "table")?[..2].join("/"),
            "sns" => self.resource.split_once(':')?.0.to_owned(),
            "logs" => self.resource.split_once(":log-stream:")?.0.to_owned(),
            "ecs" if matches!(self.split().0, "service" | "task" | "container-instance") => {
                format!("cluster/{}", parts(3)?[1])
            }
            "eks" if matches!(self.split().0, "nodegroup" | "fargateprofile" | "addon") => {
                format!("cluster/{}", parts(3)?[1])
            }
            "elasticloadbalancing" if self.resource.starts_with("listener") => {
                format!("loadbalancer/{}", parts(5)?[1..4].join("/"))
            }
            _ => return None,
        };
        let (partition, service) = (self.partition, self.service);
        Some(format!("arn:{partition}:{service}:{}:{}:{resource}", self.region, self.account))
    }
}

/// `-AbCdEf`
fn is_secret_suffix(text: &str) -> bool {
    let random = text.strip_prefix('-').filter(|_| text.len() == SECRET_SUFFIX_BYTES);
    random.is_some_and(|random| random.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// The type of what an ARN names, if the tables have it.
pub(super) fn known_kind(text: &str) -> Option<&'static str> {
    Arn::parse(text)?.kind()
}

/// What the thing that an ARN names is a part of, as an ARN.
pub(super) fn parent(text: &str) -> Option<String> {
    Arn::parse(text)?.parent()
}

/// Whether a text is the ARN of one thing: no pattern, and not of an account as a whole.
pub(super) fn is_of_thing(text: &str) -> bool {
    Arn::parse(text)
        .is_some_and(|arn| arn.resource != "root" && !is_pattern(text, arn.kind() == Some(OBJECT)))
}

/// Whether a name stands for several things. Keys of objects may have an asterisk in them.
pub(super) fn is_pattern(name: &str, is_object: bool) -> bool {
    match is_object {
        true => name.ends_with('*'),
        false => name.strip_suffix(":*").unwrap_or(name).contains(['*', '?']),
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
        ("sqs", "") => vec![rest.to_owned(), queue_url(&arn)],
        ("iam", "") | ("sts", _) | ("sns", "") => owned(&[rest]),
        ("iam", "oidc-provider") => owned(&[rest]),
        ("iam", _) => owned(&[last]),
        ("secretsmanager", "secret") => match secret_name(rest) {
            Some(name) => owned(&[name, rest]),
            None => owned(&[rest]),
        },
        ("ssm", "parameter") if rest.contains('/') => vec![format!("/{rest}")],
        ("ssm", "parameter") => vec![rest.to_owned(), format!("/{rest}")],
        ("logs", "log-group") => log_names(text, rest),
        ("lambda", "function" | "layer") if first != rest => {
            let end = text.len() - (rest.len() - first.len());
            owned(&[first, &text[..end]])
        }
        ("cloudformation", "stack") => owned(&[first]),
        ("autoscaling", _) => owned(&[text.rsplit("Name/").next().unwrap_or(rest)]),
        ("elasticloadbalancing", "targetgroup") => owned(&[first]),
        ("elasticloadbalancing", "loadbalancer") => match rest.split('/').nth(1) {
            Some(name) => owned(&[name, rest]),
            None => owned(&[rest]),
        },
        ("route53", "hostedzone") => vec![rest.to_owned(), format!("/hostedzone/{rest}")],
        ("kms", "alias") => owned(&[arn.resource]),
        ("dynamodb", "table") if last != rest => owned(&[last, rest]),
        (service, _) if SLASHED.contains(&service) || last == rest => owned(&[rest]),
        _ => owned(&[last, rest]),
    };
    let is_object = arn.kind() == Some(OBJECT);
    names.retain(|name| {
        name != text && name != "root" && !is_pattern(name, is_object) && fits(name, REFERENCE_BYTES_MAX)
    });
    names
}

/// `prod/db` of `prod/db-AbCdEf`.
fn secret_name(rest: &str) -> Option<&str> {
    let at =
        rest.len().checked_sub(SECRET_SUFFIX_BYTES).filter(|at| *at > 0 && rest.is_char_boundary(*at))?;
    let (name, suffix) = rest.split_at(at);
    is_secret_suffix(suffix).then_some(name)
}

/// The URL under which a queue is called.
fn queue_url(arn: &Arn<'_>) -> String {
    let end = if arn.partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://sqs.{}.{end}/{}/{}", arn.region, arn.account, arn.resource)
}

/// A log group's ARN has `:*` at its end in some calls and not in others.
fn log_names(text: &str, rest: &str) -> Vec<String> {
    if let Some((_, stream)) = rest.split_once(":log-stream:") {
        return vec![stream.to_owned()];
    }
    match rest.strip_suffix(":*") {
        Some(name) => vec![name.to_owned(), text[..text.len() - 2].to_owned()],
        None => vec![rest.to_owned(), format!("{text}:*")],
    }
}

/// The AWS type of the thing; `aws:{service}` for services not in the table.
pub(super) fn kind(text: &str) -> String {
    let Some(arn) = Arn::parse(text) else { return "aws:unknown".to_owned() };
    if let Some(known) = arn.kind() {
        return known.to_owned();
    }
    let kind = format!("aws:{}", arn.service);
    if fits(&kind, TYPE_BYTES_MAX) { kind } else { "aws:unknown".to_owned() }
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
            (
                "arn:aws:sqs:eu-west-1:111122223333:jobs",
                &["jobs", "https://sqs.eu-west-1.amazonaws.com/111122223333/jobs"],
            ),
            (
                "arn:aws:logs:eu-west-1:111122223333:log-group:app",
                &["app", "arn:aws:logs:eu-west-1:111122223333:log-group:app:*"],
            ),
            ("arn:aws:route53:::hostedzone/Z1", &["Z1", "/hostedzone/Z1"]),
            (
                "arn:aws:lambda:eu-west-1:111122223333:layer:tools:3",
                &["tools", "arn:aws:lambda:eu-west-1:111122223333:layer:tools"],
            ),
            (
                "arn:aws:dynamodb:eu-west-1:111122223333:table/users/index/by-mail",
                &["by-mail", "users/index/by-mail"],
            ),
            ("arn:aws:dynamodb:eu-west-1:111122223333:table/users", &["users"]),
            ("arn:aws:rds:eu-west-1:111122223333:db:main", &["main"]),
            ("arn:aws:rds:eu-west-1:111122223333:snapshot:rds:main-2024", &["rds:main-2024"]),
            ("arn:aws:ec2:eu-west-1:111122223333:instance/i-0abc", &["i-0abc"]),
            ("arn:aws:ecr:eu-west-1:111122223333:repository/team/api", &["team/api"]),
            ("arn:aws:ecs:eu-west-1:111122223333:service/prod/api", &["api", "prod/api"]),
            ("arn:aws:eks:eu-west-1:111122223333:cluster/prod", &["prod"]),
            ("arn:aws:cloudformation:eu-west-1:111122223333:stack/web/6e1c", &["web"]),
            (
                "arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/app/web/50dc",
                &["web", "app/web/50dc"],
            ),
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

    /// Would catch two things of one name taken for one, and one thing with and without its version taken for two.
    #[test]
    fn arns_of_one_thing_differ_in_versions_only() {
        let arn = |text: &'static str| Arn::parse(text).unwrap();
        for (one, other, expected) in [
            (
                "arn:aws:lambda:eu-west-1:1:function:resize",
                "arn:aws:lambda:eu-west-1:1:function:resize:live",
                true,
            ),
            ("arn:aws:logs:eu-west-1:1:log-group:app", "arn:aws:logs:eu-west-1:1:log-group:app:*", true),
            (
                "arn:aws:secretsmanager:eu-west-1:1:secret:db",
                "arn:aws:secretsmanager:eu-west-1:1:secret:db-AbCdEf",
                true,
            ),
            ("arn:aws:ecs:eu-west-1:1:service/api", "arn:aws:ecs:eu-west-1:1:service/prod/api", true),
            ("arn:aws:ecs:eu-west-1:1:service/test/api", "arn:aws:ecs:eu-west-1:1:service/prod/api", false),
            (
                "arn:aws:lambda:eu-west-1:1:function:resize",
                "arn:aws:lambda:eu-west-1:1:function:resize2",
                false,
            ),
            ("arn:aws:iam::1:role/deploy", "arn:aws:iam::2:role/deploy", false),
            ("arn:aws:iam::1:role/a/deploy", "arn:aws:iam::1:role/b/deploy", false),
            ("arn:aws:sns:eu-west-1:1:alerts", "arn:aws:sns:eu-west-2:1:alerts", false),
        ] {
            assert_eq!(arn(one).is_of_same(&arn(other)), expected, "{one} {other}");
        }
    }

    /// Would catch a thing that is not found by what was done to a part of it.
    #[test]
    fn parts_have_wholes() {
        for (arn, expected) in [
            ("arn:aws:s3:::acme-data/2024/q1.pdf", Some("arn:aws:s3:::acme-data")),
            (
                "arn:aws:dynamodb:eu-west-1:1:table/users/index/by-mail",
                Some("arn:aws:dynamodb:eu-west-1:1:table/users"),
            ),
            ("arn:aws:sns:eu-west-1:1:alerts:8a2f", Some("arn:aws:sns:eu-west-1:1:alerts")),
            ("arn:aws:ecs:eu-west-1:1:service/prod/api", Some("arn:aws:ecs:eu-west-1:1:cluster/prod")),
            (
                "arn:aws:elasticloadbalancing:eu-west-1:1:listener/app/web/50dc/f2f7",
                Some("arn:aws:elasticloadbalancing:eu-west-1:1:loadbalancer/app/web/50dc"),
            ),
            ("arn:aws:s3:::acme-data", None),
            ("arn:aws:dynamodb:eu-west-1:1:table/users", None),
            ("arn:aws:ecs:eu-west-1:1:service/api", None),
            ("arn:aws:iam::1:role/ci/deploy", None),
        ] {
            assert_eq!(parent(arn).as_deref(), expected, "{arn}");
        }
        assert!(
            is_of_thing("arn:aws:logs:eu-west-1:1:log-group:app:*") && !is_of_thing("arn:aws:iam::1:role/*")
        );
        assert!(!is_of_thing("arn:aws:iam::1:root") && !is_of_thing("deploy"));
    }
}
