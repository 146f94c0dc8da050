//! How a store is reached: retries, timeouts, and S3 settings that override the `AWS_*` environment.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::lock::ObjectLock;
use crate::limits;

/// Settings of a store; the defaults suit a folder and S3 alike.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Retries of one S3 request after a transient error; 0 gives up at once.
    pub retries_max: usize,
    /// Milliseconds after a request's first attempt past which it is not retried.
    pub retry_timeout_ms: u64,
    /// Milliseconds one attempt may take, its body included.
    pub request_timeout_ms: u64,
    /// Milliseconds a connection may take to be made.
    pub connect_timeout_ms: u64,
    /// Where and who, for `s3://`.
    pub s3: S3Settings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            retries_max: limits::STORE_RETRIES_MAX,
            retry_timeout_ms: limits::STORE_RETRY_MS_MAX,
            request_timeout_ms: limits::STORE_REQUEST_MS_MAX,
            connect_timeout_ms: limits::STORE_CONNECT_MS_MAX,
            s3: S3Settings::default(),
        }
    }
}

/// Where an S3 store is and who asks. What is `None` comes from the environment, under the names every AWS tool uses.
#[derive(Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct S3Settings {
    /// Whether `AWS_*` variables are read at all.
    pub read_environment: bool,
    /// `AWS_ENDPOINT_URL`: a store other than AWS, e.g. `http://127.0.0.1:9000`. With `http://` plain HTTP is allowed.
    pub endpoint: Option<String>,
    /// `AWS_REGION`; `us-east-1` if neither is set.
    pub region: Option<String>,
    /// `AWS_ACCESS_KEY_ID`. Without one, the machine's or container's own credentials are asked for.
    pub access_key_id: Option<String>,
    /// `AWS_SECRET_ACCESS_KEY`.
    #[serde(skip_serializing)]
    pub secret_access_key: Option<String>,
    /// `AWS_SESSION_TOKEN`, for temporary keys.
    #[serde(skip_serializing)]
    pub session_token: Option<String>,
    /// `AWS_VIRTUAL_HOSTED_STYLE_REQUEST`: the bucket as part of the host name; an endpoint given must then contain it.
    /// `false` (the bucket in the path) if neither is set.
    pub virtual_hosted_style: Option<bool>,
    /// Whether what tenants' settings say of locks is done with S3 Object Lock, and in which mode; the bucket must have it.
    pub object_lock: ObjectLock,
}

impl Default for S3Settings {
    fn default() -> Self {
        Self {
            read_environment: true,
            endpoint: None,
            region: None,
            access_key_id: None,
            secret_access_key: None,
            session_token: None,
            virtual_hosted_style: None,
            object_lock: ObjectLock::Off,
        }
    }
}

/// Shows which secrets are set, never what they are.
impl fmt::Debug for S3Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = |secret: &Option<String>| secret.as_ref().map(|_| "(set)");
        f.debug_struct("S3Settings")
            .field("read_environment", &self.read_environment)
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .field("access_key_id", &self.access_key_id)
            .field("secret_access_key", &hidden(&self.secret_access_key))
            .field("session_token", &hidden(&self.session_token))
            .field("virtual_hosted_style", &self.virtual_hosted_style)
            .field("object_lock", &self.object_lock)
            .finish()
    }
}
