//! The types of AWS's things.
//!
//! In: an id that says what it is of, or the service and resource of an ARN. Out: the type, as AWS CloudFormation and AWS Config call
//! it. Guaranteed: what is not in the tables is not guessed.

/// The type of things of EC2 whose id does not say more.
pub(super) const EC2: &str = "aws:ec2";
/// How ids of EC2 begin, the type, and the type in ARNs (none: it has no ARN). Longer beginnings are before shorter ones.
const EC2_IDS: [(&str, &str, &str); 38] = [
    ("i-", "AWS::EC2::Instance", "instance"),
    ("vol-", "AWS::EC2::Volume", "volume"),
    ("sg-", "AWS::EC2::SecurityGroup", "security-group"),
    ("sgr-", "AWS::EC2::SecurityGroupRule", "security-group-rule"),
    ("snap-", "AWS::EC2::Snapshot", "snapshot"),
    ("ami-", "AWS::EC2::Image", "image"),
    ("eni-", "AWS::EC2::NetworkInterface", "network-interface"),
    ("rtb-", "AWS::EC2::RouteTable", "route-table"),
    ("igw-", "AWS::EC2::InternetGateway", "internet-gateway"),
    ("eigw-", "AWS::EC2::EgressOnlyInternetGateway", "egress-only-internet-gateway"),
    ("nat-", "AWS::EC2::NatGateway", "natgateway"),
    ("eipalloc-", "AWS::EC2::EIP", "elastic-ip"),
    ("subnet-", "AWS::EC2::Subnet", "subnet"),
    ("vpc-cidr-assoc-", "AWS::EC2::VPCCidrBlock", ""),
    ("vpc-", "AWS::EC2::VPC", "vpc"),
    ("vpce-svc-", "AWS::EC2::VPCEndpointService", "vpc-endpoint-service"),
    ("vpce-", "AWS::EC2::VPCEndpoint", "vpc-endpoint"),
    ("fl-", "AWS::EC2::FlowLog", "vpc-flow-log"),
    ("lt-", "AWS::EC2::LaunchTemplate", "launch-template"),
    ("acl-", "AWS::EC2::NetworkAcl", "network-acl"),
    ("pcx-", "AWS::EC2::VPCPeeringConnection", "vpc-peering-connection"),
    ("tgw-attach-", "AWS::EC2::TransitGatewayAttachment", "transit-gateway-attachment"),
    ("tgw-rtb-", "AWS::EC2::TransitGatewayRouteTable", "transit-gateway-route-table"),
    ("tgw-", "AWS::EC2::TransitGateway", "transit-gateway"),
    ("eipassoc-", "AWS::EC2::EIPAssociation", ""),
    ("rtbassoc-", "AWS::EC2::SubnetRouteTableAssociation", ""),
    ("aclassoc-", "AWS::EC2::SubnetNetworkAclAssociation", ""),
    ("dopt-", "AWS::EC2::DHCPOptions", "dhcp-options"),
    ("cgw-", "AWS::EC2::CustomerGateway", "customer-gateway"),
    ("vgw-", "AWS::EC2::VPNGateway", "vpn-gateway"),
    ("vpn-", "AWS::EC2::VPNConnection", "vpn-connection"),
    ("pl-", "AWS::EC2::PrefixList", "prefix-list"),
    ("key-", "AWS::EC2::KeyPair", ""),
    ("cr-", "AWS::EC2::CapacityReservation", "capacity-reservation"),
    ("fleet-", "AWS::EC2::EC2Fleet", "fleet"),
    ("sfr-", "AWS::EC2::SpotFleet", "spot-fleet-request"),
    ("sir-", "aws.ec2.SpotInstanceRequest", "spot-instances-request"),
    ("h-", "AWS::EC2::Host", "dedicated-host"),
];
/// Ids of other services may begin like EC2's; those have at least this many digits.
const EC2_DIGITS_MIN: usize = 8;
const EC2_DIGITS_MAX: usize = 17;
/// Service of an ARN, how the resource begins, and the type.
const OF_ARNS: [(&str, &str, &str); 73] = [
    ("access-analyzer", "analyzer/", "AWS::AccessAnalyzer::Analyzer"),
    ("acm", "certificate/", "AWS::CertificateManager::Certificate"),
    ("autoscaling", "autoScalingGroup:", "AWS::AutoScaling::AutoScalingGroup"),
    ("backup", "backup-vault:", "AWS::Backup::BackupVault"),
    ("backup", "backup-plan:", "AWS::Backup::BackupPlan"),
    ("cloudformation", "stack/", "AWS::CloudFormation::Stack"),
    ("cloudformation", "stackset/", "AWS::CloudFormation::StackSet"),
    ("cloudtrail", "trail/", "AWS::CloudTrail::Trail"),
    ("cloudtrail", "eventdatastore/", "AWS::CloudTrail::EventDataStore"),
    ("cloudtrail", "channel/", "AWS::CloudTrail::Channel"),
    ("cloudwatch", "alarm:", "AWS::CloudWatch::Alarm"),
    ("codebuild", "project/", "AWS::CodeBuild::Project"),
    ("cognito-identity", "identitypool/", "AWS::Cognito::IdentityPool"),
    ("cognito-idp", "userpool/", "AWS::Cognito::UserPool"),
    ("dynamodb", "table/", "AWS::DynamoDB::Table"),
    ("dynamodb", "global-table/", "AWS::DynamoDB::GlobalTable"),
    ("ecr", "repository/", "AWS::ECR::Repository"),
    ("ecs", "cluster/", "AWS::ECS::Cluster"),
    ("ecs", "service/", "AWS::ECS::Service"),
    ("ecs", "task/", "AWS::ECS::Task"),
    ("ecs", "task-definition/", "AWS::ECS::TaskDefinition"),
    ("eks", "cluster/", "AWS::EKS::Cluster"),
    ("eks", "nodegroup/", "AWS::EKS::Nodegroup"),
    ("eks", "fargateprofile/", "AWS::EKS::FargateProfile"),
    ("eks", "addon/", "AWS::EKS::Addon"),
    ("elasticache", "cluster:", "AWS::ElastiCache::CacheCluster"),
    ("elasticache", "replicationgroup:", "AWS::ElastiCache::ReplicationGroup"),
    ("elasticfilesystem", "file-system/", "AWS::EFS::FileSystem"),
    ("elasticloadbalancing", "loadbalancer/app/", "AWS::ElasticLoadBalancingV2::LoadBalancer"),
    ("elasticloadbalancing", "loadbalancer/net/", "AWS::ElasticLoadBalancingV2::LoadBalancer"),
    ("elasticloadbalancing", "loadbalancer/gwy/", "AWS::ElasticLoadBalancingV2::LoadBalancer"),
    ("elasticloadbalancing", "loadbalancer/", "AWS::ElasticLoadBalancing::LoadBalancer"),
    ("elasticloadbalancing", "targetgroup/", "AWS::ElasticLoadBalancingV2::TargetGroup"),
    ("elasticloadbalancing", "listener/", "AWS::ElasticLoadBalancingV2::Listener"),
    ("events", "rule/", "AWS::Events::Rule"),
    ("events", "event-bus/", "AWS::Events::EventBus"),
    ("firehose", "deliverystream/", "AWS::KinesisFirehose::DeliveryStream"),
    ("iam", "role/", "AWS::IAM::Role"),
    ("iam", "user/", "AWS::IAM::User"),
    ("iam", "group/", "AWS::IAM::Group"),
    ("iam", "policy/", "AWS::IAM::Policy"),
    ("iam", "instance-profile/", "AWS::IAM::InstanceProfile"),
    ("iam", "mfa/", "AWS::IAM::VirtualMFADevice"),
    ("iam", "saml-provider/", "AWS::IAM::SAMLProvider"),
    ("iam", "oidc-provider/", "AWS::IAM::OIDCProvider"),
    ("iam", "server-certificate/", "AWS::IAM::ServerCertificate"),
    ("kinesis", "stream/", "AWS::Kinesis::Stream"),
    ("kms", "key/", "AWS::KMS::Key"),
    ("kms", "alias/", "AWS::KMS::Alias"),
    ("lambda", "function:", "AWS::Lambda::Function"),
    ("lambda", "layer:", "AWS::Lambda::LayerVersion"),
    ("logs", "log-group:", "AWS::Logs::LogGroup"),
    ("organizations", "account/", "AWS::Organizations::Account"),
    ("organizations", "ou/", "AWS::Organizations::OrganizationalUnit"),
    ("organizations", "policy/", "AWS::Organizations::Policy"),
    ("rds", "db:", "AWS::RDS::DBInstance"),
    ("rds", "cluster:", "AWS::RDS::DBCluster"),
    ("rds", "snapshot:", "AWS::RDS::DBSnapshot"),
    ("rds", "cluster-snapshot:", "AWS::RDS::DBClusterSnapshot"),
    ("rds", "subgrp:", "AWS::RDS::DBSubnetGroup"),
    ("rds", "pg:", "AWS::RDS::DBParameterGroup"),
    ("rds", "cluster-pg:", "AWS::RDS::DBClusterParameterGroup"),
    ("rds", "og:", "AWS::RDS::OptionGroup"),
    ("redshift", "cluster:", "AWS::Redshift::Cluster"),
    ("route53", "hostedzone/", "AWS::Route53::HostedZone"),
    ("route53", "healthcheck/", "AWS::Route53::HealthCheck"),
    ("secretsmanager", "secret:", "AWS::SecretsManager::Secret"),
    ("ssm", "parameter/", "AWS::SSM::Parameter"),
    ("ssm", "document/", "AWS::SSM::Document"),
    ("ssm", "association/", "AWS::SSM::Association"),
    ("ssm", "managed-instance-inventory/", "AWS::SSM::ManagedInstanceInventory"),
    ("sso", "permissionSet/", "AWS::SSO::PermissionSet"),
    ("states", "stateMachine:", "AWS::StepFunctions::StateMachine"),
];
/// Words that mean one thing, in lowercase.
const SAME: [(&str, &str); 3] =
    [("ami", "image"), ("managedpolicy", "policy"), ("mfadevice", "virtualmfadevice")];
