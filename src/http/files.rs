//! Files of exports that are kept here, as answers: whole, in part, or by a URL of the bucket.
//!
//! In: a file that the caller may fetch, and the record of it. Out: its bytes, a range of them (RFC 9110, 14.2), or a presigned URL.
//! Guaranteed: nothing is given before the record of it is durable; no cache keeps any of it.

use std::time::Duration;

use axum::{
    Json,
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use chrono::SecondsFormat;
use futures::TryStreamExt as _;
use object_store::{GetOptions, GetRange};
use serde_json::json;

use super::{
    Api,
    params::Params,
    problem::{Problem, ProblemType},
    record::Record,
};
use crate::{export::KeptFile, limits};

/// The file, or the range of its bytes that `headers` ask for.
pub(super) async fn answer(
    file: &KeptFile,
    record: Record,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let size = file.bytes().await?;
    let range = range(headers, size)?;
    let asked =
        json!({"file": file.name, "range": range.as_ref().map(|range| json!([range.start, range.end]))});
    record.with(asked).done(None).await?;
    let options = GetOptions { range: range.clone().map(GetRange::Bounded), ..GetOptions::default() };
    let got = file.get(options).await?;
    let length = got.range.end - got.range.start;
    let mut response = Response::new(Body::from_stream(got.into_stream().map_err(std::io::Error::other)));
    let headers = response.headers_mut();
    let number =
        |text: String| HeaderValue::try_from(text).map_err(|error| Problem::internal(error.to_string()));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.media));
    headers.insert(header::CONTENT_LENGTH, number(length.to_string())?);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let (name, value) = no_store();
    headers.insert(name, value);
    if let Some(range) = range {
        headers.insert(
            header::CONTENT_RANGE,
            number(format!("bytes {}-{}/{size}", range.start, range.end - 1))?,
        );
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(response)
}

/// A URL of the store that gives the file to whoever has it, for the parameter `seconds`.
pub(super) async fn url(
    api: &Api,
    file: &KeptFile,
    record: Record,
    params: &Params,
) -> Result<Response, Problem> {
    let seconds =
        params.count("seconds", limits::EXPORT_URL_SECONDS_MAX)?.unwrap_or(limits::EXPORT_URL_SECONDS);
    let holds = Duration::from_secs(seconds);
    // A URL says nothing of whether there is a file.
    file.bytes().await?;
    let expires_at = (api.clock.now() + holds).to_rfc3339_opts(SecondsFormat::Secs, true);
    let Some(url) = file.url(holds).await? else {
        let detail =
            "the store is not a bucket, so it has no URLs of its own: fetch the file from this server";
        return Err(Problem::new(ProblemType::Invalid, detail));
    };
    record.with(json!({"file": file.name, "url_expires_at": expires_at})).done(None).await?;
    Ok(([no_store()], Json(json!({"url": url.as_str(), "expires_at": expires_at}))).into_response())
}

/// The one range that is asked for, as offsets; `None` for the whole. Several ranges, and units that are not bytes, are answered by
/// the whole, as RFC 9110 allows.
fn range(headers: &HeaderMap, size: u64) -> Result<Option<std::ops::Range<u64>>, Problem> {
    let Some(text) = headers.get(header::RANGE).and_then(|value| value.to_str().ok()) else {
        return Ok(None);
    };
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Ok(None);
    };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let range = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(size),
        (Some(first), None) if last.trim().is_empty() => first..size,
        (None, Some(last)) if first.trim().is_empty() => size.saturating_sub(last)..size,
        _ => return Ok(None),
    };
    match range.is_empty() {
        false => Ok(Some(range)),
        true => Err(Problem::new(
            ProblemType::RangeNotSatisfiable,
            format!("the file has {size} bytes, and none of them is in '{text}'"),
        )
        .of_header("range")),
    }
}

/// Nobody keeps it.
pub(super) fn no_store() -> (HeaderName, HeaderValue) {
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch a download that goes on at the wrong byte.
    #[test]
    fn ranges_are_of_bytes() {
        let of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, HeaderValue::try_from(text).unwrap());
            range(&headers, 100).map_err(|problem| problem.kind().status())
        };
        assert_eq!(of("bytes=0-9"), Ok(Some(0..10)));
        assert_eq!(of("bytes=90-"), Ok(Some(90..100)));
        assert_eq!(of("bytes=90-1000"), Ok(Some(90..100)));
        assert_eq!(of("bytes=-30"), Ok(Some(70..100)));
        assert_eq!(of("bytes=-300"), Ok(Some(0..100)));
        for whole in ["bytes=0-9,20-29", "lines=0-9", "bytes=9-0", "bytes=x-"] {
            assert_eq!(of(whole), Ok(None), "{whole}");
        }
        assert_eq!(of("bytes=100-"), Err(416));
        assert_eq!(of("bytes=-0"), Err(416));
        assert_eq!(range(&HeaderMap::new(), 0).map_err(drop), Ok(None));
    }
}
