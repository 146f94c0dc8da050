//! A bucket of somebody else, that things are delivered to.
//!
//! In: its name, a prefix, and how to get in. Out: a [`Store`]. Guaranteed: nothing of this process's own environment is used to get
//! in, but to ask for a role; a name, region, role or endpoint that could lead elsewhere than it says is refused. Nothing is asked
//! of the bucket: whoever may only put objects there may do so.

use std::sync::Arc;

use object_store::{ClientConfigKey, ClientOptions, path::Path};
use url::Url;

use super::{
    Address, Inner, Store,
    role::{AssumedRole, Role, Sts},
    s3, s3_backend,
    settings::{S3Settings, Settings},
};
use crate::error::{Error, ErrorKind, Result};

const REGION: &str = "us-east-1";

/// Which bucket, and how to get in.
#[derive(Clone, Debug)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// What goes before every key.
    pub prefix: String,
    /// Its region; `us-east-1` if none is given.
    pub region: Option<String>,
    /// Where it is, if not at AWS.
    pub endpoint: Option<String>,
    /// How to get in.
    pub access: BucketAccess,
}

/// How to get in.
#[derive(Clone)]
pub enum BucketAccess {
    /// With keys.
    Keys {
        /// Whose.
        access_key_id: String,
        /// And the secret.
        secret_access_key: String,
    },
    /// By a role that this process's own credentials may assume.
    Role(Role),
}

/// Shows no secret.
impl std::fmt::Debug for BucketAccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Keys { access_key_id, .. } => {
                f.debug_struct("Keys").field("access_key_id", access_key_id).finish_non_exhaustive()
            }
            Self::Role(role) => f.debug_tuple("Role").field(role).finish(),
        }
    }
}

impl Bucket {
    /// Refuses what cannot be a bucket; the error is about the field's JSON pointer in the bucket.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`].
    pub fn validate(&self) -> Result<()> {
        let invalid =
            |pointer: &str, message: String| Err(Error::new(ErrorKind::Invalid, message).about(pointer));
        if !is_bucket_name(&self.name) {
            let message = format!(
                "'{}' is not the name of a bucket: 3 to 63 lowercase letters, digits, '.' and '-'",
                self.name
            );
            return invalid("/bucket", message);
        }
        if let Err(error) = Path::parse(&self.prefix) {
            return invalid("/prefix", format!("'{}' is not a prefix: {error}", self.prefix));
        }
        if let Some(region) = self.region.as_deref().filter(|region| !is_region(region)) {
            return invalid("/region", format!("'{region}' is not a region, such as eu-central-1"));
        }
        match &self.access {
            BucketAccess::Keys { access_key_id, .. } if !is_key_id(access_key_id) => {
                let message = "an access key id is 1 to 128 letters, digits, '_' and '-'".to_owned();
                invalid("/access/access_key_id", message)
            }
            BucketAccess::Role(role) if !is_role(&role.arn) => {
                let message = format!(
                    "'{}' is not the ARN of a role, such as arn:aws:iam::123456789012:role/name",
                    role.arn
                );
                invalid("/access/role_arn", message)
            }
            _ => Ok(()),
        }
    }

    /// Its name in messages.
    pub fn display(&self) -> String {
        match self.prefix.trim_matches('/') {
            "" => format!("s3://{}", self.name),
            prefix => format!("s3://{}/{prefix}", self.name),
        }
    }
}

impl Store {
    /// Opens a bucket of somebody else. `own` says how long to wait and who this process is; `sts_endpoint` is asked for roles, if
    /// not AWS's of the bucket's region.
    ///
    /// # Errors
    /// As [`Bucket::validate`]; [`ErrorKind::Invalid`] for an endpoint that is no URL.
    pub fn bucket(bucket: &Bucket, own: &Settings, sts_endpoint: Option<&str>) -> Result<Self> {
        bucket.validate()?;
        let display = bucket.display();
        let region = bucket.region.clone().unwrap_or_else(|| REGION.to_owned());
        let mut s3 = S3Settings {
            read_environment: false,
            endpoint: bucket.endpoint.clone(),
            region: Some(region.clone()),
            ..S3Settings::default()
        };
        let credentials = match &bucket.access {
            BucketAccess::Keys { access_key_id, secret_access_key } => {
                s3.access_key_id = Some(access_key_id.clone());
                s3.secret_access_key = Some(secret_access_key.clone());
                None
            }
            BucketAccess::Role(role) => Some(Arc::new(assumed(role, &region, own, sts_endpoint)?) as _),
        };
        let settings = Settings { s3, ..own.clone() };
        let opened = s3::unprobed(&bucket.name, &display, &settings, credentials)?;
        let prefix = Path::parse(&bucket.prefix).map_err(|error| {
            Error::with_source(ErrorKind::Invalid, format!("open bucket {display}"), error)
        })?;
        let address = Address::of_bucket(&bucket.name, &prefix, bucket.endpoint.clone(), Some(region))?;
        let (objects, backend) = s3_backend(opened, prefix, None);
        Ok(Self { inner: Arc::new(Inner { objects, backend, address: Some(address), display }) })
    }
}

