//! Rows without what names a person.
//!
//! In: stored rows, the id of a person. Out: the rows with digests in the place of the person's sealed values. Guaranteed: the leaf of
//! each row is what it was; nothing else of a row changes; rows that were erased before stay as they are.
//!
//! What counts as the person's, by where it stands: what the actor says of itself (`/actor`, `/context`) if the person is the actor;
//! the name it acts for, if that is the person; what is said of each target that is the person; what is said of the event as a whole
//! (`/metadata`, `/changes`, `/description`) if the person is any of these.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{Array, AsArray, ListArray, ListBuilder, RecordBatch, StringArray, StringBuilder},
    datatypes::DataType,
};

use super::{
    marks::{self, Mark, Marks},
    sealing::{SEALABLE, replace, text_column},
};
use crate::{
    error::{Error, ErrorKind, Result},
    event::{
        columns::Column,
        derived, jcs, members,
        schema::{SEALED, TARGET_IDS},
    },
};

/// A batch that an erasure has changed.
#[derive(Debug)]
pub struct Erased {
    /// All its rows.
    pub batch: RecordBatch,
    /// How many of them were changed.
    pub rows: u64,
}

/// In which parts of an event a person occurs.
struct Roles {
    actor: bool,
    on_behalf_of: bool,
    targets: Vec<bool>,
}

/// Values that take the place of others: by column and row.
#[derive(Default)]
struct Edits(HashMap<Column, HashMap<usize, Option<String>>>);

/// What an erasure of a person would find.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Rows in which something of the person is readable.
    pub readable: u64,
    /// Rows in which something of the person is erased.
    pub erased: u64,
}

/// Takes what names `person` out of the rows of `batch` that `wanted` says; `None` if nothing of the kind is readable in them.
///
/// # Errors
/// [`ErrorKind::Internal`] if the batch is not of [`crate::event::schema::stored_schema`]; [`ErrorKind::Corrupt`] if its column
/// `sealed` is not of these rows.
pub fn erase(batch: &RecordBatch, person: &str, wanted: impl Fn(usize) -> bool) -> Result<Option<Erased>> {
    let rows = Columns::of(batch)?;
    let (mut edits, mut changed) = (Edits::default(), 0);
    for row in (0..batch.num_rows()).filter(|row| wanted(*row)) {
        changed += u64::from(rows.erase(row, person, &mut edits)?);
    }
    Ok((changed > 0).then_some(Erased { batch: edits.made_in(batch)?, rows: changed }))
}

/// The rows of `sent` without what is erased in a stored event whose column `sealed` has the text `stored`: what such a row says
/// can be compared with what is left of the stored one. A value that a row does not have is no error.
///
/// # Errors
/// As [`erase`].
pub fn without_erased(sent: &RecordBatch, stored: &str) -> Result<RecordBatch> {
    let marks = marks::parse(stored).ok_or_else(|| corrupt("is no list of sealed fields"))?;
    let rows = Columns::of(sent)?;
    let mut edits = Edits::default();
    for row in 0..sent.num_rows() {
        for (pointer, _) in marks.iter().filter(|(_, mark)| matches!(mark, Mark::Digest(_))) {
            rows.take(row, pointer, &mut edits)?;
        }
    }
    edits.made_in(sent)
}

/// The columns that [`survey`] looks at, in the stored order.
pub const SURVEYED: [&str; 4] = ["actor_id", "on_behalf_of_id", "targets", SEALED];

/// What [`erase`] would find in the rows of `batch` that `wanted` says.
///
/// # Errors
/// As [`erase`].
pub fn survey(batch: &RecordBatch, person: &str, wanted: impl Fn(usize) -> bool) -> Result<Survey> {
    let who = Who::of(batch)?;
    let mut found = Survey::default();
    for row in (0..batch.num_rows()).filter(|row| wanted(*row)) {
        let Some((roles, marks)) = who.sealed(row, person)? else { continue };
        let has = |kind: fn(&Mark) -> bool| {
            u64::from(marks.iter().any(|(pointer, mark)| kind(mark) && roles.concern(pointer)))
        };
        found.readable += has(|mark| matches!(mark, Mark::Salt(_)));
        found.erased += has(|mark| matches!(mark, Mark::Digest(_)));
    }
    Ok(found)
}

