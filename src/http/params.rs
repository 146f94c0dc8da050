//! Query parameters: each known by name, given at most once; any other is an error that names it.

use axum::extract::{Path, rejection::PathRejection};
use url::form_urlencoded;

use super::problem::{Problem, ProblemType};
use crate::event::TenantId;

/// The query parameters of one request.
#[derive(Debug)]
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    /// Reads a query string of which only `known` names may be used; 400 names any other and any repeated one.
    pub(super) fn parse(query: Option<&str>, known: &[&str]) -> Result<Self, Problem> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if !known.contains(&name.as_ref()) {
                let known = if known.is_empty() { "none".into() } else { known.join(", ") };
                let detail = format!("query parameter {name:?} is unknown; known are {known}");
                return Err(Problem::new(ProblemType::BadRequest, detail).of_parameter(&name));
            }
            if pairs.iter().any(|(other, _)| *other == name) {
                let detail = format!("query parameter {name:?} is given more than once");
                return Err(Problem::new(ProblemType::BadRequest, detail).of_parameter(&name));
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
            Some(other) => {
                let detail = format!("query parameter {name} is {other:?}; it is true or false");
                Err(Problem::new(ProblemType::BadRequest, detail).of_parameter(name))
            }
        }
    }

    /// The parameter `tenant_id`, if given.
    pub(super) fn tenant(&self) -> Result<Option<TenantId>, Problem> {
        let parsed = self.get("tenant_id").map(TenantId::parse).transpose();
        parsed.map_err(|error| Problem::from(error).of_parameter("tenant_id"))
    }
}

/// The one variable part of a route's path; 400 if it is not text.
pub(super) fn in_path(part: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
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
