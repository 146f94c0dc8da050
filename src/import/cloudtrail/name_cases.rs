//! Tests of names: each thing that a record names is one target, found by every name that it has.

use serde_json::{Value, json};

use super::tests::mapped;

/// A call in an account and region of its own.
fn call(service: &str, name: &str, request: Value, answer: Value) -> Value {
    mapped(json!({
        "eventSource": format!("{service}.amazonaws.com"), "eventName": name, "awsRegion": "eu-west-1",
        "recipientAccountId": "111122223333", "requestParameters": request, "responseElements": answer,
    }))
}

/// The targets that are found by a name.
fn found<'e>(event: &'e Value, name: &str) -> Vec<&'e Value> {
    let targets = event["targets"].as_array().map_or(&[][..], Vec::as_slice);
    let has = |target: &&Value| {
        let aliases = target["aliases"].as_array().map_or(&[][..], Vec::as_slice);
        target["id"] == name || aliases.iter().any(|alias| alias == name)
    };
    targets.iter().filter(has).collect()
}

/// Asserts that the names of each inner list find one target, which is another one for each list.
fn assert_names(event: &Value, things: &[&[&str]]) {
    let mut ids: Vec<&Value> = Vec::new();
    for names in things {
        for name in *names {
            // Account and region of `call`.
            let name = name.replace('@', "eu-west-1:111122223333");
            let targets = found(event, &name);
            assert_eq!(targets.len(), 1, "{name} in {event}");
            ids.push(&targets[0]["id"]);
        }
        let first = ids.len() - names.len();
        assert!(ids[first..].iter().all(|id| *id == ids[first]), "{names:?} are one thing in {event}");
        assert!(!ids[..first].contains(&ids[first]), "{names:?} are a thing of their own in {event}");
    }
}

/// Would catch a key or a database that is found by one of its names only, and a copy taken for what it is a copy of.
#[test]
fn keys_and_databases_have_all_their_names() {
    let key = "1234abcd-12ab-34cd-56ef-1234567890ab";
    let alias =
        call("kms", "CreateAlias", json!({"aliasName": "alias/main", "targetKeyId": key}), json!(null));
    let arn = format!("arn:aws:kms:@:key/{key}");
    assert_names(&alias, &[&["alias/main", "arn:aws:kms:@:alias/main"], &[key, &arn]]);
    let moved = call(
        "kms",
        "UpdateAlias",
        json!({"aliasName": "alias/main", "targetKeyId": "arn:aws:kms:eu-west-1:111122223333:key/9876"}),
        json!(null),
    );
    assert_names(&moved, &[&["9876", "arn:aws:kms:@:key/9876"], &["alias/main"]]);
    let encrypted =
        call("kms", "ReEncrypt", json!({"sourceKeyId": "1111", "destinationKeyId": "2222"}), json!(null));
    assert_names(&encrypted, &[&["1111", "arn:aws:kms:@:key/1111"], &["2222"]]);

    let instance = json!({"dBInstanceIdentifier": "main", "dbiResourceId": "db-ABC", "kmsKeyId": "3333",
        "dBInstanceArn": "arn:aws:rds:eu-west-1:111122223333:db:main", "dBSubnetGroup": {"dBSubnetGroupName": "inner", "vpcId": "vpc-1"}});
    let made = call("rds", "CreateDBInstance", json!({"dBInstanceIdentifier": "main"}), instance.clone());
    assert_names(&made, &[&["main", "db-ABC", "arn:aws:rds:@:db:main"], &["3333"], &["inner"], &["vpc-1"]]);
    // What a deleted thing had to do with was not deleted.
    let deleted = call("rds", "DeleteDBInstance", json!({"dBInstanceIdentifier": "main"}), instance);
    assert_names(&deleted, &[&["main", "db-ABC", "arn:aws:rds:@:db:main"]]);
    assert!(found(&deleted, "vpc-1").is_empty());
    let renamed = call(
        "rds",
        "ModifyDBInstance",
        json!({"dBInstanceIdentifier": "main", "newDBInstanceIdentifier": "old"}),
        json!(null),
    );
    assert_names(&renamed, &[&["main", "old"]]);
    let cluster = call(
        "rds",
        "ModifyDBCluster",
        json!({"dBClusterIdentifier": "books"}),
        json!({
        "dBClusterIdentifier": "books", "dbClusterResourceId": "cluster-XYZ", "dBClusterArn": "arn:aws:rds:eu-west-1:111122223333:cluster:books",
        "dBClusterMembers": [{"dBInstanceIdentifier": "books-1", "isClusterWriter": true}, {"dBInstanceIdentifier": "books-2"}]}),
    );
    assert_names(
        &cluster,
        &[
            &["books", "cluster-XYZ", "arn:aws:rds:@:cluster:books"],
            &["books-1"],
            &["books-2", "arn:aws:rds:@:db:books-2"],
        ],
    );
    let copied = call(
        "rds",
        "CopyDBSnapshot",
        json!({"sourceDBSnapshotIdentifier": "arn:aws:rds:eu-west-1:111122223333:snapshot:rds:main-2026",
        "targetDBSnapshotIdentifier": "kept"}),
        json!(null),
    );
    assert_names(
        &copied,
        &[
            &["rds:main-2026", "arn:aws:rds:@:snapshot:rds:main-2026"],
            &["kept", "arn:aws:rds:@:snapshot:kept"],
        ],
    );
    let namesakes = call(
        "rds",
        "AddRoleToDBCluster",
        json!({"dBClusterIdentifier": "x", "dBInstanceIdentifier": "x"}),
        json!(null),
    );
    assert_eq!(namesakes["targets"].as_array().unwrap().len(), 2);
}

