//! A running server, seen from the command line.
//!
//! In: batches of events, questions in SQL. Out: receipts, answers as streams of bytes; problems as errors
//! with the server's own words. Guaranteed: what may be tried again is (429, 503, no connection), with pauses,
//! and carries an `Idempotency-Key`, so that a lost answer never means an event stored twice.

use std::{collections::HashMap, time::Duration};

use bytes::Bytes;
use futures::{Stream, StreamExt};
use reqwest::{
    Method, RequestBuilder, Response, StatusCode, Url,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::{
    error::{Error, ErrorKind, Result},
    event::TenantId,
    import::Source,
    limits,
    query::{format::Format, saved::Description},
    telemetry::{hex, random_hex},
};

/// Longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// A server and the key to it. Cheap to clone.
#[derive(Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    base: Url,
    key: String,
    /// Tells this run's batches from those of another run: a later import of the same files shall be told
    /// what it found, not what the first one was told.
    run: String,
}

/// What a server says about a batch.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Receipt {
    pub(super) accepted: usize,
    pub(super) duplicates: usize,
    pub(super) rejected: Vec<Rejected>,
}

/// An event that the server refused.
#[derive(Debug, Deserialize)]
pub(super) struct Rejected {
    pub(super) index: u32,
    pub(super) id: Option<String>,
    pub(super) errors: Vec<FieldError>,
}

#[derive(Debug, Deserialize)]
pub(super) struct FieldError {
    pub(super) pointer: String,
    pub(super) detail: String,
}

impl Client {
    pub(super) fn new(server: &str, key: &str) -> Result<Self> {
        let base = Url::parse(server).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let base = base.ok_or_else(|| {
            Error::new(ErrorKind::Invalid, format!("server {server:?} is not an http:// or https:// address"))
        })?;
        Ok(Self { http: reqwest::Client::new(), base, key: key.to_owned(), run: random_hex::<8>() })
    }

    /// Posts one batch of NDJSON, mapped from records of `source`. Tries again for as long as the server says that it makes sense.
    pub(super) async fn post_events(
        &self,
        body: Bytes,
        tenant: Option<&TenantId>,
        source: Source,
    ) -> Result<Receipt> {
        let source = (source != Source::Native).then(|| source.to_string());
        let source = source.as_deref().map(|source| ("source", source));
        let tenant = tenant.map(|tenant| ("tenant_id", tenant.as_str()));
        let url = self.url("v1/events", tenant.into_iter().chain(source));
        let key = format!("import-{}-{}", self.run, hash(&body));
        let mut tries = 0;
        loop {
            let request = self.http.post(url.clone()).header(CONTENT_TYPE, "application/x-ndjson");
            let request = request.header("Idempotency-Key", &key).body(body.clone());
            let failure = match self.send(request).await {
                Ok(response) if is_receipt(response.status()) => return receipt(response).await,
                Ok(response) if !may_retry(response.status()) => return Err(problem(response).await),
                Ok(response) => (retry_after(&response), problem(response).await),
                Err(error) => (None, error),
            };
            tries += 1;
            if tries == limits::CLIENT_TRIES_MAX {
                return Err(failure.1);
            }
            tokio::time::sleep(failure.0.unwrap_or_else(|| pause(tries))).await;
        }
    }

    /// Asks a question; the answer's bytes are in `format`.
    pub(super) async fn sql(
        &self,
        sql: &str,
        tenant: Option<&TenantId>,
        params: &Map<String, Value>,
        format: Format,
    ) -> Result<impl Stream<Item = Result<Bytes>> + use<>> {
        let question = json!({"sql": sql, "params": params});
        self.ask("v1/sql", question, tenant, format).await
    }

    /// Asks a saved question of the server's; the answer's bytes are in `format`.
    pub(super) async fn query(
        &self,
        name: &str,
        tenant: Option<&TenantId>,
        params: &Map<String, Value>,
        format: Format,
    ) -> Result<impl Stream<Item = Result<Bytes>> + use<>> {
        self.ask(&format!("v1/queries/{name}"), json!({"params": params}), tenant, format).await
    }

