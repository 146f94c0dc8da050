//! Sealing and erasing over arbitrary events.

use arrow::{
    array::{Array as _, AsArray as _, RecordBatch},
    compute::concat_batches,
};
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

use super::{
    SealedFields, Survey, committed, erase,
    marks::{digest, pointer, steps},
    seal, survey, without_erased,
};
use crate::event::{
    canonical::{Rows, content_hashes, to_api_json},
    decode::without_seq,
    derived::contradictions,
    properties::{decoded, event, stored},
};

fn fields(names: &[&str]) -> SealedFields {
    SealedFields::try_from(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap()
}

/// Everything that can be sealed of an event, its metadata and changes by their first keys.
fn all_of(event: &Value) -> SealedFields {
    let mut names: Vec<String> = [
        "actor.name",
        "actor.email",
        "actor.on_behalf_of.name",
        "targets.name",
        "targets.aliases",
        "description",
        "context.ip_address",
        "context.user_agent",
    ]
    .map(str::to_owned)
    .to_vec();
    for object in ["metadata", "changes"] {
        let members = event[object].as_object().into_iter().flatten();
        let keys =
            members.map(|(key, _)| key).filter(|key| !key.is_empty() && !key.contains('.') && key.len() < 64);
        names.extend(keys.map(|key| format!("{object}.{key}")));
    }
    SealedFields::try_from(names).unwrap()
}

fn leaves(batch: &RecordBatch) -> Vec<String> {
    let rows = Rows::new(batch).unwrap();
    let leaf = |row| {
        let mut out = String::new();
        rows.push_leaf(row, &mut out);
        out
    };
    (0..rows.len()).map(leaf).collect()
}

/// The leaves as who has only the answers of the API makes them.
fn leaves_from_answers(batch: &RecordBatch) -> Vec<String> {
    let leaf = |row| {
        let (event, _) = without_seq(&to_api_json(batch, row)).unwrap();
        committed(&event).unwrap_or(event)
    };
    (0..batch.num_rows()).map(leaf).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Would catch a leaf that an erasure changes, one that others reckon otherwise, one that holds a sealed value, an erasure that
    /// leaves something readable or touches another event, and an event that is sent again and not known, or known as another.
    #[test]
    fn an_erasure_leaves_every_leaf_as_it_was(events in vec(event(), 1..4)) {
        let sealed: Vec<RecordBatch> =
            events.iter().map(|event| seal(decoded(&event.to_string()), &all_of(event)).unwrap()).collect();
        let sealed = concat_batches(&sealed[0].schema(), &sealed).unwrap();
        let before = stored(&sealed);
        prop_assert_eq!(leaves_from_answers(&before), leaves(&before));
        for (event, leaf) in events.iter().zip(leaves(&before)) {
            let leaf: Value = serde_json::from_str(&leaf).unwrap();
            for gone in ["/actor/name", "/actor/email", "/actor/on_behalf_of/name", "/context/ip_address", "/description"] {
                prop_assert_eq!(leaf.pointer(gone), None, "{} of {}", gone, event);
            }
        }
        let person = events[0]["actor"]["id"].as_str().unwrap();
        let found = survey(&before, person, |_| true).unwrap();
        let erased = erase(&before, person, |_| true).unwrap();
        prop_assert_eq!(found, Survey { readable: erased.as_ref().map_or(0, |erased| erased.rows), erased: 0 });
        prop_assert!(erase(&before, person, |_| false).unwrap().is_none(), "rows that were not wanted");
        if let Some(erased) = erased {
            let after = erased.batch;
            prop_assert_eq!(leaves(&after), leaves(&before));
            prop_assert_eq!(leaves_from_answers(&after), leaves(&before));
            prop_assert!(erase(&after, person, |_| true).unwrap().is_none(), "it can be erased again");
            let found = survey(&after, person, |_| true).unwrap();
            prop_assert_eq!(found, Survey { readable: 0, erased: erased.rows });
            for (row, event) in events.iter().enumerate() {
                assert_is_content_of(event, &after, row);
            }
            for row in 0..after.num_rows() {
                let (was, is): (Value, Value) = (
                    serde_json::from_str(&to_api_json(&before, row)).unwrap(),
                    serde_json::from_str(&to_api_json(&after, row)).unwrap(),
                );
                if was["actor"]["id"] == person {
                    prop_assert!(is.pointer("/actor/name").is_none() && is.pointer("/actor/email").is_none());
                    prop_assert!(is["sealed"]["/actor/name"].get("salt").is_none());
                } else {
                    prop_assert_eq!(&is["actor"]["name"], &was["actor"]["name"]);
                }
                prop_assert_eq!(&is["actor"]["id"], &was["actor"]["id"]);
            }
        }
    }

    /// Would catch salts that are the same for two values, or that count as content: an event sent twice would be stored twice.
    #[test]
    fn salts_differ_and_are_not_content(event in event()) {
        let batch = decoded(&event.to_string());
        let (one, other) = (seal(batch.clone(), &all_of(&event)).unwrap(), seal(batch.clone(), &all_of(&event)).unwrap());
        prop_assert_eq!(content_hashes(&one), content_hashes(&batch));
        let has_any = leaves(&one) != leaves(&batch);
        prop_assert_eq!(leaves(&one) != leaves(&other), has_any);
    }
}

/// An event that is sent again is what is left of the stored one; one with another action is not, whatever is erased.
fn assert_is_content_of(event: &Value, stored: &RecordBatch, row: usize) {
    let sealed = stored.column_by_name("sealed").unwrap().as_string::<i32>();
    let sealed = if sealed.is_valid(row) { sealed.value(row) } else { "{}" };
    let hash =
        |event: &Value| content_hashes(&without_erased(&decoded(&event.to_string()), sealed).unwrap())[0];
    assert_eq!(hash(event), content_hashes(stored)[row], "{event} and {sealed}");
    let mut other = event.clone();
    other["action"] = json!("another.action");
    assert_ne!(hash(&other), content_hashes(stored)[row], "{event} and {sealed}");
}

fn ana() -> RecordBatch {
    let events = json!([
        {"id": "e1", "tenant_id": "acme", "action": "a", "occurred_at": "2026-11-22T03:04:05Z",
         "actor": {"type": "user", "id": "ana", "name": "Ana", "email": "ana@example.com"},
         "targets": [{"type": "doc", "id": "d", "name": "Ana's plan"}, {"type": "user", "id": "bob", "name": "Bob"}],
         "metadata": {"owner": {"email": "ana@example.com"}, "plan": "pro"}},
        {"id": "e2", "tenant_id": "acme", "action": "a", "occurred_at": "2026-11-22T03:04:05Z",
         "actor": {"type": "user", "id": "bob", "name": "Bob",
                   "on_behalf_of": {"type": "user", "id": "ana", "name": "Ana"}},
         "targets": [{"type": "user", "id": "ana", "name": "Ana"}]},
        {"id": "e3", "tenant_id": "acme", "action": "a", "occurred_at": "2026-11-22T03:04:05Z",
         "actor": {"type": "user", "id": "bob", "name": "Bob"}},
    ]);
    let names =
        ["actor.name", "actor.email", "actor.on_behalf_of.name", "targets.name", "metadata.owner.email"];
    stored(&seal(decoded(&events.to_string()), &fields(&names)).unwrap())
}

/// Would catch an erasure that takes another's name, or leaves the person's in a place where it is not the actor.
#[test]
fn a_person_is_erased_wherever_it_occurs() {
    let batch = ana();
    let erased = erase(&batch, "ana", |_| true).unwrap().unwrap();
    assert_eq!(erased.rows, 2);
    let shown: Vec<Value> =
        (0..3).map(|row| serde_json::from_str(&to_api_json(&erased.batch, row)).unwrap()).collect();
    assert_eq!(shown[0]["actor"], json!({"type": "user", "id": "ana"}));
    // Of a target that is not the person the name stays, as does what was not sealed; an empty object goes.
    assert_eq!(shown[0]["targets"][0]["name"], "Ana's plan");
    assert_eq!(shown[0]["targets"][1]["name"], "Bob");
    assert_eq!(shown[0]["metadata"], json!({"plan": "pro"}));
    assert_eq!(shown[1]["actor"]["name"], "Bob");
    assert_eq!(shown[1]["actor"]["on_behalf_of"], json!({"type": "user", "id": "ana"}));
    assert_eq!(shown[1]["targets"], json!([{"type": "user", "id": "ana"}]));
    assert!(arrow::array::Array::is_null(&erased.batch["target_name"], 1));
    assert_eq!(shown[2]["actor"]["name"], "Bob");
    assert_eq!(leaves(&erased.batch), leaves(&batch));
}

/// Would catch an alias that is still found after its erasure, in `targets` or in the column of all names, and a person that is
/// known by an alias only.
#[test]
fn aliases_are_erased_from_all_columns() {
    let event = json!({
        "id": "e1", "tenant_id": "acme", "action": "a", "occurred_at": "2026-11-22T03:04:05Z",
        "actor": {"type": "user", "id": "bob"},
        "targets": [{"type": "doc", "id": "d", "aliases": ["plan"]},
                    {"type": "user", "id": "00u1", "aliases": ["ana@example.com", "Ana"]}],
    });
    let batch = stored(&seal(decoded(&event.to_string()), &fields(&["targets.aliases"])).unwrap());
    for person in ["00u1", "ana@example.com"] {
        let erased = erase(&batch, person, |_| true).unwrap().unwrap().batch;
        let shown: Value = serde_json::from_str(&to_api_json(&erased, 0)).unwrap();
        assert_eq!(
            shown["targets"],
            json!([{"type": "doc", "id": "d", "aliases": ["plan"]}, {"type": "user", "id": "00u1"}])
        );
        let names = erased["target_ids"].as_list::<i32>().value(0);
        assert_eq!(names.as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["d", "plan", "00u1"]);
        assert_eq!(contradictions(&erased).unwrap(), Vec::<usize>::new());
        assert_eq!(leaves(&erased), leaves(&batch));
    }
}

/// Would catch a leaf for an event that has been tampered with where it is sealed: another value, a value put beside its digest, one
/// taken away without a digest.
#[test]
fn what_does_not_fit_its_marks_has_another_leaf() {
    let batch = ana();
    let (event, _) = without_seq(&to_api_json(&batch, 0)).unwrap();
    let leaf = committed(&event).unwrap();
    let other_value = event.replacen("\"name\":\"Ana\"", "\"name\":\"Eve\"", 1);
    assert_ne!(committed(&other_value).unwrap(), leaf);
    let erased = erase(&batch, "ana", |_| true).unwrap().unwrap().batch;
    let (erased, _) = without_seq(&to_api_json(&erased, 0)).unwrap();
    assert_eq!(committed(&erased).unwrap(), leaf);
    let put_back = erased.replacen("\"id\":\"ana\"", "\"id\":\"ana\",\"name\":\"Eve\"", 1);
    assert_eq!(committed(&put_back), None);
    let taken_away = event.replacen(",\"name\":\"Ana\"", "", 1);
    assert_eq!(committed(&taken_away), None);
    assert_ne!(taken_away, leaf);
}

/// The digest as it is reckoned by hand: `printf '%s' '["VqIE0Pz0c9pvbeRXF5mzLA","/actor/name","Ana"]' | openssl sha256 -binary |
/// basenc --base64url`. Would catch a change of the format: every leaf made before would be another's.
#[test]
fn the_digest_never_changes() {
    assert_eq!(
        digest("VqIE0Pz0c9pvbeRXF5mzLA", "/actor/name", "\"Ana\""),
        "zQ7PD7sQXzQq6Kote5l5CsgsSNgIjeh2ft_r978LkF8"
    );
}

/// Would catch keys with slashes that lead elsewhere.
#[test]
fn pointers_are_those_of_rfc_6901() {
    assert_eq!(pointer(["metadata", "a/b", "m~n"]), "/metadata/a~1b/m~0n");
    assert_eq!(steps("/metadata/a~1b/m~0n/~01").unwrap(), ["metadata", "a/b", "m~n", "~1"]);
    assert_eq!(steps("metadata"), None);
}