/// The number of an AWS account.
const ACCOUNT_DIGITS: usize = 12;

/// The type of what an id of EC2 is of; [`EC2`] if it does not say.
pub(super) fn of_ec2(id: &str) -> &'static str {
    ec2(id).map_or(EC2, |(_, kind, _)| kind)
}

/// The same for a text that may be anything: it has to be such an id in every letter, and outside of EC2 as long as they are today.
pub(super) fn of_ec2_id(text: &str, service: &str) -> Option<&'static str> {
    let (start, kind, _) = ec2(text)?;
    let digits = &text.as_bytes()[start.len()..];
    let digits_min = if service == "ec2" { 1 } else { EC2_DIGITS_MIN };
    let is_id = (digits_min..=EC2_DIGITS_MAX).contains(&digits.len())
        && digits.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_id.then_some(kind)
}

/// The type that the ARN of an id of EC2 has.
pub(super) fn arn_of_ec2(id: &str) -> Option<&'static str> {
    ec2(id).map(|(.., resource)| resource).filter(|resource| !resource.is_empty())
}

fn ec2(id: &str) -> Option<(&'static str, &'static str, &'static str)> {
    let first = *id.as_bytes().first()?;
    let known = EC2_IDS.iter().find(|(start, ..)| start.as_bytes()[0] == first && id.starts_with(start));
    known.copied()
}

