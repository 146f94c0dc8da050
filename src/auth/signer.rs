//! Signs what clients carry back: cursors and viewer tokens.
//!
//! In: a payload and what it is for. Out: text for a URL or a header, and the payload again if the text is one of ours.
//! Guaranteed: a text that was changed in any bit, or that was made for another purpose or by another store, is not taken.
//!
//! The text is `{payload}.{mac}`, both base64url without padding (RFC 4648, section 5); the mac is HMAC-SHA256 (RFC 2104) over
//! the purpose, a zero byte and the payload. The secret is made on the first start and lies in the store
//! (`control/signing-secret.json`): who can read it there can read all events there, too.

use std::{fmt, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::{
    error::{Error, ErrorKind, Result},
    paths,
    store::{PutOutcome, Store},
    telemetry,
};

/// The secret, in 64 hexadecimal digits: 256 random bits.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    secret: String,
}

/// Signs and checks; clones share the secret.
#[derive(Clone)]
pub struct Signer {
    keyed: Arc<Hmac<Sha256>>,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer")
    }
}

impl Signer {
    /// With the store's secret, which is made if there is none.
    pub(super) async fn open(store: &Store) -> Result<Self> {
        let path = paths::signing_secret();
        let stored = match store.get(&path).await? {
            Some(stored) => stored,
            None => {
                let document = Document { version: 1, secret: telemetry::random_hex::<32>() };
                let json = serde_json::to_vec(&document).map_err(|error| {
                    Error::with_source(ErrorKind::Internal, "write the signing secret", error)
                })?;
                match store.put_if_absent(&path, json.clone().into()).await? {
                    PutOutcome::Created => json.into(),
                    PutOutcome::Exists => store.get(&path).await?.unwrap_or_default(),
                }
            }
        };
        let document: Document = serde_json::from_slice(&stored).map_err(|error| {
            Error::with_source(ErrorKind::Corrupt, format!("{path} is not a signing secret"), error)
        })?;
        if document.version != 1 || document.secret.len() < 64 {
            return Err(Error::new(ErrorKind::Corrupt, format!("{path} is not of this version")));
        }
        Self::with(document.secret.as_bytes())
    }

    fn with(secret: &[u8]) -> Result<Self> {
        let keyed = Hmac::new_from_slice(secret)
            .map_err(|error| Error::with_source(ErrorKind::Internal, "use the signing secret", error))?;
        Ok(Self { keyed: Arc::new(keyed) })
    }

    /// The text that stands for `payload` where `purpose` is expected.
    pub fn sign(&self, purpose: &str, payload: &[u8]) -> String {
        let mac = self.mac(purpose, payload).finalize().into_bytes();
        format!("{}.{}", URL_SAFE_NO_PAD.encode(payload), URL_SAFE_NO_PAD.encode(mac))
    }

    /// The payload of a text that [`Signer::sign`] made for this purpose; `None` for any other text.
    pub fn verify(&self, purpose: &str, text: &str) -> Option<Vec<u8>> {
        let (payload, mac) = text.split_once('.')?;
        let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
        let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
        self.mac(purpose, &payload).verify_slice(&mac).ok()?;
        Some(payload)
    }

    fn mac(&self, purpose: &str, payload: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::clone(&self.keyed);
        mac.update(purpose.as_bytes());
        mac.update(&[0]);
        mac.update(payload);
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch a text that is taken though it was changed, or made for something else or elsewhere.
    #[test]
    fn only_what_was_signed_is_taken() {
        let signer = Signer::with(b"one").unwrap();
        let text = signer.sign("cursor", b"{\"a\":1}");
        assert_eq!(signer.verify("cursor", &text).as_deref(), Some(&b"{\"a\":1}"[..]));
        assert_eq!(signer.verify("viewer", &text), None);
        assert_eq!(Signer::with(b"other").unwrap().verify("cursor", &text), None);
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(signer.verify("cursor", &changed), None, "{changed}");
        }
        for wrong in ["", ".", &text[..text.len() - 1], &format!("{text}A"), &text.replace('.', "")] {
            assert_eq!(signer.verify("cursor", wrong), None, "{wrong}");
        }
    }
}
