//! One operation of the API, in the words of OpenAPI.
//!
//! In: what a route takes and gives. Out: its Operation Object, and the kinds of problems it can answer with, which the document
//! keeps once for all operations. Guaranteed: what every route answers with stands in every operation without being said.

use std::{collections::BTreeMap, sync::LazyLock};

use serde_json::{Map, Value, json};

use crate::{auth::Scope, http::problem::ProblemType};

/// What any request may be told: even one without a body is refused if it comes with one.
const EVERYONE: &[ProblemType] = &[ProblemType::BadRequest, ProblemType::Internal, ProblemType::Timeout];
/// What any request that needs a key may be told.
const KEYED: &[ProblemType] =
    &[ProblemType::Unauthorized, ProblemType::Forbidden, ProblemType::RateLimited, ProblemType::Unavailable];
/// What any request whose body is read may be told.
const WITH_BODY: &[ProblemType] = &[
    ProblemType::RequestTimeout,
    ProblemType::ContentTooLarge,
    ProblemType::UnsupportedMediaType,
    ProblemType::Invalid,
    ProblemType::TooManyRequests,
];

/// Requests and answers as a server gave them, by operation: `request`, and each answer by its status.
static EXAMPLES: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("examples.json")).expect("the examples are JSON, which a test reads")
});

/// One method of one path.
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    id: &'static str,
    object: Map<String, Value>,
    parameters: Vec<Value>,
    answers: BTreeMap<u16, Value>,
    refusals: BTreeMap<u16, Vec<ProblemType>>,
}

impl Operation {
    /// An operation that needs a key with one of `scopes`; with none of them, it needs no key. `id` is its `operationId`.
    pub(super) fn new(method: &'static str, path: &'static str, id: &'static str, scopes: &[Scope]) -> Self {
        let security: Vec<Value> = scopes.iter().map(|scope| json!({"bearer": [scope.name()]})).collect();
        let mut object = Map::new();
        object.insert("operationId".into(), id.into());
        object.insert("security".into(), security.into());
        let (parameters, answers, refusals) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        let operation = Self { method, path, id, object, parameters, answers, refusals }.refuses(EVERYONE);
        match scopes.is_empty() {
            true => operation,
            false => operation.refuses(KEYED),
        }
    }

    /// What it does: its group, a few words, and all there is to know.
    pub(super) fn says(mut self, tag: &str, summary: &str, about: &str) -> Self {
        self.object.insert("tags".into(), json!([tag]));
        self.object.insert("summary".into(), summary.into());
        self.object.insert("description".into(), about.into());
        self
    }

    /// It takes these parameters.
    pub(super) fn takes(mut self, parameters: impl IntoIterator<Item = Value>) -> Self {
        self.parameters.extend(parameters);
        self
    }

    /// It takes a body of one of these media types, each with its schema; the first has the example.
    pub(super) fn reads(mut self, required: bool, media: &[(&str, Value)]) -> Self {
        let content = self.content("request", media);
        self.object.insert("requestBody".into(), json!({"required": required, "content": content}));
        self.refuses(WITH_BODY)
    }

    /// It answers with this status and these headers, in one of these media types, each with its schema.
    pub(super) fn answers(
        mut self,
        status: u16,
        about: &str,
        headers: &[&str],
        media: &[(&str, Value)],
    ) -> Self {
        let keyed = self.object["security"].as_array().is_some_and(|scopes| !scopes.is_empty());
        let always: &[&str] =
            if keyed { &["X-Request-Id", "RateLimit-Policy", "RateLimit"] } else { &["X-Request-Id"] };
        let mut answer = json!({"description": about, "headers": references(always.iter().chain(headers))});
        if !media.is_empty() {
            answer["content"] = self.content(&status.to_string(), media);
        }
        self.answers.insert(status, answer);
        self
    }

    /// It may answer with these problems.
    pub(super) fn refuses(mut self, kinds: &[ProblemType]) -> Self {
        for kind in kinds {
            let same_status = self.refusals.entry(kind.status()).or_default();
            if !same_status.contains(kind) {
                same_status.push(*kind);
            }
        }
        self
    }

    /// The problems it may answer with: a list of kinds for each status.
    pub(super) fn refusals(&self) -> impl Iterator<Item = Vec<ProblemType>> {
        self.refusals.values().map(|kinds| in_order(kinds))
    }

    /// Its Operation Object.
    pub(super) fn into_object(self) -> Value {
        let Self { mut object, parameters, answers, refusals, .. } = self;
        if !parameters.is_empty() {
            object.insert("parameters".into(), parameters.into());
        }
        let mut responses: BTreeMap<String, Value> =
            answers.into_iter().map(|(status, answer)| (status.to_string(), answer)).collect();
        for (status, kinds) in refusals {
            let reference = format!("#/components/responses/{}", name_of(&in_order(&kinds)));
            responses.insert(status.to_string(), json!({ "$ref": reference }));
        }
        object.insert("responses".into(), json!(responses));
        Value::Object(object)
    }

    fn content(&self, part: &str, media: &[(&str, Value)]) -> Value {
        let mut content = Map::new();
        for (position, (media_type, schema)) in media.iter().enumerate() {
            let mut object = json!({ "schema": schema });
            if let Some(example) = EXAMPLES[self.id].get(part).filter(|_| position == 0) {
                object["example"] = example.clone();
            }
            content.insert((*media_type).to_owned(), object);
        }
        Value::Object(content)
    }
}

/// The name under which the document keeps the answer that tells of one of these kinds.
fn name_of(kinds: &[ProblemType]) -> String {
    kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join("-or-")
}

fn in_order(kinds: &[ProblemType]) -> Vec<ProblemType> {
    ProblemType::ALL.iter().filter(|kind| kinds.contains(kind)).copied().collect()
}

fn references<'a>(headers: impl Iterator<Item = &'a &'a str>) -> Value {
    let all = headers.map(|name| {
        let reference = format!("#/components/headers/{name}");
        ((*name).to_owned(), json!({ "$ref": reference }))
    });
    Value::Object(all.collect())
}

/// The name and the Response Object of an answer that tells of one of `kinds`, which share a status.
pub(super) fn refusal(kinds: &[ProblemType]) -> (String, Value) {
    let types: Vec<&str> = kinds.iter().map(|kind| kind.reference()).collect();
    let about: Vec<String> =
        kinds.iter().map(|kind| format!("`{}`: {}; {}.", kind.name(), kind.title(), kind.advice())).collect();
    let status = kinds.first().map_or(500, |kind| kind.status());
    let mut headers = vec!["X-Request-Id"];
    match status {
        401 => headers.push("WWW-Authenticate"),
        429 => headers.extend(["RateLimit-Policy", "RateLimit", "Retry-After"]),
        503 => headers.push("Retry-After"),
        _ => headers.extend(["RateLimit-Policy", "RateLimit"]),
    }
    let narrowed = json!({"properties": {"type": {"enum": types}, "status": {"const": status}}});
    let mut content = json!({
        "schema": {"allOf": [{"$ref": "#/components/schemas/Problem"}, narrowed]},
    });
    if let Some(example) = kinds.iter().find_map(|kind| EXAMPLES["problems"].get(kind.name())) {
        content["example"] = example.clone();
    }
    let response = json!({
        "description": about.join(" "),
        "headers": references(headers.iter()),
        "content": {"application/problem+json": content},
    });
    (name_of(kinds), response)
}
