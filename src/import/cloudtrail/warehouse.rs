//! CloudTrail records as data warehouses give them back.
//!
//! In: a record whose names were changed (`eventtime`, `user_identity`) or whose parameters are JSON in a text, as in the table
//! for Athena that AWS documents, or any other object or list of the record. Out: the record as CloudTrail writes it. Guaranteed:
//! values stay what they are; a member that was parsed comes back as it was given, for the metadata.

use serde_json::{Map, Value};

use crate::import::{
    members,
    texts::{self, Object, nested, object},
};

/// The members of a record, in CloudTrail's spelling.
pub(in crate::import) const MEMBERS: [&str; 32] = [
    "addendum",
    "additionalEventData",
    "apiVersion",
    "awsRegion",
    "edgeDeviceDetails",
    "errorCode",
    "errorMessage",
    "eventCategory",
    "eventContext",
    "eventData",
    "eventID",
    "eventName",
    "eventSource",
    "eventTime",
    "eventType",
    "eventVersion",
    "insightDetails",
    "managementEvent",
    "readOnly",
    "recipientAccountId",
    "requestID",
    "requestParameters",
    "resources",
    "responseElements",
    "serviceEventDetails",
    "sessionCredentialFromConsole",
    "sharedEventID",
    "sourceIPAddress",
    "tlsDetails",
    "userAgent",
    "userIdentity",
    "vpcEndpointId",
];
const IDENTITY: [&str; 12] = [
    "accessKeyId",
    "accountId",
    "arn",
    "credentialId",
    "identityProvider",
    "inScopeOf",
    "invokedBy",
    "onBehalfOf",
    "principalId",
    "sessionContext",
    "type",
    "userName",
];
const PERSON: [&str; 2] = ["identityStoreArn", "userId"];
const SESSION: [&str; 5] =
    ["attributes", "ec2RoleDelivery", "sessionIssuer", "sourceIdentity", "webIdFederationData"];
const ISSUER: [&str; 5] = ["accountId", "arn", "principalId", "type", "userName"];
const RESOURCE: [&str; 3] = ["ARN", "accountId", "type"];
const INSIGHT: [&str; 5] = ["eventName", "eventSource", "insightContext", "insightType", "state"];
/// Members that are objects or lists.
const OBJECTS: [Object; 12] = [
    object("addendum"),
    object("additionalEventData"),
    object("edgeDeviceDetails"),
    object("eventContext"),
    object("eventData"),
    nested("insightDetails", &[object("insightContext")]),
    object("requestParameters"),
    object("resources"),
    object("responseElements"),
    object("serviceEventDetails"),
    object("tlsDetails"),
    nested(
        "userIdentity",
        &[
            nested(
                "sessionContext",
                &[object("attributes"), object("sessionIssuer"), object("webIdFederationData")],
            ),
            object("inScopeOf"),
            object("onBehalfOf"),
        ],
    ),
];

/// Gives members and the members of known objects CloudTrail's names, and parses those that are texts; what was parsed
/// comes back as it was given.
pub(super) fn restore(record: &mut Map<String, Value>) -> Map<String, Value> {
    members::restore_names(record, &MEMBERS);
    let given = texts::parse(record, &OBJECTS);
    restore_inside(record);
    given
}

fn restore_inside(record: &mut Map<String, Value>) {
    if let Some(Value::Object(identity)) = record.get_mut("userIdentity") {
        restore_in(identity, &IDENTITY, &[("onBehalfOf", &PERSON), ("sessionContext", &SESSION)]);
        if let Some(Value::Object(session)) = identity.get_mut("sessionContext") {
            restore_in(session, &SESSION, &[("sessionIssuer", &ISSUER)]);
        }
    }
    if let Some(Value::Object(insight)) = record.get_mut("insightDetails") {
        members::restore_names(insight, &INSIGHT);
    }
    if let Some(Value::Array(resources)) = record.get_mut("resources") {
        for resource in resources.iter_mut().filter_map(Value::as_object_mut) {
            members::restore_names(resource, &RESOURCE);
        }
    }
}

fn restore_in(object: &mut Map<String, Value>, documented: &[&str], inner: &[(&str, &[&str])]) {
    members::restore_names(object, documented);
    for (member, documented) in inner {
        if let Some(Value::Object(inner)) = object.get_mut(*member) {
            members::restore_names(inner, documented);
        }
    }
}
