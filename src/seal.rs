//! Keeps secrets of others, such as the keys of a customer's bucket, so that who reads the store cannot use them.
//!
//! In: a secret, and what it is for. Out: text to store, and the secret again. Guaranteed: without the deployment's key the text
//! tells nothing but the secret's length; text that was changed, or that stands where another secret belongs, is not opened.
//!
//! The text is `v1.{key}.{sealed}`: which key, as the first eight hexadecimal digits of its SHA-256, and in base64url (RFC 4648,
//! section 5) a random nonce of 96 bits followed by the secret under AES-256-GCM (NIST SP 800-38D); what it is for is its
//! additional data.
//!
//! ```
//! use auditlake::seal::Sealer;
//! let sealer = Sealer::parse(&"7f".repeat(32)).unwrap();
//! let text = sealer.seal("export exp_1", "hunter2").unwrap();
//! assert_eq!(sealer.open("export exp_1", &text).unwrap(), "hunter2");
//! assert!(sealer.open("export exp_2", &text).is_err());
//! ```

use std::{fmt, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::{Digest as _, Sha256};

use crate::{
    error::{Error, ErrorKind, Result},
    telemetry,
};

/// The variable that gives the keys.
pub const VARIABLE: &str = "AUDITLAKE_SECRETS_KEY";
const VERSION: &str = "v1";
const KEY_BYTES: usize = 32;

/// Seals with the first of its keys and opens with any; clones share them.
#[derive(Clone, Default)]
pub struct Sealer {
    keys: Arc<[Key]>,
}

struct Key {
    /// How texts name it.
    name: String,
    key: LessSafeKey,
}

/// Tells how many keys there are, never what they are.
impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").field("keys", &self.keys.len()).finish()
    }
}

impl Sealer {
    /// With keys of 64 hexadecimal digits each, separated by commas: the newest first.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`]; the text is not repeated.
    pub fn parse(text: &str) -> Result<Self> {
        let keys: Result<Vec<Key>> = text.split(',').map(|digits| Key::parse(digits.trim())).collect();
        Ok(Self { keys: keys?.into() })
    }

    /// The text that keeps `secret`, which is for `purpose`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if there is no key.
    pub fn seal(&self, purpose: &str, secret: &str) -> Result<String> {
        let key = self.keys.first().ok_or_else(|| {
            let message =
                format!("this server keeps no secrets of others: its operator has to set {VARIABLE}");
            Error::new(ErrorKind::Invalid, message)
        })?;
        let nonce = telemetry::random_bytes::<NONCE_LEN>();
        let mut sealed = secret.as_bytes().to_vec();
        let aad = Aad::from(purpose.as_bytes());
        key.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed)
            .map_err(|_| Error::new(ErrorKind::Internal, "a secret cannot be sealed"))?;
        let sealed = URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat());
        Ok(format!("{VERSION}.{}.{sealed}", key.name))
    }

    /// The secret that `text` keeps for `purpose`.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if its key is not among ours, as it may be given at the next start;
    /// [`ErrorKind::Corrupt`] for anything else.
    pub fn open(&self, purpose: &str, text: &str) -> Result<String> {
        let damaged = || Error::new(ErrorKind::Corrupt, format!("the secret of {purpose} is damaged"));
        let mut parts = text.split('.');
        let (Some(VERSION), Some(name), Some(sealed), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(damaged());
        };
        let key = self.keys.iter().find(|key| key.name == name).ok_or_else(|| {
            let message =
                format!("the secret of {purpose} was sealed with key {name}, which {VARIABLE} does not give");
            Error::new(ErrorKind::Unavailable, message)
        })?;
        let mut sealed = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| damaged())?;
        let (nonce, sealed) = sealed.split_at_mut_checked(NONCE_LEN).ok_or_else(damaged)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| damaged())?;
        let secret =
            key.key.open_in_place(nonce, Aad::from(purpose.as_bytes()), sealed).map_err(|_| damaged())?;
        String::from_utf8(secret.to_vec()).map_err(|_| damaged())
    }
}

impl Key {
    fn parse(digits: &str) -> Result<Self> {
        let invalid = || {
            let message = format!("{VARIABLE}: each key is 64 hexadecimal digits (openssl rand -hex 32)");
            Error::new(ErrorKind::Invalid, message)
        };
        let digits = digits.as_bytes();
        if digits.len() != 2 * KEY_BYTES || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(invalid());
        }
        let byte = |pair: &[u8]| {
            std::str::from_utf8(pair)
                .ok()
                .and_then(|pair| u8::from_str_radix(pair, 16).ok())
                .ok_or_else(invalid)
        };
        let bytes: Vec<u8> = digits.chunks_exact(2).map(byte).collect::<Result<_>>()?;
        let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| invalid())?;
        let name = telemetry::hex(&Sha256::digest(&bytes)[..4]);
        Ok(Self { name, key: LessSafeKey::new(key) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sealer(keys: &[u8]) -> Sealer {
        let keys: Vec<String> = keys.iter().map(|byte| telemetry::hex(&[*byte; KEY_BYTES])).collect();
        Sealer::parse(&keys.join(",")).unwrap()
    }

    proptest! {
        /// Would catch a secret that comes back as another one, shows in the text, or is opened after any change of the text.
        #[test]
        fn only_what_was_sealed_is_opened(secret in "\\PC{8,40}", at in any::<prop::sample::Index>()) {
            let sealer = sealer(&[1]);
            let text = sealer.seal("a", &secret).unwrap();
            prop_assert_eq!(sealer.open("a", &text).unwrap(), secret.clone());
            prop_assert!(!text.contains(&secret));
            prop_assert!(sealer.open("b", &text).is_err());
            prop_assert_ne!(sealer.seal("a", &secret).unwrap(), text.clone());
            let mut changed = text.into_bytes();
            let at = at.index(changed.len());
            changed[at] = if changed[at] == b'1' { b'2' } else { b'1' };
            prop_assert!(sealer.open("a", &String::from_utf8(changed).unwrap()).is_err());
        }
    }

    /// Would catch a change of keys that loses what the earlier one has sealed, or that does not say which key is missing.
    #[test]
    fn earlier_keys_open() {
        let text = sealer(&[1]).seal("a", "secret").unwrap();
        assert_eq!(sealer(&[2, 1]).open("a", &text).unwrap(), "secret");
        let newer = sealer(&[2, 1]).seal("a", "secret").unwrap();
        assert_eq!(sealer(&[2]).open("a", &newer).unwrap(), "secret");
        let error = sealer(&[2]).open("a", &text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains(text.split('.').nth(1).unwrap()), "{error}");
    }

    /// Would catch a key that is taken for another one, or repeated in an error, and secrets that are kept without a key.
    #[test]
    fn keys_are_given_whole() {
        for wrong in ["", "7f", &"7f".repeat(33), &"zz".repeat(32), &format!("{},", "7f".repeat(32))] {
            let error = Sealer::parse(wrong).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{wrong}");
            assert!(wrong.is_empty() || !error.to_string().contains(wrong), "{error}");
        }
        let error = Sealer::default().seal("a", "secret").unwrap_err();
        assert!(error.to_string().contains(VARIABLE), "{error}");
        assert!(!format!("{:?}", sealer(&[0x7f])).contains("7f"));
    }
}
