//! How a call ended.
//!
//! In: `errorCode`, `errorMessage` and, for sign-ins, `responseElements`. Out: an event's `outcome`. The code
//! stays in the metadata, where it can be compared exactly; the message moves into the reason if it fits.

use serde_json::{Map, Value, json};

use super::{fits, take_text};
use crate::limits::REASON_BYTES_MAX;

/// Error codes by which services refuse for lack of permission, their `Client.` prefix and a final
/// `Exception` or `Fault` taken off. Codes that end in `AccessDenied` need no mention.
const DENIED: [&str; 8] = [
    "UnauthorizedOperation",
    "Unauthorized",
    "UnauthorizedAccess",
    "NotAuthorized",
    "AuthorizationError",
    "AuthFailure",
    "Forbidden",
    "OperationNotPermitted",
];

/// `denied` for lack of permission, `failure` for any other error, else `success`.
pub(super) fn take(rest: &mut Map<String, Value>) -> Value {
    let code = rest.get("errorCode").and_then(Value::as_str).unwrap_or_default().to_owned();
    let result = match code.as_str() {
        _ if sign_in_failed(rest) => "failure",
        "" if rest.contains_key("errorMessage") => "failure",
        "" => "success",
        code if is_denial(code) => "denied",
        _ => "failure",
    };
    let message = rest.get("errorMessage").and_then(Value::as_str).unwrap_or_default();
    let both = format!("{code}: {message}");
    let reason = match (code.as_str(), message) {
        ("", message) => message,
        (code, "") => code,
        (code, _) if !fits(&both, REASON_BYTES_MAX) => code,
        _ => &both,
    };
    if !fits(reason, REASON_BYTES_MAX) {
        return json!({"result": result});
    }
    let outcome = json!({"result": result, "reason": reason});
    if reason.ends_with(message) {
        take_text(rest, "errorMessage", REASON_BYTES_MAX);
    }
    outcome
}

fn is_denial(code: &str) -> bool {
    let code = code.strip_prefix("Client.").unwrap_or(code);
    let code = code.strip_suffix("Exception").or(code.strip_suffix("Fault")).unwrap_or(code);
    code.ends_with("AccessDenied") || DENIED.contains(&code)
}

/// Console sign-ins carry no error code: their answer is `{"ConsoleLogin": "Failure"}`.
fn sign_in_failed(rest: &Map<String, Value>) -> bool {
    rest.get("eventType").and_then(Value::as_str) == Some("AwsConsoleSignIn")
        && rest
            .get("responseElements")
            .and_then(Value::as_object)
            .is_some_and(|answer| answer.values().any(|value| value == "Failure"))
}
