//! CloudTrail records as data warehouses give them back.
//!
//! In: a record whose names were changed (`eventtime`, `user_identity`) or whose parameters are JSON in a text, as in the table
//! for Athena that AWS documents. Out: the record as CloudTrail writes it. Guaranteed: values stay what they are; a text that
//! was parsed comes back for the metadata.

use serde_json::{Map, Value};

use crate::import::members;

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
/// Members that Athena's table keeps as text.
const TEXTS: [&str; 5] =
    ["additionalEventData", "eventData", "requestParameters", "responseElements", "serviceEventDetails"];

/// Gives members and the members of known objects CloudTrail's names.
pub(super) fn restore_names(record: &mut Map<String, Value>) {
    members::restore_names(record, &MEMBERS);
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

/// Parses parameters that are JSON objects in a text, and gives the texts back.
pub(super) fn parse_texts(record: &mut Map<String, Value>) -> Map<String, Value> {
    let mut texts = Map::new();
    for member in TEXTS {
        let Some(Value::String(text)) = record.get(member) else { continue };
        let parsed =
            if text.starts_with('{') { serde_json::from_str::<Map<String, Value>>(text).ok() } else { None };
        if let Some(parsed) = parsed
            && let Some(text) = record.insert(member.to_owned(), parsed.into())
        {
            texts.insert(member.to_owned(), text);
        }
    }
    texts
}