    /// Calls a route that takes and gives JSON; what gives nothing is `null`.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        tenant: Option<&TenantId>,
        body: Option<&Value>,
    ) -> Result<T> {
        let mut request =
            self.http.request(method, self.url(path, tenant.map(|tenant| ("tenant_id", tenant.as_str()))));
        if let Some(json) = body {
            request = request.json(json);
        }
        self.json(path, request).await
    }

    async fn json<T: DeserializeOwned>(&self, path: &str, request: RequestBuilder) -> Result<T> {
        let response = self.send(request).await?;
        if !response.status().is_success() {
            return Err(problem(response).await);
        }
        let bytes = body_of(response).await?;
        let json: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
        serde_json::from_slice(json).map_err(|error| {
            Error::with_source(
                ErrorKind::Unavailable,
                format!("the server's answer to {path} is not understood"),
                error,
            )
        })
    }

    /// The bytes of a small answer. Tries again for as long as the server says that it makes sense.
    pub(super) async fn get(&self, path: &str, parameters: &[(&str, String)]) -> Result<Bytes> {
        let mut url = self.url(path, None);
        url.query_pairs_mut().extend_pairs(parameters);
        let mut tries = 0;
        loop {
            let response = self.send(self.http.get(url.clone())).await?;
            match response.status() {
                status if status.is_success() => return body_of(response).await,
                status if may_retry(status) && tries < limits::CLIENT_TRIES_MAX => {
                    tries += 1;
                    tokio::time::sleep(retry_after(&response).unwrap_or_else(|| pause(tries))).await;
                }
                _ => return Err(problem(response).await),
            }
        }
    }

    /// The bytes of a file.
    pub(super) async fn fetch(&self, path: &str) -> Result<impl Stream<Item = Result<Bytes>> + use<>> {
        let response = self.send(self.http.get(self.url(path, None))).await?;
        match response.status().is_success() {
            true => Ok(chunks(response)),
            false => Err(problem(response).await),
        }
    }

    /// All that a route lists page by page, under the member `of`.
    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        of: &str,
        tenant: Option<&TenantId>,
    ) -> Result<Vec<T>> {
        #[derive(Deserialize)]
        struct Page<T> {
            #[serde(flatten)]
            items: HashMap<String, Vec<T>>,
            next_cursor: Option<String>,
        }
        let mut url = self.url(path, tenant.map(|tenant| ("tenant_id", tenant.as_str())));
        let mut all = Vec::new();
        loop {
            let mut page: Page<T> = self.json(path, self.http.get(url)).await?;
            all.extend(page.items.remove(of).unwrap_or_default());
            let Some(cursor) = page.next_cursor else { return Ok(all) };
            url = self.url(path, Some(("cursor", cursor.as_str())));
        }
    }

    /// The saved questions that the server knows.
    pub(super) async fn queries(&self) -> Result<Vec<Description>> {
        #[derive(Deserialize)]
        struct List {
            queries: Vec<Description>,
        }
        let response = self.send(self.http.get(self.url("v1/queries", None))).await?;
        if !response.status().is_success() {
            return Err(problem(response).await);
        }
        let list: List = serde_json::from_slice(&body_of(response).await?).map_err(|error| {
            Error::with_source(ErrorKind::Unavailable, "the server's list of queries is not one", error)
        })?;
        Ok(list.queries)
    }

    async fn ask(
        &self,
        path: &str,
        mut question: Value,
        tenant: Option<&TenantId>,
        format: Format,
    ) -> Result<impl Stream<Item = Result<Bytes>> + use<>> {
        if let Some(tenant) = tenant {
            question["tenant_id"] = tenant.as_str().into();
        }
        let url = self.url(path, Some(("format", format.name())));
        let response = self.send(self.http.post(url).json(&question)).await?;
        if !response.status().is_success() {
            return Err(problem(response).await);
        }
        Ok(chunks(response))
    }

    fn url<'p>(&self, path: &str, parameters: impl IntoIterator<Item = (&'p str, &'p str)>) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path.split('/'));
        }
        for (name, value) in parameters {
            url.query_pairs_mut().append_pair(name, value);
        }
        url
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response> {
        request.bearer_auth(&self.key).send().await.map_err(|error| {
            Error::with_source(ErrorKind::Unavailable, format!("cannot reach {}", self.base), error)
        })
    }
}

