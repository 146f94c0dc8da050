//! A change of a tenant's settings, as a JSON merge patch (RFC 7396).
//!
//! In: JSON, and the settings before. Out: the settings after. Guaranteed: a member that is left out stays as it is, `null` clears
//! it; a member that does not exist, a value of the wrong kind or beyond its range is an error that names it.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::keys::checked_name;
use crate::{
    control::{TenantLimits, TenantSettings},
    error::{Error, ErrorKind, Result},
    event::sealed::SealedFields,
    limits,
};

/// A change of settings, as a JSON merge patch (RFC 7396): a member that is left out stays, `null` clears.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub struct Patch(Members);

/// For each member: not given, or its new value, if it has one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Members {
    #[serde(deserialize_with = "given")]
    name: Option<Option<String>>,
    #[serde(deserialize_with = "given")]
    retention_days: Option<Option<u32>>,
    #[serde(deserialize_with = "given")]
    lock_days: Option<Option<u32>>,
    #[serde(deserialize_with = "given")]
    legal_hold: Option<Option<bool>>,
    #[serde(deserialize_with = "given")]
    sealed_fields: Option<Option<Vec<String>>>,
    #[serde(deserialize_with = "given")]
    limits: Option<Option<LimitsPatch>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
struct LimitsPatch(LimitsMembers);

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct LimitsMembers {
    #[serde(deserialize_with = "given")]
    requests_per_second: Option<Option<u32>>,
    #[serde(deserialize_with = "given")]
    events_per_second: Option<Option<u32>>,
    #[serde(deserialize_with = "given")]
    query_seconds_per_minute: Option<Option<u32>>,
}

/// A member that is given, be it as `null`.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(from).map(Some)
}

// Through a map: a struct would be read from an array as well.
impl TryFrom<Map<String, Value>> for Patch {
    type Error = serde_json::Error;

    fn try_from(members: Map<String, Value>) -> Result<Self, serde_json::Error> {
        serde_json::from_value(Value::Object(members)).map(Self)
    }
}

impl TryFrom<Map<String, Value>> for LimitsPatch {
    type Error = serde_json::Error;

    fn try_from(members: Map<String, Value>) -> Result<Self, serde_json::Error> {
        serde_json::from_value(Value::Object(members)).map(Self)
    }
}

impl Patch {
    /// Whether it names what only the operator sets.
    pub(super) fn is_operators(&self) -> bool {
        let Members { name: _, retention_days, lock_days, legal_hold, sealed_fields, limits } = &self.0;
        retention_days.is_some()
            || lock_days.is_some()
            || legal_hold.is_some()
            || sealed_fields.is_some()
            || limits.is_some()
    }

    /// Whether it asks for locks.
    pub(super) fn locks(&self) -> bool {
        matches!(self.0.lock_days, Some(Some(_)))
    }

    /// The settings after it.
    pub(super) fn apply(&self, settings: &TenantSettings) -> Result<TenantSettings> {
        let Members { name, retention_days, lock_days, legal_hold, sealed_fields, limits } = self.0.clone();
        let mut next = settings.clone();
        if let Some(name) = name {
            next.name = name.map(|name| checked_name(&name)).transpose()?;
        }
        if let Some(days) = retention_days {
            next.retention_days = checked("retention_days", days, limits::RETENTION_DAYS_MAX)?;
        }
        if let Some(days) = lock_days {
            next.lock_days = checked("lock_days", days, limits::RETENTION_DAYS_MAX)?;
        }
        if let (Some(locked), Some(kept)) = (next.lock_days, next.retention_days)
            && locked > kept
        {
            let message = match lock_days {
                Some(_) => format!("lock_days: {locked} is more than the {kept} of retention_days"),
                None => format!("retention_days: {kept} is less than the {locked} of lock_days"),
            };
            let why = "a lock must not keep what retention is to remove";
            return Err(Error::new(ErrorKind::Invalid, format!("{message}: {why}")));
        }
        if let Some(hold) = legal_hold {
            next.legal_hold = hold.unwrap_or_default();
        }
        if let Some(fields) = sealed_fields {
            next.sealed_fields = SealedFields::try_from(fields.unwrap_or_default())
                .map_err(|error| Error::new(ErrorKind::Invalid, format!("sealed_fields: {error}")))?;
        }
        match limits {
            None => {}
            Some(None) => next.limits = TenantLimits::default(),
            Some(Some(LimitsPatch(members))) => {
                let set = |name: &str, limit: &mut Option<u32>, wanted: Option<Option<u32>>| {
                    if let Some(wanted) = wanted {
                        *limit = checked(&format!("limits.{name}"), wanted, u32::MAX)?;
                    }
                    Ok::<(), Error>(())
                };
                let limits = &mut next.limits;
                set("requests_per_second", &mut limits.requests_per_second, members.requests_per_second)?;
                set("events_per_second", &mut limits.events_per_second, members.events_per_second)?;
                let (limit, wanted) =
                    (&mut limits.query_seconds_per_minute, members.query_seconds_per_minute);
                set("query_seconds_per_minute", limit, wanted)?;
            }
        }
        Ok(next)
    }
}

