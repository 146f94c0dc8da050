//! Who signs: the deployment's name, the keys at hand, and the keys that have ever signed.
//!
//! In: settings, a key from the environment or a file, the store. Out: an [`Identity`]. Guaranteed: a secret key is never
//! written into the store, for who holds both could write any history; each public key is recorded there before its first
//! signature, so that old checkpoints stay checkable; a deployment has one name for good.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Settings,
    key::{PublicKey, SigningKey, Verifier, is_name},
};
use crate::{
    error::{Error, ErrorKind, Result},
    event::TenantId,
    paths,
    store::Store,
    telemetry::{Clock, hex, random_hex},
};

/// The deployment's name and keys.
#[derive(Debug)]
pub(super) struct Identity {
    /// The name.
    pub(super) name: String,
    /// Each of them signs every checkpoint; the first one is the deployment's own. Empty for who only reads.
    pub(super) signing: Vec<SigningKey>,
    /// All that have ever signed, the current ones first.
    pub(super) public: Vec<PublicKey>,
}

#[derive(Serialize, Deserialize)]
struct Deployment {
    origin: String,
}

impl Identity {
    /// For a writer: makes name and key if there are none yet.
    pub(super) async fn of_writer(
        store: &Store,
        clock: &Clock,
        settings: &Settings,
        given: Option<&str>,
    ) -> Result<Self> {
        let (own, is_new) = own_key(store, settings, given)?;
        let mut signing = vec![own];
        if let Some(file) = &settings.previous_key_file {
            signing.push(read_key(file)?);
        }
        let name = name(store, settings).await?;
        let recorded = recorded_keys(store).await?;
        let mut public: Vec<PublicKey> = signing.iter().map(SigningKey::public).collect();
        for key in public.iter().filter(|key| !recorded.contains(key)) {
            let record =
                json!({"public_key": hex(&key.0), "algorithm": "Ed25519", "recorded_ms": clock.now_millis()});
            store.put_if_absent(&paths::verifier_key(&hex(&key.0)), record.to_string().into()).await?;
        }
        if is_new && !recorded.is_empty() {
            tracing::warn!(
                "the key that signed this store's checkpoints so far is not at hand, and a new one was made: customers must \
                 be told of its verifier key (evidence.previous_key_file lets both sign for a while)"
            );
        }
        public.extend(recorded.into_iter().filter(|key| !signing.iter().any(|own| own.public() == *key)));
        Ok(Self { name, signing, public })
    }

    /// For who only reads: `None` if nothing was ever signed.
    pub(super) async fn of_reader(store: &Store) -> Result<Option<Self>> {
        let Some(name) = stored_name(store).await? else { return Ok(None) };
        Ok(Some(Self { name, signing: Vec::new(), public: recorded_keys(store).await? }))
    }

    /// The name that a tenant's checkpoints bear.
    pub(super) fn origin(&self, tenant: &TenantId) -> String {
        format!("{}/{tenant}", self.name)
    }

    /// All verifier keys of a tenant, the current ones first.
    pub(super) fn verifiers(&self, tenant: &TenantId) -> Vec<Verifier> {
        let origin = self.origin(tenant);
        self.public.iter().map(|key| key.named(&origin)).collect()
    }
}

/// The key from the environment, or a file, or a new one in that file; and whether it is new.
fn own_key(store: &Store, settings: &Settings, given: Option<&str>) -> Result<(SigningKey, bool)> {
    if let Some(text) = given {
        let named = |error: Error| Error::new(error.kind(), format!("AUDITLAKE_SIGNING_KEY: {error}"));
        return SigningKey::parse(text).map_err(named).map(|key| (key, false));
    }
    let file = match (&settings.key_file, default_file(store)) {
        (Some(file), _) => file.clone(),
        (None, Some(file)) => file,
        // It lives as long as what it signs.
        (None, None) => return SigningKey::generate().map(|key| (key, true)),
    };
    match fs::exists(&file) {
        Ok(true) => read_key(&file).map(|key| (key, false)),
        _ => create_key(&file),
    }
}

/// Beside the store's folder, not in it; for a bucket in the working folder.
pub(super) fn default_file(store: &Store) -> Option<PathBuf> {
    if store.is_ephemeral() {
        return None;
    }
    let Some(folder) = store.folder() else {
        let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
        let name: String = store.display().trim_start_matches("s3://").chars().map(plain).collect();
        return Some(PathBuf::from(format!("auditlake-{}.signing-key", name.trim_matches('-'))));
    };
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push(".signing-key");
    Some(folder.with_file_name(name))
}