/// Would catch a copied object whose source nobody finds, and an object that is none because of a letter in its key.
#[test]
fn objects_are_targets_whatever_their_keys() {
    let copy = call(
        "s3",
        "CopyObject",
        json!({"bucketName": "acme-copy", "key": "q1.pdf", "x-amz-copy-source": "/acme-data/2024/q%201.pdf?versionId=abc"}),
        json!(null),
    );
    assert_names(
        &copy,
        &[
            &["acme-copy", "arn:aws:s3:::acme-copy"],
            &["acme-copy/q1.pdf"],
            &["acme-data", "arn:aws:s3:::acme-data"],
            &["acme-data/2024/q 1.pdf", "arn:aws:s3:::acme-data/2024/q 1.pdf"],
        ],
    );
    let part = call(
        "s3",
        "UploadPartCopy",
        json!({"bucketName": "acme-copy", "key": "k", "copySource": "acme-data/k"}),
        json!(null),
    );
    assert_names(&part, &[&["acme-data/k"], &["acme-copy/k"]]);
    let odd = call("s3", "DeleteObject", json!({"bucketName": "acme-data", "key": "a\nb\tc"}), json!(null));
    assert_names(&odd, &[&["acme-data/a%0Ab%09c"], &["acme-data"]]);
    let starred = call("s3", "GetObject", json!({"bucketName": "acme-data", "key": "why?*/a"}), json!(null));
    assert_names(&starred, &[&["acme-data/why?*/a", "arn:aws:s3:::acme-data/why?*/a"], &["acme-data"]]);
    let odd = mapped(json!({"eventSource": "s3.amazonaws.com", "eventName": "GetObject",
        "resources": [{"type": "AWS::S3::Object", "ARN": "arn:aws:s3:::acme-data/a\nb"}]}));
    assert_names(&odd, &[&["arn:aws:s3:::acme-data/a%0Ab", "acme-data/a%0Ab"], &["acme-data"]]);
    assert_eq!(odd["metadata"]["resources"][0]["ARN"], "arn:aws:s3:::acme-data/a\nb");
    let long = format!("{}/x", "k".repeat(1_020));
    let deep = call("s3", "GetObject", json!({"bucketName": "acme-data", "key": long}), json!(null));
    assert_eq!(found(&deep, &format!("acme-data/{long}")).len(), 1);
}

