//! `GET /problems/{name}`: what a problem's `type` leads to, for people; needs no key.

use axum::{
    extract::{Path, RawQuery, rejection::PathRejection},
    http::{HeaderName, HeaderValue, header},
};

use super::{Problem, ProblemType};
use crate::http::params::{Params, in_path};

/// The page of one kind, in Markdown.
pub(in crate::http) async fn explain(
    name: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<([(HeaderName, HeaderValue); 1], String), Problem> {
    Params::parse(query.as_deref(), &[])?;
    let name = in_path(name)?;
    let kind = ProblemType::ALL.iter().find(|kind| kind.name() == name).ok_or_else(|| {
        Problem::new(ProblemType::NotFound, format!("there is no kind of problem named {name:?}"))
    })?;
    let markdown = HeaderValue::from_static("text/markdown; charset=utf-8");
    let page = format!(
        "# {}\n\nStatus {}, type `{}`.\n\nWhat to do: {}.\n",
        kind.title(),
        kind.status(),
        kind.reference(),
        kind.advice()
    );
    Ok(([(header::CONTENT_TYPE, markdown)], page))
}