/// What ids of AWS Organizations are of.
pub(super) fn of_organizations(id: &str) -> Option<&'static str> {
    if id.len() == ACCOUNT_DIGITS && id.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some("AWS::Organizations::Account");
    }
    let starts = [
        ("ou-", "AWS::Organizations::OrganizationalUnit"),
        ("r-", "aws.organizations.Root"),
        ("p-", "AWS::Organizations::Policy"),
        ("o-", "AWS::Organizations::Organization"),
    ];
    starts.iter().find(|(start, _)| id.starts_with(start)).map(|(_, kind)| *kind)
}

/// The type of the resource of an ARN, if the tables have it.
pub(super) fn of_arn(service: &str, resource: &str) -> Option<&'static str> {
    if service == "ec2" {
        let (kind, _) = resource.split_once('/')?;
        return EC2_IDS.iter().find(|(.., of_arn)| *of_arn == kind).map(|(_, kind, _)| *kind);
    }
    let known = OF_ARNS.iter().find(|(of, start, _)| *of == service && resource.starts_with(start));
    known.map(|(.., kind)| *kind)
}

/// `Bucket` of `AWS::S3::Bucket`, `Schedule` of `aws.scheduler.Schedule`.
pub(super) fn noun(kind: &str) -> &str {
    let end = kind.rsplit("::").next().unwrap_or_default();
    if kind.starts_with("aws.") { end.rsplit('.').next().unwrap_or_default() } else { end }
}

