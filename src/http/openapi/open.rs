//! Operations that need no key: health, metrics, and the documentation itself.

use serde_json::json;

use super::{operation::Operation, parameters::in_path, schemas::object};
use crate::http::problem::ProblemType;

const HEALTH: &str = "Health";
const DOCUMENTATION: &str = "Documentation";
const JSON: &str = "application/json";

/// All of them.
pub(super) fn operations() -> Vec<Operation> {
    let get = |path, id| Operation::new("get", path, id, &[]);
    let status = |word: &str| object(json!({"status": {"type": "string", "const": word}}));
    let text = || json!({"type": "string"});
    let kinds: Vec<&str> = ProblemType::ALL.iter().map(|kind| kind.name()).collect();
    vec![
        get("/healthz", "isAlive")
            .says(HEALTH, "Is it alive?", "The process answers. It says nothing of the store.")
            .answers(200, "It is.", &[], &[(JSON, status("ok"))]),
        get("/readyz", "isReady")
            .says(HEALTH, "Is it ready?", "Whether events would be accepted now; if not, 503 says why.")
            .answers(200, "It is.", &[], &[(JSON, status("ready"))])
            .refuses(&[ProblemType::Unavailable]),
        get("/metrics", "getMetrics")
            .says(HEALTH, "Metrics", "For Prometheus, in the OpenMetrics text format.")
            .answers(200, "The numbers.", &[], &[("application/openmetrics-text", text())]),
        get("/problems/{name}", "explainProblem")
            .says(DOCUMENTATION, "What a problem means", "What the `type` of a problem leads to.")
            .takes([in_path("name", "The kind's name.", json!({"type": "string", "enum": kinds}))])
            .answers(200, "A page in Markdown.", &[], &[("text/markdown", text())])
            .refuses(&[ProblemType::NotFound]),
        get("/openapi.json", "getOpenApi")
            .says(DOCUMENTATION, "This document", "The API as OpenAPI 3.1.")
            .answers(200, "The document.", &[], &[(JSON, json!({"type": "object"}))]),
        get("/docs", "getDocs")
            .says(DOCUMENTATION, "The same for people", "One page that loads nothing else.")
            .answers(200, "The page.", &["Content-Security-Policy"], &[("text/html", text())]),
    ]
}
