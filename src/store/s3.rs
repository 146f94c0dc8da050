//! An S3 bucket, reached with the settings every AWS tool uses, and checked once before it is relied on.
//!
//! Out comes an object store that retries transient errors within the bounds of [`Settings`] and creates objects with
//! `If-None-Match: *`. An attempt to create that timed out is not repeated (it may have succeeded); one answered
//! with a 5xx is, and may then meet itself: see `Store::put_if_absent`.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use object_store::{
    BackoffConfig, ClientConfigKey, ObjectStore, RetryConfig,
    aws::{
        AmazonS3, AmazonS3Builder, AmazonS3ConfigKey as Key, AwsCredentialProvider, Checksum,
        S3ConditionalPut,
    },
    path::Path,
};
use url::Url;

use super::{
    address::Address,
    failure,
    lock::{LockingConnector, Locks, ObjectLock},
    settings::Settings,
    versions::{LockConfiguration, Requests},
};
use crate::{
    error::{Error, ErrorKind, Result},
    limits,
};

/// Where a bucket is that is said to be nowhere.
const DEFAULT_REGION: &str = "us-east-1";

/// A bucket with Object Lock, and the way to what `object_store` knows nothing of.
#[derive(Debug)]
pub(super) struct Locked {
    pub(super) locks: Arc<Locks>,
    pub(super) requests: Requests,
}

/// Opens a bucket without asking it for anything; with `credentials` instead of those of the settings, if given.
pub(super) fn unprobed(
    bucket: &str,
    display: &str,
    settings: &Settings,
    credentials: Option<AwsCredentialProvider>,
) -> Result<AmazonS3> {
    let builder = builder(bucket, settings);
    let place = format!("bucket {display} at {}", shown_endpoint(&builder, display)?);
    let builder = match credentials {
        Some(credentials) => builder.with_credentials(credentials),
        None => builder,
    };
    builder.build().map_err(|error| {
        let message = format!("{place} cannot be opened: {}", failure::reason(&error));
        Error::with_source(ErrorKind::Invalid, message, error)
    })
}

/// Who this process is for AWS.
pub(super) fn own_credentials(settings: &Settings) -> Result<AwsCredentialProvider> {
    // No request is made of the bucket.
    let any = unprobed("own", "own", settings, None)?;
    Ok(Arc::clone(any.credentials()))
}

/// Opens `bucket` and lists one page below `prefix`; `display` names the store in errors. Gives its address, too, and what locks
/// objects, if the settings want that: a bucket that cannot is refused.
pub(super) async fn open(
    bucket: &str,
    prefix: &Path,
    display: &str,
    settings: &Settings,
) -> Result<(AmazonS3, Address, Option<Locked>)> {
    let builder = builder(bucket, settings);
    let place = format!("store {display} at {}", shown_endpoint(&builder, display)?);
    let build = |builder: AmazonS3Builder| {
        builder.build().map_err(|error| {
            let message = format!("{place} cannot be opened: {}", failure::reason(&error));
            Error::with_source(ErrorKind::Invalid, message, error)
        })
    };
    let probe = build(builder.clone().with_retry(retry(limits::STORE_PROBE_RETRIES_MAX, settings)))?;
    if let Some(Err(error)) = probe.list(Some(prefix)).next().await {
        return Err(explain(&place, has_keys(&builder), error));
    }
    let region = builder.get_config_value(&Key::Region);
    let address = Address::of_bucket(bucket, prefix, endpoint(&builder), region)?;
    if settings.s3.object_lock == ObjectLock::Off {
        return Ok((build(builder)?, address, None));
    }
    let region = address.region.clone().unwrap_or_else(|| DEFAULT_REGION.to_owned());
    let requests = Requests::new(probe, prefix.clone(), region.clone(), settings)?;
    require_object_lock(&place, &requests).await?;
    let connector = LockingConnector { credentials: requests.credentials(), region };
    let builder = builder
        .with_credentials(requests.credentials())
        // S3 wants what is locked to come with a digest.
        .with_checksum_algorithm(Checksum::SHA256)
        .with_http_connector(connector);
    let locks = Arc::new(Locks::new(settings.s3.object_lock));
    Ok((build(builder)?, address, Some(Locked { locks, requests })))
}

/// Refuses a bucket without Object Lock, which would answer each write with an error, or take it and lock nothing.
async fn require_object_lock(place: &str, requests: &Requests) -> Result<()> {
    let asked = requests.lock_configuration().await.map_err(|error| {
        let message = format!(
            "{place}: whether the bucket has Object Lock cannot be known: it takes s3:GetBucketObjectLockConfiguration"
        );
        Error::with_source(error.kind(), message, error)
    })?;
    match asked {
        LockConfiguration::Enabled { by_default: false } => Ok(()),
        LockConfiguration::Enabled { by_default: true } => {
            tracing::warn!(
                place,
                "the bucket locks by default what comes without a lock: the write-ahead log, indexes and exports, too, and \
                 events for longer than their tenants' retention; take the default retention out of the bucket"
            );
            Ok(())
        }
        LockConfiguration::Absent => Err(Error::new(
            ErrorKind::Invalid,
            format!(
                "{place}: object_store.s3.object_lock is set, and the bucket has no Object Lock: enable it (aws s3api \
                 put-object-lock-configuration, once the bucket is versioned), or set it to \"off\""
            ),
        )),
    }
}

