//! Which members of a call name things, and of which type.
//!
//! In: a service, the name of a call and the name of a member. Out: the type of what the member names. Guaranteed: case, hyphens and
//! a plural `s` of the member do not matter; a member is looked up in the rows of its service first, then in those of all
//! services. Looking up costs a binary search, however many rows there are.
//!
//! Types are those of AWS CloudFormation and AWS Config (`AWS::S3::Bucket`), which `resources` of a record has as well;
//! `aws.{service}.{noun}` where they have none. A type that begins with `?` depends on the value: see [`kind_of`].

use std::{borrow::Cow, cmp::Ordering, collections::HashMap, sync::LazyLock};

use serde_json::{Map, Value};

use super::{kinds, plain};

/// Service (empty: any), a part of the event's name, the member (lowercase letters and digits only), and the type.
pub(super) struct Row(&'static str, &'static str, &'static str, &'static str);

/// In the order in which things become targets.
const ROWS: &[Row] = &[
    Row("iam", "", "username", "AWS::IAM::User"),
    Row("iam", "", "rolename", "AWS::IAM::Role"),
    Row("iam", "", "groupname", "AWS::IAM::Group"),
    Row("iam", "", "instanceprofilename", "AWS::IAM::InstanceProfile"),
    Row("iam", "", "policyarn", "AWS::IAM::Policy"),
    Row("iam", "", "policyname", "AWS::IAM::Policy"),
    Row("iam", "", "accesskeyid", "AWS::IAM::AccessKey"),
    Row("iam", "", "serialnumber", "AWS::IAM::VirtualMFADevice"),
    Row("iam", "", "servercertificatename", "AWS::IAM::ServerCertificate"),
    Row("iam", "", "sshpublickeyid", "aws.iam.SSHPublicKey"),
    Row("iam", "", "servicespecificcredentialid", "aws.iam.ServiceSpecificCredential"),
    Row("iam", "", "certificateid", "aws.iam.SigningCertificate"),
    Row("iam", "", "accountalias", "aws.iam.AccountAlias"),
    Row("sts", "", "rolearn", "AWS::IAM::Role"),
    Row("sts", "", "accesskeyid", "AWS::IAM::AccessKey"),
    Row("s3", "", "bucketname", "AWS::S3::Bucket"),
    Row("s3", "", "bucket", "AWS::S3::Bucket"),
    Row("s3", "", "targetbucket", "AWS::S3::Bucket"),
    Row("s3", "AccessPoint", "name", "AWS::S3::AccessPoint"),
    Row("s3", "", "accesspointname", "AWS::S3::AccessPoint"),
    Row("cloudtrail", "Trail", "name", "AWS::CloudTrail::Trail"),
    Row("cloudtrail", "Logging", "name", "AWS::CloudTrail::Trail"),
    Row("cloudtrail", "", "trailname", "AWS::CloudTrail::Trail"),
    Row("cloudtrail", "", "trailnamelist", "AWS::CloudTrail::Trail"),
    Row("cloudtrail", "EventDataStore", "name", "AWS::CloudTrail::EventDataStore"),
    Row("cloudtrail", "", "eventdatastore", "AWS::CloudTrail::EventDataStore"),
    Row("cloudtrail", "Channel", "name", "AWS::CloudTrail::Channel"),
    Row("cloudtrail", "", "channel", "AWS::CloudTrail::Channel"),
    Row("cloudtrail", "", "snstopicname", "AWS::SNS::Topic"),
    Row("secretsmanager", "", "secretid", "AWS::SecretsManager::Secret"),
    Row("secretsmanager", "", "secretidlist", "AWS::SecretsManager::Secret"),
    Row("secretsmanager", "Secret", "name", "AWS::SecretsManager::Secret"),
    Row("ssm", "Parameter", "name", "AWS::SSM::Parameter"),
    Row("ssm", "Document", "name", "AWS::SSM::Document"),
    Row("ssm", "Association", "name", "AWS::SSM::Document"),
    Row("ssm", "", "documentname", "AWS::SSM::Document"),
    Row("ssm", "", "associationid", "AWS::SSM::Association"),
    Row("ssm", "", "windowid", "AWS::SSM::MaintenanceWindow"),
    Row("ssm", "", "baselineid", "AWS::SSM::PatchBaseline"),
    Row("ssm", "", "opsitemid", "aws.ssm.OpsItem"),
    Row("ssm", "", "sessionid", "aws.ssm.Session"),
    Row("ssm", "", "commandid", "aws.ssm.Command"),
    Row("ssm", "", "automationexecutionid", "aws.ssm.AutomationExecution"),
    Row("ssm", "", "instanceid", "?instance"),
    Row("ssm", "", "target", "?instance"),
    Row("kms", "", "keyid", "AWS::KMS::Key"),
    Row("kms", "", "targetkeyid", "AWS::KMS::Key"),
    Row("kms", "", "sourcekeyid", "AWS::KMS::Key"),
    Row("kms", "", "destinationkeyid", "AWS::KMS::Key"),
    Row("kms", "", "aliasname", "AWS::KMS::Alias"),
    Row("kms", "", "grantid", "aws.kms.Grant"),
    Row("kms", "", "customkeystoreid", "aws.kms.CustomKeyStore"),
    Row("lambda", "", "functionname", "AWS::Lambda::Function"),
    Row("lambda", "", "layername", "AWS::Lambda::LayerVersion"),
    Row("lambda", "", "uuid", "AWS::Lambda::EventSourceMapping"),
    Row("rds", "", "dbinstanceidentifier", "AWS::RDS::DBInstance"),
    Row("rds", "", "dbinstanceid", "AWS::RDS::DBInstance"),
    Row("rds", "", "dbiresourceid", "AWS::RDS::DBInstance"),
    Row("rds", "", "sourcedbinstanceidentifier", "AWS::RDS::DBInstance"),
    Row("rds", "", "targetdbinstanceidentifier", "AWS::RDS::DBInstance"),
    Row("rds", "", "readreplicasourcedbinstanceidentifier", "AWS::RDS::DBInstance"),
    Row("rds", "", "readreplicadbinstanceidentifier", "AWS::RDS::DBInstance"),
    Row("rds", "", "dbsnapshotidentifier", "AWS::RDS::DBSnapshot"),
    Row("rds", "", "sourcedbsnapshotidentifier", "AWS::RDS::DBSnapshot"),
    Row("rds", "", "targetdbsnapshotidentifier", "AWS::RDS::DBSnapshot"),
    Row("rds", "", "dbclusteridentifier", "AWS::RDS::DBCluster"),
    Row("rds", "", "dbclusterresourceid", "AWS::RDS::DBCluster"),
    Row("rds", "", "sourcedbclusteridentifier", "AWS::RDS::DBCluster"),
    Row("rds", "", "targetdbclusteridentifier", "AWS::RDS::DBCluster"),
    Row("rds", "", "dbclustersnapshotidentifier", "AWS::RDS::DBClusterSnapshot"),
    Row("rds", "", "sourcedbclustersnapshotidentifier", "AWS::RDS::DBClusterSnapshot"),
    Row("rds", "", "targetdbclustersnapshotidentifier", "AWS::RDS::DBClusterSnapshot"),
    Row("rds", "RestoreDBCluster", "snapshotidentifier", "AWS::RDS::DBClusterSnapshot"),
    Row("rds", "", "snapshotidentifier", "AWS::RDS::DBSnapshot"),
    Row("rds", "", "dbsubnetgroupname", "AWS::RDS::DBSubnetGroup"),
    Row("rds", "", "dbparametergroupname", "AWS::RDS::DBParameterGroup"),
    Row("rds", "", "dbclusterparametergroupname", "AWS::RDS::DBClusterParameterGroup"),
    Row("rds", "", "optiongroupname", "AWS::RDS::OptionGroup"),
    Row("rds", "", "dbsecuritygroupname", "AWS::RDS::DBSecurityGroup"),
    Row("rds", "", "globalclusteridentifier", "AWS::RDS::GlobalCluster"),
    Row("rds", "", "dbproxyname", "AWS::RDS::DBProxy"),
    Row("rds", "", "subscriptionname", "AWS::RDS::EventSubscription"),
    Row("rds", "", "exporttaskidentifier", "aws.rds.ExportTask"),
    Row("ec2", "", "instanceid", "AWS::EC2::Instance"),
    Row("ec2", "", "groupid", "AWS::EC2::SecurityGroup"),
    Row("ec2", "", "securitygroupid", "AWS::EC2::SecurityGroup"),
    Row("ec2", "SecurityGroup", "groupname", "AWS::EC2::SecurityGroup"),
    Row("ec2", "PlacementGroup", "groupname", "AWS::EC2::PlacementGroup"),
    Row("ec2", "", "volumeid", "AWS::EC2::Volume"),
    Row("ec2", "", "snapshotid", "AWS::EC2::Snapshot"),
    Row("ec2", "", "sourcesnapshotid", "AWS::EC2::Snapshot"),
    Row("ec2", "", "imageid", "AWS::EC2::Image"),
    Row("ec2", "SnapshotAttribute", "userid", "AWS::Organizations::Account"),
    Row("ec2", "ImageAttribute", "userid", "AWS::Organizations::Account"),
    Row("ec2", "", "sourceimageid", "AWS::EC2::Image"),
    Row("ec2", "CreateImage", "name", "AWS::EC2::Image"),
    Row("ec2", "CopyImage", "name", "AWS::EC2::Image"),
    Row("ec2", "RegisterImage", "name", "AWS::EC2::Image"),
    Row("ec2", "", "keyname", "AWS::EC2::KeyPair"),
    Row("ec2", "", "keypairid", "AWS::EC2::KeyPair"),
    Row("ec2", "", "iaminstanceprofilename", "AWS::IAM::InstanceProfile"),
    Row("ec2", "", "networkinterfaceid", "AWS::EC2::NetworkInterface"),
    Row("ec2", "", "routetableid", "AWS::EC2::RouteTable"),
    Row("ec2", "", "internetgatewayid", "AWS::EC2::InternetGateway"),
    Row("ec2", "", "natgatewayid", "AWS::EC2::NatGateway"),
    Row("ec2", "", "allocationid", "AWS::EC2::EIP"),
    Row("ec2", "Address", "publicip", "AWS::EC2::EIP"),
    Row("ec2", "", "subnetid", "AWS::EC2::Subnet"),
    Row("ec2", "", "vpcid", "AWS::EC2::VPC"),
    Row("ec2", "", "flowlogid", "AWS::EC2::FlowLog"),
    Row("ec2", "FlowLogs", "resourceid", "?ec2"),
    Row("ec2", "", "vpcendpointid", "AWS::EC2::VPCEndpoint"),
    Row("ec2", "", "launchtemplateid", "AWS::EC2::LaunchTemplate"),
    Row("ec2", "", "launchtemplatename", "AWS::EC2::LaunchTemplate"),
    Row("ec2", "", "associationid", "?ec2"),
    Row("ec2", "Tags", "resourceid", "?ec2"),
    Row("ec2", "", "resourceid", "?known"),
    Row("logs", "", "loggroupname", "AWS::Logs::LogGroup"),
    Row("logs", "", "loggroupidentifier", "AWS::Logs::LogGroup"),
    Row("logs", "", "logstreamname", "AWS::Logs::LogStream"),
    Row("logs", "", "destinationname", "AWS::Logs::Destination"),
    Row("logs", "", "filtername", "AWS::Logs::SubscriptionFilter"),
    Row("dynamodb", "", "tablename", "AWS::DynamoDB::Table"),
    Row("dynamodb", "", "sourcetablename", "AWS::DynamoDB::Table"),
    Row("dynamodb", "", "targettablename", "AWS::DynamoDB::Table"),
    Row("dynamodb", "", "globaltablename", "AWS::DynamoDB::GlobalTable"),
    Row("dynamodb", "", "indexname", "aws.dynamodb.Index"),
    Row("sns", "", "topicarn", "AWS::SNS::Topic"),
    Row("sns", "Topic", "name", "AWS::SNS::Topic"),
    Row("sqs", "", "queueurl", "AWS::SQS::Queue"),
    Row("sqs", "", "queuename", "AWS::SQS::Queue"),
    Row("ecr", "", "repositoryname", "AWS::ECR::Repository"),
    Row("cloudformation", "", "stackname", "AWS::CloudFormation::Stack"),
    Row("cloudformation", "", "stackid", "AWS::CloudFormation::Stack"),
    Row("cloudformation", "", "stacksetname", "AWS::CloudFormation::StackSet"),
    Row("cloudformation", "", "stacksetid", "AWS::CloudFormation::StackSet"),
    Row("cloudformation", "", "changesetname", "aws.cloudformation.ChangeSet"),
    Row("guardduty", "", "detectorid", "AWS::GuardDuty::Detector"),
    Row("guardduty", "", "ipsetid", "AWS::GuardDuty::IPSet"),
    Row("guardduty", "", "threatintelsetid", "AWS::GuardDuty::ThreatIntelSet"),
    Row("guardduty", "", "accountid", "AWS::Organizations::Account"),
    Row("rolesanywhere", "", "trustanchorid", "AWS::RolesAnywhere::TrustAnchor"),
    Row("rolesanywhere", "", "profileid", "AWS::RolesAnywhere::Profile"),
    Row("eks", "", "clustername", "AWS::EKS::Cluster"),
    Row("eks", "Cluster", "name", "AWS::EKS::Cluster"),
    Row("eks", "Nodegroup", "name", "AWS::EKS::Cluster"),
    Row("eks", "Addon", "name", "AWS::EKS::Cluster"),
    Row("eks", "Fargate", "name", "AWS::EKS::Cluster"),
    Row("eks", "", "nodegroupname", "AWS::EKS::Nodegroup"),
    Row("eks", "", "fargateprofilename", "AWS::EKS::FargateProfile"),
    Row("eks", "", "addonname", "AWS::EKS::Addon"),
    Row("ecs", "", "service", "AWS::ECS::Service"),
    Row("ecs", "", "servicename", "AWS::ECS::Service"),
    Row("ecs", "", "task", "AWS::ECS::Task"),
    Row("ecs", "", "taskarn", "AWS::ECS::Task"),
    Row("ecs", "", "taskdefinition", "AWS::ECS::TaskDefinition"),
    Row("ecs", "", "taskdefinitionarn", "AWS::ECS::TaskDefinition"),
    Row("ecs", "", "containerinstance", "aws.ecs.ContainerInstance"),
    Row("ecs", "", "containerinstancearn", "aws.ecs.ContainerInstance"),
    Row("ecs", "", "cluster", "AWS::ECS::Cluster"),
    Row("ecs", "", "clustername", "AWS::ECS::Cluster"),
    Row("ecs", "", "clusterarn", "AWS::ECS::Cluster"),
    Row("redshift", "", "clusteridentifier", "AWS::Redshift::Cluster"),
    Row("redshift", "", "snapshotidentifier", "aws.redshift.Snapshot"),
    Row("redshift", "", "clustersubnetgroupname", "AWS::Redshift::ClusterSubnetGroup"),
    Row("elasticache", "", "cacheclusterid", "AWS::ElastiCache::CacheCluster"),
    Row("elasticache", "", "replicationgroupid", "AWS::ElastiCache::ReplicationGroup"),
    Row("elasticache", "", "cachesubnetgroupname", "AWS::ElastiCache::SubnetGroup"),
    Row("route53", "", "hostedzoneid", "AWS::Route53::HostedZone"),
    Row("route53", "HostedZone", "id", "AWS::Route53::HostedZone"),
    Row("route53", "HostedZone", "name", "AWS::Route53::HostedZone"),
    Row("route53", "", "healthcheckid", "AWS::Route53::HealthCheck"),
    Row("monitoring", "", "alarmname", "AWS::CloudWatch::Alarm"),
    Row("monitoring", "", "dashboardname", "AWS::CloudWatch::Dashboard"),
    Row("autoscaling", "", "autoscalinggroupname", "AWS::AutoScaling::AutoScalingGroup"),
    Row("autoscaling", "", "launchconfigurationname", "AWS::AutoScaling::LaunchConfiguration"),
    Row("elasticloadbalancing", "LoadBalancer", "name", "AWS::ElasticLoadBalancingV2::LoadBalancer"),
    Row("elasticloadbalancing", "TargetGroup", "name", "AWS::ElasticLoadBalancingV2::TargetGroup"),
    Row("elasticloadbalancing", "", "loadbalancername", "AWS::ElasticLoadBalancing::LoadBalancer"),
    Row("elasticloadbalancing", "", "loadbalancerarn", "AWS::ElasticLoadBalancingV2::LoadBalancer"),
    Row("elasticloadbalancing", "", "targetgroupname", "AWS::ElasticLoadBalancingV2::TargetGroup"),
    Row("elasticloadbalancing", "", "targetgrouparn", "AWS::ElasticLoadBalancingV2::TargetGroup"),
    Row("elasticloadbalancing", "", "listenerarn", "AWS::ElasticLoadBalancingV2::Listener"),
    Row("organizations", "", "accountid", "AWS::Organizations::Account"),
    Row("organizations", "", "accountname", "AWS::Organizations::Account"),
    Row("organizations", "", "policyid", "AWS::Organizations::Policy"),
    Row("organizations", "", "organizationalunitid", "AWS::Organizations::OrganizationalUnit"),
    Row("organizations", "", "rootid", "?organizations"),
    Row("organizations", "", "targetid", "?organizations"),
    Row("organizations", "", "parentid", "?organizations"),
    Row("organizations", "", "sourceparentid", "?organizations"),
    Row("organizations", "", "destinationparentid", "?organizations"),
    Row("organizations", "", "handshakeid", "aws.organizations.Handshake"),
    Row("identitystore", "", "userid", "aws.identitystore.User"),
    Row("identitystore", "User", "username", "aws.identitystore.User"),
    Row("identitystore", "", "groupid", "aws.identitystore.Group"),
    Row("identitystore", "CreateGroup", "displayname", "aws.identitystore.Group"),
    Row("sso-directory", "", "userid", "aws.identitystore.User"),
    Row("sso-directory", "User", "username", "aws.identitystore.User"),
    Row("sso-directory", "", "memberid", "?principal"),
    Row("sso-directory", "", "groupid", "aws.identitystore.Group"),
    Row("sso-directory", "CreateGroup", "displayname", "aws.identitystore.Group"),
    Row("sso", "", "principalid", "?principal"),
    Row("sso", "", "userid", "aws.identitystore.User"),
    Row("sso", "", "groupid", "aws.identitystore.Group"),
    Row("sso", "", "permissionsetarn", "AWS::SSO::PermissionSet"),
    Row("sso", "PermissionSet", "name", "AWS::SSO::PermissionSet"),
    Row("sso", "", "targetid", "?organizations"),
    Row("sso", "", "accountid", "AWS::Organizations::Account"),
    Row("account", "", "regionname", "aws.account.Region"),
    Row("account", "", "accountid", "AWS::Organizations::Account"),
    Row("cognito-idp", "", "username", "aws.cognito-idp.User"),
    Row("cognito-idp", "", "groupname", "aws.cognito-idp.Group"),
    Row("cognito-idp", "", "clientid", "AWS::Cognito::UserPoolClient"),
    Row("cognito-idp", "", "userpoolid", "AWS::Cognito::UserPool"),
    Row("cognito-identity", "", "identitypoolid", "AWS::Cognito::IdentityPool"),
    Row("events", "", "rule", "AWS::Events::Rule"),
    Row("events", "Rule", "name", "AWS::Events::Rule"),
    Row("events", "", "eventbusname", "AWS::Events::EventBus"),
    Row("states", "", "statemachinearn", "AWS::StepFunctions::StateMachine"),
    Row("states", "", "executionarn", "aws.states.Execution"),
    Row("kinesis", "", "streamname", "AWS::Kinesis::Stream"),
    Row("firehose", "", "deliverystreamname", "AWS::KinesisFirehose::DeliveryStream"),
    Row("glue", "", "databasename", "AWS::Glue::Database"),
    Row("glue", "", "tablename", "AWS::Glue::Table"),
    Row("glue", "Table", "name", "AWS::Glue::Table"),
    Row("glue", "", "jobname", "AWS::Glue::Job"),
    Row("athena", "", "workgroup", "AWS::Athena::WorkGroup"),
    Row("athena", "", "queryexecutionid", "aws.athena.QueryExecution"),
    Row("ses", "", "emailaddress", "AWS::SES::EmailIdentity"),
    Row("ses", "", "emailidentity", "AWS::SES::EmailIdentity"),
    Row("ses", "", "identity", "AWS::SES::EmailIdentity"),
    Row("elasticfilesystem", "", "filesystemid", "AWS::EFS::FileSystem"),
    Row("elasticfilesystem", "", "mounttargetid", "AWS::EFS::MountTarget"),
    Row("elasticfilesystem", "", "accesspointid", "AWS::EFS::AccessPoint"),
    Row("backup", "", "backupvaultname", "AWS::Backup::BackupVault"),
    Row("backup", "", "backupplanid", "AWS::Backup::BackupPlan"),
    Row("config", "", "configrulename", "AWS::Config::ConfigRule"),
    Row("config", "", "configurationrecordername", "AWS::Config::ConfigurationRecorder"),
    Row("config", "", "deliverychannelname", "AWS::Config::DeliveryChannel"),
    Row("codebuild", "", "projectname", "AWS::CodeBuild::Project"),
    Row("codebuild", "", "buildid", "aws.codebuild.Build"),
    Row("codecommit", "", "repositoryname", "AWS::CodeCommit::Repository"),
    Row("sagemaker", "", "notebookinstancename", "AWS::SageMaker::NotebookInstance"),
    Row("sagemaker", "", "endpointname", "AWS::SageMaker::Endpoint"),
    Row("sagemaker", "", "modelname", "AWS::SageMaker::Model"),
    Row("es", "", "domainname", "AWS::OpenSearchService::Domain"),
    Row("transfer", "", "serverid", "AWS::Transfer::Server"),
    Row("workspaces", "", "workspaceid", "AWS::WorkSpaces::Workspace"),
    Row("ds", "", "directoryid", "aws.ds.Directory"),
    Row("apigateway", "", "restapiid", "AWS::ApiGateway::RestApi"),
    Row("elasticbeanstalk", "", "applicationname", "AWS::ElasticBeanstalk::Application"),
    Row("elasticbeanstalk", "", "environmentname", "AWS::ElasticBeanstalk::Environment"),
    // What calls of all services name in passing.
    Row("", "", "instanceid", "?instance"),
    Row("", "", "subnetid", "AWS::EC2::Subnet"),
    Row("", "", "subnetidentifier", "AWS::EC2::Subnet"),
    Row("", "", "subnet", "?known"),
    Row("", "", "securitygroupid", "AWS::EC2::SecurityGroup"),
    Row("", "", "vpcsecuritygroupid", "AWS::EC2::SecurityGroup"),
    Row("", "", "securitygroup", "?known"),
    Row("", "", "vpcid", "AWS::EC2::VPC"),
    Row("", "", "kmskeyid", "AWS::KMS::Key"),
    Row("", "", "kmskey", "AWS::KMS::Key"),
    Row("", "", "kmsmasterkeyid", "AWS::KMS::Key"),
    Row("", "", "ssekmskeyid", "AWS::KMS::Key"),
    Row("", "", "ssekmsmasterkeyid", "AWS::KMS::Key"),
    Row("", "", "xamzserversideencryptionawskmskeyid", "AWS::KMS::Key"),
    Row("", "", "bucketname", "AWS::S3::Bucket"),
    Row("", "", "s3bucket", "AWS::S3::Bucket"),
    Row("", "", "s3bucketname", "AWS::S3::Bucket"),
];
/// No member of the table is longer.
const MEMBER_BYTES_MAX: usize = 48;

