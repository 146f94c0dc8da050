//! Query parameters: each known by name, given at most once; any other is an error that names it.

use axum::extract::{Path, rejection::PathRejection};
use url::form_urlencoded;

use super::problem::{Problem, ProblemType};
use crate::{error::Error, event::TenantId};

/// The query parameters of one request.
#[derive(Debug)]
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    /// Reads a query string of which only `known` names may be used; 400 names any other and any repeated one.
    pub(super) fn parse(query: Option<&str>, known: &[&str]) -> Result<Self, Problem> {
        Self::parse_with(query, known, &[], |_, _| Ok(false))
    }

    /// The same; names that are not `known` are offered to `others`, which says whether it takes them. Its names are
    /// `other_names`.
    pub(super) fn parse_with(
        query: Option<&str>,
        known: &[&str],
        other_names: &[&str],
        mut others: impl FnMut(&str, &str) -> Result<bool, Problem>,
    ) -> Result<Self, Problem> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if !known.contains(&name.as_ref()) {
                if others(&name, &value)? {
                    continue;
                }
                let known: Vec<&str> = known.iter().chain(other_names).copied().collect();
                let known = if known.is_empty() { "none".into() } else { known.join(", ") };
                return Err(wrong(&name, &format!("it is unknown; known are {known}")));
            }
            if pairs.iter().any(|(other, _)| *other == name) {
                return Err(wrong(&name, "it is given more than once"));
            }
            pairs.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(pairs))
    }

    /// The value of `name`, if given.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// `true` or `false`; not given means `false`.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.get(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(wrong(name, &format!("it is {other:?}; it is true or false"))),
        }
    }

    /// A number from 1 to `max`, if given.
    pub(super) fn count(&self, name: &str, max: u64) -> Result<Option<u64>, Problem> {
        let Some(text) = self.get(name) else { return Ok(None) };
        match text.parse() {
            Ok(count) if (1..=max).contains(&count) => Ok(Some(count)),
            _ => Err(wrong(name, &format!("it is {text:?}; it is a number from 1 to {max}"))),
        }
    }

    /// What `parse` makes of the value of `name`, if given.
    pub(super) fn parsed<T>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, Error>,
    ) -> Result<Option<T>, Problem> {
        self.get(name).map(parse).transpose().map_err(|error| wrong(name, &error.to_string()))
    }

    /// The parameter `tenant_id`, if given.
    pub(super) fn tenant(&self) -> Result<Option<TenantId>, Problem> {
        let parsed = self.get("tenant_id").map(TenantId::parse).transpose();
        parsed.map_err(|error| Problem::from(error).of_parameter("tenant_id"))
    }
}

/// 400 for a query parameter.
pub(super) fn wrong(name: &str, detail: &str) -> Problem {
    Problem::new(ProblemType::BadRequest, format!("query parameter {name:?}: {detail}")).of_parameter(name)
}

/// The variable part of a route's path, or all of them; 400 if one is not text.
pub(super) fn in_path<T>(part: Result<Path<T>, PathRejection>) -> Result<T, Problem> {
    part.map(|Path(part)| part).map_err(|error| Problem::new(ProblemType::BadRequest, error.body_text()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch a mistyped `atomic` that is silently ignored.
    #[test]
    fn unknown_repeated_and_odd_values_are_refused() {
        let parse = |query| Params::parse(Some(query), &["atomic", "tenant_id"]);
        assert!(parse("atomic=true&tenant_id=acme").unwrap().flag("atomic").unwrap());
        assert!(!parse("").unwrap().flag("atomic").unwrap());
        assert_eq!(parse("tenant_id=%61").unwrap().tenant().unwrap().unwrap().as_str(), "a");
        assert!(format!("{:?}", parse("atomik=true").unwrap_err()).contains("atomik"));
        assert!(parse("atomic=true&atomic=false").is_err());
        assert!(parse("atomic=yes").unwrap().flag("atomic").is_err());
        assert!(parse("tenant_id=a/b").unwrap().tenant().is_err());
    }
}
