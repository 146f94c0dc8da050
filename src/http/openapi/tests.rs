//! The document agrees with the router, with itself, and with the copy that reviews see.

use std::{collections::BTreeSet, env, fs, path::Path};

use super::*;

/// Where `BLESS` writes what is served, for review.
const COPY: &str = "testdata/openapi.json";

fn described() -> BTreeSet<(String, String)> {
    let document = document();
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(move |method| (path.clone(), method.clone()))
        })
        .collect()
}

/// The routes and methods in the text of the router.
fn routed() -> BTreeSet<(String, String)> {
    let text = include_str!("../../http.rs");
    let mut routes = BTreeSet::new();
    for call in text.split(".route(\"").skip(1) {
        let (path, rest) = call.split_once('"').unwrap();
        let call = rest.split(['\n', ';']).next().unwrap();
        let methods = ["get", "post", "put", "patch", "delete"];
        for method in methods
            .iter()
            .filter(|method| call.contains(&format!(" {method}(")) || call.contains(&format!(".{method}(")))
        {
            // In OpenAPI, a variable with slashes looks like any other.
            routes.insert((path.replace("{*", "{"), (*method).to_owned()));
        }
    }
    routes
}

/// Would catch a route or a method that clients are not told of, and one that is gone.
#[test]
fn every_route_is_described_and_no_other() {
    assert!(routed().len() > 20, "only {:?}", routed());
    assert_eq!(described(), routed());
}

/// Would catch a change of what clients are told that no reviewer saw. `BLESS=1 cargo test --lib openapi` writes the copy anew.
#[test]
fn the_copy_is_what_is_served() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(COPY);
    let served = document();
    if env::var_os("BLESS").is_some() {
        fs::write(&path, serde_json::to_string_pretty(&served).unwrap() + "\n").unwrap();
    }
    let copy: Value = serde_json::from_slice(&fs::read(&path).unwrap_or_default()).unwrap_or_default();
    assert!(copy == served, "{COPY} is not what is served: BLESS=1 cargo test --lib openapi writes it anew");
}

/// Calls `visit` for a value and all that is in it.
fn walk(value: &Value, visit: &mut impl FnMut(&Value)) {
    visit(value);
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk(item, visit)),
        Value::Object(members) => members.values().for_each(|member| walk(member, visit)),
        _ => {}
    }
}

/// Would catch a reference that leads nowhere, a part that nothing refers to, two operations of one name, and an operation without
/// words or without a parameter of its path.
#[test]
fn the_document_holds_together() {
    let document = document();
    let mut references = BTreeSet::new();
    walk(&document, &mut |value| {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            assert!(document.pointer(&reference[1..]).is_some(), "{reference} leads nowhere");
            references.insert(reference.to_owned());
        }
    });
    for part in ["schemas", "responses", "headers"] {
        for name in document["components"][part].as_object().unwrap().keys() {
            let reference = format!("#/components/{part}/{name}");
            assert!(references.contains(&reference), "nothing refers to {reference}");
        }
    }
    let mut ids = BTreeSet::new();
    for (path, method) in described() {
        let operation = &document["paths"][&path][&method];
        assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{path}");
        let mut names = BTreeSet::new();
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            assert!(names.insert(name), "{method} {path} has {name} twice");
            assert_ne!(parameter["description"], "", "{method} {path} says nothing of {name}");
        }
        for variable in path.split('{').skip(1).map(|rest| rest.split('}').next().unwrap()) {
            assert!(names.contains(variable), "{method} {path} does not describe {variable}");
        }
        for words in ["summary", "description"] {
            assert!(operation[words].as_str().is_some_and(|words| !words.is_empty()), "{method} {path}");
        }
    }
}

/// Would catch a kind of problem that no operation tells of, and an example of an operation or a kind that does not exist.
#[test]
fn every_problem_and_every_example_has_its_place() {
    let document = document();
    let responses = document["components"]["responses"].to_string();
    for kind in ProblemType::ALL.iter().filter(|kind| **kind != ProblemType::MethodNotAllowed) {
        assert!(responses.contains(&format!("\"{}\"", kind.reference())), "{kind:?} is told of nowhere");
    }
    let kinds = &document["components"]["schemas"]["Problem"]["properties"]["type"]["enum"];
    assert_eq!(kinds.as_array().unwrap().len(), ProblemType::ALL.len());
    let mut shown = 0;
    walk(&document["paths"], &mut |value| shown += usize::from(value.get("example").is_some()));
    walk(&document["components"], &mut |value| shown += usize::from(value.get("example").is_some()));
    let examples: Value = serde_json::from_str(include_str!("examples.json")).unwrap();
    let kept: usize = examples.as_object().unwrap().values().map(|of| of.as_object().unwrap().len()).sum();
    // A problem may be told of under several lists of kinds; the parameter Idempotency-Key has an example of its own.
    assert!(shown > kept, "{shown} examples are shown, {kept} are kept");
}
