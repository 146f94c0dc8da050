//! Tests of names, service by service: what each calls its things in requests, answers and ARNs.

use serde_json::{Value, json};

use super::name_cases::{assert_names, call};

/// Service, call, request, answer, and the names of each thing.
type Case = (&'static str, &'static str, Value, Value, Vec<Vec<&'static str>>);

/// Would catch a thing of another service that is found by one of its names only, or is two targets.
#[test]
fn things_of_all_services_have_all_their_names() {
    let none = || json!(null);
    let queue = "https://sqs.eu-west-1.amazonaws.com/111122223333/jobs";
    let cases: Vec<Case> = vec![
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
            "logs",
            "PutSubscriptionFilter",
            json!({"logGroupName": "app", "filterName": "all", "destinationArn": "arn:aws:kinesis:eu-west-1:444455556666:stream/out"}),
            none(),
            vec![
                vec!["app", "arn:aws:logs:@:log-group:app"],
                vec!["all"],
                vec!["out", "arn:aws:kinesis:eu-west-1:444455556666:stream/out"],
            ],
        ),
        (
            "ec2",
            "ModifySnapshotAttribute",
            json!({"snapshotId": "snap-0a1", "createVolumePermission": {"add": {"items": [{"userId": "444455556666"}]}}}),
            none(),
            vec![vec!["snap-0a1"], vec!["444455556666"]],
        ),
        (
            "guardduty",
            "DisassociateMembers",
            json!({"detectorId": "d1", "accountIds": ["444455556666", "555566667777"]}),
            none(),
            vec![vec!["d1"], vec!["444455556666"], vec!["555566667777"]],
        ),
        (
            "glue",
            "DeleteTable",
            json!({"databaseName": "sales", "name": "orders"}),
            none(),
            vec![vec!["orders"], vec!["sales"]],
        ),
        (
            "athena",
            "StartQueryExecution",
            json!({"workGroup": "primary", "queryString": "SELECT 1"}),
            json!({"queryExecutionId": "0c1d7f5a-5c1e-4f0e-9d0e-3f1a2b3c4d5e"}),
            vec![vec!["primary"], vec!["0c1d7f5a-5c1e-4f0e-9d0e-3f1a2b3c4d5e"]],
        ),
        ("ses", "DeleteIdentity", json!({"identity": "acme.example"}), none(), vec![vec!["acme.example"]]),
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
            "apprunner",
            "CreateService",
            json!({"serviceName": "x"}),
            json!({"service": {"serviceName": "x", "serviceId": "id-1",
            "serviceArn": "arn:aws:apprunner:eu-west-1:111122223333:service/x/id-1"}}),
            vec![vec!["x", "id-1", "arn:aws:apprunner:@:service/x/id-1"]],
        ),
        (
            "wafv2",
            "CreateIPSet",
            json!({"name": "bad"}),
            json!({"summary": {"name": "bad", "id": "w-1", "aRN": "arn:aws:wafv2:eu-west-1:111122223333:regional/ipset/bad/w-1"}}),
            vec![vec!["bad", "w-1", "arn:aws:wafv2:@:regional/ipset/bad/w-1"]],
        ),
        (
            "newservice",
            "CreateThing",
            json!({"name": "x"}),
            json!({"thingId": "t-1"}),
            vec![vec!["x", "t-1"]],
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
