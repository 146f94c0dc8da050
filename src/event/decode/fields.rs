//! Reads one event along its [`Shape`] and checks it on the way.
//!
//! In: the reader, standing at a value that should be an event. Out: the [`Event`] at hand, and every problem it
//! has. Guaranteed: the value is read to its end whatever is wrong with it, as long as it is JSON.
//!
//! One byte form: null, `{}` and `[]` say the same as a field that is not there (but an object that
//! must be there must be complete), so they are stored as not there. Empty prose is kept.

use std::borrow::Cow;

use super::{
    DecodeContext, OWN_ACTIONS,
    batch::{Event, Value},
    json::{Canonicalizer, Members},
    problems::{Path, Problems, quoted},
    reader::{Kind, Reader, SyntaxError, Text},
    shape::{EVENT, Field, FieldKind, Shape, TOP},
    values,
};
use crate::{
    event::{TenantId, columns::Column},
    limits::TENANT_ID_BYTES_MAX,
    telemetry,
};

/// Which fields of a shape were given, one bit each.
pub(super) type Given = u32;

/// Reads events one after the other into the same buffers.
pub(super) struct EventReader<'j> {
    pub(super) context: &'j DecodeContext,
    /// The event at hand; complete if it has no problems.
    pub(super) event: Event<'j>,
    /// What is wrong with it.
    pub(super) problems: Problems,
    /// Whether its id was made here, because it came without.
    pub(super) id_made: bool,
    pub(super) canonicalizer: Canonicalizer<'j>,
    /// Canonical metadata of the target at hand.
    pub(super) target_metadata: String,
    /// Other names of the target at hand, in the order they were given.
    pub(super) target_aliases: Vec<Cow<'j, str>>,
    /// The fields given inside WorkOS's envelope, if there is one.
    wrapped: Option<Given>,
}

impl<'j> EventReader<'j> {
    /// A reader of events sent under `context`.
    pub(super) fn new(context: &'j DecodeContext) -> Self {
        Self {
            context,
            event: Event::default(),
            problems: Problems::default(),
            id_made: false,
            canonicalizer: Canonicalizer::new(context.limits.depth_max),
            target_metadata: String::new(),
            target_aliases: Vec::new(),
            wrapped: None,
        }
    }

    /// Reads the value at which `reader` stands in place of the event before.
    ///
    /// After a syntax error no more can be read from `reader`.
    pub(super) fn read(&mut self, reader: &mut Reader<'j>) -> Result<(), SyntaxError> {
        self.clear();
        let root = Path::Root;
        if !self.expect(reader, Kind::Object, &root)? {
            return Ok(());
        }
        let given = self.object(reader, &TOP, &root)?;
        match self.wrapped {
            None => self.require(&EVENT, given, &root),
            Some(inside) => {
                self.require(&EVENT, inside, &root.key("event"));
                self.refuse_strays(given);
            }
        }
        self.settle_tenant(given | self.wrapped.unwrap_or_default());
        self.refuse_own_actions();
        let (bytes, most) = (self.event.text_bytes(), self.context.limits.event_bytes_max);
        if bytes > most {
            self.problems
                .push(&root, format_args!("has {bytes} bytes of text, more than the {most} allowed"));
        }
        if self.problems.is_empty() {
            self.settle_id();
        }
        Ok(())
    }

    /// Forgets the event at hand.
    pub(super) fn clear(&mut self) {
        self.event.clear();
        self.canonicalizer.clear();
        self.id_made = false;
        self.wrapped = None;
    }

    /// Whether a value of the wanted kind comes next; if not, it is reported and skipped.
    pub(super) fn expect(
        &mut self,
        reader: &mut Reader<'j>,
        wanted: Kind,
        path: &Path<'_>,
    ) -> Result<bool, SyntaxError> {
        let kind = reader.peek()?;
        if kind == wanted {
            return Ok(true);
        }
        self.problems.push(path, format_args!("is {}, not {}", kind.described(), wanted.described()));
        reader.skip()?;
        Ok(false)
    }

    /// Reads an object's fields; which of them were given, well or badly, and not as null.
    pub(super) fn object(
        &mut self,
        reader: &mut Reader<'j>,
        shape: &'static Shape,
        path: &Path<'_>,
    ) -> Result<Given, SyntaxError> {
        let (mut seen, mut given): (Given, Given) = (0, 0);
        let mut next = reader.first_key()?;
        while let Some(key) = next {
            let child = path.key(&key.value);
            match shape.position(&key.value) {
                None => {
                    self.problems.push(&child, "is not a field of an event");
                    reader.skip()?;
                }
                Some(position) if seen & (1 << position) != 0 => {
                    self.problems.push(&child, "is given twice");
                    reader.skip()?;
                }
                Some(position) => {
                    seen |= 1 << position;
                    if reader.peek()? == Kind::Null {
                        reader.null()?;
                    } else if self.field(reader, &shape.fields[position], &child)? {
                        given |= 1 << position;
                    }
                }
            }
            next = reader.next_key()?;
        }
        Ok(given)
    }

