//! The targets of an event: the JSON text of all, the ids of all, and the columns of the first.
//!
//! One target at a time is read into the target columns, and from there written in canonical form.

use super::{
    batch::Value,
    fields::{EventReader, depth},
    json::Members,
    problems::Path,
    reader::{Kind, Reader, SyntaxError},
    shape::TARGET,
};
use crate::{
    event::{columns::Column, jcs},
    limits::TARGETS_MAX,
};

/// The columns that hold the first target, and while targets are read the one at hand.
const TARGET_COLUMNS: [Column; 3] = [Column::TargetType, Column::TargetId, Column::TargetName];

impl<'j> EventReader<'j> {
    /// All targets: their JSON text, their ids, and the columns of the first.
    pub(super) fn targets(&mut self, reader: &mut Reader<'j>, path: &Path<'_>) -> Result<bool, SyntaxError> {
        if !self.expect(reader, Kind::Array, path)? {
            return Ok(true);
        }
        let start = self.event.json.len();
        let mut first = [const { Value::Absent }; TARGET_COLUMNS.len()];
        let mut count = 0;
        let mut more = reader.first_element()?;
        while more {
            if count < TARGETS_MAX {
                self.target(reader, &path.index(count), if count == 0 { '[' } else { ',' })?;
            } else {
                reader.skip()?;
            }
            if count == 0 {
                first = TARGET_COLUMNS.map(|column| self.event.take(column));
            }
            count += 1;
            more = reader.next_element()?;
        }
        for (column, value) in TARGET_COLUMNS.into_iter().zip(first) {
            self.event.set(column, value);
        }
        if count > 0 {
            self.event.json.push(']');
            self.event.set(Column::Targets, Value::Json(start..self.event.json.len()));
        }
        if count > TARGETS_MAX {
            self.problems
                .push(path, format_args!("has {count} targets, more than the {TARGETS_MAX} allowed"));
        }
        Ok(true)
    }

    /// One target: into the target columns, and `separator` and its canonical text behind the targets before it.
    fn target(
        &mut self,
        reader: &mut Reader<'j>,
        path: &Path<'_>,
        separator: char,
    ) -> Result<(), SyntaxError> {
        for column in TARGET_COLUMNS {
            self.event.set(column, Value::Absent);
        }
        self.target_metadata.clear();
        if !self.expect(reader, Kind::Object, path)? {
            return Ok(());
        }
        let given = self.object(reader, &TARGET, path)?;
        self.require(&TARGET, given, path);
        let mut out = std::mem::take(&mut self.event.json);
        out.push(separator);
        self.write_target(&mut out);
        self.event.json = out;
        self.event.push_target_id();
        Ok(())
    }

    /// Appends the target at hand in canonical form, its keys in order.
    fn write_target(&self, out: &mut String) {
        let mut before = '{';
        let mut key = |out: &mut String, key: &str| {
            out.push(before);
            jcs::push_text(out, key);
            out.push(':');
            before = ',';
        };
        if let Some(id) = self.event.get(Column::TargetId) {
            key(out, "id");
            jcs::push_text(out, id);
        }
        if self.target_metadata.len() > "{}".len() {
            key(out, "metadata");
            out.push_str(&self.target_metadata);
        }
        for (name, column) in [("name", Column::TargetName), ("type", Column::TargetType)] {
            if let Some(text) = self.event.get(column) {
                key(out, name);
                jcs::push_text(out, text);
            }
        }
        out.push('}');
    }

    /// The free-form object of the target at hand; it has to wait for its place among the sorted keys.
    pub(super) fn metadata_of_target(
        &mut self,
        reader: &mut Reader<'j>,
        path: &Path<'_>,
    ) -> Result<bool, SyntaxError> {
        if self.expect(reader, Kind::Object, path)? {
            let out = &mut self.target_metadata;
            self.canonicalizer.object(reader, out, Members::Any, (path, depth(path)), &mut self.problems)?;
            self.check_json(self.target_metadata.len(), path);
        }
        Ok(true)
    }
}