/// The columns that say who occurs in a row.
struct Who<'b> {
    actor_id: &'b StringArray,
    on_behalf_of_id: &'b StringArray,
    targets: &'b StringArray,
    sealed: &'b StringArray,
}

impl<'b> Who<'b> {
    fn of(batch: &'b RecordBatch) -> Result<Self> {
        Ok(Self {
            actor_id: text_column(batch, "actor_id")?,
            on_behalf_of_id: text_column(batch, "on_behalf_of_id")?,
            targets: text_column(batch, "targets")?,
            sealed: text_column(batch, SEALED)?,
        })
    }

    /// Where a person occurs in a row that has sealed fields, and those.
    fn sealed(&self, row: usize, person: &str) -> Result<Option<(Roles, Marks)>> {
        if self.sealed.is_null(row) {
            return Ok(None);
        }
        let is = |ids: &StringArray| ids.is_valid(row) && ids.value(row) == person;
        let roles = Roles {
            actor: is(self.actor_id),
            on_behalf_of: is(self.on_behalf_of_id),
            targets: if self.targets.is_valid(row) {
                targets(self.targets.value(row), person)
            } else {
                Vec::new()
            },
        };
        if !roles.any() {
            return Ok(None);
        }
        let marks =
            marks::parse(self.sealed.value(row)).ok_or_else(|| corrupt("is no list of sealed fields"))?;
        Ok(Some((roles, marks)))
    }
}

/// Which of the targets are the person, by id or alias.
fn targets(text: &str, person: &str) -> Vec<bool> {
    let mut wanted = String::new();
    jcs::push_text(&mut wanted, person);
    let is_called = |target: &&str| {
        let aliases = members::get(target, &["aliases"]).and_then(members::elements).unwrap_or_default();
        members::get(target, &["id"]) == Some(wanted.as_str()) || aliases.contains(&wanted.as_str())
    };
    members::elements(text).unwrap_or_default().iter().map(is_called).collect()
}

/// The column `target_ids` where `targets` of some rows have changed.
fn target_ids(batch: &RecordBatch, changed: &HashMap<usize, Option<String>>) -> Result<ListArray> {
    let before = batch.column_by_name(TARGET_IDS).and_then(|column| column.as_list_opt::<i32>());
    let before =
        before.ok_or_else(|| Error::new(ErrorKind::Internal, "a batch of events has no list target_ids"))?;
    let DataType::List(element) = before.data_type() else { unreachable!("it is a list") };
    let mut lists = ListBuilder::new(StringBuilder::new()).with_field(Arc::clone(element));
    for row in 0..before.len() {
        let ids = match changed.get(&row) {
            Some(Some(targets)) => {
                derived::names(targets).ok_or_else(|| corrupt("names targets that are none"))?
            }
            Some(None) => Vec::new(),
            None if before.is_valid(row) => {
                before.value(row).as_string::<i32>().iter().flatten().map(str::to_owned).collect()
            }
            None => Vec::new(),
        };
        let has_targets = !ids.is_empty();
        lists.append_option(has_targets.then(|| ids.into_iter().map(Some)));
    }
    Ok(lists.finish())
}

fn corrupt(detail: &str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("the column sealed of an event {detail}"))
}

impl Roles {
    fn any(&self) -> bool {
        self.actor || self.on_behalf_of || self.targets.contains(&true)
    }

    /// Whether what stands at `pointer` is the person's.
    fn concern(&self, pointer: &str) -> bool {
        let mut steps = pointer.split('/').skip(1);
        match (steps.next(), steps.next()) {
            (Some("actor"), Some("on_behalf_of")) => self.on_behalf_of,
            (Some("actor" | "context"), _) => self.actor,
            (Some("targets"), Some(place)) => {
                place.parse().is_ok_and(|place: usize| self.targets.get(place) == Some(&true))
            }
            _ => self.any(),
        }
    }
}