fn read_key(file: &Path) -> Result<SigningKey> {
    let named = |reason: String| {
        Error::new(ErrorKind::Invalid, format!("signing key file {}: {reason}", file.display()))
    };
    let text = fs::read_to_string(file).map_err(|error| named(error.to_string()))?;
    SigningKey::parse(&text).map_err(|error| named(error.to_string()))
}

/// Makes a key and its file, which only its owner may read; if another process was first, its key is taken.
fn create_key(file: &Path) -> Result<(SigningKey, bool)> {
    let key = SigningKey::generate()?;
    match write_key(file, &key) {
        Ok(()) => {
            tracing::warn!(
                file = %file.display(),
                "made a key that signs checkpoints: keep a copy of it in a safe place, and keep it away from the store \
                 (AUDITLAKE_SIGNING_KEY or evidence.key_file give another)"
            );
            Ok((key, true))
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read_key(file).map(|key| (key, false)),
        Err(error) => {
            let message = format!(
                "the key that signs checkpoints cannot be kept in {}: {error}; give one by AUDITLAKE_SIGNING_KEY or \
                 evidence.key_file, or turn evidence off (evidence.enabled = false)",
                file.display()
            );
            Err(Error::with_source(ErrorKind::Invalid, message, error))
        }
    }
}

/// Whole or not at all: another process may look for the file at any moment.
fn write_key(file: &Path, key: &SigningKey) -> io::Result<()> {
    let mut staged_name = file.file_name().unwrap_or_default().to_owned();
    staged_name.push(format!(".{}", random_hex::<8>()));
    let staged = file.with_file_name(staged_name);
    let written =
        write_private(&staged, &format!("{}\n", key.to_text())).and_then(|()| fs::hard_link(&staged, file));
    // Of no use to anybody any more, whatever became of the link.
    let _ = fs::remove_file(&staged);
    written
}

fn write_private(file: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut open = options.open(file)?;
    open.write_all(text.as_bytes())?;
    open.sync_all()
}

/// The name that is set, or the one that was made at the first start; both, if there are two, must be the same.
async fn name(store: &Store, settings: &Settings) -> Result<String> {
    let wanted = settings.origin.clone();
    if let Some(wanted) = wanted.as_deref().filter(|wanted| !is_name(wanted)) {
        let message =
            format!("evidence.origin is {wanted:?}: a name without spaces and '+', as audit.example.com");
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    if stored_name(store).await?.is_none() {
        let origin = wanted.clone().unwrap_or_else(|| format!("auditlake-{}", random_hex::<8>()));
        let text = serde_json::to_vec(&Deployment { origin })
            .map_err(|error| Error::with_source(ErrorKind::Internal, "write the deployment's name", error))?;
        store.put_if_absent(&paths::deployment(), text.into()).await?;
    }
    let missing =
        || Error::new(ErrorKind::Unavailable, format!("{} is not to be read back", paths::deployment()));
    let name = stored_name(store).await?.ok_or_else(missing)?;
    match wanted.filter(|wanted| *wanted != name) {
        None => Ok(name),
        Some(wanted) => Err(Error::new(
            ErrorKind::Invalid,
            format!(
                "evidence.origin is {wanted:?}, but this store's checkpoints bear {name:?}, and a log cannot change its name: \
                 leave the setting out"
            ),
        )),
    }
}

async fn stored_name(store: &Store) -> Result<Option<String>> {
    let Some(text) = store.get(&paths::deployment()).await? else { return Ok(None) };
    match serde_json::from_slice::<Deployment>(&text) {
        Ok(deployment) if is_name(&deployment.origin) => Ok(Some(deployment.origin)),
        _ => {
            Err(Error::new(ErrorKind::Corrupt, format!("{} does not name a deployment", paths::deployment())))
        }
    }
}

async fn recorded_keys(store: &Store) -> Result<Vec<PublicKey>> {
    let listed = store.list(&paths::verifier_keys()).await?;
    Ok(listed.iter().filter_map(|object| key_of(paths::parse_verifier_key(&object.location)?)).collect())
}

fn key_of(digits: &str) -> Option<PublicKey> {
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(PublicKey(bytes))
}
