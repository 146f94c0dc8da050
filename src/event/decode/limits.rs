//! How large an event may be, by where it comes from.
//!
//! Native events are made by programs that their senders write, and small events keep a log fast: their limits are tight. A record of
//! another system is as large as that system makes it, and an audit log may not refuse it: its limits are those of the sources.

use crate::limits::{
    EVENT_BYTES_MAX, IMPORTED_EVENT_BYTES_MAX, IMPORTED_JSON_DEPTH_MAX, IMPORTED_METADATA_BYTES_MAX,
    IMPORTED_TARGETS_MAX, JSON_DEPTH_MAX, METADATA_BYTES_MAX, TARGETS_MAX,
};

/// What of an event may vary in size without being a single text; the limits of single texts are the same for all.
///
/// ```
/// use auditlake::event::decode::EventLimits;
/// assert!(EventLimits::IMPORTED.metadata_bytes_max > EventLimits::NATIVE.metadata_bytes_max);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventLimits {
    /// Targets.
    pub targets_max: usize,
    /// Canonical JSON of one metadata object, or of `changes`.
    pub metadata_bytes_max: usize,
    /// Text of the event as stored, all columns together.
    pub event_bytes_max: usize,
    /// Levels of objects and arrays, the event itself being the first.
    pub depth_max: usize,
}

impl EventLimits {
    /// Of events in auditlake's own form.
    pub const NATIVE: Self = Self {
        targets_max: TARGETS_MAX,
        metadata_bytes_max: METADATA_BYTES_MAX,
        event_bytes_max: EVENT_BYTES_MAX,
        depth_max: JSON_DEPTH_MAX,
    };

    /// Of events that were mapped from records of another system, such as CloudTrail, whose records have up to 256 kB.
    pub const IMPORTED: Self = Self {
        targets_max: IMPORTED_TARGETS_MAX,
        metadata_bytes_max: IMPORTED_METADATA_BYTES_MAX,
        event_bytes_max: IMPORTED_EVENT_BYTES_MAX,
        depth_max: IMPORTED_JSON_DEPTH_MAX,
    };
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::event::decode::{BodyFormat, DecodeContext, decode};

    fn problems(event: &Value, limits: EventLimits) -> Vec<String> {
        let context = DecodeContext { limits, ..DecodeContext::new(None, 1_800_000_000_000_000) };
        let decoded = decode(event.to_string().as_bytes(), BodyFormat::Json, &context).unwrap();
        let errors = decoded.rejected.into_iter().flat_map(|rejected| rejected.errors);
        errors.map(|error| format!("{} {}", error.pointer, error.detail)).collect()
    }

    fn event(members: Value) -> Value {
        let mut event = json!({"tenant_id": "acme", "action": "a", "occurred_at": "2026-11-22T03:04:05Z",
                               "actor": {"type": "user", "id": "u"}});
        event.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        event
    }

    fn nested(levels: usize) -> Value {
        (0..levels).fold(json!(1), |inner, _| json!([inner]))
    }

    /// Would catch a record of another system that is refused for its size, and native events whose limits grow with it.
    #[test]
    fn records_of_other_systems_may_be_larger() {
        let target = |number: usize| json!({"type": "t", "id": format!("t_{number}")});
        let targets: Vec<Value> = (0..=TARGETS_MAX).map(target).collect();
        for (members, native) in [
            (json!({"targets": targets}), "/targets has 65 targets, more than the 64 allowed"),
            (
                json!({"metadata": {"text": "x".repeat(300_000)}}),
                "/metadata is 300011 bytes of JSON, more than the 16384 allowed",
            ),
            (json!({"metadata": {"deep": nested(90)}}), "is nested deeper than 32 levels"),
        ] {
            let event = event(members);
            assert!(problems(&event, EventLimits::NATIVE)[0].contains(native));
            assert_eq!(problems(&event, EventLimits::IMPORTED), Vec::<String>::new());
        }
    }

    /// Would catch a record without any bound.
    #[test]
    fn records_of_other_systems_have_limits_too() {
        let too_large = event(json!({"metadata": {"text": "x".repeat(IMPORTED_METADATA_BYTES_MAX)}}));
        assert!(problems(&too_large, EventLimits::IMPORTED)[0].contains("more than the 1048576 allowed"));
        let too_deep = event(json!({"metadata": {"deep": nested(IMPORTED_JSON_DEPTH_MAX)}}));
        assert!(problems(&too_deep, EventLimits::IMPORTED)[0].contains("deeper than 100 levels"));
    }
}