/// Would catch what an instance was started from, in or with, and that is not found.
#[test]
fn started_instances_name_all_they_are_made_of() {
    let request = json!({
        "instancesSet": {"items": [{"imageId": "ami-1", "keyName": "ops", "minCount": 1}]}, "subnetId": "subnet-1",
        "groupSet": {"items": [{"groupId": "sg-1", "groupName": "web"}]},
        "iamInstanceProfile": {"arn": "arn:aws:iam::111122223333:instance-profile/worker"},
        "launchTemplate": {"launchTemplateId": "lt-1", "version": "3"},
    });
    let answer = json!({"reservationId": "r-1", "instancesSet": {"items": [{
        "instanceId": "i-1", "imageId": "ami-1", "keyName": "ops", "subnetId": "subnet-1", "vpcId": "vpc-1",
        "networkInterfaceSet": {"items": [{"networkInterfaceId": "eni-1", "attachment": {"attachmentId": "eni-attach-1"}}]}}, {"instanceId": "i-2"}]}});
    let started = call("ec2", "RunInstances", request, answer);
    assert_names(
        &started,
        &[
            &["i-1", "arn:aws:ec2:@:instance/i-1"],
            &["i-2"],
            &["ami-1", "arn:aws:ec2:eu-west-1::image/ami-1"],
            &["ops"],
            &["subnet-1", "arn:aws:ec2:@:subnet/subnet-1"],
            &["sg-1", "web", "arn:aws:ec2:@:security-group/sg-1"],
            &["vpc-1"],
            &["worker", "arn:aws:iam::111122223333:instance-profile/worker"],
            &["lt-1", "arn:aws:ec2:@:launch-template/lt-1"],
            &["eni-1"],
        ],
    );
    assert_eq!(started["targets"][0]["id"], "i-1");
    let by_name = call(
        "ec2",
        "RunInstances",
        json!({"iamInstanceProfile": {"name": "web"}, "launchTemplate": {"launchTemplateName": "base"}}),
        json!(null),
    );
    assert_names(&by_name, &[&["web", "arn:aws:iam::111122223333:instance-profile/web"], &["base"]]);
    let made = call(
        "ec2",
        "CopyImage",
        json!({"sourceImageId": "ami-1", "name": "golden"}),
        json!({"imageId": "ami-2"}),
    );
    assert_names(&made, &[&["ami-1"], &["golden", "ami-2"]]);
    let address = call(
        "ec2",
        "AllocateAddress",
        json!({"domain": "vpc"}),
        json!({"publicIp": "203.0.113.7", "allocationId": "eipalloc-1"}),
    );
    assert_names(&address, &[&["203.0.113.7", "eipalloc-1"]]);
    let pair = call(
        "ec2",
        "CreateKeyPair",
        json!({"keyName": "ops"}),
        json!({"keyName": "ops", "keyPairId": "key-1"}),
    );
    assert_names(&pair, &[&["ops", "key-1"]]);
    let in_eks = call(
        "eks",
        "CreateCluster",
        json!({"name": "main", "roleArn": "arn:aws:iam::111122223333:role/eks",
        "resourcesVpcConfig": {"subnetIds": ["subnet-0abc1234", "subnet-0def5678"], "securityGroupIds": ["sg-1"]}}),
        json!(null),
    );
    assert_names(
        &in_eks,
        &[
            &["main", "arn:aws:eks:@:cluster/main"],
            &["subnet-0abc1234"],
            &["subnet-0def5678"],
            &["sg-1"],
            &["eks"],
        ],
    );
    let written_out = mapped(
        json!({"eventSource": "ec2.amazonaws.com", "eventName": "DeleteVolume", "requestParameters": {"volumeId": "vol-1"},
        "resources": [{"ARN": "arn:aws:ec2:eu-west-1:111122223333:volume/vol-1"}]}),
    );
    assert_names(&written_out, &[&["vol-1", "arn:aws:ec2:eu-west-1:111122223333:volume/vol-1"]]);
    assert_eq!(written_out["targets"].as_array().unwrap().len(), 1);
}

