//! Columns that repeat what others say, for those who filter: of the first target its type, id and name; of all targets the names,
//! target by target the id and then its aliases.
//!
//! In: batches of any of the event's schemas. Out: the rows in which they say something else than `targets`. Guaranteed: they are no
//! part of what a leaf is the hash of, since they are made of what is; so who verifies a leaf verifies them by this.

use std::borrow::Cow;

use arrow::{
    array::{Array, AsArray, ListArray, RecordBatch},
    datatypes::DataType,
};
use serde::Deserialize;

use super::{
    jcs,
    schema::TARGET_IDS,
    text::{self, Text},
};
use crate::error::{Error, ErrorKind, Result};

/// A target, without its metadata.
#[derive(Deserialize)]
struct Target<'t> {
    #[serde(borrow, default)]
    aliases: Vec<Name<'t>>,
    #[serde(borrow)]
    id: Cow<'t, str>,
    #[serde(borrow)]
    name: Option<Name<'t>>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'t, str>,
}

impl Target<'_> {
    /// By which it is found in `target_ids`.
    fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.id.as_ref()).chain(self.aliases.iter().map(|Name(alias)| alias.as_ref()))
    }
}

/// What may be missing is not borrowed otherwise.
#[derive(Deserialize)]
#[serde(transparent)]
struct Name<'t>(#[serde(borrow)] Cow<'t, str>);

/// The rows, in their order, whose derived columns contradict `targets`.
///
/// # Errors
/// [`ErrorKind::Internal`] if the batch lacks one of the columns.
pub fn contradictions(batch: &RecordBatch) -> Result<Vec<usize>> {
    let columns = Columns::of(batch)?;
    let mut scratch = String::new();
    let mut agree = |row: &usize| columns.are_of_one_target(*row, &mut scratch) || columns.agree(*row);
    Ok((0..batch.num_rows()).filter(|row| !agree(row)).collect())
}

/// What `target_ids` holds of an event whose `targets` are this text; `None` if it is no list of targets.
pub(super) fn names(targets: &str) -> Option<Vec<String>> {
    let targets: Vec<Target<'_>> = serde_json::from_str(targets).ok()?;
    Some(targets.iter().flat_map(Target::names).map(str::to_owned).collect())
}

/// The columns that are looked at.
struct Columns {
    targets: Text,
    /// Of the first target.
    kind: Text,
    id: Text,
    name: Text,
    ids: ListArray,
    all_ids: Text,
}

impl Columns {
    fn of(batch: &RecordBatch) -> Result<Self> {
        let ids = text::column(batch, TARGET_IDS)?;
        let ids = ids.as_list_opt::<i32>().ok_or_else(|| not_a_list(ids.data_type()))?;
        Ok(Self {
            targets: Text::of(batch, "targets")?,
            kind: Text::of(batch, "target_type")?,
            id: Text::of(batch, "target_id")?,
            name: Text::of(batch, "target_name")?,
            all_ids: Text::new(ids.values(), TARGET_IDS)?,
            ids: ids.clone(),
        })
    }

    /// Whether `targets` is, letter by letter, what these columns say of a single target without metadata. Most are, and nothing
    /// has to be parsed to see it. `scratch` is overwritten.
    fn are_of_one_target(&self, row: usize, scratch: &mut String) -> bool {
        let (Some(kind), Some(id)) = (self.kind.get(row), self.id.get(row)) else { return false };
        scratch.clear();
        scratch.push_str("[{\"id\":");
        jcs::push_text(scratch, id);
        if let Some(name) = self.name.get(row) {
            scratch.push_str(",\"name\":");
            jcs::push_text(scratch, name);
        }
        scratch.push_str(",\"type\":");
        jcs::push_text(scratch, kind);
        scratch.push_str("}]");
        self.targets.get(row) == Some(scratch) && self.ids_are(row, [id].into_iter())
    }

    fn agree(&self, row: usize) -> bool {
        let Some(text) = self.targets.get(row) else {
            return self.first_is(row, None) && self.ids.is_null(row);
        };
        let targets: Result<Vec<Target<'_>>, _> = serde_json::from_str(text);
        targets.is_ok_and(|targets| {
            self.first_is(row, targets.first()) && self.ids_are(row, targets.iter().flat_map(Target::names))
        })
    }

    fn first_is(&self, row: usize, target: Option<&Target<'_>>) -> bool {
        self.kind.get(row) == target.map(|target| target.kind.as_ref())
            && self.id.get(row) == target.map(|target| target.id.as_ref())
            && self.name.get(row) == target.and_then(|target| Some(target.name.as_ref()?.0.as_ref()))
    }

