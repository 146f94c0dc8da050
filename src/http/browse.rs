//! `GET /v1/events`, `/v1/events/{id}`, `/v1/events/histogram`, `/v1/events/fields`: a log without SQL.
//!
//! In: filters as query parameters ([`Filter`]), `order`, `limit`, `cursor`, `tenant_id`. Out: events as they were sent, with
//! the server's fields; counts. Guaranteed: an unknown parameter is an error that names it; a viewer sees what its token says;
//! a walk from cursor to cursor gives every event once (see [`crate::query::browse`]).

use axum::{
    Json,
    extract::{Path, RawQuery, State, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use serde_json::json;

use super::{
    Api,
    caller::Caller,
    cursor, gate, pages,
    params::{self, Params, in_path},
    problem::{Problem, ProblemType},
    record::Record,
    sql,
};
use crate::{
    limits,
    query::{
        Filter, Request, Running, Scope, Statistics,
        browse::{Field, Fields, FieldsQuery, Histogram, HistogramQuery, Interval, Order, Page, PageQuery},
    },
};

/// A page of events, the newest first unless `order=asc`.
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let (params, filter) = filtered(query.as_deref(), &["tenant_id", "order", "limit", "cursor"])?;
    let now = api.clock.now_micros();
    let (scope, query) = match params.get("cursor") {
        Some(text) => {
            if filter != Filter::default() || params.get("order").is_some() {
                let detail = "it holds the whole question: send no filter and no order with it";
                return Err(params::wrong("cursor", detail));
            }
            let (scope, held) = cursor::read(api.auth.signer(), &caller.principal, params.tenant()?, text)?;
            let limit = params.count("limit", limits::EVENTS_PAGE_MAX)?.unwrap_or(held.limit);
            (scope, PageQuery { limit, ..held })
        }
        None => {
            let limit = params.count("limit", limits::EVENTS_PAGE_MAX)?.unwrap_or(limits::EVENTS_PAGE);
            let query = PageQuery { filter, order: order(&params)?, limit, after: None };
            (caller.principal.scope(params.tenant()?)?, query)
        }
    };
    let began_at = query.after.as_ref().map_or(now, |(_, began_at)| *began_at);
    let asked = json!({"filter": query.filter, "order": query.order, "limit": query.limit, "next_page": query.after.is_some()});
    let record = Record::of(&api, &caller, "auditlog.read", &scope).with(asked);
    let page =
        record.answered(page(&api, &caller, &query, scope.clone()).await, |page| page.events.len()).await?;
    let next = match page.end.clone() {
        Some(end) => Some(cursor::write(api.auth.signer(), &scope, &query, end, began_at)?),
        None => None,
    };
    let mut response = answer(&page, next)?;
    sql::tell_tenant(&mut response, &scope);
    Ok(response)
}

/// One event: of several with this id, on different days, the newest.
pub(super) async fn get(
    State(api): State<Api>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let params = Params::parse(query.as_deref(), &["tenant_id"])?;
    let id = in_path(id)?;
    let scope = caller.principal.scope(params.tenant()?)?;
    let query = by_id(&id)?;
    let record =
        Record::of(&api, &caller, "auditlog.read", &scope).target("event", &*id).with(json!({"id": id}));
    let page = page(&api, &caller, &query, scope).await;
    let page = record.answered(page, |page| page.events.len().min(1)).await?;
    let Some(event) = page.events.first() else { return Err(no_such_event(&id).recorded()) };
    if page.tenants > 1 {
        let detail = format!("several tenants have an event '{id}': name one with tenant_id");
        return Err(Problem::new(ProblemType::Conflict, detail));
    }
    let mut response = Response::new(event.clone().into());
    json_headers(response.headers_mut(), &page.statistics)?;
    Ok(response)
}

/// The question for the events with an id, the newest first.
pub(super) fn by_id(id: &str) -> Result<PageQuery, Problem> {
    // No event has such an id, nor could the record of the question name it.
    if id.chars().any(char::is_control) {
        return Err(no_such_event(id));
    }
    let mut filter = Filter::default();
    filter.set("id", id).map_err(|_| no_such_event(id))?;
    Ok(PageQuery { filter, order: Order::Desc, limit: limits::EVENTS_PAGE, after: None })
}

pub(super) fn no_such_event(id: &str) -> Problem {
    Problem::new(ProblemType::NotFound, format!("event '{id}' does not exist"))
}

/// Counts by time, and by a field if one is named.
pub(super) async fn histogram(
    State(api): State<Api>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<Histogram>, Problem> {
    let (params, filter) = filtered(query.as_deref(), &["tenant_id", "interval", "field"])?;
    let scope = caller.principal.scope(params.tenant()?)?;
    let interval = params.parsed("interval", Interval::parse)?.unwrap_or_default();
    let field = params.parsed("field", Field::parse)?;
    let query = HistogramQuery { filter, interval, field };
    let record = Record::of(&api, &caller, "auditlog.count", &scope)
        .with(json!({"filter": query.filter, "interval": interval, "field": field.map(Field::name)}));
    let counted = async { Ok(query.read(ask(&api, &caller, query.request(scope)).await?).await?) };
    Ok(Json(record.answered(counted.await, |histogram| histogram.bars.len()).await?))
}

/// The most frequent values of a field.
pub(super) async fn fields(
    State(api): State<Api>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<Fields>, Problem> {
    let (params, filter) = filtered(query.as_deref(), &["tenant_id", "field", "limit"])?;
    let scope = caller.principal.scope(params.tenant()?)?;
    let Some(field) = params.parsed("field", Field::parse)? else {
        return Err(params::wrong("field", "it is missing: name the field to count by"));
    };
    let limit = params.count("limit", limits::FIELD_VALUES_MAX)?.unwrap_or(limits::FIELD_VALUES);
    let query = FieldsQuery { filter, field, limit };
    let record = Record::of(&api, &caller, "auditlog.count", &scope)
        .with(json!({"filter": query.filter, "field": field.name(), "limit": limit}));
    let counted = async { Ok(query.read(ask(&api, &caller, query.request(scope)).await?).await?) };
    Ok(Json(record.answered(counted.await, |fields| fields.values.len()).await?))
}

/// A page, or the event that is asked for by its id.
pub(super) async fn page(
    api: &Api,
    caller: &Caller,
    query: &PageQuery,
    scope: Scope,
) -> Result<Page, Problem> {
    let running = gate::query(api, &caller.principal, query.question(scope)).await?;
    Ok(query.read(running).await?)
}

async fn ask(api: &Api, caller: &Caller, request: Request) -> Result<Running, Problem> {
    gate::query(api, &caller.principal, request).await
}

/// The parameters `own`, and all others as a filter.
fn filtered(query: Option<&str>, own: &[&str]) -> Result<(Params, Filter), Problem> {
    let mut filter = Filter::default();
    let params = Params::parse_with(query, own, &Filter::NAMES, |name, value| {
        if !Filter::knows(name) {
            return Ok(false);
        }
        filter.set(name, value).map_err(|error| params::wrong(&error.parameter, &error.detail))?;
        Ok(true)
    })?;
    Ok((params, filter))
}

fn order(params: &Params) -> Result<Order, Problem> {
    match params.get("order") {
        None | Some("desc") => Ok(Order::Desc),
        Some("asc") => Ok(Order::Asc),
        Some(other) => Err(params::wrong("order", &format!("it is {other:?}; it is asc or desc"))),
    }
}

/// `{"events": […], "next_cursor": …}`, and the next page as a link.
fn answer(page: &Page, next: Option<String>) -> Result<Response, Problem> {
    let body = format!("{{\"events\":[{}],\"next_cursor\":{}}}", page.events.join(","), json!(next));
    let mut response = Response::new(body.into());
    json_headers(response.headers_mut(), &page.statistics)?;
    if let Some(next) = next {
        response.headers_mut().insert(header::LINK, pages::link("/v1/events", &next)?);
    }
    Ok(response)
}

fn json_headers(headers: &mut HeaderMap, statistics: &Statistics) -> Result<(), Problem> {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(sql::STATISTICS, sql::statistics_header(statistics)?);
    Ok(())
}
