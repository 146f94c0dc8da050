//! Tests of records that others read wrongly: the files in `testdata/cases`, and more of each kind.

use std::path::Path;

use super::{
    tests::{assert_nothing_lost, mapped, record},
    *,
};

/// The events of a file of a case, in its order.
fn case(path: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/cases").join(path);
    let mut text = std::fs::read(&path).unwrap();
    if path.extension().is_some_and(|ending| ending == "gz") {
        let mut plain = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(text.as_slice()), &mut plain)
            .unwrap();
        text = plain;
    }
    let values: Vec<Value> =
        serde_json::Deserializer::from_slice(&text).into_iter().map(|value| value.unwrap()).collect();
    let records = values.into_iter().flat_map(|mut value| match value["Records"].take() {
        Value::Array(records) => records,
        _ => vec![value],
    });
    let map = |record: Value| {
        assert_nothing_lost(&record);
        event(record).unwrap().into()
    };
    records.map(map).collect()
}

fn result(event: &Value) -> &str {
    event["outcome"]["result"].as_str().unwrap()
}

/// Whether the event is found by a target's id or another name.
fn found_by(event: &Value, name: &str) -> bool {
    let targets = event["targets"].as_array().map_or(&[][..], Vec::as_slice);
    let has = |value: &Value| value == name;
    targets.iter().any(|target| {
        has(&target["id"]) || target["aliases"].as_array().is_some_and(|aliases| aliases.iter().any(has))
    })
}