fn builder(bucket: &str, settings: &Settings) -> AmazonS3Builder {
    let s3 = &settings.s3;
    let builder = if s3.read_environment { AmazonS3Builder::from_env() } else { AmazonS3Builder::new() };
    let milliseconds = |count: u64| format!("{count}ms");
    let mut builder = builder
        .with_bucket_name(bucket)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_retry(retry(settings.retries_max, settings))
        .with_config(Key::Client(ClientConfigKey::Timeout), milliseconds(settings.request_timeout_ms))
        .with_config(Key::Client(ClientConfigKey::ConnectTimeout), milliseconds(settings.connect_timeout_ms));
    for (key, value) in [
        // Not `Key::Endpoint`: `AWS_ENDPOINT_URL_S3` of the environment would go before it.
        (Key::S3Endpoint, &s3.endpoint),
        (Key::Region, &s3.region),
        (Key::AccessKeyId, &s3.access_key_id),
        (Key::SecretAccessKey, &s3.secret_access_key),
        (Key::Token, &s3.session_token),
    ] {
        if let Some(value) = value {
            builder = builder.with_config(key, value);
        }
    }
    if let Some(in_host) = s3.virtual_hosted_style {
        builder = builder.with_virtual_hosted_style_request(in_host);
    }
    // An endpoint that says http:// has been asked for in plain words: no second setting is needed to allow it.
    let plain_http = endpoint(&builder).is_some_and(|endpoint| endpoint.starts_with("http://"));
    if plain_http { builder.with_allow_http(true) } else { builder }
}

fn retry(retries_max: usize, settings: &Settings) -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig::default(),
        max_retries: retries_max.min(settings.retries_max),
        retry_timeout: Duration::from_millis(settings.retry_timeout_ms),
    }
}

fn endpoint(builder: &AmazonS3Builder) -> Option<String> {
    builder.get_config_value(&Key::S3Endpoint).or_else(|| builder.get_config_value(&Key::Endpoint))
}

/// The endpoint for messages. One with a password in it is refused: object_store's errors would repeat it.
fn shown_endpoint(builder: &AmazonS3Builder, display: &str) -> Result<String> {
    let Some(endpoint) = endpoint(builder) else {
        let region = builder.get_config_value(&Key::Region);
        return Ok(format!("AWS region {}", region.as_deref().unwrap_or(DEFAULT_REGION)));
    };
    let refuse = |reason| Error::new(ErrorKind::Invalid, format!("endpoint of store {display} {reason}"));
    match Url::parse(&endpoint) {
        Ok(url) if url.username().is_empty() && url.password().is_none() => Ok(endpoint),
        Ok(_) => Err(refuse(
            "contains a user name or password: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY instead",
        )),
        Err(_) => Err(refuse("is not a URL such as http://127.0.0.1:9000: correct AWS_ENDPOINT_URL")),
    }
}

/// Whether credentials are given, rather than asked of the machine the process runs on.
fn has_keys(builder: &AmazonS3Builder) -> bool {
    builder.get_config_value(&Key::AccessKeyId).is_some()
}

/// What to set, for an error of the first request.
fn explain(place: &str, has_keys: bool, error: object_store::Error) -> Error {
    let reason = failure::reason(&error);
    let is_elsewhere = reason.contains("redirect") || reason.contains("AuthorizationHeaderMalformed");
    let (kind, advice) = match failure::status(&reason) {
        Some(404) => (
            ErrorKind::Invalid,
            "the bucket does not exist there: create it, or correct --store or AWS_ENDPOINT_URL",
        ),
        Some(401 | 403) => (
            ErrorKind::Invalid,
            "access was denied: check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN), and that they \
             may list, get, put and delete objects",
        ),
        _ if is_elsewhere => (ErrorKind::Invalid, "the bucket is in another region: set AWS_REGION"),
        Some(_) if failure::kind(&error) == ErrorKind::Unavailable => {
            (ErrorKind::Unavailable, "it does not answer properly now: try again")
        }
        Some(_) => {
            (ErrorKind::Invalid, "it refused to list the bucket: check AWS_ENDPOINT_URL and AWS_REGION")
        }
        None if has_keys => {
            (ErrorKind::Unavailable, "the endpoint cannot be reached: check AWS_ENDPOINT_URL and AWS_REGION")
        }
        None => (
            ErrorKind::Unavailable,
            "no AWS_ACCESS_KEY_ID is set and asking this machine for credentials failed, or the endpoint cannot be \
             reached: set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, and AWS_ENDPOINT_URL if the store is not AWS",
        ),
    };
    Error::with_source(kind, format!("{place}: {advice} ({reason})"), error)
}
