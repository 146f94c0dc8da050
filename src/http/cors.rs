//! Cross-origin requests (CORS): pages of other origins read with a viewer token, if the operator names their origins.
//!
//! In: `http.allowed_origins`, and requests with an `Origin`. Out: the headers that let a browser show the answer to the page, and
//! answers to its preflights. Guaranteed: an origin that is not named gets the answers it would get without any of this, and its
//! browser keeps them from the page; no answer ever allows credentials, as keys and tokens are in `Authorization`, which no browser
//! adds by itself; caches are told that answers differ by origin. Terms as in <https://fetch.spec.whatwg.org/#http-cors-protocol>.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use url::Url;

use crate::error::{Error, ErrorKind, Result};

const ANY: &str = "*";
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PATCH, DELETE");
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static(
    "Authorization, Content-Type, Content-Encoding, Idempotency-Key, If-Match, X-Request-Id",
);
const EXPOSED_HEADERS: HeaderValue = HeaderValue::from_static(
    "Auditlake-Statistics, ETag, Link, Location, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id",
);
/// How long a browser may keep the answer to a preflight: two hours, which is as long as any will.
const MAX_AGE_SECONDS: HeaderValue = HeaderValue::from_static("7200");

/// Whose pages may read answers. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) enum Origins {
    /// Everyone's.
    Any,
    /// Those of these origins; of none, if there are none.
    Named(Arc<[HeaderValue]>),
}

impl Default for Origins {
    fn default() -> Self {
        Self::Named([].into())
    }
}

impl Origins {
    /// Reads `http.allowed_origins`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`], naming what is no origin.
    pub(super) fn parse(texts: &[String]) -> Result<Self> {
        if texts.iter().any(|text| text == ANY) {
            return match texts.len() {
                1 => Ok(Self::Any),
                _ => Err(wrong("'*' stands for all origins: name no other beside it")),
            };
        }
        texts.iter().map(|text| origin(text)).collect::<Result<_>>().map(Self::Named)
    }

    /// What `Access-Control-Allow-Origin` says to a request with these headers.
    fn allows(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        match self {
            // The same to those without an origin, as caches keep one answer for all.
            Self::Any => Some(HeaderValue::from_static(ANY)),
            Self::Named(named) => {
                headers.get(header::ORIGIN).filter(|origin| named.contains(origin)).cloned()
            }
        }
    }

    /// Whether answers differ by origin.
    fn differ(&self) -> bool {
        matches!(self, Self::Named(named) if !named.is_empty())
    }
}

/// Lets the pages of origins that are allowed read whatever is answered; around everything else.
pub(super) async fn share(State(origins): State<Origins>, request: Request, next: Next) -> Response {
    let allowed = origins.allows(request.headers());
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    if let Some(origin) = allowed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
    }
    if origins.differ() {
        headers.append(header::VARY, HeaderValue::from_static("origin"));
    }
    response
}

/// Answers preflights of origins that are allowed with what may be asked. Whether it exists, and whether a key opens it, the request
/// itself is told.
pub(super) async fn preflight(State(origins): State<Origins>, request: Request, next: Next) -> Response {
    if !is_preflight(&request) || origins.allows(request.headers()).is_none() {
        return next.run(request).await;
    }
    let headers: [(HeaderName, HeaderValue); 3] = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS),
        (header::ACCESS_CONTROL_MAX_AGE, MAX_AGE_SECONDS),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

fn is_preflight(request: &Request) -> bool {
    request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// An origin as browsers write it: scheme, host, and the port unless it is the scheme's own.
fn origin(text: &str) -> Result<HeaderValue> {
    let url = Url::parse(text).ok().filter(|url| ["http", "https"].contains(&url.scheme()));
    let url = url.filter(|url| !text.contains('*') && url.has_host());
    let written = url.map(|url| url.origin().ascii_serialization());
    match written {
        Some(written) if written == text => {
            HeaderValue::try_from(written).map_err(|error| wrong(&error.to_string()))
        }
        Some(written) => Err(wrong(&format!("{text:?} is not an origin as browsers write it: {written:?}"))),
        None => Err(wrong(&format!("{text:?} is not an origin, as \"https://app.example\" is one"))),
    }
}

fn wrong(message: &str) -> Error {
    Error::new(ErrorKind::Invalid, message)
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, middleware, routing::get};
    use tower::ServiceExt as _;

    use super::*;
    use crate::{http::observe::observe, telemetry::Metrics};

    /// Would catch an origin that can never match what a browser sends, and is taken all the same.
    #[test]
    fn origins_are_as_browsers_write_them() {
        let parse =
            |texts: &[&str]| Origins::parse(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        for good in
            [&[][..], &["*"], &["https://app.example"], &["http://localhost:5173", "https://a.example:8443"]]
        {
            parse(good).unwrap();
        }
        for wrong in [
            "app.example",
            "https://app.example/",
            "https://App.example",
            "https://app.example:443",
            "null",
            "ftp://app.example",
            "https://app.example/path",
            "https://*.example",
            "",
        ] {
            parse(&[wrong]).unwrap_err();
        }
        assert!(parse(&["*", "https://app.example"]).is_err());
    }

    /// Would catch a page of another origin that is let in because its name begins or ends as one that is allowed.
    #[test]
    fn only_the_same_origin_is_allowed() {
        let origins = Origins::parse(&["https://app.example".to_owned()]).unwrap();
        for (origin, is_allowed) in [
            ("https://app.example", true),
            ("http://app.example", false),
            ("https://app.example.evil.example", false),
            ("https://evil-app.example", false),
            ("https://app.example:8443", false),
            ("null", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ORIGIN, HeaderValue::from_static(origin))]);
            assert_eq!(origins.allows(&headers).is_some(), is_allowed, "{origin}");
        }
        assert_eq!(origins.allows(&HeaderMap::new()), None);
    }

    /// Would catch a failure that a page sees as a broken network, because whoever answers for it knows nothing of origins.
    #[tokio::test]
    async fn a_page_is_told_of_a_panic() {
        let panicking = || async {
            if true {
                panic!("a bug")
            }
        };
        let router = Router::new()
            .route("/panic", get(panicking))
            .layer(middleware::from_fn_with_state(Metrics::default().http, observe))
            .layer(middleware::from_fn_with_state(Origins::Any, share));
        let request = Request::get("/panic").body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    }
}
