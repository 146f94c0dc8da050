//! How a call ended.
//!
//! In: the members in which records tell it. Out: an event's `outcome`. The worst of what is found counts:
//!
//! | member | tells |
//! |---|---|
//! | `errorCode` | `denied` for lack of permission, else `failure`; as a status code what HTTP means by it (`200` is a success); `0` is no error |
//! | `errorMessage` without a code | `failure` |
//! | `serviceEventDetails` | the event's own name (`{"CredentialVerification": "Failure"}`), `result`, `status`, `state`, `statusCode`, `success`, …, and error codes, at any depth and in lists |
//! | `responseElements` | of sign-ins and events of services the same; of API calls `_return`, the event's own name, and lists and numbers of what failed (`unknown`: some of it was done); of calls that change something also `status`, `statusCode`, `success`, error codes and reasons of failure; also in an object `…Response` around them, or one that is the event's name and `Result` or `Status`. `status: "REJECTED"` and the like are states of a thing and no results, and so is any status that a call only reads |
//! | `additionalEventData` | the same at its top level, and in its `responseParameters` (sign-ins of Cognito) |
//!
//! Where nothing tells it: an API call or an action in the console is a `success`, since AWS writes an error code for all
//! others; everything else (sign-ins, events of services, insights, calls that an endpoint let through) is `unknown`.
//!
//! Codes stay in the metadata, where they can be compared exactly; `errorMessage` moves into the reason if it fits.

use serde_json::{Map, Value, json};

use super::{fits, plain, take_text};
use crate::{
    import::results::{self, Ending},
    limits::REASON_BYTES_MAX,
};

/// Error codes by which services refuse for lack of permission, their `Client.` prefix and a final
/// `Exception` or `Fault` taken off. Codes that end in `AccessDenied` need no mention.
const DENIED: [&str; 14] = [
    "UnauthorizedOperation",
    "Unauthorized",
    "UnauthorizedAccess",
    "NotAuthorized",
    "AuthorizationError",
    "AuthFailure",
    "Forbidden",
    "OperationNotPermitted",
    "PermissionDenied",
    "AccessDeniedForDependency",
    "InsufficientPrivileges",
    "InsufficientPermissions",
    "InsufficientAccess",
    "InsufficientAccessRights",
];
/// Members that tell a result, [`plain`].
const RESULTS: [&str; 24] = [
    "result",
    "status",
    "state",
    "outcome",
    "statustype",
    "statuscode",
    "resultcode",
    "resultstatus",
    "httpstatus",
    "httpstatuscode",
    "responsecode",
    "responsestatus",
    "eventresult",
    "eventstatus",
    "loginstatus",
    "loginresult",
    "signinresult",
    "authenticationresult",
    "authenticationstatus",
    "requeststatus",
    "operationstatus",
    "success",
    "succeeded",
    "issuccess",
];
/// Members that hold the code of an error, [`plain`].
const CODES: [&str; 4] = ["errorcode", "error", "failurecode", "failurereason"];
/// Members that say in words what went wrong, [`plain`].
const MESSAGES: [&str; 8] = [
    "failurereason",
    "failuremessage",
    "errormessage",
    "statusmessage",
    "statusreason",
    "errorcode",
    "reason",
    "message",
];
/// How members of answers begin that list or count what was not done, [`plain`].
const PARTS: [&str; 3] = ["failed", "unprocessed", "unsuccessful"];
/// How others end that list it, [`plain`].
const PARTS_ENDINGS: [&str; 4] = ["errors", "failures", "errorentries", "errorlist"];
/// Words that a `status` in an answer says of a thing (`RejectGrant` makes a grant `REJECTED`), [`plain`].
const STATES: [&str; 6] = ["rejected", "reject", "blocked", "expired", "aborted", "abandoned"];
/// How calls begin that only read.
const READING: [&str; 9] =
    ["Describe", "Get", "List", "BatchGet", "Lookup", "Search", "Head", "Query", "Scan"];
/// Results lie no deeper in details.
const DEPTH_MAX: usize = 4;

