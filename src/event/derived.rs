//! Columns that repeat what others say, for those who filter: of the first target its type, id and name, and the ids of all targets.
//!
//! In: batches of any of the event's schemas. Out: the rows in which they say something else than `targets`. Guaranteed: they are no
//! part of what a leaf is the hash of, since they are made of what is; so who verifies a leaf verifies them by this.

use std::borrow::Cow;

use arrow::{
    array::{Array, ArrayRef, AsArray, ListArray, RecordBatch, StringArray},
    compute::cast,
    datatypes::DataType,
};
use serde::Deserialize;

use super::schema::TARGET_IDS;
use crate::error::{Error, ErrorKind, Result};

/// A target, without its metadata.
#[derive(Deserialize)]
struct Target<'t> {
    #[serde(borrow)]
    id: Cow<'t, str>,
    #[serde(borrow)]
    name: Option<Cow<'t, str>>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'t, str>,
}

/// The rows, in their order, whose derived columns contradict `targets`.
///
/// # Errors
/// [`ErrorKind::Internal`] if the batch lacks one of the columns.
pub fn contradictions(batch: &RecordBatch) -> Result<Vec<usize>> {
    let columns = Columns::of(batch)?;
    Ok((0..batch.num_rows()).filter(|row| !columns.agree(*row)).collect())
}

/// The columns that are looked at.
struct Columns {
    targets: StringArray,
    /// Of the first target.
    first: [StringArray; 3],
    ids: ListArray,
    all_ids: StringArray,
}

impl Columns {
    fn of(batch: &RecordBatch) -> Result<Self> {
        let text = |name: &str| as_text(column(batch, name)?, name);
        let ids = column(batch, TARGET_IDS)?.as_list_opt::<i32>().ok_or_else(|| missing(TARGET_IDS))?;
        Ok(Self {
            targets: text("targets")?,
            first: [text("target_type")?, text("target_id")?, text("target_name")?],
            all_ids: as_text(ids.values(), TARGET_IDS)?,
            ids: ids.clone(),
        })
    }

    fn agree(&self, row: usize) -> bool {
        if self.targets.is_null(row) {
            return self.first_is(row, None) && self.ids.is_null(row);
        }
        let targets: Result<Vec<Target<'_>>, _> = serde_json::from_str(self.targets.value(row));
        targets.is_ok_and(|targets| self.first_is(row, targets.first()) && self.ids_are(row, &targets))
    }

    fn first_is(&self, row: usize, target: Option<&Target<'_>>) -> bool {
        let expected = [
            target.map(|target| target.kind.as_ref()),
            target.map(|target| target.id.as_ref()),
            target.and_then(|target| target.name.as_deref()),
        ];
        let found = self.first.iter().map(|column| column.is_valid(row).then(|| column.value(row)));
        found.eq(expected)
    }

    fn ids_are(&self, row: usize, targets: &[Target<'_>]) -> bool {
        let [start, end] = [row, row + 1].map(|row| self.ids.value_offsets()[row] as usize);
        let found = (start..end).map(|at| self.all_ids.is_valid(at).then(|| self.all_ids.value(at)));
        self.ids.is_valid(row) && found.eq(targets.iter().map(|target| Some(target.id.as_ref())))
    }
}

fn column<'b>(batch: &'b RecordBatch, name: &str) -> Result<&'b ArrayRef> {
    batch.column_by_name(name).ok_or_else(|| missing(name))
}

fn as_text(column: &ArrayRef, name: &str) -> Result<StringArray> {
    let text = cast(column, &DataType::Utf8).map_err(|error| {
        Error::with_source(ErrorKind::Internal, format!("column {name} is not text"), error)
    })?;
    Ok(text.as_string::<i32>().clone())
}

fn missing(name: &str) -> Error {
    Error::new(ErrorKind::Internal, format!("column {name} is missing from a batch of events"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ListBuilder, StringBuilder};
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
            let fields = SealedFields::try_from(vec!["targets.name".to_owned()]).unwrap();
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
        let two = json!([{"type": "doc", "id": "d_1", "name": "Plan"}, {"type": "doc", "id": "d_2"}]);
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
            (vec![Some(vec!["d_2", "d_1"]), None], vec![0]),
            (vec![Some(vec!["d_1", "d_2"]), Some(vec!["d_1"])], vec![1]),
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
}
