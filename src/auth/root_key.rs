//! The root key: given by the operator, or made on the first start and shown once.
//!
//! A key given (AUDITLAKE_ROOT_KEY) holds from then on: if it differs from the stored one it replaces it, which is
//! how a key is changed or a lost one recovered. Without one the stored hash holds; without that, a new key is made.

use serde::{Deserialize, Serialize};

use super::KeyHash;
use crate::{
    error::{Error, ErrorKind, Result},
    limits, paths,
    store::{PutOutcome, Store},
    telemetry::{self, Clock},
};

/// A key that was made just now: the only moment at which anyone can see it.
#[derive(Debug)]
pub struct GeneratedKey(pub String);

/// What `control/root-key.json` holds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    /// Lowercase hexadecimal.
    sha256: String,
    created_at: String,
}

/// The root key's hash, after `given` (if any) was made the root key.
pub(super) async fn open(
    store: &Store,
    given: Option<&str>,
    clock: &Clock,
) -> Result<(KeyHash, Option<GeneratedKey>)> {
    let stored = read(store).await?;
    if let Some(key) = given {
        check_strength(key, limits::GIVEN_KEY_BYTES_MIN)?;
        let hash = KeyHash::of(key);
        if !stored.is_some_and(|stored| stored.matches(&hash)) {
            store.put(&paths::root_key(), document(hash, clock)?).await?;
            tracing::info!(
                replaced = stored.is_some(),
                "the given root key is the store's root key from now on"
            );
        }
        return Ok((hash, None));
    }
    if let Some(hash) = stored {
        return Ok((hash, None));
    }
    let key = format!("alk_{}", telemetry::random_hex::<32>());
    let hash = KeyHash::of(&key);
    match store.put_if_absent(&paths::root_key(), document(hash, clock)?).await? {
        PutOutcome::Created => Ok((hash, Some(GeneratedKey(key)))),
        PutOutcome::Exists => {
            let message = format!("{} appeared while it was made; start again", paths::root_key());
            Err(Error::new(ErrorKind::Conflict, message))
        }
    }
}

/// Refuses a key shorter than `bytes_min`, with spaces or control characters, or made of a few letters only.
///
/// # Errors
/// [`ErrorKind::Invalid`] with the rule, without the key.
pub fn check_strength(key: &str, bytes_min: usize) -> Result<()> {
    let refused = |rule: String| Err(Error::new(ErrorKind::Invalid, format!("the root key {rule}")));
    if key.len() < bytes_min {
        return refused(format!("has {} characters; it needs at least {bytes_min}", key.len()));
    }
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return refused("has characters other than visible ASCII".into());
    }
    let mut letters: Vec<u8> = key.bytes().collect();
    letters.sort_unstable();
    letters.dedup();
    if letters.len() < bytes_min / 4 {
        return refused(format!("repeats only {} different characters", letters.len()));
    }
    Ok(())
}

async fn read(store: &Store) -> Result<Option<KeyHash>> {
    let path = paths::root_key();
    let Some(bytes) = store.get(&path).await? else { return Ok(None) };
    let document: Document = serde_json::from_slice(&bytes).map_err(|error| {
        Error::with_source(ErrorKind::Corrupt, format!("{path} is not a root key document"), error)
    })?;
    match parse_hex(&document.sha256) {
        Some(hash) if document.version == 1 => Ok(Some(KeyHash(hash))),
        _ => {
            let message = format!("{path} is of version {} or its hash is not SHA-256", document.version);
            Err(Error::new(ErrorKind::Corrupt, message))
        }
    }
}

fn document(hash: KeyHash, clock: &Clock) -> Result<bytes::Bytes> {
    let document = Document { version: 1, sha256: hash.hex(), created_at: clock.now().to_rfc3339() };
    let text = serde_json::to_vec_pretty(&document)
        .map_err(|error| Error::with_source(ErrorKind::Internal, "writing the root key document", error))?;
    Ok(text.into())
}

fn parse_hex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn memory() -> Store {
        Store::open("memory://", &Default::default()).await.unwrap()
    }

    fn lets_in(hash: &KeyHash, key: &str) -> bool {
        KeyHash::of(key).matches(hash)
    }

    /// Would catch a key that is shown twice, kept in the clear, or forgotten by the next start.
    #[tokio::test]
    async fn a_generated_key_is_shown_once_and_holds() {
        let (store, clock) = (memory().await, Clock::manual(0));
        let (first, generated) = open(&store, None, &clock).await.unwrap();
        let key = generated.unwrap().0;
        assert!(key.starts_with("alk_") && key.len() == 68 && lets_in(&first, &key));
        let stored = store.get(&paths::root_key()).await.unwrap().unwrap();
        assert!(!String::from_utf8_lossy(&stored).contains(&key[4..]));
        let (again, generated) = open(&store, None, &clock).await.unwrap();
        assert!(generated.is_none() && lets_in(&again, &key));
    }

    /// Would catch a given key that holds for one start only, or an old key that still opens.
    #[tokio::test]
    async fn a_given_key_replaces_the_stored_one() {
        let (store, clock) = (memory().await, Clock::manual(0));
        let (_, generated) = open(&store, None, &clock).await.unwrap();
        let given = "correct-horse-battery-staple";
        let (auth, none) = open(&store, Some(given), &clock).await.unwrap();
        assert!(none.is_none() && lets_in(&auth, given) && !lets_in(&auth, &generated.unwrap().0));
        let (auth, _) = open(&store, None, &clock).await.unwrap();
        assert!(lets_in(&auth, given));
    }

    /// Would catch a damaged document that makes the server invent a new key and lock its users out.
    #[tokio::test]
    async fn a_damaged_document_stops_the_start() {
        let store = memory().await;
        for damaged in ["{}", "", r#"{"version": 2, "sha256": "00", "created_at": ""}"#] {
            store.put(&paths::root_key(), damaged.as_bytes().to_vec().into()).await.unwrap();
            let error = open(&store, None, &Clock::manual(0)).await.map(drop).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
            assert!(error.to_string().contains("control/root-key.json"), "{error}");
        }
    }

    /// Would catch a public server that opens to a guess.
    #[test]
    fn weak_keys_are_refused_without_repeating_them() {
        for (weak, bytes_min) in [("secret", 8), ("has a space", 8), (&"ab".repeat(16), 32)] {
            let error = check_strength(weak, bytes_min).unwrap_err().to_string();
            assert!(!error.contains(weak), "{error}");
        }
        check_strength(&telemetry::random_hex::<16>(), 32).unwrap();
    }
}