fn checked(name: &str, wanted: Option<u32>, max: u32) -> Result<Option<u32>> {
    match wanted {
        Some(number) if !(1..=max).contains(&number) => {
            Err(Error::new(ErrorKind::Invalid, format!("{name}: {number} is not from 1 to {max}")))
        }
        wanted => Ok(wanted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patched(settings: &TenantSettings, patch: &str) -> Result<TenantSettings, String> {
        let patch: Patch = serde_json::from_str(patch).map_err(|error| error.to_string())?;
        patch.apply(settings).map_err(|error| error.to_string())
    }

    /// Would catch a member that changes although nobody named it, and a null that does not clear.
    #[test]
    fn a_patch_changes_what_it_names() {
        let limits =
            TenantLimits { requests_per_second: Some(5), events_per_second: Some(6), ..Default::default() };
        let sealed_fields = SealedFields::try_from(vec!["actor.name".to_owned()]).unwrap();
        let before = TenantSettings {
            name: Some("Acme".into()),
            retention_days: Some(30),
            lock_days: Some(7),
            legal_hold: true,
            sealed_fields,
            limits,
        };
        let same = |patch| assert_eq!(patched(&before, patch).as_ref(), Ok(&before), "{patch}");
        same("{}");
        same(r#"{"limits": {}}"#);
        same(r#"{"name": " Acme ", "retention_days": 30}"#);
        same(r#"{"lock_days": 7}"#);
        let next =
            patched(&before, r#"{"retention_days": null, "limits": {"requests_per_second": null}}"#).unwrap();
        let expected = TenantLimits { requests_per_second: None, ..limits };
        assert_eq!(next, TenantSettings { retention_days: None, limits: expected, ..before.clone() });
        let cleared = r#"{"name": null, "retention_days": null, "lock_days": null, "legal_hold": null, "sealed_fields": null, "limits": null}"#;
        assert_eq!(patched(&before, cleared), Ok(TenantSettings::default()));
    }

    /// Would catch a lock that keeps what retention is to remove, whichever of the two is set last.
    #[test]
    fn locks_end_before_retention() {
        let set =
            |retention_days, lock_days| TenantSettings { retention_days, lock_days, ..Default::default() };
        for (before, patch, field) in [
            (set(Some(30), None), r#"{"lock_days": 31}"#, "lock_days: 31"),
            (set(None, Some(31)), r#"{"retention_days": 30}"#, "retention_days: 30"),
            (set(None, None), r#"{"retention_days": 30, "lock_days": 31}"#, "lock_days: 31"),
        ] {
            let error = patched(&before, patch).unwrap_err();
            assert!(error.starts_with(field), "{patch}: {error}");
        }
        assert_eq!(patched(&set(Some(30), None), r#"{"lock_days": 30}"#), Ok(set(Some(30), Some(30))));
        assert_eq!(patched(&set(Some(30), Some(30)), r#"{"retention_days": null}"#), Ok(set(None, Some(30))));
        let both = r#"{"retention_days": 90, "lock_days": 60}"#;
        assert_eq!(patched(&set(Some(30), Some(30)), both), Ok(set(Some(90), Some(60))));
    }

    /// Would catch a mistyped member that is passed over: a hold that does not hold, or days that nobody counts.
    #[test]
    fn what_is_no_setting_is_named() {
        for (patch, part) in [
            (r#"{"legal_holt": true}"#, "legal_holt"),
            (r#"{"limits": {"requests": 1}}"#, "requests"),
            (r#"{"retention_days": 0}"#, "retention_days: 0"),
            (r#"{"retention_days": 36501}"#, "36501"),
            (r#"{"retention_days": -1}"#, "-1"),
            (r#"{"retention_days": 1.5}"#, "1.5"),
            (r#"{"retention_days": "30"}"#, "30"),
            (r#"{"legal_hold": "yes"}"#, "yes"),
            (r#"{"lock_days": 0}"#, "lock_days: 0"),
            (r#"{"lock_days": 36501}"#, "lock_days: 36501"),
            (r#"{"name": ""}"#, "name"),
            (r#"{"sealed_fields": ["actor.name", "actor.id"]}"#, "sealed_fields: 'actor.id'"),
            (r#"{"sealed_fields": "actor.name"}"#, "actor.name"),
            (r#"{"limits": {"events_per_second": 0}}"#, "limits.events_per_second"),
            (r#"{"limits": [1, 2, 3]}"#, "map"),
            ("[null, 30]", "map"),
            ("null", "map"),
        ] {
            let error = patched(&TenantSettings::default(), patch).unwrap_err();
            assert!(error.contains(part), "{patch}: {error}");
        }
    }
}