/// A row, and where it stands in the table.
#[derive(Clone, Copy)]
struct Numbered {
    rank: usize,
    row: &'static Row,
}

/// For each service its rows and those of all services, by member and then in the order of the table. What is under `""` is for
/// services without rows.
static BY_SERVICE: LazyLock<HashMap<&str, Vec<Numbered>>> = LazyLock::new(|| {
    let numbered: Vec<Numbered> = ROWS.iter().enumerate().map(|(rank, row)| Numbered { rank, row }).collect();
    let mut by_service: HashMap<&str, Vec<Numbered>> = HashMap::new();
    for Row(service, ..) in ROWS {
        by_service.entry(*service).or_insert_with(|| {
            let own = |entry: &&Numbered| entry.row.0 == *service || entry.row.0.is_empty();
            let mut rows: Vec<Numbered> = numbered.iter().filter(own).copied().collect();
            rows.sort_by(|one, other| one.row.2.cmp(other.row.2).then(one.rank.cmp(&other.rank)));
            rows
        });
    }
    by_service
});

/// The rows that may apply to a call.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    rows: &'static [Numbered],
    event_name: &'a str,
}

/// What a member names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Meaning {
    /// The lower one becomes a target first.
    pub(super) rank: usize,
    /// Whether the row is one of the service itself.
    pub(super) own: bool,
    pub(super) kind: &'static str,
}