/// Takes the outcome of a record; see the table at the top of this file.
pub(super) fn take(rest: &mut Map<String, Value>) -> Value {
    let code = code_text(rest.get("errorCode"));
    let message = rest.get("errorMessage").and_then(Value::as_str).unwrap_or_default();
    let ending = ending(rest, &code, message);
    let result = ending.map_or("unknown", Ending::as_str);
    if ending == Some(Ending::Success) {
        return json!({"result": result});
    }
    let both = format!("{code}: {message}");
    let reason = match (code.as_str(), message) {
        ("", "") => rest.get("serviceEventDetails").and_then(explanation).unwrap_or_default(),
        ("", message) => message,
        (code, "") => code,
        (code, _) if !fits(&both, REASON_BYTES_MAX) => code,
        _ => &both,
    };
    if !fits(reason, REASON_BYTES_MAX) {
        return json!({"result": result});
    }
    let outcome = json!({"result": result, "reason": reason});
    if !message.is_empty() && reason.ends_with(message) {
        take_text(rest, "errorMessage", REASON_BYTES_MAX);
    }
    outcome
}

fn ending(rest: &Map<String, Value>, code: &str, message: &str) -> Option<Ending> {
    let event = plain(rest.get("eventName").and_then(Value::as_str).unwrap_or_default());
    let kind = rest.get("eventType").and_then(Value::as_str);
    // Records had no type before version 1.02; all were calls.
    let is_call =
        matches!(kind, Some("AwsApiCall" | "AwsConsoleAction")) || (kind.is_none() && !event.is_empty());
    let reads = only_reads(rest, is_call);
    let found = [
        of_error(code),
        // What went well has no message.
        (code.is_empty() && !message.is_empty()).then_some(Ending::Failure),
        rest.get("serviceEventDetails").and_then(|details| of_details(details, &event, DEPTH_MAX)),
        rest.get("responseElements").and_then(|answer| match answer {
            Value::Object(members) if is_call => of_answer(members, &event, reads),
            // `{"ConsoleLogin": "Failure"}`: whatever the member is called, it is the answer.
            Value::Object(members) if kind == Some("AwsConsoleSignIn") => {
                members.values().filter_map(results::of).max()
            }
            answer => of_details(answer, &event, DEPTH_MAX),
        }),
        rest.get("additionalEventData").and_then(|data| of_details(data, &event, 0)),
        rest.get("additionalEventData")
            .and_then(|data| of_details(data.get("responseParameters")?, &event, 0)),
    ];
    let worst = found.into_iter().flatten().max();
    worst.or_else(|| (is_call && (code.is_empty() || is_zero(code))).then_some(Ending::Success))
}

fn code_text(code: Option<&Value>) -> String {
    match code {
        Some(Value::String(code)) => code.clone(),
        Some(Value::Number(code)) => code.to_string(),
        _ => String::new(),
    }
}

/// `0` and `0.0` are the codes of no error.
fn is_zero(code: &str) -> bool {
    code.parse::<f64>().is_ok_and(|number| number == 0.0)
}

/// What a code in the place of an error's code means.
fn of_error(code: &str) -> Option<Ending> {
    if is_zero(code) || matches!(plain(code).as_str(), "" | "none" | "null" | "na" | "noerror") {
        return None;
    }
    if let Some(status) = results::status_code(code) {
        return results::of_code(status);
    }
    if is_denial(code) {
        return Some(Ending::Denied);
    }
    Some(match results::of_word(code) {
        Some(Ending::Success) => Ending::Success,
        _ => Ending::Failure,
    })
}

fn is_denial(code: &str) -> bool {
    let code = code.strip_prefix("Client.").unwrap_or(code);
    let code = code.strip_suffix("Exception").or(code.strip_suffix("Fault")).unwrap_or(code);
    code.ends_with("AccessDenied") || DENIED.contains(&code)
}

/// The worst result in the details of an event that is no call.
fn of_details(details: &Value, event: &str, depth: usize) -> Option<Ending> {
    if let Value::Array(items) = details {
        return items.iter().filter_map(|item| of_details(item, event, depth.checked_sub(1)?)).max();
    }
    let members = details.as_object()?;
    let found = members.iter().filter_map(|(member, value)| {
        let name = plain(member);
        if let Some(error) = error_object(&name, value) {
            return Some(error);
        }
        if value.is_object() || value.is_array() {
            let earlier = name.starts_with("previous") || name.starts_with("old");
            return (depth > 0 && !earlier).then(|| of_details(value, event, depth - 1)).flatten();
        }
        if CODES.contains(&name.as_str()) {
            return of_error(&code_text(Some(value)));
        }
        let tells = RESULTS.contains(&name.as_str()) || (!event.is_empty() && name == event);
        tells.then(|| results::of(value)).flatten()
    });
    found.max()
}

