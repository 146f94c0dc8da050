//! Tests of what calls are about, and what things are called.

use serde_json::{Value, json};

use super::tests::{case, found_by, mapped};

/// Would catch a thing that is found under one of its names only.
#[test]
fn a_thing_is_found_by_all_its_names() {
    let events = case("24-one-thing-several-names/records.json");
    let by = |name: &str| events.iter().filter(|event| found_by(event, name)).count();
    let arn = |rest: &str| format!("arn:aws:{rest}");
    assert_eq!((by("acme-data"), by(&arn("s3:::acme-data"))), (2, 2));
    let key = "1234abcd-12ab-34cd-56ef-1234567890ab";
    assert_eq!((by(key), by(&arn(&format!("kms:eu-west-1:111122223333:key/{key}")))), (1, 1));
    let secret = arn("secretsmanager:eu-west-1:111122223333:secret:prod/db-AbCdEf");
    assert_eq!((by("prod/db"), by(&secret)), (1, 1));
    assert_eq!((by("deploy"), by(&arn("iam::111122223333:role/deploy"))), (3, 3));
    for event in &events {
        assert_eq!(event["targets"].as_array().unwrap().len(), 1, "{event}");
    }
}

/// Would catch a name that the answer gives and that does not find the event, and two targets for one thing.
#[test]
fn names_come_from_request_and_answer() {
    let scope = json!({"awsRegion": "eu-west-1", "recipientAccountId": "111122223333"});
    let with_scope = |mut members: Value| {
        members.as_object_mut().unwrap().extend(scope.as_object().unwrap().clone());
        mapped(members)
    };
    let arn = |rest: &str| format!("arn:aws:{rest}").replace('@', "eu-west-1:111122223333");
    for (members, names) in [
        (
            json!({"eventName": "CreateRole", "requestParameters": {"roleName": "deploy", "path": "/ci/"},
                   "responseElements": {"role": {"roleName": "deploy", "roleId": "AROAEXAMPLE", "path": "/ci/",
                                                 "arn": "arn:aws:iam::111122223333:role/ci/deploy"}}}),
            vec!["deploy".to_owned(), "AROAEXAMPLE".to_owned(), arn("iam::111122223333:role/ci/deploy")],
        ),
        (
            json!({"eventSource": "lambda.amazonaws.com", "eventName": "UpdateFunctionCode20150331v2",
                   "requestParameters": {"functionName": "resize:live"},
                   "responseElements": {"functionName": "resize", "functionArn": "arn:aws:lambda:eu-west-1:111122223333:function:resize"}}),
            vec!["resize".to_owned(), "resize:live".to_owned(), arn("lambda:@:function:resize")],
        ),
        (
            json!({"eventSource": "sqs.amazonaws.com", "eventName": "DeleteQueue",
                   "requestParameters": {"queueUrl": "https://sqs.eu-west-1.amazonaws.com/111122223333/jobs"}}),
            vec![
                "jobs".to_owned(),
                arn("sqs:@:jobs"),
                "https://sqs.eu-west-1.amazonaws.com/111122223333/jobs".to_owned(),
            ],
        ),
        (
            json!({"eventSource": "sqs.amazonaws.com", "eventName": "CreateQueue", "requestParameters": {"queueName": "jobs"},
                   "responseElements": {"queueUrl": "https://sqs.eu-west-1.amazonaws.com/111122223333/jobs"}}),
            vec![
                "jobs".to_owned(),
                arn("sqs:@:jobs"),
                "https://sqs.eu-west-1.amazonaws.com/111122223333/jobs".to_owned(),
            ],
        ),
        (
            json!({"eventSource": "kms.amazonaws.com", "eventName": "Encrypt", "requestParameters": {"keyId": "alias/main"},
                   "resources": [{"type": "AWS::KMS::Key", "ARN": "arn:aws:kms:eu-west-1:111122223333:key/1234"}]}),
            vec!["1234".to_owned(), "alias/main".to_owned(), arn("kms:@:key/1234")],
        ),
        (
            json!({"eventSource": "ec2.amazonaws.com", "eventName": "CreateSecurityGroup", "requestParameters": {"groupName": "web"},
                   "responseElements": {"groupId": "sg-1", "_return": true}}),
            vec!["web".to_owned(), "sg-1".to_owned()],
        ),
        (
            json!({"eventSource": "ec2.amazonaws.com", "eventName": "DeleteSecurityGroup",
                   "requestParameters": {"groupName": "web", "groupId": "sg-1"}}),
            vec!["web".to_owned(), "sg-1".to_owned(), arn("ec2:@:security-group/sg-1")],
        ),
        (
            json!({"eventSource": "ec2.amazonaws.com", "eventName": "CreateVpc", "requestParameters": {"cidrBlock": "10.0.0.0/16"},
                   "responseElements": {"vpc": {"vpcId": "vpc-1", "state": "pending"}}}),
            vec!["vpc-1".to_owned()],
        ),
        (
            json!({"eventSource": "dynamodb.amazonaws.com", "eventName": "DeleteTable", "requestParameters": {"tableName": "users"},
                   "responseElements": {"tableDescription": {"tableName": "users", "tableId": "t-77",
                       "tableArn": "arn:aws:dynamodb:eu-west-1:111122223333:table/users"}}}),
            vec!["users".to_owned(), "t-77".to_owned(), arn("dynamodb:@:table/users")],
        ),
        (
            json!({"eventSource": "rds.amazonaws.com", "eventName": "DeleteDBInstance",
                   "requestParameters": {"dBInstanceIdentifier": "main"}}),
            vec!["main".to_owned(), arn("rds:@:db:main")],
        ),
        (
            json!({"eventSource": "logs.amazonaws.com", "eventName": "DeleteLogGroup",
                   "requestParameters": {"logGroupName": "/aws/lambda/resize"}}),
            vec!["/aws/lambda/resize".to_owned(), arn("logs:@:log-group:/aws/lambda/resize")],
        ),
        (
            json!({"eventSource": "elasticfilesystem.amazonaws.com", "eventName": "DeleteFileSystem",
                   "requestParameters": {"fileSystemId": "fs-1"}}),
            vec!["fs-1".to_owned()],
        ),
        (
            json!({"eventSource": "states.amazonaws.com", "eventName": "DeleteStateMachine",
                   "requestParameters": {"stateMachineArn": "arn:aws:states:eu-west-1:111122223333:stateMachine:orders"}}),
            vec!["orders".to_owned(), arn("states:@:stateMachine:orders")],
        ),
        (
            json!({"eventSource": "secretsmanager.amazonaws.com", "eventName": "CreateSecret", "requestParameters": {"name": "prod/db"},
                   "responseElements": {"name": "prod/db", "aRN": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db-AbCdEf"}}),
            vec!["prod/db".to_owned(), arn("secretsmanager:@:secret:prod/db-AbCdEf")],
        ),
        (
            json!({"eventSource": "secretsmanager.amazonaws.com", "eventName": "StartSecretVersionDelete", "eventType": "AwsServiceEvent",
                   "additionalEventData": {"Name": "prod/db", "ARN": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db-AbCdEf"}}),
            vec!["prod/db".to_owned(), arn("secretsmanager:@:secret:prod/db-AbCdEf")],
        ),
        (
            json!({"eventSource": "sts.amazonaws.com", "eventName": "AssumeRole", "errorCode": "AccessDenied",
                   "errorMessage": "User: arn:aws:iam::111122223333:user/ana is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::111122223333:role/deploy"}),
            vec!["deploy".to_owned(), arn("iam::111122223333:role/deploy")],
        ),
        (
            json!({"eventSource": "ssm.amazonaws.com", "eventName": "AddTagsToResource",
                   "requestParameters": {"resourceType": "Parameter", "resourceId": "/db/password"}}),
            vec!["/db/password".to_owned(), arn("ssm:@:parameter/db/password")],
        ),
        (
            json!({"eventSource": "config.amazonaws.com", "eventName": "GetResourceConfigHistory",
                   "requestParameters": {"resourceType": "AWS::EC2::Instance", "resourceId": "i-0abc"}}),
            vec!["i-0abc".to_owned(), arn("ec2:@:instance/i-0abc")],
        ),
        (
            json!({"eventSource": "cloudtrail.amazonaws.com", "eventName": "ListTags",
                   "requestParameters": {"resourceIdList": ["arn:aws:cloudtrail:eu-west-1:111122223333:trail/main"]}}),
            vec!["main".to_owned(), arn("cloudtrail:@:trail/main")],
        ),
        (
            json!({"eventSource": "ec2.amazonaws.com", "eventName": "CreateTags",
                   "requestParameters": {"resourcesSet": {"items": [{"resourceId": "i-0abc"}]}, "tagSet": {"items": [{"key": "a", "value": "b"}]}}}),
            vec!["i-0abc".to_owned(), arn("ec2:@:instance/i-0abc")],
        ),
        (
            json!({"eventSource": "ec2.amazonaws.com", "eventName": "CreateSubnet", "requestParameters": {"cidrBlock": "10.0.0.0/16"},
                   "responseElements": {"subnet": {"subnetId": "subnet-1", "subnetArn": "arn:aws:ec2:eu-west-1:111122223333:subnet/subnet-1"}}}),
            vec!["subnet-1".to_owned(), arn("ec2:@:subnet/subnet-1")],
        ),
        (
            json!({"eventSource": "kms.amazonaws.com", "eventName": "RotateKey", "eventType": "AwsServiceEvent",
                   "serviceEventDetails": {"rotationType": "AUTOMATIC", "keyId": "1234"},
                   "resources": [{"type": "AWS::KMS::Key", "ARN": "arn:aws:kms:eu-west-1:111122223333:key/1234"}]}),
            vec!["1234".to_owned(), arn("kms:@:key/1234")],
        ),
    ] {
        let event = with_scope(members);
        for name in names {
            assert!(found_by(&event, &name), "{name} of {event}");
        }
        assert_eq!(event["targets"].as_array().unwrap().len(), 1, "{event}");
    }
}

/// Would catch a call that is about a thing and has no target, and a filter taken for a thing.
#[test]
fn ordinary_calls_have_targets() {
    for (service, name, request, kind, ids) in [
        ("eks", "DeleteCluster", json!({"name": "main"}), "AWS::EKS::Cluster", vec!["main"]),
        ("ecs", "UpdateClusterSettings", json!({"cluster": "main"}), "AWS::ECS::Cluster", vec!["main"]),
        (
            "route53",
            "ChangeResourceRecordSets",
            json!({"hostedZoneId": "Z1"}),
            "AWS::Route53::HostedZone",
            vec!["Z1"],
        ),
        (
            "monitoring",
            "DeleteAlarms",
            json!({"alarmNames": ["a", "b"]}),
            "AWS::CloudWatch::Alarm",
            vec!["a", "b"],
        ),
        ("monitoring", "PutMetricAlarm", json!({"alarmName": "a"}), "AWS::CloudWatch::Alarm", vec!["a"]),
        (
            "autoscaling",
            "SetDesiredCapacity",
            json!({"autoScalingGroupName": "web"}),
            "AWS::AutoScaling::AutoScalingGroup",
            vec!["web"],
        ),
        (
            "elasticloadbalancing",
            "DeregisterTargets",
            json!({"targetGroupArn": "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/web/1"}),
            "AWS::ElasticLoadBalancingV2::TargetGroup",
            vec!["web"],
        ),
        (
            "organizations",
            "RemoveAccountFromOrganization",
            json!({"accountId": "444455556666"}),
            "AWS::Organizations::Account",
            vec!["444455556666"],
        ),
        ("iam", "CreateAccountAlias", json!({"accountAlias": "acme"}), "aws.iam.AccountAlias", vec!["acme"]),
        ("ssm", "StartSession", json!({"target": "i-1"}), "AWS::EC2::Instance", vec!["i-1"]),
        ("ssm", "StartSession", json!({"target": "mi-1"}), "aws.ssm.ManagedInstance", vec!["mi-1"]),
        (
            "ec2",
            "DescribeVpcClassicLinkDnsSupport",
            json!({"vpcIds": ["vpc-1"]}),
            "AWS::EC2::VPC",
            vec!["vpc-1"],
        ),
        (
            "wafv2",
            "DeleteWebACL",
            json!({"name": "edge", "id": "w-1"}),
            "AWS::WAFv2::WebACL",
            vec!["edge", "w-1"],
        ),
        (
            "scheduler",
            "DeleteSchedule",
            json!({"name": "nightly"}),
            "aws.scheduler.Schedule",
            vec!["nightly"],
        ),
        (
            "cloudfront",
            "DeleteDistribution2020_05_31",
            json!({"id": "E1"}),
            "AWS::CloudFront::Distribution",
            vec!["E1"],
        ),
    ] {
        let source = format!("{service}.amazonaws.com");
        let event = mapped(json!({"eventSource": source, "eventName": name, "requestParameters": request}));
        assert_eq!(event["targets"][0]["type"], kind, "{event}");
        for id in ids {
            assert!(found_by(&event, id), "{id} of {event}");
        }
    }
    let list = mapped(
        json!({"eventSource": "eks.amazonaws.com", "eventName": "ListThings", "requestParameters": {"name": "x"}}),
    );
    assert_eq!(list.get("targets"), None);
}

/// Would catch two things that share a name taken for one, and an ARN of an account that may be another's.
#[test]
fn different_things_stay_apart() {
    let profile = mapped(json!({
        "eventName": "AddRoleToInstanceProfile", "requestParameters": {"roleName": "web", "instanceProfileName": "web"},
    }));
    assert_eq!(profile["targets"].as_array().unwrap().len(), 2);
    let foreign = mapped(json!({
        "recipientAccountId": "444455556666", "requestParameters": {"userName": "Richard"},
    }));
    assert_eq!(foreign["targets"], json!([{"type": "AWS::IAM::User", "id": "Richard"}]));
    let policy = mapped(json!({
        "eventSource": "s3.amazonaws.com", "eventName": "PutBucketPolicy",
        "requestParameters": {"bucketName": "a", "bucketPolicy": {"Statement": [{"Resource": "arn:aws:s3:::b"}]}},
    }));
    assert!(found_by(&policy, "arn:aws:s3:::a") && !found_by(&policy, "b"));
}

/// Would catch somebody who changes its own rights and is not seen among the targets.
#[test]
fn whoever_changes_itself_is_the_target() {
    let ana = json!({"type": "IAMUser", "principalId": "AIDAEXAMPLE", "arn": "arn:aws:iam::111122223333:user/ana", "userName": "ana"});
    let event = mapped(json!({
        "eventName": "AttachUserPolicy", "userIdentity": ana,
        "requestParameters": {"userName": "ana", "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"},
    }));
    assert!(
        found_by(&event, "AIDAEXAMPLE") && found_by(&event, "arn:aws:iam::111122223333:user/ana"),
        "{event}"
    );
    assert!(found_by(&event, "AdministratorAccess"));
    assert_eq!(event["targets"].as_array().unwrap().len(), 2);
}
