//! Tests of results: where records tell them, and where they do not.

use serde_json::{Value, json};

use super::tests::{case, mapped, result};

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