impl<'a> Rows<'a> {
    /// The rows of a service and the call `event_name`.
    pub(super) fn of(service: &str, event_name: &'a str) -> Self {
        let by_service = &*BY_SERVICE;
        let rows = by_service.get(service).or_else(|| by_service.get(""));
        Self { rows: rows.map_or(&[], Vec::as_slice), event_name }
    }

    /// What a member of this name names, if the table has it.
    pub(super) fn find(&self, member: &str) -> Option<Meaning> {
        let mut buffer = [0; MEMBER_BYTES_MAX];
        let name = plain_bytes(member, &mut buffer)?;
        self.find_plain(name).or_else(|| self.find_plain(name.strip_suffix(b"s")?))
    }

    /// The same for a new name of what is renamed: `newUserName` is about the thing that `userName` names.
    pub(super) fn find_new(&self, member: &str) -> Option<Meaning> {
        self.find(member.strip_prefix("new")?).filter(|meaning| meaning.own)
    }

    fn find_plain(&self, name: &[u8]) -> Option<Meaning> {
        let start = self.rows.partition_point(|entry| entry.row.2.as_bytes().cmp(name) == Ordering::Less);
        let of_member = self.rows[start..].iter().take_while(|entry| entry.row.2.as_bytes() == name);
        let mut of_event = of_member.filter(|entry| self.event_name.contains(entry.row.1));
        let entry = of_event.next()?;
        Some(Meaning { rank: entry.rank, own: !entry.row.0.is_empty(), kind: entry.row.3 })
    }
}