/// Would catch insights refused because they are of no call, told as somebody's, or said to have succeeded.
#[test]
fn insights_are_events() {
    let events = case(
        "01-insight-events/AWSLogs/111122223333/CloudTrail-Insight/eu-west-1/2026/10/05/111122223333_CloudTrail-Insight_eu-west-1_20261005T1110Z_aaaa.json.gz",
    );
    let states: Vec<&str> =
        events.iter().map(|event| event["metadata"]["insightDetails"]["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["Start", "End", "Start"]);
    for event in &events {
        assert_eq!(event["action"], "iam.DeleteRolePolicy");
        assert_eq!(event["actor"], json!({"type": "service", "id": "cloudtrail.amazonaws.com"}));
        assert_eq!(event["outcome"], json!({"result": "unknown"}));
        assert_eq!(event["metadata"]["insightDetails"]["eventSource"], "iam.amazonaws.com");
        assert_eq!(event["metadata"]["eventCategory"], "Insight");
        assert_eq!(event["correlation_id"], "5f0c1d2e-0000-4000-8000-00000000aaaa");
    }
}

/// Would catch a record that a source may write and that is refused, or one whose missing members are made up.
#[test]
fn only_a_time_is_needed() {
    let bare = event(json!({"eventTime": "2026-10-05T10:00:00Z"})).unwrap();
    assert!(bare["id"].as_str().unwrap().starts_with("sha256:"));
    assert_eq!((&bare["action"], &bare["outcome"]), (&json!("unknown"), &json!({"result": "unknown"})));
    assert_eq!(bare["actor"], json!({"type": "unknown", "id": "unknown"}));
    assert_eq!(bare.get("metadata"), None);
    let long = "x".repeat(1_000);
    for (members, action) in [
        (json!({"eventSource": null}), "unknown.CreateUser"),
        (json!({"eventName": null}), "iam.unknown"),
        (json!({"eventName": 5}), "iam.unknown"),
        (json!({"eventName": long}), "iam.unknown"),
        (json!({"eventSource": null, "eventName": ""}), "unknown"),
        (
            json!({"eventType": "AwsCloudTrailInsight", "eventSource": null, "eventName": null,
                "insightDetails": {"eventName": "RunInstances"}}),
            "unknown.RunInstances",
        ),
        (json!({"eventType": "AwsCloudTrailInsight", "eventSource": null, "eventName": null}), "unknown"),
        (json!({"eventCategory": "SomethingNew", "eventType": "AwsNewEvent"}), "iam.CreateUser"),
    ] {
        assert_eq!(mapped(members.clone())["action"], action, "{members}");
    }
    let network = mapped(json!({
        "eventCategory": "NetworkActivity", "eventType": "AwsVpceEvent", "eventSource": "kms.amazonaws.com",
        "eventName": "Decrypt", "errorCode": "VpceAccessDenied", "vpcEndpointId": "vpce-0abc",
        "vpcEndpointAccountId": "111122223333", "sourceIPAddress": "10.0.0.7",
        "userIdentity": {"type": "AWSAccount", "principalId": "AROAEXAMPLE:x", "accountId": "444455556666"},
    }));
    assert_eq!(result(&network), "denied");
    assert!(found_by(&network, "vpce-0abc"));
    assert_eq!(network["actor"]["id"], "AROAEXAMPLE:x");
    let in_warehouse = mapped(json!({"eventTime": "2026-10-05 10:00:00.000"}));
    assert_eq!(in_warehouse["occurred_at"], "2026-10-05T10:00:00.000Z");
}

/// Would catch a record from a data warehouse that is refused, or whose parameters nobody reads because they are text.
#[test]
fn records_from_a_warehouse_are_read() {
    let request = r#"{"bucketName":"acme-data"}"#;
    let event: Value = event(json!({
        "eventid": "e-1", "eventtime": "2026-10-05 10:00:00", "eventsource": "s3.amazonaws.com", "eventname": "DeleteBucket",
        "event_type": "AwsApiCall", "errorcode": "AccessDenied", "requestparameters": request,
        "useridentity": {"type": "AssumedRole", "principalid": "AROAEXAMPLE:x",
                         "sessioncontext": {"sessionissuer": {"type": "Role", "principalid": "AROAEXAMPLE", "username": "deploy"}}},
        "resources": [{"arn": "arn:aws:s3:::acme-data", "accountid": "111122223333", "type": "AWS::S3::Bucket"}],
    }))
    .unwrap()
    .into();
    assert_eq!((&event["id"], &event["action"]), (&json!("e-1"), &json!("s3.DeleteBucket")));
    assert_eq!(event["occurred_at"], "2026-10-05T10:00:00Z");
    assert_eq!((result(&event), &event["actor"]["id"]), ("denied", &json!("AROAEXAMPLE:x")));
    assert_eq!(
        event["actor"]["on_behalf_of"],
        json!({"type": "role", "id": "AROAEXAMPLE", "name": "deploy"})
    );
    assert_eq!(event["targets"][0]["name"], "acme-data");
    assert_eq!(event["metadata"]["requestParameters"], request);
}

/// Would catch targets past the 64th that nobody finds.
#[test]
fn every_target_of_a_large_record_is_found() {
    let events = case("04-large-parameters/large.json");
    assert_eq!(events.len(), 4);
    let ended = events.iter().find(|event| event["action"] == "ec2.TerminateInstances").unwrap();
    for number in [0, 63, 64, 79] {
        assert!(found_by(ended, &format!("i-0abc{number:013x}")), "{number}");
    }
    assert_eq!(ended["targets"].as_array().unwrap().len(), 80);
}

/// Would catch failed sign-ins that are a success, and people thrown together because their account is one.
#[test]
fn sign_ins_of_identity_center_have_results_and_people() {
    let events = case("05-identity-center-failed-signin/signins.json");
    let of = |action: &str, ending: &str| {
        events.iter().filter(|event| event["action"] == action && result(event) == ending).count()
    };
    let verifications = "signin.CredentialVerification";
    assert_eq!((of(verifications, "failure"), of(verifications, "success")), (27, 2));
    assert_eq!((of(verifications, "unknown"), of("signin.CredentialChallenge", "unknown")), (0, 0));
    assert_eq!(of("signin.ConsoleLogin", "failure"), 1);
    let failed = |event: &&Value| {
        event["action"] == verifications
            && result(event) == "failure"
            && event["context"]["ip_address"] == "198.51.100.20"
    };
    assert_eq!(events.iter().filter(failed).count(), 27);
    let older = |event: &&Value| event["actor"]["metadata"]["type"] == "Unknown";
    let mut people: Vec<&Value> = events.iter().filter(older).map(|event| &event["actor"]["id"]).collect();
    people.sort_by_key(|id| id.to_string());
    people.dedup();
    assert_eq!(people.len(), 4, "{people:?}");
    assert!(people.iter().all(|id| *id != "111122223333" && *id != "unknown"), "{people:?}");
    let newer =
        events.iter().find(|event| event["actor"]["metadata"]["type"] == "IdentityCenterUser").unwrap();
    assert_eq!((&newer["actor"]["id"], &newer["actor"]["type"]), (&json!("user-ben-0001"), &json!("user")));
    assert_eq!(newer["actor"]["name"], "ben");
}

/// Would catch a status code taken for an error, a result in details not seen, and the client's address lost in a list.
#[test]
fn events_of_services_have_results_addresses_and_people() {
    let events = case("25-service-event-results/records.json");
    let results: Vec<&str> = events.iter().map(result).collect();
    assert_eq!(results, ["failure", "success", "success", "success", "failure"]);
    for event in &events {
        assert_eq!(event["context"]["ip_address"], "203.0.113.90");
        assert_eq!(event["metadata"]["sourceIPAddress"], "203.0.113.90,198.51.100.3");
        assert_eq!((&event["actor"]["id"], &event["actor"]["name"]), (&json!("johndoe"), &json!("johndoe")));
    }
    assert_eq!(events[0]["action"], "grafana.login-auth.sso");
    assert_eq!(events[4]["outcome"]["reason"], "412: changed by someone else");
    assert_eq!(events[2]["outcome"].get("reason"), None);
}

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

/// Would catch names in a wrapped parameter or answer that nobody finds.
#[test]
fn wrapped_parameters_of_ec2_are_read() {
    let tagged = |id: &str| json!({"tag": 1, "content": id});
    for (name, request, answer, ids) in [
        (
            "DeleteFlowLogs",
            json!({"DeleteFlowLogsRequest": {"FlowLogId": tagged("fl-1")}}),
            json!(null),
            vec!["fl-1"],
        ),
        (
            "DeleteFlowLogs",
            json!({"DeleteFlowLogsRequest": {"FlowLogId": [tagged("fl-1"), tagged("fl-2")]}}),
            json!(null),
            vec!["fl-1", "fl-2"],
        ),
        (
            "CreateFlowLogs",
            json!({"CreateFlowLogsRequest": {"ResourceType": "VPC", "ResourceId": tagged("vpc-1")}}),
            json!({"CreateFlowLogsResponse": {"unsuccessful": "", "flowLogIdSet": {"item": ["fl-1", "fl-2"]}}}),
            vec!["vpc-1", "fl-1", "fl-2"],
        ),
        (
            "DeleteNatGateway",
            json!({"DeleteNatGatewayRequest": {"NatGatewayId": "nat-1"}}),
            json!(null),
            vec!["nat-1"],
        ),
        (
            "CreateNatGateway",
            json!({"CreateNatGatewayRequest": {"SubnetId": "subnet-1"}}),
            json!({"CreateNatGatewayResponse": {"natGateway": {"natGatewayId": "nat-1"}}}),
            vec!["subnet-1", "nat-1"],
        ),
        (
            "DeleteVpcEndpoints",
            json!({"DeleteVpcEndpointsRequest": {"VpcEndpointId": tagged("vpce-1")}}),
            json!(null),
            vec!["vpce-1"],
        ),
        (
            "CreateLaunchTemplate",
            json!({"CreateLaunchTemplateRequest": {"LaunchTemplateName": "web"}}),
            json!({"CreateLaunchTemplateResponse": {"launchTemplate": {"launchTemplateId": "lt-1", "launchTemplateName": "web"}}}),
            vec!["web", "lt-1"],
        ),
        ("DisassociateAddress", json!({"associationId": "eipassoc-1"}), json!(null), vec!["eipassoc-1"]),
        (
            "CreateSnapshots",
            json!({"CreateSnapshotsRequest": {"InstanceSpecification": {"InstanceId": "i-1"}}}),
            json!({"CreateSnapshotsResponse": {"snapshotSet": {"item": [{"snapshotId": "snap-1"}, {"snapshotId": "snap-2"}]}}}),
            vec!["snap-1", "snap-2"],
        ),
        (
            "DeleteSnapshots",
            json!({"snapshotSet": {"items": [{"snapshotId": "snap-1"}]}}),
            json!(null),
            vec!["snap-1"],
        ),
    ] {
        let event = mapped(json!({"eventSource": "ec2.amazonaws.com", "eventName": name,
                                  "requestParameters": request, "responseElements": answer}));
        for id in &ids {
            assert!(found_by(&event, id), "{id} of {event}");
        }
        // Two things are two targets.
        for target in event["targets"].as_array().unwrap() {
            let aliases = target["aliases"].as_array().map_or(&[][..], Vec::as_slice);
            assert!(!aliases.contains(&json!("fl-2")) && !aliases.contains(&json!("snap-2")), "{event}");
        }
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

/// Would catch a result that AWS writes elsewhere than in the error code, and a success that nobody reported.
#[test]
fn results_are_read_where_they_are_written() {
    let service = |details: Value| json!({"eventType": "AwsServiceEvent", "serviceEventDetails": details});
    let sign_in = |answer: Value| json!({"eventType": "AwsConsoleSignIn", "responseElements": answer});
    let answer = |answer: Value| json!({"responseElements": answer});
    let read = |name: &str, answer: Value| json!({"eventName": name, "responseElements": answer});
    for (members, expected) in [
        (
            service(
                json!({"createAccountStatus": {"state": "FAILED", "failureReason": "EMAIL_ALREADY_EXISTS"}}),
            ),
            "failure",
        ),
        (service(json!({"createAccountStatus": {"state": "SUCCEEDED"}})), "success"),
        (service(json!({"state": "COMPLETED"})), "success"),
        (service(json!({"state": "CREATING", "previousStatus": {"result": "failure"}})), "unknown"),
        (service(json!({"keyId": "1234"})), "unknown"),
        (service(json!({"result": {"statusType": "failure", "statusCode": 403}})), "denied"),
        (service(json!({"httpStatusCode": 204})), "success"),
        (service(json!({"success": false})), "failure"),
        (service(json!({"CreateUser": "Failure"})), "failure"),
        (json!({"eventType": "AwsServiceEvent"}), "unknown"),
        (json!({"eventType": "AwsServiceEvent", "errorCode": "AccessDenied"}), "denied"),
        (sign_in(json!({"ConsoleLogin": "Success"})), "success"),
        (sign_in(json!({"SwitchRole": "Failure"})), "failure"),
        (sign_in(json!({"CheckMfa": "Success"})), "success"),
        (sign_in(json!(null)), "unknown"),
        (sign_in(json!({"ConsoleLogin": "Pending"})), "unknown"),
        (json!({"eventType": "AwsConsoleSignIn", "additionalEventData": {"result": "Failure"}}), "failure"),
        (answer(json!({"_return": true})), "success"),
        (answer(json!({"_return": false})), "failure"),
        (answer(json!({"status": "creating"})), "success"),
        (answer(json!({"statusCode": 403})), "denied"),
        (answer(json!({"role": {"state": "FAILED"}})), "success"),
        (answer(json!({"failures": [{"arn": "x", "reason": "MISSING"}], "tasks": []})), "unknown"),
        (answer(json!({"failures": []})), "success"),
        (answer(json!({"errorCode": "AccessDeniedException"})), "denied"),
        (service(json!({"error": {"code": "AccessDenied", "message": "no"}})), "denied"),
        (service(json!({"error": {"message": "no"}})), "failure"),
        (answer(json!({"error": {"code": 500}})), "failure"),
        (json!({"errorCode": 200}), "success"),
        (json!({"errorCode": "403"}), "denied"),
        (json!({"errorCode": 403.0}), "denied"),
        (json!({"errorCode": 200.0}), "success"),
        (json!({"errorCode": 0}), "success"),
        (service(json!({"errorCode": 0, "status": "Success"})), "success"),
        (service(json!({"errorCode": "0", "status": "Failure"})), "failure"),
        (service(json!({"items": [{"status": "SUCCEEDED"}, {"result": {"status": "FAILED"}}]})), "failure"),
        (service(json!({"items": [[{"status": "SUCCEEDED"}]], "old": [{"status": "FAILED"}]})), "success"),
        (service(json!({"statusCode": 401.0})), "denied"),
        (answer(json!({"status": "REJECTED", "grantArn": "arn:aws:license-manager::1:grant:g"})), "success"),
        (answer(json!({"status": "AccessDenied"})), "denied"),
        (answer(json!({"status": "failed"})), "failure"),
        (answer(json!({"returnValue": false})), "failure"),
        (answer(json!({"failureReason": "no capacity"})), "failure"),
        (answer(json!({"failureReason": ""})), "success"),
        (answer(json!({"failureMessage": "no capacity"})), "failure"),
        (answer(json!({"failed": true})), "failure"),
        (answer(json!({"failed": false})), "success"),
        (answer(json!({"createUserStatus": {"state": "FAILED"}})), "failure"),
        (answer(json!({"createUserStatus": {"state": "IN_PROGRESS"}})), "success"),
        (answer(json!({"jobs": [{"status": "FAILED", "failureReason": "x"}]})), "success"),
        // A call that only reads tells of failures that are not its own.
        (
            read("DescribeJob", json!({"status": "FAILED", "failureReason": "x", "error": {"code": 500}})),
            "success",
        ),
        (read("GetCommandInvocation", json!({"status": "Failed", "responseCode": 1})), "success"),
        (read("DescribeTasks", json!({"failures": [{"reason": "MISSING"}]})), "unknown"),
        (read("DescribeJob", json!({"_return": false})), "failure"),
        (
            json!({"eventName": "GetJob", "readOnly": "false", "responseElements": {"status": "FAILED"}}),
            "failure",
        ),
        (
            json!({"eventName": "RunJob", "readOnly": "true", "responseElements": {"status": "FAILED"}}),
            "success",
        ),
        (answer(json!({"status": "FAILED"})), "failure"),
        (
            json!({"eventType": "AwsServiceEvent", "additionalEventData": {"responseParameters": {"status": 200.0}}}),
            "success",
        ),
        (
            json!({"eventType": "AwsServiceEvent", "additionalEventData": {"responseParameters": {"status": "403"}}}),
            "denied",
        ),
        (
            json!({"eventType": "AwsServiceEvent", "additionalEventData": {"responseParameters": {"status": 302.0}}}),
            "unknown",
        ),
        (json!({"errorCode": "500"}), "failure"),
        (json!({"errorCode": "304"}), "unknown"),
        (json!({"errorCode": "200", "errorMessage": "OK"}), "success"),
        (json!({"errorCode": "", "errorMessage": ""}), "success"),
        (json!({"eventType": "AwsVpceEvent", "eventCategory": "NetworkActivity"}), "unknown"),
        (json!({"eventType": "AwsConsoleAction"}), "success"),
        (json!({"eventType": null}), "success"),
        (json!({"eventType": "AwsNewEvent"}), "unknown"),
    ] {
        assert_eq!(result(&mapped(members.clone())), expected, "{members}");
    }
    let failed = mapped(service(json!({"state": "FAILED", "failureReason": "EMAIL_ALREADY_EXISTS"})));
    assert_eq!(failed["outcome"]["reason"], "EMAIL_ALREADY_EXISTS");
}

/// Would catch a batch of which some failed that is a success, and one of which nothing failed that is not.
#[test]
fn batches_that_failed_in_part_are_no_success() {
    let some = json!([{"id": "a", "errorCode": "Throttled", "code": "Throttled"}]);
    for (answer, expected) in [
        (json!({"failedRequests": some}), "unknown"),
        (json!({"failed": some, "successful": []}), "unknown"),
        (json!({"errors": some}), "unknown"),
        (json!({"unprocessedAccounts": some}), "unknown"),
        (json!({"failedAccounts": some}), "unknown"),
        (json!({"failedCount": 2}), "unknown"),
        (json!({"failedCount": "2"}), "unknown"),
        (json!({"failedFindings": some}), "unknown"),
        (json!({"unprocessedItems": {"users": some}}), "unknown"),
        (json!({"unprocessedKeys": {"users": {"keys": some}}}), "unknown"),
        (json!({"failedResourcesMap": {"arn:x": {"statusCode": 500}}}), "unknown"),
        (json!({"batchPutMessageErrorEntries": some}), "unknown"),
        (
            json!({"DeleteFlowLogsResponse": {"requestId": "r", "unsuccessful": {"item": {"resourceId": "fl-1"}}}}),
            "unknown",
        ),
        (json!({"DeleteVpcEndpointsResponse": {"unsuccessful": ""}}), "success"),
        (json!({"unsuccessful": {"item": []}}), "success"),
        (json!({"failed": [], "errors": [], "unprocessedItems": {}, "failedCount": 0.0}), "success"),
        (json!({"evaluationResult": {"status": "FAILED"}}), "success"),
        (json!({"createUserResult": {"failedCount": 1}}), "unknown"),
        (json!({"failedCount": "0", "unprocessedKeys": null}), "success"),
    ] {
        assert_eq!(result(&mapped(json!({"responseElements": answer}))), expected, "{answer}");
    }
}

/// Would catch one actor for all whom nobody knows by name but by their account, and a person without a name of its own.
#[test]
fn who_names_nobody_is_nobody() {
    let nobody = (json!("unknown"), json!("unknown"));
    let actor = |members: Value| {
        let actor = mapped(members)["actor"].clone();
        (actor["type"].clone(), actor["id"].clone())
    };
    let account = "111122223333";
    for identity in [
        json!({"type": "Unknown", "principalId": account, "accountId": account}),
        json!({"type": "Unknown", "principalId": account, "arn": "", "userName": ""}),
        json!({"type": "IAMUser", "accountId": account, "userName": "HIDDEN_DUE_TO_SECURITY_REASONS", "accessKeyId": ""}),
        json!({"type": "AWSAccount", "principalId": "", "accountId": "ANONYMOUS_PRINCIPAL"}),
        json!({"type": "AWSAccount", "principalId": "Anonymous"}),
        json!({"accountId": account}),
        json!({}),
    ] {
        assert_eq!(actor(json!({"userIdentity": identity})), nobody, "{identity}");
    }
    for (identity, kind, id) in [
        (
            json!({"type": "IAMUser", "principalId": account, "userName": "ana", "accountId": account}),
            "user",
            "ana",
        ),
        (json!({"type": "SAMLUser", "userName": "johndoe"}), "federated_user", "johndoe"),
        (json!({"type": "Directory", "userName": "ana"}), "user", "ana"),
        (json!({"type": "AWSAccount", "accountId": "444455556666"}), "account", "444455556666"),
        (json!({"type": "Root", "principalId": account}), "root", account),
        (json!({"type": "Root", "accountId": account}), "root", account),
        (json!({"accountId": account, "invokedBy": "AWS Internal"}), "service", "AWS Internal"),
        (json!({"type": "SomethingNew", "principalId": "p-1"}), "unknown", "p-1"),
    ] {
        assert_eq!(actor(json!({"userIdentity": identity})), (json!(kind), json!(id)), "{identity}");
    }
    let hidden = json!({"UserName": "HIDDEN_DUE_TO_SECURITY_REASONS"});
    assert_eq!(actor(json!({"userIdentity": {"type": "Unknown"}, "additionalEventData": hidden})), nobody);
    let named = json!({"userIdentity": {"type": "Unknown", "principalId": account}, "additionalEventData": {"UserName": "eve"}});
    assert_eq!(actor(named), (json!("user"), json!("eve")));
    let service =
        json!({"userIdentity": null, "eventType": "AwsServiceEvent", "eventSource": "kms.amazonaws.com"});
    assert_eq!(actor(service), (json!("service"), json!("kms.amazonaws.com")));
    let by_account = |source: &str, name: &str| json!({"userIdentity": {"accountId": account}, "eventType": "AwsServiceEvent", "eventSource": source, "eventName": name});
    assert_eq!(actor(by_account("cognito-idp.amazonaws.com", "Token_POST")), nobody);
    assert_eq!(actor(by_account("grafana.amazonaws.com", "login-auth.sso")), nobody);
    let rotated = actor(by_account("kms.amazonaws.com", "RotateKey"));
    assert_eq!(rotated, (json!("service"), json!("kms.amazonaws.com")));
    assert_eq!(record(json!({}))["eventID"], "e-1");
}

/// Would catch an address taken from the wrong end of a list, or a list of which the rest is gone.
#[test]
fn the_clients_address_is_the_events() {
    for (source, address, kept) in [
        ("203.0.113.7", Some("203.0.113.7"), false),
        ("203.0.113.90, 10.0.0.1", Some("203.0.113.90"), true),
        ("[2001:db8::1]:443", Some("2001:db8::1"), true),
        ("AWS Internal", None, true),
        ("ec2.amazonaws.com", None, true),
    ] {
        let event = mapped(json!({"sourceIPAddress": source}));
        assert_eq!(event["context"]["ip_address"].as_str(), address, "{source}");
        assert_eq!(event["metadata"]["sourceIPAddress"].as_str().is_some(), kept, "{source}");
    }
    let detailed = mapped(
        json!({"sourceIPAddress": "AWS Internal", "serviceEventDetails": {"ipAddress": "203.0.113.7"}}),
    );
    assert_eq!(detailed["context"]["ip_address"], "203.0.113.7");
}

/// Would catch an application's own event of which nobody sees who did what, and one that is told as AWS's.
#[test]
fn events_of_applications_are_told_as_their_own() {
    let data = json!({
        "version": "1.0", "UID": "6a0e", "eventSource": "app.example", "eventName": "DeleteProject", "eventTime": "2026-10-05T10:00:00Z",
        "userIdentity": {"type": "CustomUserIdentity", "principalId": "ana-1", "details": {"userName": "ana", "email": "ana@acme.example"}},
        "userAgent": "app/1", "sourceIPAddress": "203.0.113.7", "requestParameters": {"projectId": "p-7"}, "errorCode": "Forbidden",
    });
    let record = json!({
        "eventVersion": "1.08", "eventCategory": "ActivityAuditLog", "eventType": "ActivityLog", "eventID": "e-9",
        "eventTime": "2026-10-05T10:00:01Z", "awsRegion": "eu-west-1", "recipientAccountId": "111122223333",
        "metadata": {"ingestionTime": "2026-10-05 10:00:02", "channelARN": "arn:aws:cloudtrail:eu-west-1:111122223333:channel/c-1"},
        "eventData": data,
    });
    assert_nothing_lost(&record);
    let told: Value = event(record.clone()).unwrap().into();
    assert_eq!((&told["id"], &told["action"]), (&json!("e-9"), &json!("app.example.DeleteProject")));
    assert_eq!((&told["actor"]["type"], &told["actor"]["id"]), (&json!("user"), &json!("ana-1")));
    assert_eq!(told["actor"]["name"], "ana");
    assert_eq!(told["context"]["ip_address"], "203.0.113.7");
    assert_eq!(result(&told), "denied");
    assert_eq!(told["targets"][0], json!({"type": "app", "id": "p-7"}));
    assert_eq!(told["metadata"]["UID"], "6a0e");
    assert_eq!(told["metadata"]["eventData"], json!({"eventTime": "2026-10-05T10:00:00Z"}));
    // As a data warehouse gives it back.
    let text = record["eventData"].to_string();
    let stored: Value = event(json!({"eventid": "e-9", "eventtime": "2026-10-05 10:00:01", "eventcategory": "ActivityAuditLog", "eventdata": text}))
        .unwrap()
        .into();
    assert_eq!((&stored["action"], &stored["metadata"]["eventData"]), (&told["action"], &json!(text)));
    let without: Value = event(
        json!({"eventTime": "2026-10-05T10:00:00Z", "eventData": {"UID": "6a0e", "eventName": "Open"}}),
    )
    .unwrap()
    .into();
    assert_eq!((&without["id"], &without["action"]), (&json!("6a0e"), &json!("unknown.Open")));
    let odd = mapped(json!({"eventData": {"eventName": "Other"}}));
    assert_eq!(
        (&odd["action"], &odd["metadata"]["eventData"]["eventName"]),
        (&json!("iam.CreateUser"), &json!("Other"))
    );
}
