//! Which events, said without SQL: the filter of the events API and of its cursors.
//!
//! In: names and values as a query string has them, or the same as JSON. Out: conditions of a WHERE clause, whose values
//! are parameters. Guaranteed: no text of a request becomes text of a query; a name or a value that is not understood is an
//! error that names it; where the skip index or the files' statistics can prune by a condition, it is written so that they do.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    addresses::{AddressBlock, canonical::mapped},
    conditions::Conditions,
    json::number_text,
    pattern::ActionPattern,
};
use crate::{
    error::{Error, ErrorKind, Result},
    index::{field::WORD_COLUMNS, words::words},
    limits::{FILTER_ACTIONS_MAX, FILTER_METADATA_MAX, FILTER_VALUE_BYTES_MAX, FILTER_WORDS_MAX},
};

/// What names a member of `metadata` in a query string.
const METADATA: &str = "metadata.";
/// What `outcome` can be.
const OUTCOMES: [&str; 4] = ["success", "failure", "denied", "unknown"];

/// Events that pass everything that is set.
///
/// As JSON it has the members below, `{"action": ["document.*"], "actor_id": "u_1", "metadata": {"plan": "pro"}}`; in a
/// query string they are `action=document.*&actor_id=u_1&metadata.plan=pro`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Filter {
    /// Events that occurred then or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<DateTime<Utc>>,
    /// Events that occurred before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<DateTime<Utc>>,
    /// Events with this id: in a tenant, at most one a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Events with one of these actions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub action: Vec<ActionPattern>,
    /// `success`, `failure`, `denied` or `unknown`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// Events of this actor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor_id: Option<String>,
    /// Events of the actor with this address, letter by letter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor_email: Option<String>,
    /// Events with a target of this id; with `target_type`, a target of this id and type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_id: Option<String>,
    /// Events with a target of this type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_type: Option<String>,
    /// Events of this workspace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace_id: Option<String>,
    /// Events from this address, or from one in this block (`203.0.113.0/24`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_address: Option<AddressBlock>,
    /// Events of this session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// Events of this request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Events that belong together under this id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// Events whose metadata have these texts, numbers or truth values at these keys.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Events that have all of these words, anywhere in their text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub q: Option<String>,
}

/// Why a name and its value are no filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    /// The name.
    pub parameter: String,
    /// What is wrong.
    pub detail: String,
}

impl From<FilterError> for Error {
    fn from(error: FilterError) -> Self {
        Self::new(ErrorKind::Invalid, format!("{}: {}", error.parameter, error.detail))
    }
}

impl Filter {
    /// All names but those of metadata, in the order of the documentation.
    pub const NAMES: [&'static str; 15] = [
        "from",
        "to",
        "id",
        "action",
        "outcome",
        "actor_id",
        "actor_email",
        "target_id",
        "target_type",
        "workspace_id",
        "ip_address",
        "session_id",
        "request_id",
        "correlation_id",
        "q",
    ];

    /// Whether a query parameter is one of a filter.
    pub fn knows(name: &str) -> bool {
        Self::NAMES.contains(&name) || name.strip_prefix(METADATA).is_some_and(|key| !key.is_empty())
    }