fn chunks(response: Response) -> impl Stream<Item = Result<Bytes>> + use<> {
    response.bytes_stream().map(|chunk| {
        chunk.map_err(|error| {
            Error::with_source(ErrorKind::Unavailable, "the answer broke off; it is not complete", error)
        })
    })
}

/// 422 and 409 are receipts too, if they list what was rejected.
fn is_receipt(status: StatusCode) -> bool {
    status.is_success() || matches!(status, StatusCode::UNPROCESSABLE_ENTITY | StatusCode::CONFLICT)
}

fn may_retry(status: StatusCode) -> bool {
    matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds: u64 = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(PAUSE_MAX))
}

/// Doubles from a quarter of a second.
fn pause(tries: u32) -> Duration {
    PAUSE_MAX.min(Duration::from_millis(125) * 2_u32.saturating_pow(tries.min(10)))
}

async fn receipt(response: Response) -> Result<Receipt> {
    let status = response.status();
    let body = body_of(response).await?;
    match serde_json::from_slice(&body) {
        Ok(receipt) => Ok(receipt),
        Err(_) => Err(described(status, &body)),
    }
}

async fn problem(response: Response) -> Error {
    let status = response.status();
    match body_of(response).await {
        Ok(body) => described(status, &body),
        Err(error) => error,
    }
}

async fn body_of(response: Response) -> Result<Bytes> {
    response
        .bytes()
        .await
        .map_err(|error| Error::with_source(ErrorKind::Unavailable, "the server's answer broke off", error))
}

/// An RFC 9457 problem (or whatever else came) as an error.
fn described(status: StatusCode, body: &[u8]) -> Error {
    let kind = match status {
        StatusCode::UNAUTHORIZED => ErrorKind::Unauthorized,
        StatusCode::FORBIDDEN => ErrorKind::Forbidden,
        StatusCode::NOT_FOUND => ErrorKind::NotFound,
        StatusCode::CONFLICT => ErrorKind::Conflict,
        StatusCode::PAYLOAD_TOO_LARGE => ErrorKind::Limit,
        StatusCode::TOO_MANY_REQUESTS => ErrorKind::Busy,
        status if status.is_server_error() => ErrorKind::Unavailable,
        _ => ErrorKind::Invalid,
    };
    let problem: Value = serde_json::from_slice(body).unwrap_or_default();
    let words = [&problem["detail"], &problem["title"]].into_iter().find_map(Value::as_str);
    let words = words.filter(|words| !words.is_empty()).unwrap_or("no details given");
    Error::new(kind, format!("the server answers {status}: {words}"))
}

fn hash(body: &[u8]) -> String {
    hex(&Sha256::digest(body)[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch a prefix of the server's address that is lost, or a doubled slash.
    #[test]
    fn addresses_keep_their_prefix() {
        for (server, expected) in [
            ("http://localhost:8080", "http://localhost:8080/v1/sql?format=csv"),
            ("https://example.com/audit/", "https://example.com/audit/v1/sql?format=csv"),
        ] {
            let client = Client::new(server, "k").unwrap();
            assert_eq!(client.url("v1/sql", Some(("format", "csv"))).as_str(), expected);
        }
        assert!(Client::new("localhost:8080", "k").is_err());
    }

    /// Would catch a problem whose words never reach the user, or a page of a proxy that hides the status.
    #[test]
    fn problems_keep_their_words() {
        let problem = described(StatusCode::UNAUTHORIZED, br#"{"detail": "the key is not known"}"#);
        assert_eq!(problem.kind(), ErrorKind::Unauthorized);
        assert!(problem.to_string().contains("401") && problem.to_string().contains("the key is not known"));
        let page = described(StatusCode::BAD_GATEWAY, b"<html>");
        assert!(page.to_string().contains("502"));
    }

    /// Would catch pauses that do not grow or grow without end.
    #[test]
    fn pauses_grow_up_to_a_bound() {
        let pauses: Vec<u128> = (1..9).map(|tries| pause(tries).as_millis()).collect();
        assert_eq!(pauses, [250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
    }
}