/// Whether two types mean one: both generations of load balancers, and words that AWS has two of.
pub(super) fn same(one: &str, other: &str) -> bool {
    fn parts(kind: &str) -> Option<(&str, String)> {
        let (service, thing) = kind.strip_prefix("AWS::")?.split_once("::")?;
        let thing = thing.to_ascii_lowercase();
        let known = SAME.iter().find(|(word, _)| *word == thing);
        let thing = known.map_or(thing, |(_, word)| (*word).to_owned());
        Some((service.strip_suffix("V2").unwrap_or(service), thing))
    }
    one == other
        || (one.len().abs_diff(other.len()) <= 8 && parts(one).is_some() && parts(one) == parts(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch an id of one type taken for another's because it begins alike, and a word taken for an id.
    #[test]
    fn ids_say_what_they_are_of() {
        for (id, service, expected) in [
            ("i-0abc", "ec2", Some("AWS::EC2::Instance")),
            ("vpce-0abc", "ec2", Some("AWS::EC2::VPCEndpoint")),
            ("vpce-svc-0abc", "ec2", Some("AWS::EC2::VPCEndpointService")),
            ("vpc-cidr-assoc-0abc", "ec2", Some("AWS::EC2::VPCCidrBlock")),
            ("tgw-attach-0abc", "ec2", Some("AWS::EC2::TransitGatewayAttachment")),
            ("sgr-0abc", "ec2", Some("AWS::EC2::SecurityGroupRule")),
            ("eni-attach-0abc", "ec2", None),
            ("sg-web", "ec2", None),
            ("subnet-0abc", "eks", None),
            ("subnet-0abc1234def", "eks", Some("AWS::EC2::Subnet")),
            ("subnet-", "ec2", None),
            ("", "ec2", None),
        ] {
            assert_eq!(of_ec2_id(id, service), expected, "{id}");
        }
        assert_eq!(of_ec2("sg-web"), "AWS::EC2::SecurityGroup");
        assert_eq!(of_ec2("x-1"), EC2);
        assert_eq!(of_organizations("111122223333"), Some("AWS::Organizations::Account"));
        assert_eq!(of_organizations("ou-ab12-cd34"), Some("AWS::Organizations::OrganizationalUnit"));
        assert_eq!(of_organizations("1111"), None);
    }

    /// Would catch one thing told as two because AWS has two words for it, and two types told as one.
    #[test]
    fn types_are_the_same_only_where_aws_means_one() {
        assert!(same("AWS::EC2::Ami", "AWS::EC2::Image"));
        assert!(same("AWS::ElasticLoadBalancing::LoadBalancer", "AWS::ElasticLoadBalancingV2::LoadBalancer"));
        assert!(!same("AWS::RDS::DBInstance", "AWS::RDS::DBCluster"));
        assert!(!same("aws.ecs.ContainerInstance", "AWS::EC2::Instance"));
        assert_eq!((noun("AWS::S3::Bucket"), noun("aws.scheduler.Schedule")), ("Bucket", "Schedule"));
        assert_eq!(of_arn("rds", "cluster-snapshot:x"), Some("AWS::RDS::DBClusterSnapshot"));
        assert_eq!(of_arn("ec2", "subnet/subnet-1"), Some("AWS::EC2::Subnet"));
        assert_eq!(of_arn("new", "thing/x"), None);
    }
}