    /// Takes in one query parameter that [`Filter::knows`]; `action` may be given several times, meaning any of them.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), FilterError> {
        let wrong = |detail: String| Err(FilterError { parameter: name.to_owned(), detail });
        if value.is_empty() || value.len() > FILTER_VALUE_BYTES_MAX {
            return wrong(format!(
                "it has {} bytes; 1 to {FILTER_VALUE_BYTES_MAX} are expected",
                value.len()
            ));
        }
        let parsed = |error: Error| FilterError { parameter: name.to_owned(), detail: error.to_string() };
        let repeated = match name {
            "action" if self.action.len() == FILTER_ACTIONS_MAX => {
                return wrong(format!("it is given more than {FILTER_ACTIONS_MAX} times"));
            }
            "action" => {
                self.action.push(ActionPattern::parse(value).map_err(parsed)?);
                None
            }
            "from" => self.from.replace(time(value).map_err(parsed)?).map(drop),
            "to" => self.to.replace(time(value).map_err(parsed)?).map(drop),
            "ip_address" => self.ip_address.replace(AddressBlock::parse(value).map_err(parsed)?).map(drop),
            _ => match name.strip_prefix(METADATA) {
                Some(_) if self.metadata.len() == FILTER_METADATA_MAX => {
                    return wrong(format!("there are more than {FILTER_METADATA_MAX} filters by metadata"));
                }
                Some(key) => self.metadata.insert(key.to_owned(), value.to_owned()).map(drop),
                None => match self.text(name) {
                    Some(text) => text.replace(value.to_owned()).map(drop),
                    None => return wrong("it is not the name of a filter".to_owned()),
                },
            },
        };
        match repeated {
            None => self.check(name),
            Some(()) => wrong("it is given more than once".to_owned()),
        }
    }

    /// The member of this name, if it is a plain text.
    fn text(&mut self, name: &str) -> Option<&mut Option<String>> {
        Some(match name {
            "id" => &mut self.id,
            "outcome" => &mut self.outcome,
            "actor_id" => &mut self.actor_id,
            "actor_email" => &mut self.actor_email,
            "target_id" => &mut self.target_id,
            "target_type" => &mut self.target_type,
            "workspace_id" => &mut self.workspace_id,
            "session_id" => &mut self.session_id,
            "request_id" => &mut self.request_id,
            "correlation_id" => &mut self.correlation_id,
            "q" => &mut self.q,
            _ => return None,
        })
    }

    /// Refuses what cannot be meant; `name` is what was set last.
    fn check(&self, name: &str) -> Result<(), FilterError> {
        let wrong =
            |parameter: &str, detail: String| Err(FilterError { parameter: parameter.to_owned(), detail });
        match name {
            "outcome" if !self.outcome.as_deref().is_some_and(|given| OUTCOMES.contains(&given)) => {
                wrong(name, format!("it is not one of {}", OUTCOMES.join(", ")))
            }
            "from" | "to" if self.from.zip(self.to).is_some_and(|(from, to)| from >= to) => {
                wrong(name, "from is not before to, so that no event can match".to_owned())
            }
            "q" => match words(self.q.as_deref().unwrap_or_default(), false).len() {
                0 => wrong(name, "there is no word in it".to_owned()),
                count if count > FILTER_WORDS_MAX => {
                    wrong(name, format!("it has {count} words; the most is {FILTER_WORDS_MAX}"))
                }
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// The same as conditions of a WHERE clause.
    pub(crate) fn conditions(&self) -> Conditions {
        let mut conditions = Conditions::default();
        conditions.add_time("occurred_at >=", self.from);
        conditions.add_time("occurred_at <", self.to);
        self.add_others(&mut conditions);
        conditions
    }

    /// The same; times that are whole days are said as days, which the index keeps counts by.
    pub(crate) fn conditions_by_day(&self) -> Conditions {
        let is_day = |time: &Option<DateTime<Utc>>| time.is_none_or(|time| time.time() == NaiveTime::MIN);
        if !is_day(&self.from) || !is_day(&self.to) {
            return self.conditions();
        }
        let mut conditions = Conditions::default();
        for (comparison, time) in [("day >=", self.from), ("day <", self.to)] {
            if let Some(time) = time {
                let day = conditions.bind(time.date_naive().to_string());
                conditions.add(format!("{comparison} {day}"));
            }
        }
        self.add_others(&mut conditions);
        conditions
    }

    fn add_others(&self, conditions: &mut Conditions) {
        for (column, value) in [
            ("id", &self.id),
            ("outcome", &self.outcome),
            ("actor_id", &self.actor_id),
            ("actor_email", &self.actor_email),
            ("workspace_id", &self.workspace_id),
            ("session_id", &self.session_id),
            ("request_id", &self.request_id),
            ("correlation_id", &self.correlation_id),
        ] {
            if let Some(value) = value {
                let value = conditions.bind(value.as_str());
                conditions.add(format!("{column} = {value}"));
            }
        }
        self.add_actions(conditions);
        self.add_targets(conditions);
        self.add_addresses(conditions);
        for (key, given) in &self.metadata {
            let (key, value) = (conditions.bind(key.as_str()), conditions.bind(given.as_str()));
            // A parameter has no type of its own, and `->>` takes numbers, too.
            let is_text = format!("metadata ->> CAST({key} AS VARCHAR) = {value}");
            match number_in_other_words(given) {
                None => conditions.add(is_text),
                Some(number) => {
                    let number = conditions.bind(number);
                    let is_number =
                        format!("json_number(metadata, CAST({key} AS VARCHAR)) = CAST({number} AS DOUBLE)");
                    conditions.add_any([is_text, is_number]);
                }
            }
        }
        if let Some(q) = &self.q {
            let q = conditions.bind(q.as_str());
            conditions.add(format!("has_words({}, {q})", WORD_COLUMNS.join(", ")));
        }
    }

    fn add_actions(&self, conditions: &mut Conditions) {
        let mut any = Vec::new();
        for pattern in &self.action {
            any.push(conditions.action(pattern));
        }
        if !any.is_empty() {
            conditions.add_any(any);
        }
    }

    fn add_targets(&self, conditions: &mut Conditions) {
        let id = self.target_id.as_deref().map(|id| conditions.bind(id));
        if let Some(id) = &id {
            conditions.add(format!("array_has(target_ids, {id})"));
        }
        if let Some(target_type) = &self.target_type {
            let target_type = conditions.bind(target_type.as_str());
            let id = id.unwrap_or_else(|| "NULL".to_owned());
            conditions.add(format!("has_target(targets, {target_type}, {id})"));
        }
    }

    fn add_addresses(&self, conditions: &mut Conditions) {
        let Some(block) = &self.ip_address else { return };
        match block.single() {
            // Pages and exports look at what is stored, which in old files may be the IPv4 address within IPv6.
            Some(address) => {
                let text = address.to_string();
                let spellings = mapped(&text).into_iter().chain([text]).map(|text| conditions.bind(text));
                let any: Vec<String> = spellings.map(|text| format!("ip_address = {text}")).collect();
                conditions.add_any(any);
            }
            None => {
                let block = conditions.bind(block.to_string());
                conditions.add(format!("in_network(ip_address, {block})"));
            }
        }
    }
}

/// An RFC 3339 time, or a day, which means its first moment (UTC).
fn time(text: &str) -> Result<DateTime<Utc>> {
    let whole_day = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
    let time = DateTime::parse_from_rfc3339(text).map(|time| time.to_utc()).or_else(|_| {
        text.parse().map(whole_day).map_err(|_| {
            let message = format!("'{text}' is not an RFC 3339 time with an offset, or a day (yyyy-mm-dd)");
            Error::new(ErrorKind::Invalid, message)
        })
    })?;
    // A query text is read into nanoseconds on its way to a time.
    match time.timestamp_nanos_opt() {
        Some(_) => Ok(time),
        None => Err(Error::new(ErrorKind::Invalid, format!("'{text}' is not from 1678 to 2261"))),
    }
}

/// The number that a text is, if stored numbers have another text: `100.0` is stored as `100`.
fn number_in_other_words(text: &str) -> Option<f64> {
    let number = serde_json::from_str::<f64>(text).ok().filter(|number| number.is_finite())? + 0.0;
    (number_text(number).as_deref() != Some(text)).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(pairs: &[(&str, &str)]) -> Result<Filter, FilterError> {
        let mut filter = Filter::default();
        for (name, value) in pairs {
            filter.set(name, value)?;
        }
        Ok(filter)
    }

    /// Would catch a value that reaches the text of a query.
    #[test]
    fn values_are_parameters() {
        let evil = "x' OR true --";
        let pairs: Vec<(&str, &str)> =
            ["id", "actor_id", "target_id", "target_type", "q", "metadata.a'b", "action"]
                .map(|name| (name, evil))
                .to_vec();
        let conditions = filter(&pairs).unwrap().conditions();
        assert!(!conditions.clause().contains('\''), "{}", conditions.clause());
        assert_eq!(conditions.params.values().filter(|value| **value == evil).count(), 7);
    }

    /// Would catch a mistake that widens or empties a question without a word.
    #[test]
    fn what_cannot_be_meant_is_named() {
        for (pairs, parameter, part) in [
            (vec![("actor_id", "")], "actor_id", "0 bytes"),
            (vec![("actor_id", "a"), ("actor_id", "b")], "actor_id", "more than once"),
            (vec![("metadata.a", "a"), ("metadata.a", "b")], "metadata.a", "more than once"),
            (vec![("from", "yesterday")], "from", "yesterday"),
            (vec![("from", "0064-04-17")], "from", "1678"),
            (vec![("to", "9999-12-31T00:00:00Z")], "to", "2261"),
            (vec![("from", "2026-11-02"), ("to", "2026-11-02T00:00:00Z")], "to", "not before"),
            (vec![("ip_address", "10.0.0.0/33")], "ip_address", "10.0.0.0/33"),
            (vec![("outcome", "ok")], "outcome", "success"),
            (vec![("q", " -- ")], "q", "no word"),
            (vec![("action", "*")], "action", "'*'"),
        ] {
            let error = filter(&pairs).unwrap_err();
            assert_eq!(error.parameter, parameter);
            assert!(error.detail.contains(part), "{}", error.detail);
        }
        assert!(!Filter::knows("metadata.") && !Filter::knows("actor") && Filter::knows("metadata.a.b"));
    }

    /// Would catch a cursor or an export that asks for something else than was asked for.
    #[test]
    fn a_filter_survives_as_json() {
        let pairs = [
            ("action", "a.*"),
            ("action", "b"),
            ("from", "2026-11-02"),
            ("ip_address", "10.0.0.0/8"),
            ("metadata.k", "v"),
            ("q", "Ana"),
        ];
        let filter = filter(&pairs).unwrap();
        let json = serde_json::to_string(&filter).unwrap();
        assert_eq!(serde_json::from_str::<Filter>(&json).unwrap(), filter);
        assert!(serde_json::from_str::<Filter>(r#"{"actor": "x"}"#).is_err());
    }
}