/// The columns of a batch that an erasure looks at.
struct Columns<'b> {
    who: Who<'b>,
    values: HashMap<Column, &'b StringArray>,
}

impl<'b> Columns<'b> {
    fn of(batch: &'b RecordBatch) -> Result<Self> {
        let values = SEALABLE.into_iter().map(|(column, _)| Ok((column, text_column(batch, column.name())?)));
        Ok(Self { who: Who::of(batch)?, values: values.collect::<Result<_>>()? })
    }

    /// Notes what is to change in one row; whether anything is.
    fn erase(&self, row: usize, person: &str, edits: &mut Edits) -> Result<bool> {
        let Some((roles, mut marks)) = self.who.sealed(row, person)? else { return Ok(false) };
        let mut changed = false;
        for (pointer, mark) in &mut marks {
            let Mark::Salt(salt) = &mark else { continue };
            if !roles.concern(pointer) {
                continue;
            }
            let value = self.take(row, pointer, edits)?;
            let value = value.ok_or_else(|| corrupt(&format!("names {pointer}, which is not there")))?;
            *mark = Mark::Digest(marks::digest(salt, pointer, &value));
            changed = true;
        }
        if changed {
            edits.set(Column::Sealed, row, Some(marks::write(&marks)));
        }
        Ok(changed)
    }

    /// Takes the value at `pointer`, if there is one, out of its column, and gives it as canonical JSON.
    fn take(&self, row: usize, pointer: &str, edits: &mut Edits) -> Result<Option<String>> {
        let steps = marks::steps(pointer).ok_or_else(|| corrupt("names no field"))?;
        let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
        let found = SEALABLE.into_iter().find(|(_, root)| steps.starts_with(root));
        let Some((column, root)) = found else { return Ok(None) };
        let path = &steps[root.len()..];
        let Some(text) = edits.get(column, row, self.values[&column]).map(str::to_owned) else {
            return Ok(None);
        };
        if path.is_empty() {
            edits.set(column, row, None);
            let mut value = String::new();
            jcs::push_text(&mut value, &text);
            return Ok(Some(value));
        }
        let Some(taken) = members::take(&text, path) else { return Ok(None) };
        edits.set(column, row, taken.rest);
        // The columns of the first target say what stands in the list of all.
        if column == Column::Targets && path == ["0", "name"] {
            edits.set(Column::TargetName, row, None);
        }
        Ok(Some(taken.value))
    }
}

impl Edits {
    fn get<'a>(&'a self, column: Column, row: usize, values: &'a StringArray) -> Option<&'a str> {
        match self.0.get(&column).and_then(|rows| rows.get(&row)) {
            Some(edited) => edited.as_deref(),
            None => values.is_valid(row).then(|| values.value(row)),
        }
    }

    fn set(&mut self, column: Column, row: usize, value: Option<String>) {
        self.0.entry(column).or_default().insert(row, value);
    }

    /// `batch` with these values in place of its own.
    fn made_in(self, batch: &RecordBatch) -> Result<RecordBatch> {
        let Self(edits) = self;
        let mut batch = batch.clone();
        if let Some(targets) = edits.get(&Column::Targets) {
            batch = replace(&batch, TARGET_IDS, Arc::new(target_ids(&batch, targets)?))?;
        }
        for (column, values) in edits {
            let edited = edited(text_column(&batch, column.name())?, &values);
            batch = replace(&batch, column.name(), Arc::new(edited))?;
        }
        Ok(batch)
    }
}

fn edited(values: &StringArray, edits: &HashMap<usize, Option<String>>) -> StringArray {
    let mut out = StringBuilder::with_capacity(values.len(), values.value_data().len());
    for row in 0..values.len() {
        match edits.get(&row) {
            Some(edited) => out.append_option(edited.as_deref()),
            None => out.append_option(values.is_valid(row).then(|| values.value(row))),
        }
    }
    out.finish()
}