/// `{"error": {"code": …, "message": …}}`.
fn error_object(name: &str, value: &Value) -> Option<Ending> {
    let error = value.as_object().filter(|error| name == "error" && !error.is_empty())?;
    let code = error.iter().find(|(member, _)| matches!(plain(member).as_str(), "code" | "errorcode"));
    code.and_then(|(_, code)| of_error(&code_text(Some(code)))).or(Some(Ending::Failure))
}

/// Whether a call changes nothing: then its answer describes things, which may have failed long before.
fn only_reads(rest: &Map<String, Value>, is_call: bool) -> bool {
    match rest.get("readOnly") {
        Some(Value::Bool(reads)) => *reads,
        Some(Value::String(text)) if matches!(text.as_str(), "true" | "false") => text == "true",
        // Records had no such member before version 1.01.
        _ => {
            let name = rest.get("eventName").and_then(Value::as_str).unwrap_or_default();
            is_call && READING.iter().any(|verb| name.starts_with(verb))
        }
    }
}

/// What the answer to a call tells about it. The state of a thing that it describes is no result of the call.
fn of_answer(members: &Map<String, Value>, event: &str, reads: bool) -> Option<Ending> {
    let found = members.iter().filter_map(|(member, value)| {
        let name = plain(member);
        let of_call = match name.as_str() {
            _ if tells_parts(&name) && !value.is_boolean() => {
                return has_parts(value).then_some(Ending::Partial);
            }
            "return" | "returnvalue" => return worse(value),
            "responsemetadata" => return of_answer(value.as_object()?, "", reads),
            _ if value.is_object() && is_wrapper(&name, event) => {
                return of_answer(value.as_object()?, event, reads);
            }
            _ if !event.is_empty() && name == event => return results::of(value),
            name => name,
        };
        if reads {
            return None;
        }
        if let Some(error) = error_object(of_call, value) {
            return Some(error);
        }
        match of_call {
            _ if value.is_object() && is_status_of(of_call, event) => {
                let state = |name: &str| matches!(plain(name).as_str(), "state" | "status" | "failurereason");
                let told = value.as_object()?.iter().filter(|(name, _)| state(name));
                told.filter_map(|(_, value)| worse(value)).max()
            }
            "status" if value.as_str().is_some_and(|text| STATES.contains(&plain(text).as_str())) => None,
            "errorcode" | "error" | "failurecode" | "failurereason" => of_error(&code_text(Some(value))),
            "errormessage" | "failuremessage" => {
                value.as_str().filter(|text| !text.is_empty()).map(|_| Ending::Failure)
            }
            "failed" => (value == &Value::Bool(true)).then_some(Ending::Failure),
            "success" | "succeeded" | "successful" | "issuccess" | "issuccessful" | "statuscode"
            | "httpstatuscode" | "status" | "result" => worse(value),
            _ => None,
        }
    });
    found.max()
}

/// A result that is no success: a call that says it of a part of itself may have failed in another.
fn worse(value: &Value) -> Option<Ending> {
    results::of(value).filter(|ending| *ending != Ending::Success)
}

/// `CreateFlowLogsResponse`; what else is a result may be what the call was asked for.
fn is_wrapper(name: &str, event: &str) -> bool {
    name.ends_with("response") || (!event.is_empty() && name.strip_prefix(event) == Some("result"))
}

/// `createAccountStatus` of `CreateAccount`: how the call goes, as an object.
fn is_status_of(name: &str, event: &str) -> bool {
    !event.is_empty() && name.strip_prefix(event) == Some("status")
}

fn tells_parts(name: &str) -> bool {
    PARTS.iter().any(|start| name.starts_with(start)) || PARTS_ENDINGS.iter().any(|end| name.ends_with(end))
}

/// Whether a list or a number of what was not done has anything.
fn has_parts(value: &Value) -> bool {
    match value {
        Value::String(text) => text.parse::<f64>().is_ok_and(|number| number != 0.0),
        Value::Bool(_) => false,
        value => !is_nothing(value),
    }
}

/// Nothing, zero, or a list (or an object around a list) without anything in it.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(is) => !is,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.iter().all(is_nothing),
        Value::Object(members) => members.values().all(is_nothing),
    }
}

/// The first text that says in words what went wrong.
fn explanation(details: &Value) -> Option<&str> {
    let members = details.as_object()?;
    let said = MESSAGES.iter().find_map(|wanted| {
        let (_, value) = members.iter().find(|(member, _)| plain(member) == *wanted)?;
        value.as_str().filter(|text| fits(text, REASON_BYTES_MAX))
    });
    said.or_else(|| members.values().find_map(explanation))
}
