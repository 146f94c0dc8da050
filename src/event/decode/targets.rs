//! The targets of an event: the JSON text of all, the names of all (each id, then its aliases), and the columns of the first.
//!
//! One target at a time is read into the target columns, and from there written in canonical form.

use std::borrow::Cow;

use super::{
    batch::Value,
    fields::{EventReader, depth},
    json::Members,
    problems::Path,
    reader::{Kind, Reader, SyntaxError, Text},
    shape::TARGET,
    values,
};
use crate::{
    event::{columns::Column, jcs},
    limits::{ALIASES_MAX, REFERENCE_BYTES_MAX},
};

/// The columns that hold the first target, and while targets are read the one at hand.
const TARGET_COLUMNS: [Column; 3] = [Column::TargetType, Column::TargetId, Column::TargetName];

impl<'j> EventReader<'j> {
    /// All targets: their JSON text, their ids and aliases, and the columns of the first.
    pub(super) fn targets(&mut self, reader: &mut Reader<'j>, path: &Path<'_>) -> Result<bool, SyntaxError> {
        if !self.expect(reader, Kind::Array, path)? {
            return Ok(true);
        }
        let most = self.context.limits.targets_max;
        let start = self.event.json.len();
        let mut first = [const { Value::Absent }; TARGET_COLUMNS.len()];
        let mut count = 0;
        let mut more = reader.first_element()?;
        while more {
            if count < most {
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
        if count > most {
            self.problems.push(path, format_args!("has {count} targets, more than the {most} allowed"));
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
        self.target_aliases.clear();
        if !self.expect(reader, Kind::Object, path)? {
            return Ok(());
        }
        let given = self.object(reader, &TARGET, path)?;
        self.require(&TARGET, given, path);
        self.refuse_repeated_aliases(path);
        let mut out = std::mem::take(&mut self.event.json);
        out.push(separator);
        self.write_target(&mut out);
        self.event.json = out;
        self.event.push_target_names(&mut self.target_aliases);
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
        if !self.target_aliases.is_empty() {
            key(out, "aliases");
            for (at, alias) in self.target_aliases.iter().enumerate() {
                out.push(if at == 0 { '[' } else { ',' });
                jcs::push_text(out, alias);
            }
            out.push(']');
        }
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

    /// The other names of the target at hand.
    pub(super) fn aliases_of_target(
        &mut self,
        reader: &mut Reader<'j>,
        path: &Path<'_>,
    ) -> Result<bool, SyntaxError> {
        if !self.expect(reader, Kind::Array, path)? {
            return Ok(true);
        }
        let (mut count, mut more) = (0, reader.first_element()?);
        while more {
            let alias = path.index(count);
            if count >= ALIASES_MAX {
                reader.skip()?;
            } else if let Some(alias) = self.alias(reader, &alias)? {
                self.target_aliases.push(alias);
            }
            count += 1;
            more = reader.next_element()?;
        }
        if count > ALIASES_MAX {
            self.problems
                .push(path, format_args!("has {count} aliases, more than the {ALIASES_MAX} allowed"));
        }
        Ok(count > 0)
    }

    fn alias(
        &mut self,
        reader: &mut Reader<'j>,
        path: &Path<'_>,
    ) -> Result<Option<Cow<'j, str>>, SyntaxError> {
        if !self.expect(reader, Kind::Text, path)? {
            return Ok(None);
        }
        let Text { value, lone_surrogate } = reader.text()?;
        let checked = match lone_surrogate {
            true => Err("has a lone surrogate, which is no Unicode text".to_owned()),
            false => values::identifier(&value, REFERENCE_BYTES_MAX),
        };
        match checked {
            Ok(()) => Ok(Some(value)),
            Err(detail) => {
                self.problems.push(path, detail);
                Ok(None)
            }
        }
    }

    /// An event has one form, so each name of a target stands in it once.
    fn refuse_repeated_aliases(&mut self, path: &Path<'_>) {
        let path = path.key("aliases");
        for (at, alias) in self.target_aliases.iter().enumerate() {
            if self.event.get(Column::TargetId) == Some(alias) {
                self.problems.push(&path.index(at), "is the id of the target");
            } else if self.target_aliases[..at].contains(alias) {
                self.problems.push(&path.index(at), "is given twice");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray as _;
    use serde_json::{Value, json};

    use crate::{
        event::{
            canonical::to_api_json,
            decode::{BodyFormat, DecodeContext, Decoded, decode},
            properties::stored,
        },
        limits::ALIASES_MAX,
    };

    fn decoded(targets: Value) -> Decoded {
        let event = json!({"tenant_id": "acme", "action": "a", "occurred_at": "2026-11-22T03:04:05Z",
                           "actor": {"type": "user", "id": "u"}, "targets": targets});
        let context = DecodeContext::new(None, 1_800_000_000_000_000);
        decode(event.to_string().as_bytes(), BodyFormat::Json, &context).unwrap()
    }

    /// Would catch a name by which an event is not found, names out of order, and a second form of an event.
    #[test]
    fn every_name_of_a_target_is_kept_and_indexed() {
        let bucket =
            json!({"aliases": ["acme-data", "data"], "type": "bucket", "id": "arn:aws:s3:::acme-data"});
        let targets = json!([bucket, {"id": "d", "type": "doc", "aliases": []}, {"type": "doc", "id": "e"}]);
        let decoded = decoded(targets);
        assert_eq!(decoded.rejected, vec![]);
        let names = decoded.batch["target_ids"].as_list::<i32>().value(0);
        let names: Vec<&str> = names.as_string::<i32>().iter().flatten().collect();
        assert_eq!(names, ["arn:aws:s3:::acme-data", "acme-data", "data", "d", "e"]);
        let shown: Value = serde_json::from_str(&to_api_json(&stored(&decoded.batch), 0)).unwrap();
        assert_eq!(shown["targets"], json!([bucket, {"id": "d", "type": "doc"}, {"type": "doc", "id": "e"}]));
    }

    /// Would catch an alias that is dropped without a word.
    #[test]
    fn what_is_no_alias_is_named() {
        let many: Vec<String> = (0..=ALIASES_MAX).map(|number| number.to_string()).collect();
        for (aliases, pointer, detail) in [
            (json!("x"), "/targets/0/aliases", "is a string, not an array"),
            (json!([7]), "/targets/0/aliases/0", "is a number, not a string"),
            (json!(["a", ""]), "/targets/0/aliases/1", "is empty"),
            (json!(["a", "a"]), "/targets/0/aliases/1", "is given twice"),
            (json!(["d"]), "/targets/0/aliases/0", "is the id of the target"),
            (json!(many), "/targets/0/aliases", "has 17 aliases, more than the 16 allowed"),
        ] {
            let decoded = decoded(json!([{"type": "doc", "id": "d", "aliases": aliases}]));
            let error = &decoded.rejected[0].errors[0];
            assert_eq!((error.pointer.as_str(), error.detail.as_str()), (pointer, detail), "{aliases}");
        }
    }
}