fn assumed(role: &Role, region: &str, own: &Settings, sts_endpoint: Option<&str>) -> Result<AssumedRole> {
    let endpoint = match sts_endpoint {
        Some(endpoint) => endpoint.to_owned(),
        None => format!("https://sts.{region}.amazonaws.com/"),
    };
    let failed = |message: String| Error::new(ErrorKind::Invalid, format!("STS at {endpoint}: {message}"));
    let url = Url::parse(&endpoint).map_err(|error| failed(error.to_string()))?;
    let milliseconds = |count: u64| format!("{count}ms");
    let options = ClientOptions::new()
        .with_allow_http(url.scheme() == "http")
        .with_config(ClientConfigKey::Timeout, milliseconds(own.request_timeout_ms))
        .with_config(ClientConfigKey::ConnectTimeout, milliseconds(own.connect_timeout_ms));
    let sts = Sts { endpoint: url, region: region.to_owned() };
    AssumedRole::new(role.clone(), sts, s3::own_credentials(own)?, &options)
        .map_err(|error| failed(error.to_string()))
}

/// The rules of general purpose buckets, but for those on whole names.
fn is_bucket_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'.' || byte == b'-';
    let edge =
        |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let bytes = name.as_bytes();
    (3..=63).contains(&bytes.len())
        && bytes.iter().all(|byte| inner(*byte))
        && edge(bytes.first())
        && edge(bytes.last())
        && !name.contains("..")
}

/// Part of a host name, so nothing else may be in it.
fn is_region(region: &str) -> bool {
    let part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=32).contains(&region.len()) && region.bytes().all(part)
}

/// It gets into a header.
fn is_key_id(id: &str) -> bool {
    (1..=128).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

fn is_role(arn: &str) -> bool {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [prefix, partition, "iam", "", account, resource] = parts[..] else { return false };
    let named = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@_/-".contains(&byte);
    prefix == "arn"
        && partition.starts_with("aws")
        && account.len() == 12
        && account.bytes().all(|byte| byte.is_ascii_digit())
        && resource.strip_prefix("role/").is_some_and(|name| !name.is_empty() && name.bytes().all(named))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket() -> Bucket {
        Bucket {
            name: "logs".to_owned(),
            prefix: "audit/acme".to_owned(),
            region: Some("eu-central-1".to_owned()),
            endpoint: None,
            access: BucketAccess::Role(Role {
                arn: "arn:aws:iam::123456789012:role/path/deliver".to_owned(),
                external_id: "auditlake:acme".to_owned(),
                session_name: "auditlake".to_owned(),
            }),
        }
    }

    /// Would catch a name or region that turns the request to another host, and an error that does not say which field it is about.
    #[test]
    fn only_buckets_are_buckets() {
        assert!(bucket().validate().is_ok());
        let about = |bucket: Bucket| bucket.validate().unwrap_err().pointer().map(ToOwned::to_owned);
        for name in ["", "ab", "Logs", "logs/x", "-logs", "a..b", "logs.evil.com:1", "x@y"] {
            assert_eq!(
                about(Bucket { name: name.to_owned(), ..bucket() }).as_deref(),
                Some("/bucket"),
                "{name}"
            );
        }
        for region in ["", "evil.com/", "a b", "eu-central-1.evil", "US"] {
            let region = Some(region.to_owned());
            assert_eq!(about(Bucket { region, ..bucket() }).as_deref(), Some("/region"));
        }
        assert_eq!(about(Bucket { prefix: "a//b".to_owned(), ..bucket() }).as_deref(), Some("/prefix"));
        for access_key_id in ["", "AKIA\n", "a b", "é"] {
            let access = BucketAccess::Keys {
                access_key_id: access_key_id.to_owned(),
                secret_access_key: String::new(),
            };
            assert_eq!(about(Bucket { access, ..bucket() }).as_deref(), Some("/access/access_key_id"));
        }
        for arn in [
            "",
            "deliver",
            "arn:aws:iam::1:role/x",
            "arn:aws:iam::123456789012:user/x",
            "arn:aws:sts::123456789012:role/x",
        ] {
            let access = BucketAccess::Role(Role {
                arn: arn.to_owned(),
                external_id: String::new(),
                session_name: String::new(),
            });
            assert_eq!(about(Bucket { access, ..bucket() }).as_deref(), Some("/access/role_arn"), "{arn}");
        }
    }
}