    fn ids_are<'t>(&'t self, row: usize, expected: impl Iterator<Item = &'t str>) -> bool {
        let [start, end] = [row, row + 1].map(|row| self.ids.value_offsets()[row] as usize);
        self.ids.is_valid(row) && (start..end).map(|at| self.all_ids.get(at)).eq(expected.map(Some))
    }
}

fn not_a_list(found: &DataType) -> Error {
    Error::new(ErrorKind::Internal, format!("column {TARGET_IDS} is {found}, not a list"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, ListBuilder, StringArray, StringBuilder};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::event::{
        properties::{decoded, event, stored},
        sealed::{SealedFields, erase, seal},
    };

    fn with(batch: &RecordBatch, name: &str, column: ArrayRef) -> RecordBatch {
        let mut columns = batch.columns().to_vec();
        columns[batch.schema().index_of(name).unwrap()] = column;
        RecordBatch::try_new(batch.schema(), columns).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Would catch an honest event, erased or not, that is called changed.
        #[test]
        fn what_is_decoded_agrees(event in event()) {
            let fields = SealedFields::try_from(["targets.name", "targets.aliases"].map(str::to_owned).to_vec()).unwrap();
            let batch = stored(&seal(decoded(&event.to_string()), &fields).unwrap());
            prop_assert_eq!(contradictions(&batch).unwrap(), Vec::<usize>::new());
            for target in event["targets"].as_array().into_iter().flatten() {
                let person = target["id"].as_str().unwrap();
                let erased = erase(&batch, person, |_| true).unwrap();
                if let Some(erased) = erased {
                    prop_assert_eq!(contradictions(&erased.batch).unwrap(), Vec::<usize>::new());
                }
            }
        }
    }

    /// Would catch a filter by target that is led astray by columns which no leaf covers.
    #[test]
    fn what_was_changed_is_found() {
        let event = |id: &str, targets| {
            json!({"id": id, "tenant_id": "acme", "action": "a", "occurred_at": "2026-11-22T03:04:05Z",
                   "actor": {"type": "user", "id": "u"}, "targets": targets})
        };
        let two = json!([{"type": "doc", "id": "d_1", "name": "Plan", "aliases": ["plan"]}, {"type": "doc", "id": "d_2"}]);
        let batch = decoded(&json!([event("e1", two), event("e2", json!([]))]).to_string());
        assert_eq!(contradictions(&batch).unwrap(), Vec::<usize>::new());
        for name in ["target_type", "target_id", "target_name"] {
            let column: StringArray = [Some("other"), None].into_iter().collect();
            assert_eq!(contradictions(&with(&batch, name, Arc::new(column))).unwrap(), [0], "{name}");
            let column: StringArray = [None, Some("other")].into_iter().collect();
            assert_eq!(contradictions(&with(&batch, name, Arc::new(column))).unwrap(), [0, 1], "{name}");
        }
        for (ids, expected) in [
            (vec![Some(vec!["d_1"]), None], vec![0]),
            (vec![Some(vec!["d_1", "d_2"]), None], vec![0]),
            (vec![Some(vec!["d_2", "d_1", "plan"]), None], vec![0]),
            (vec![Some(vec!["d_1", "plan", "d_2"]), Some(vec!["d_1"])], vec![1]),
            (vec![None, Some(vec![])], vec![0, 1]),
        ] {
            let field = match batch.schema().field_with_name(TARGET_IDS).unwrap().data_type() {
                DataType::List(field) => field.clone(),
                other => panic!("{other}"),
            };
            let mut lists = ListBuilder::new(StringBuilder::new()).with_field(field);
            for row in ids {
                lists.append_option(row.map(|ids| ids.into_iter().map(Some)));
            }
            let changed = with(&batch, TARGET_IDS, Arc::new(lists.finish()));
            assert_eq!(contradictions(&changed).unwrap(), expected);
        }
    }

    /// Would catch text that is taken for JSON: an id that brings a name of its own along.
    #[test]
    fn an_id_is_no_json() {
        let event = json!({"id": "e", "tenant_id": "acme", "action": "a", "occurred_at": "2026-11-22T03:04:05Z",
                           "actor": {"type": "user", "id": "u"}, "targets": [{"type": "doc", "id": "d", "name": "n"}]});
        let batch = decoded(&event.to_string());
        let other: ArrayRef = Arc::new(StringArray::from(vec![r#"d","name":"n"#]));
        let nothing: ArrayRef = Arc::new(StringArray::from(vec![None::<&str>]));
        let changed = with(&with(&batch, "target_id", other), "target_name", nothing);
        assert_eq!(contradictions(&changed).unwrap(), [0]);
    }
}