    /// Reports the required fields that were not given.
    pub(super) fn require(&mut self, shape: &Shape, given: Given, path: &Path<'_>) {
        for (position, field) in shape.fields.iter().enumerate() {
            if field.required && given & (1 << position) == 0 {
                self.problems.push(&path.key(field.name), "is required");
            }
        }
    }

    /// Reads one field's value, which is not null; whether that counts as given.
    fn field(
        &mut self,
        reader: &mut Reader<'j>,
        field: &Field,
        path: &Path<'_>,
    ) -> Result<bool, SyntaxError> {
        match field.kind {
            FieldKind::Object(shape) => self.nested(reader, shape, field.required, path),
            FieldKind::Wrapped => self.envelope(reader, path),
            FieldKind::Targets => self.targets(reader, path),
            FieldKind::Metadata(column) => self.json_column(reader, column, Members::Any, path),
            FieldKind::Changes => self.json_column(reader, Column::Changes, Members::Changes, path),
            FieldKind::TargetMetadata => self.metadata_of_target(reader, path),
            FieldKind::Aliases => self.aliases_of_target(reader, path),
            FieldKind::Version => self.version(reader, path),
            _ => self.text_field(reader, &field.kind, path),
        }
    }

    /// An object with fields of its own. One without any is not there, unless it has to be.
    fn nested(
        &mut self,
        reader: &mut Reader<'j>,
        shape: &'static Shape,
        required: bool,
        path: &Path<'_>,
    ) -> Result<bool, SyntaxError> {
        if !self.expect(reader, Kind::Object, path)? {
            return Ok(true);
        }
        let given = self.object(reader, shape, path)?;
        if given != 0 || required {
            self.require(shape, given, path);
        }
        Ok(given != 0 || required)
    }

    /// WorkOS's `event`. What is missing in it is reported once its surroundings are read.
    fn envelope(&mut self, reader: &mut Reader<'j>, path: &Path<'_>) -> Result<bool, SyntaxError> {
        let inside = if self.expect(reader, Kind::Object, path)? {
            self.object(reader, &EVENT, path)?
        } else {
            Given::MAX
        };
        self.wrapped = Some(inside);
        Ok(true)
    }

    /// Reports fields of an event that stand beside the envelope's `event`.
    fn refuse_strays(&mut self, given: Given) {
        for (position, field) in EVENT.fields.iter().enumerate() {
            if given & (1 << position) != 0 && !matches!(field.kind, FieldKind::Tenant) {
                self.problems.push(&Path::Root.key(field.name), "stands beside \"event\": move it inside");
            }
        }
    }

    /// A field that holds a string.
    fn text_field(
        &mut self,
        reader: &mut Reader<'j>,
        kind: &FieldKind,
        path: &Path<'_>,
    ) -> Result<bool, SyntaxError> {
        if !self.expect(reader, Kind::Text, path)? {
            return Ok(true);
        }
        let Text { value: text, lone_surrogate } = reader.text()?;
        if lone_surrogate {
            self.problems.push(path, "has a lone surrogate, which is no Unicode text");
            return Ok(true);
        }
        let checked = match *kind {
            FieldKind::Identifier(column, bytes_max) => {
                values::identifier(&text, bytes_max).map(|()| self.event.set(column, Value::Text(text)))
            }
            FieldKind::Prose(column, bytes_max) => {
                values::prose(&text, bytes_max).map(|()| self.event.set(column, Value::Text(text)))
            }
            FieldKind::OutcomeResult => {
                values::outcome(&text).map(|()| self.event.set(Column::Outcome, Value::Text(text)))
            }
            FieldKind::Country => {
                values::country(&text).map(|()| self.event.set(Column::Country, Value::Text(text)))
            }
            FieldKind::OccurredAt => values::occurred_at(&text, self.context.received_at_micros)
                .map(|micros| self.event.occurred_at = Some(micros)),
            FieldKind::IpAddress => {
                values::ip_address(text).and_then(|text| self.set_once(Column::IpAddress, Value::Text(text)))
            }
            FieldKind::Tenant if TenantId::is_valid(&text) => {
                self.set_once(Column::TenantId, Value::Text(text))
            }
            FieldKind::Tenant => Err(format!(
                "{} is not 1–{TENANT_ID_BYTES_MAX} letters, digits, '-', '_' or '.'",
                quoted(&text)
            )),
            _ => unreachable!("only fields that hold strings get here"),
        };
        if let Err(detail) = checked {
            self.problems.push(path, detail);
        }
        Ok(true)
    }

