//! `AssumeRole` of the AWS Security Token Service, beside the S3 server of tests, which checks the signature.
//!
//! One role can be assumed, with one external id; the keys it gives open the server's buckets.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use hyper::{HeaderMap, Method, Uri, header::CONTENT_TYPE, http::Extensions};
use s3s::{Body, S3Request, S3Response, S3Result, route::S3Route};
use url::form_urlencoded;

pub(crate) const ROLE: &str = "arn:aws:iam::123456789012:role/deliver-audit-log";
pub(crate) const EXTERNAL_ID: &str = "auditlake:tenant:acme";
pub(super) const TEMPORARY_KEY: &str = "ASIATEMPORARY";
pub(super) const TEMPORARY_SECRET: &str = "temporary-secret";

/// It, and how often the role was assumed.
#[derive(Clone, Debug, Default)]
pub(super) struct Sts {
    assumed: Arc<AtomicUsize>,
}

impl Sts {
    pub(super) fn assumed(&self) -> usize {
        self.assumed.load(Ordering::Relaxed)
    }
}

#[async_trait::async_trait]
impl S3Route for Sts {
    fn is_match(&self, method: &Method, uri: &Uri, headers: &HeaderMap, _: &mut Extensions) -> bool {
        let form = |kind: &hyper::header::HeaderValue| kind == "application/x-www-form-urlencoded";
        method == Method::POST && uri.path() == "/" && headers.get(CONTENT_TYPE).is_some_and(form)
    }

    async fn call(&self, mut request: S3Request<Body>) -> S3Result<S3Response<Body>> {
        let body = request.input.store_all_limited(64 * 1024).await.unwrap();
        let field = |name: &str| {
            form_urlencoded::parse(&body)
                .find(|(found, _)| found == name)
                .map(|(_, value)| value.into_owned())
        };
        assert_eq!(field("Action").as_deref(), Some("AssumeRole"));
        let (role, external_id) = (field("RoleArn").unwrap(), field("ExternalId"));
        let answer = match (role.as_str(), external_id.as_deref()) {
            (ROLE, Some(EXTERNAL_ID)) => {
                self.assumed.fetch_add(1, Ordering::Relaxed);
                format!(
                    "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials>\
                     <AccessKeyId>{TEMPORARY_KEY}</AccessKeyId><SecretAccessKey>{TEMPORARY_SECRET}</SecretAccessKey>\
                     <SessionToken>token</SessionToken><Expiration>2100-01-01T00:00:00Z</Expiration></Credentials>\
                     </AssumeRoleResult></AssumeRoleResponse>"
                )
            }
            _ => {
                let refusal = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not authorized to \
                               perform: sts:AssumeRole</Message></Error></ErrorResponse>";
                let mut refused = S3Response::new(Body::from(refusal.to_owned()));
                refused.status = Some(hyper::StatusCode::FORBIDDEN);
                return Ok(refused);
            }
        };
        Ok(S3Response::new(Body::from(answer)))
    }
}
