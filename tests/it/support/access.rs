//! Who may do what at the S3 server of the tests: its owner, and who has taken the owner's role, everything; a reader may list and get below one prefix.
//!
//! In: a request that is signed by someone. Out: whether it is carried out, decided by the server before it looks at anything.
//! What is not there is refused to the reader as well, in place of a 404: so does AWS to who lacks
//! `s3:ListBucket`, and perhaps to who has it on a condition.
//! Guaranteed: what a policy of AWS with `s3:ListBucket` on a condition of `s3:prefix` and `s3:GetObject` on a resource allows, and no more.

use std::{
    fs::Metadata,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use s3s::{
    S3Request, S3Result,
    access::{S3Access, S3AccessContext},
    auth::SimpleAuth,
    dto::{GetObjectInput, HeadObjectInput, Range},
    s3_error,
};
use url::form_urlencoded;

use super::{
    s3::{ACCESS_KEY, BUCKET, SECRET_KEY},
    sts,
};

pub(crate) const READERS_ACCESS_KEY: &str = "readers-access-key";
pub(crate) const READERS_SECRET_KEY: &str = "readers-secret-key";

/// What the reader may read, and what it was refused.
#[derive(Clone)]
pub(crate) struct Access {
    state: Arc<Mutex<State>>,
    /// Where s3s-fs keeps the buckets.
    folder: PathBuf,
}

#[derive(Default)]
struct State {
    prefix: Option<String>,
    refused: Vec<String>,
}

impl Access {
    pub(crate) fn new(folder: &Path) -> Self {
        Self { state: Arc::default(), folder: folder.to_owned() }
    }

    /// The keys of all.
    pub(crate) fn keys() -> SimpleAuth {
        let mut keys = SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY);
        keys.register(sts::TEMPORARY_KEY.to_owned(), sts::TEMPORARY_SECRET.into());
        keys.register(READERS_ACCESS_KEY.to_owned(), READERS_SECRET_KEY.into());
        keys
    }

    /// From now on the reader may read what is below `prefix`, which ends with `/`.
    pub(crate) fn share(&self, prefix: &str) {
        self.with(|state| state.prefix = Some(prefix.to_owned()));
    }

    /// What the reader was refused: operation and path or prefix.
    pub(crate) fn refused(&self) -> Vec<String> {
        self.with(|state| state.refused.clone())
    }

    /// The file of an object; `None` if there is none.
    fn stored(&self, bucket: &str, key: &str) -> S3Result<Option<Metadata>> {
        match self.folder.join(bucket).join(key).metadata() {
            Ok(file) if file.is_dir() => Err(s3_error!(NoSuchKey)),
            other => Ok(other.ok()),
        }
    }

    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait::async_trait]
impl S3Access for Access {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        match context.credentials().map(|credentials| credentials.access_key.as_str()) {
            Some(ACCESS_KEY | sts::TEMPORARY_KEY) => Ok(()),
            Some(READERS_ACCESS_KEY) => {
                let (operation, place) = (context.s3_op().name(), place(context));
                let reads = ["GetObject", "HeadObject", "ListObjects", "ListObjectsV2"].contains(&operation);
                self.with(|state| match &state.prefix {
                    Some(prefix) if reads && place.starts_with(prefix.as_str()) => Ok(()),
                    _ => {
                        state.refused.push(format!("{operation} {place}"));
                        Err(s3_error!(AccessDenied))
                    }
                })
            }
            _ => Err(s3_error!(AccessDenied)),
        }
    }

    /// Of the last bytes of an object that has no more than so many, S3 gives all; s3s-fs would answer with an error. A folder is no
    /// object of S3.
    async fn get_object(&self, request: &mut S3Request<GetObjectInput>) -> S3Result<()> {
        let input = &mut request.input;
        let Some(object) = self.stored(&input.bucket, &input.key)? else { return Ok(()) };
        if let Some(Range::Suffix { length }) = input.range
            && object.len() <= length
        {
            input.range = Some(Range::Int { first: 0, last: None });
        }
        Ok(())
    }

    async fn head_object(&self, request: &mut S3Request<HeadObjectInput>) -> S3Result<()> {
        self.stored(&request.input.bucket, &request.input.key).map(drop)
    }
}

/// What a request is about: the key of an object, or the prefix of a listing.
fn place(context: &S3AccessContext<'_>) -> String {
    match context.s3_path().as_object() {
        Some((BUCKET, key)) => key.to_owned(),
        Some(_) => String::new(),
        None => {
            let query = context.uri().query().unwrap_or_default();
            let mut pairs = form_urlencoded::parse(query.as_bytes());
            pairs
                .find(|(name, _)| name == "prefix")
                .map_or_else(String::new, |(_, prefix)| prefix.into_owned())
        }
    }
}