/// Lowercase letters and digits of a member's name; `None` if it is too long for the table or not ASCII.
fn plain_bytes<'b>(member: &str, buffer: &'b mut [u8; MEMBER_BYTES_MAX]) -> Option<&'b [u8]> {
    let mut length = 0;
    for byte in member.bytes() {
        if byte.is_ascii_alphanumeric() {
            *buffer.get_mut(length)? = byte.to_ascii_lowercase();
            length += 1;
        } else if !byte.is_ascii() {
            return None;
        }
    }
    Some(&buffer[..length])
}

/// The type of what a row names, given the value and the members beside it; `None` if the value is no name of such a thing.
pub(super) fn kind_of(
    kind: &'static str,
    name: &str,
    beside: &Map<String, Value>,
) -> Option<Cow<'static, str>> {
    let known = |id: &str| Some(kinds::of_ec2(id)).filter(|kind| *kind != kinds::EC2);
    let says = |member: &str, word: &str| {
        let text = beside.get(member).and_then(Value::as_str);
        text.is_some_and(|text| text.eq_ignore_ascii_case(word))
    };
    let kind = match kind {
        "?ec2" => kinds::of_ec2(name),
        "?known" => known(name)?,
        "?instance" if name.starts_with("mi-") => "aws.ssm.ManagedInstance",
        "?instance" => known(name).filter(|_| name.starts_with("i-"))?,
        "?organizations" => kinds::of_organizations(name)?,
        "?principal" if says("principalType", "GROUP") => "aws.identitystore.Group",
        "?principal" if says("principalType", "USER") || !beside.contains_key("principalType") => {
            "aws.identitystore.User"
        }
        "?principal" => return None,
        // The ARN says better what it is of; only what a key's alias stands for is meant as a key.
        kind if name.starts_with("arn:") && kind != "AWS::KMS::Key" => {
            return Some(super::arn::known_kind(name).unwrap_or(kind).into());
        }
        kind => kind,
    };
    Some(kind.into())
}

