//! Tests of records of every shape: other categories, warehouses, applications, wrapped parameters, large ones.

use serde_json::{Value, json};

use super::{
    event,
    tests::{assert_nothing_lost, case, found_by, mapped, result},
};

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
