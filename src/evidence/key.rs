//! Ed25519 keys: what signs checkpoints, and the verifier keys (vkeys) by which others check them.
//!
//! In: a key's text, bytes to sign. Out: signatures, verifier keys by C2SP signed-note. Guaranteed: the secret half leaves this
//! file only as text for the key file, and its `Debug` form hides it. One key signs for all tenants of a deployment: its
//! verifier key is another for each name, so that nobody can pass one tenant's checkpoint off as another's.

use std::{fmt, str::FromStr};

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use sha2::{Digest as _, Sha256};

use crate::{
    error::{Error, ErrorKind, Result},
    telemetry::{hex, random_bytes},
};

/// What a signing key's text begins with.
const PREFIX: &str = "alsk_";
/// How signed-note calls Ed25519.
const ALGORITHM: u8 = 1;

/// The secret key.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    seed: [u8; 32],
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("public", &self.public()).finish_non_exhaustive()
    }
}

impl SigningKey {
    /// A new one.
    ///
    /// # Errors
    /// Never, as far as is known: the seed has the right length.
    pub fn generate() -> Result<Self> {
        Self::from_seed(random_bytes())
    }

    /// The key of a seed.
    pub fn from_seed(seed: [u8; 32]) -> Result<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed)
            .map_err(|error| Error::with_source(ErrorKind::Internal, "make a signing key", error))?;
        Ok(Self { pair, seed })
    }

    /// Reads what [`SigningKey::to_text`] wrote; the error does not show it.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`].
    pub fn parse(text: &str) -> Result<Self> {
        let seed = text.trim().strip_prefix(PREFIX);
        let seed = seed.and_then(|seed| BASE64_URL_SAFE_NO_PAD.decode(seed).ok()?.try_into().ok());
        let wrong = || {
            let message = format!("a signing key is '{PREFIX}' and 43 letters of base64url; this is none");
            Error::new(ErrorKind::Invalid, message)
        };
        Self::from_seed(seed.ok_or_else(wrong)?)
    }

    /// For the key file.
    pub fn to_text(&self) -> String {
        format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(self.seed))
    }

    /// Its other half.
    pub fn public(&self) -> PublicKey {
        let bytes = self.pair.public_key().as_ref().try_into();
        PublicKey(bytes.expect("a public key of Ed25519 has 32 bytes"))
    }

    /// Signs: always the same for the same bytes.
    pub fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        self.pair.sign(bytes).as_ref().to_vec()
    }
}

/// The public key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey(pub [u8; 32]);

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl PublicKey {
    /// The same as signer or verifier of `name`.
    pub fn named(self, name: &str) -> Verifier {
        Verifier { name: name.to_owned(), key: self }
    }
}

/// A public key and the name it signs by: C2SP's verifier key, `name+hash+base64`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verifier {
    /// The origin of the checkpoints it checks.
    pub name: String,
    /// The key.
    pub key: PublicKey,
}

impl Verifier {
    /// What tells keys of one name apart in notes.
    pub fn id(&self) -> [u8; 4] {
        let hasher = Sha256::new().chain_update(&self.name).chain_update(b"\n").chain_update([ALGORITHM]);
        let hash = hasher.chain_update(self.key.0).finalize();
        [hash[0], hash[1], hash[2], hash[3]]
    }

    /// Whether the key made this signature of `bytes`.
    pub fn verifies(&self, bytes: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.key.0).verify(bytes, signature).is_ok()
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut data = vec![ALGORITHM];
        data.extend(self.key.0);
        write!(f, "{}+{}+{}", self.name, hex(&self.id()), BASE64_STANDARD.encode(data))
    }
}

impl FromStr for Verifier {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parse = || {
            let (name, rest) = text.trim().split_once('+')?;
            let (id, data) = rest.split_once('+')?;
            let data = BASE64_STANDARD.decode(data).ok()?;
            let (algorithm, key) = data.split_first()?;
            let verifier = Self { name: name.to_owned(), key: PublicKey(key.try_into().ok()?) };
            let holds = *algorithm == ALGORITHM && is_name(name) && hex(&verifier.id()) == id;
            holds.then_some(verifier)
        };
        parse().ok_or_else(|| {
            // It may be the secret one.
            let shown = if text.trim().starts_with(PREFIX) { "a signing key" } else { text };
            let message =
                format!("{shown:?} is not a verifier key, which looks like name+0123abcd+base64 (Ed25519)");
            Error::new(ErrorKind::Invalid, message)
        })
    }
}

/// Whether signed-note lets a key have this name.
pub fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.contains(|letter: char| letter.is_whitespace() || letter == '+' || letter.is_control())
}