/// Would catch a thing of another service that is found by one of its names only, or is two targets.
#[test]
fn things_of_all_services_have_all_their_names() {
    let none = || json!(null);
    let queue = "https://sqs.eu-west-1.amazonaws.com/111122223333/jobs";
    let cases: Vec<(&str, &str, Value, Value, Vec<Vec<&str>>)> = vec![
        (
            "logs",
            "PutRetentionPolicy",
            json!({"logGroupName": "app"}),
            none(),
            vec![vec!["app", "arn:aws:logs:@:log-group:app", "arn:aws:logs:@:log-group:app:*"]],
        ),
        (
            "logs",
            "StartQuery",
            json!({"logGroupIdentifiers": ["arn:aws:logs:eu-west-1:111122223333:log-group:app:*"]}),
            none(),
            vec![vec!["app", "arn:aws:logs:@:log-group:app"]],
        ),
        (
            "cloudtrail",
            "StopLogging",
            json!({"name": "main"}),
            none(),
            vec![vec!["main", "arn:aws:cloudtrail:@:trail/main"]],
        ),
        (
            "cloudtrail",
            "CreateTrail",
            json!({"name": "main", "s3BucketName": "logs"}),
            json!({"name": "main", "trailARN": "arn:aws:cloudtrail:eu-west-1:111122223333:trail/main", "s3BucketName": "logs"}),
            vec![vec!["main", "arn:aws:cloudtrail:@:trail/main"], vec!["logs", "arn:aws:s3:::logs"]],
        ),
        (
            "lambda",
            "Invoke",
            json!({"functionName": "arn:aws:lambda:eu-west-1:111122223333:function:resize:live"}),
            none(),
            vec![vec!["resize", "arn:aws:lambda:@:function:resize", "arn:aws:lambda:@:function:resize:live"]],
        ),
        (
            "lambda",
            "PublishVersion20150331",
            json!({"functionName": "111122223333:function:resize"}),
            json!({"functionArn": "arn:aws:lambda:eu-west-1:111122223333:function:resize:7"}),
            vec![vec!["resize", "arn:aws:lambda:@:function:resize", "arn:aws:lambda:@:function:resize:7"]],
        ),
        (
            "ecs",
            "UpdateService",
            json!({"cluster": "prod", "service": "api", "taskDefinition": "api:7"}),
            json!({"service": {
            "serviceArn": "arn:aws:ecs:eu-west-1:111122223333:service/prod/api", "serviceName": "api", "clusterArn": "arn:aws:ecs:eu-west-1:111122223333:cluster/prod",
            "taskDefinition": "arn:aws:ecs:eu-west-1:111122223333:task-definition/api:7"}}),
            vec![
                vec!["api", "arn:aws:ecs:@:service/prod/api"],
                vec!["prod", "arn:aws:ecs:@:cluster/prod"],
                vec!["api:7", "arn:aws:ecs:@:task-definition/api:7"],
            ],
        ),
        (
            "ecs",
            "StopTask",
            json!({"task": "arn:aws:ecs:eu-west-1:111122223333:task/prod/0f1e"}),
            none(),
            vec![vec!["0f1e", "arn:aws:ecs:@:task/prod/0f1e"], vec!["prod", "arn:aws:ecs:@:cluster/prod"]],
        ),
        (
            "sns",
            "Subscribe",
            json!({"topicArn": "arn:aws:sns:eu-west-1:111122223333:alerts", "protocol": "sqs", "endpoint": "arn:aws:sqs:eu-west-1:111122223333:jobs"}),
            none(),
            vec![vec!["alerts", "arn:aws:sns:@:alerts"], vec!["jobs", "arn:aws:sqs:@:jobs", queue]],
        ),
        (
            "sns",
            "Unsubscribe",
            json!({"subscriptionArn": "arn:aws:sns:eu-west-1:111122223333:alerts:8a2f"}),
            none(),
            vec![vec!["alerts"], vec!["arn:aws:sns:@:alerts:8a2f"]],
        ),
        (
            "sqs",
            "SendMessage",
            json!({"queueUrl": queue}),
            none(),
            vec![vec!["jobs", "arn:aws:sqs:@:jobs", queue]],
        ),
        (
            "sqs",
            "CreateQueue",
            json!({"queueName": "jobs"}),
            none(),
            vec![vec!["jobs", "arn:aws:sqs:@:jobs", queue]],
        ),
        (
            "secretsmanager",
            "RotateSecret",
            json!({"secretId": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db"}),
            json!({"name": "prod/db", "aRN": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db-AbCdEf"}),
            vec![vec![
                "prod/db",
                "arn:aws:secretsmanager:@:secret:prod/db",
                "arn:aws:secretsmanager:@:secret:prod/db-AbCdEf",
            ]],
        ),
        (
            "ssm",
            "DeleteParameters",
            json!({"names": ["/db/x", "token"]}),
            none(),
            vec![
                vec!["/db/x", "arn:aws:ssm:@:parameter/db/x"],
                vec!["token", "arn:aws:ssm:@:parameter/token"],
            ],
        ),
        (
            "dynamodb",
            "Query",
            json!({"tableName": "arn:aws:dynamodb:eu-west-1:111122223333:table/users", "indexName": "by-mail"}),
            none(),
            vec![vec!["users", "arn:aws:dynamodb:@:table/users"], vec!["by-mail"]],
        ),
        (
            "dynamodb",
            "BatchGetItem",
            json!({"requestItems": {"users": {}, "orders": {}}}),
            none(),
            vec![vec!["users", "arn:aws:dynamodb:@:table/users"], vec!["orders"]],
        ),
        (
            "eks",
            "DescribeNodegroup",
            json!({"name": "main", "nodegroupName": "blue"}),
            none(),
            vec![vec!["main", "arn:aws:eks:@:cluster/main"], vec!["blue"]],
        ),
        (
            "ecr",
            "BatchDeleteImage",
            json!({"repositoryName": "team/api"}),
            none(),
            vec![vec!["team/api", "arn:aws:ecr:@:repository/team/api"]],
        ),
        (
            "elasticloadbalancing",
            "CreateLoadBalancer",
            json!({"name": "web", "subnets": ["subnet-1"]}),
            json!({"loadBalancers": [{"loadBalancerName": "web",
            "loadBalancerArn": "arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/app/web/50dc"}]}),
            vec![
                vec!["web", "app/web/50dc", "arn:aws:elasticloadbalancing:@:loadbalancer/app/web/50dc"],
                vec!["subnet-1"],
            ],
        ),
        (
            "elasticloadbalancing",
            "DeleteListener",
            json!({"listenerArn": "arn:aws:elasticloadbalancing:eu-west-1:111122223333:listener/app/web/50dc/f2f7"}),
            none(),
            vec![vec!["arn:aws:elasticloadbalancing:@:listener/app/web/50dc/f2f7"], vec!["web"]],
        ),
        (
            "route53",
            "CreateHostedZone",
            json!({"name": "acme.example", "callerReference": "x"}),
            json!({"hostedZone": {"id": "/hostedzone/Z1", "name": "acme.example."}}),
            vec![vec![
                "acme.example",
                "acme.example.",
                "Z1",
                "/hostedzone/Z1",
                "arn:aws:route53:::hostedzone/Z1",
            ]],
        ),
        (
            "route53",
            "ChangeResourceRecordSets",
            json!({"hostedZoneId": "/hostedzone/Z1"}),
            none(),
            vec![vec!["Z1", "/hostedzone/Z1", "arn:aws:route53:::hostedzone/Z1"]],
        ),
        (
            "cloudformation",
            "CreateStack",
            json!({"stackName": "web"}),
            json!({"stackId": "arn:aws:cloudformation:eu-west-1:111122223333:stack/web/6e1c"}),
            vec![vec!["web", "arn:aws:cloudformation:@:stack/web/6e1c"]],
        ),
        (
            "organizations",
            "MoveAccount",
            json!({"accountId": "444455556666", "sourceParentId": "r-ab12", "destinationParentId": "ou-ab12-cd34"}),
            none(),
            vec![vec!["444455556666"], vec!["r-ab12"], vec!["ou-ab12-cd34"]],
        ),
        (
            "organizations",
            "AttachPolicy",
            json!({"policyId": "p-1", "targetId": "444455556666"}),
            none(),
            vec![vec!["p-1"], vec!["444455556666"]],
        ),
        (
            "identitystore",
            "CreateUser",
            json!({"identityStoreId": "d-1", "userName": "ana"}),
            json!({"userId": "u-1", "identityStoreId": "d-1"}),
            vec![vec!["ana", "u-1"]],
        ),
        (
            "identitystore",
            "CreateGroupMembership",
            json!({"groupId": "g-1", "memberId": {"userId": "u-1"}}),
            none(),
            vec![vec!["g-1"], vec!["u-1"]],
        ),
        (
            "sso",
            "CreateAccountAssignment",
            json!({"principalId": "g-1", "principalType": "GROUP", "targetId": "444455556666", "targetType": "AWS_ACCOUNT",
            "permissionSetArn": "arn:aws:sso:::permissionSet/ssoins-1/ps-1"}),
            none(),
            vec![
                vec!["g-1"],
                vec!["444455556666"],
                vec!["ps-1", "arn:aws:sso:::permissionSet/ssoins-1/ps-1"],
            ],
        ),
        ("account", "EnableRegion", json!({"regionName": "af-south-1"}), none(), vec![vec!["af-south-1"]]),
        (
            "account",
            "GetRegionOptStatus",
            json!({"regionName": "af-south-1"}),
            none(),
            vec![vec!["af-south-1"]],
        ),
        (
            "iam",
            "UpdateUser",
            json!({"userName": "ana", "newUserName": "anna"}),
            none(),
            vec![vec!["ana", "anna", "arn:aws:iam::111122223333:user/ana"]],
        ),
        (
            "sts",
            "AssumeRole",
            json!({"roleArn": "arn:aws:iam::111122223333:role/deploy"}),
            json!({"credentials": {"accessKeyId": "ASIAEXAMPLE"}}),
            vec![vec!["deploy"], vec!["ASIAEXAMPLE"]],
        ),
        (
            "scheduler",
            "CreateSchedule",
            json!({"name": "nightly", "target": {"arn": "arn:aws:lambda:eu-west-1:111122223333:function:resize", "roleArn": "arn:aws:iam::111122223333:role/run"}}),
            none(),
            vec![vec!["nightly"], vec!["resize"], vec!["run"]],
        ),
        (
            "redshift",
            "DeleteCluster",
            json!({"clusterIdentifier": "dw"}),
            none(),
            vec![vec!["dw", "arn:aws:redshift:@:cluster:dw"]],
        ),
    ];
    for (service, name, request, answer, things) in cases {
        let event = call(service, name, request, answer);
        let things: Vec<&[&str]> = things.iter().map(Vec::as_slice).collect();
        assert_names(&event, &things);
        assert_eq!(event["targets"].as_array().unwrap().len(), things.len(), "{event}");
    }
}

/// Would catch two things of one name told as one because their names end alike.
#[test]
fn things_of_one_name_in_two_places_stay_apart() {
    let roles = json!({"roles": ["arn:aws:iam::111122223333:role/deploy", "arn:aws:iam::444455556666:role/deploy", "arn:aws:iam::111122223333:role/ci/deploy"]});
    let event = call("rolesanywhere", "CreateProfile", roles, json!(null));
    assert_eq!(found(&event, "deploy").len(), 3, "{event}");
    assert_eq!(found(&event, "arn:aws:iam::444455556666:role/deploy").len(), 1);
    let queues = json!({"queueUrls": ["https://sqs.eu-west-1.amazonaws.com/111122223333/jobs", "https://sqs.eu-west-2.amazonaws.com/111122223333/jobs"]});
    let event = call("sqs", "CancelMessages", queues, json!(null));
    assert_eq!(found(&event, "jobs").len(), 2, "{event}");
}

/// Would catch a thousand instances in one record that take a second, by a name that two of them have in common.
#[test]
fn large_answers_name_each_thing_once() {
    let instance = |number: usize| json!({"instanceId": format!("i-{number:08x}"), "imageId": "ami-1", "groupSet": {"items": [{"groupId": "sg-1", "groupName": "web"}]}});
    let items: Vec<Value> = (0..1_000).map(instance).collect();
    let event =
        call("ec2", "RunInstances", json!({"keyName": "ops"}), json!({"instancesSet": {"items": items}}));
    assert_eq!(event["targets"].as_array().unwrap().len(), 1_003);
    assert_eq!(found(&event, "web"), found(&event, "sg-1"));
}
