//! Where readers that are not ours find what is in a store.
//!
//! In: where the store is. Out: the URL of any folder in it, and what else a reader needs to be told to get there. Guaranteed: a
//! URL is encoded, so that it leads to the very key it was made of; no credential is in it.

use object_store::path::Path;
use url::Url;

use crate::error::{Error, ErrorKind, Result};

/// Where a store is, for others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The URL of its root.
    root: Url,
    /// Of a bucket that is not on AWS: where it is asked for.
    pub endpoint: Option<String>,
    /// The bucket's region, if one is set.
    pub region: Option<String>,
}

impl Address {
    /// That of a folder, whose path is absolute.
    pub(super) fn of_folder(folder: &std::path::Path) -> Result<Self> {
        let shown = folder.display();
        let root = Url::from_file_path(folder)
            .map_err(|()| Error::new(ErrorKind::Internal, format!("folder {shown} has no URL")))?;
        Ok(Self { root, endpoint: None, region: None })
    }

    /// That of `prefix` in a bucket.
    pub(super) fn of_bucket(
        bucket: &str,
        prefix: &Path,
        endpoint: Option<String>,
        region: Option<String>,
    ) -> Result<Self> {
        let root = Url::parse(&format!("s3://{bucket}"))
            .map_err(|error| Error::with_source(ErrorKind::Invalid, format!("bucket {bucket:?}"), error))?;
        Ok(Self { root: below(root, prefix), endpoint, region })
    }

    /// The URL of a folder in the store, without a slash at its end.
    pub fn url(&self, folder: &Path) -> String {
        below(self.root.clone(), folder).into()
    }
}

fn below(mut url: Url, folder: &Path) -> Url {
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(folder.as_ref().split('/').filter(|segment| !segment.is_empty()));
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch a URL that leads a reader to another key than ours, or nowhere.
    #[test]
    fn a_url_leads_to_the_key_it_is_made_of() {
        let folder = Path::from("events/-_acme");
        let bucket = |prefix: &str| {
            let prefix = Path::parse(prefix).unwrap();
            Address::of_bucket("Lake_1", &prefix, None, None).unwrap().url(&folder)
        };
        assert_eq!(bucket(""), "s3://Lake_1/events/-_acme");
        assert_eq!(bucket("prod/eu"), "s3://Lake_1/prod/eu/events/-_acme");
        assert_eq!(bucket("my 100%"), "s3://Lake_1/my%20100%25/events/-_acme");
        for path in ["/srv/lake", "/srv/my lake/50%#?"] {
            let url = Address::of_folder(path.as_ref()).unwrap().url(&folder);
            let found = Url::parse(&url).unwrap().to_file_path().unwrap();
            assert_eq!(found, std::path::Path::new(path).join(folder.as_ref()), "{url}");
        }
    }
}