    /// Sets a column that two fields may give, if they give the same.
    fn set_once(&mut self, column: Column, value: Value<'j>) -> Result<(), String> {
        let before = self.event.take(column);
        let conflict = match (&before, &value) {
            (Value::Text(before), Value::Text(now)) if before != now => Err(format!(
                "{} differs from the {} {} given before",
                quoted(now),
                column.name(),
                quoted(before)
            )),
            _ => Ok(()),
        };
        self.event.set(column, value);
        conflict
    }

    fn version(&mut self, reader: &mut Reader<'j>, path: &Path<'_>) -> Result<bool, SyntaxError> {
        if self.expect(reader, Kind::Number, path)? {
            match values::version(reader.number()?) {
                Ok(version) => self.event.version = Some(version),
                Err(detail) => self.problems.push(path, detail),
            }
        }
        Ok(true)
    }

    /// A free-form object that becomes a JSON column.
    fn json_column(
        &mut self,
        reader: &mut Reader<'j>,
        column: Column,
        members: Members,
        path: &Path<'_>,
    ) -> Result<bool, SyntaxError> {
        if self.expect(reader, Kind::Object, path)? {
            let start = self.event.json.len();
            self.canonicalizer.object(
                reader,
                &mut self.event.json,
                members,
                (path, depth(path)),
                &mut self.problems,
            )?;
            let bytes = self.event.json.len() - start;
            if bytes > "{}".len() {
                self.event.set(column, Value::Json(start..start + bytes));
            }
            self.check_json(bytes, path);
        }
        Ok(true)
    }

    /// Checks the size of a free-form object.
    pub(super) fn check_json(&mut self, bytes: usize, path: &Path<'_>) {
        let most = self.context.limits.metadata_bytes_max;
        if bytes > most {
            let detail = format_args!("is {bytes} bytes of JSON, more than the {most} allowed");
            self.problems.push(path, detail);
        }
    }

    /// A record of who read the log must come from the log.
    fn refuse_own_actions(&mut self) {
        let own = self.event.get(Column::Action).is_some_and(|action| action.starts_with(OWN_ACTIONS));
        if own && !self.context.own {
            let detail = format!("begins with '{OWN_ACTIONS}', which only the log itself uses");
            self.problems.push(&Path::Root.key("action"), detail);
        }
    }

    /// The tenant: the event's, which must be the request's if that has one.
    fn settle_tenant(&mut self, given: Given) {
        let mut fields = EVENT.fields.iter().enumerate();
        let named = |(position, field): (usize, &Field)| {
            matches!(field.kind, FieldKind::Tenant) && given & (1 << position) != 0
        };
        let path = Path::Root.key("tenant_id");
        match (self.event.get(Column::TenantId), &self.context.tenant) {
            (Some(own), Some(implied)) if own != implied.as_str() => {
                let detail = format!(
                    "{} is not the tenant of this request, {}",
                    quoted(own),
                    quoted(implied.as_str())
                );
                self.problems.push(&path, detail);
            }
            (Some(_), _) => {}
            // A tenant id that was sent and is malformed has its problem already.
            (None, _) if fields.any(named) => {}
            (None, Some(implied)) => self.event.set(Column::TenantId, Value::Text(implied.as_str().into())),
            (None, None) => self.problems.push(&path, "is required"),
        }
    }

    /// The id: the event's, or a new UUIDv7 of the moment it was received.
    fn settle_id(&mut self) {
        self.id_made = self.event.get(Column::Id).is_none();
        if self.id_made {
            let millis = u64::try_from(self.context.received_at_micros / 1_000).unwrap_or_default();
            let id =
                uuid::Builder::from_unix_timestamp_millis(millis, &telemetry::random_bytes()).into_uuid();
            self.event.set(Column::Id, Value::Text(id.hyphenated().to_string().into()));
        }
    }
}

/// The level in its event of the object or array at `path`; the event is level 1.
pub(super) fn depth(path: &Path<'_>) -> usize {
    match path {
        Path::Root => 1,
        Path::Key(parent, _) | Path::Index(parent, _) => depth(parent) + 1,
    }
}