/// The type that the table has for a member of this name, [`plain`], whatever the event is called.
pub(super) fn kind_of_member(service: &str, member: &str) -> Option<&'static str> {
    let known = ROWS
        .iter()
        .find(|Row(of, _, name, kind)| *of == service && *name == member && !kind.starts_with('?'));
    known.map(|Row(.., kind)| *kind)
}

/// The type of the service's table whose last part is the word: `AWS::SSM::Parameter` for `Parameter`.
pub(super) fn kind_of_word(service: &str, word: &str) -> Option<&'static str> {
    let word = plain(word);
    let known = ROWS
        .iter()
        .find(|Row(of, .., kind)| *of == service && !word.is_empty() && plain(kinds::noun(kind)) == word);
    known.map(|Row(.., kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch a row that no member can match, and one that another row hides.
    #[test]
    fn every_row_can_be_found() {
        for Row(service, event, member, kind) in ROWS {
            assert_eq!(plain(member), *member);
            assert!(member.len() <= MEMBER_BYTES_MAX, "{member}");
            let found = Rows::of(service, event).find(member).unwrap();
            assert_eq!(found.kind, *kind, "{service} {event} {member}");
        }
    }

    /// Would catch a spelling of a member that is not recognised, and a row of another service or call that is taken.
    #[test]
    fn members_are_found_in_any_spelling() {
        let kind = |service: &str, event: &str, member: &str| {
            Rows::of(service, event).find(member).map(|it| it.kind)
        };
        for (service, event, member, expected) in [
            ("kms", "CreateAlias", "targetKeyId", Some("AWS::KMS::Key")),
            ("rds", "DeleteDBInstance", "DBInstanceIdentifier", Some("AWS::RDS::DBInstance")),
            ("rds", "DeleteDBInstance", "dBInstanceIdentifier", Some("AWS::RDS::DBInstance")),
            ("monitoring", "DeleteAlarms", "alarmNames", Some("AWS::CloudWatch::Alarm")),
            ("ssm", "DeleteParameters", "names", Some("AWS::SSM::Parameter")),
            ("ssm", "SendCommand", "name", None),
            ("newservice", "CreateThing", "kmsKeyId", Some("AWS::KMS::Key")),
            ("newservice", "CreateThing", "keyId", None),
            ("s3", "PutObject", "x-amz-server-side-encryption-aws-kms-key-id", Some("AWS::KMS::Key")),
            ("iam", "CreateUser", "a member whose name is far too long to be in any table", None),
            ("iam", "CreateUser", "üserName", None),
        ] {
            assert_eq!(kind(service, event, member), expected, "{service} {event} {member}");
        }
        let renamed = Rows::of("iam", "UpdateUser").find_new("newUserName").unwrap();
        assert_eq!((renamed.kind, renamed.own), ("AWS::IAM::User", true));
        assert_eq!(Rows::of("iam", "UpdateUser").find_new("newPath"), None);
    }
}
