//! When each key was last used.
//!
//! In: a key and a time, with every request. Out: the newest time of each. Guaranteed: to note it costs nothing but memory; it
//! is stored now and then, so a crash loses the last moments. Nothing rests on it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    control::KeyId,
    error::{Error, ErrorKind, Result},
    paths,
    store::Store,
};

/// The times; clones share them.
#[derive(Clone)]
pub(super) struct LastUsed {
    store: Store,
    times: Arc<Mutex<Times>>,
}

#[derive(Default)]
struct Times {
    by_key: HashMap<KeyId, i64>,
    changed: bool,
}

impl LastUsed {
    /// Reads what was stored; what cannot be read is logged and begins anew.
    pub(super) async fn open(store: &Store) -> Self {
        let path = paths::keys_last_used();
        let by_key = match store.get(&path).await {
            Ok(None) => HashMap::new(),
            Ok(Some(bytes)) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                tracing::warn!(%path, %error, "when keys were last used cannot be read and begins anew");
                HashMap::new()
            }),
            Err(error) => {
                tracing::warn!(
                    error = error.report(),
                    "when keys were last used cannot be read and begins anew"
                );
                HashMap::new()
            }
        };
        let times = Arc::new(Mutex::new(Times { by_key, changed: false }));
        Self { store: store.clone(), times }
    }

    pub(super) fn note(&self, key: &KeyId, now_ms: i64) {
        let mut times = self.lock();
        match times.by_key.get_mut(key) {
            Some(time) => *time = now_ms.max(*time),
            None => drop(times.by_key.insert(key.clone(), now_ms)),
        }
        times.changed = true;
    }

    pub(super) fn of(&self, key: &KeyId) -> Option<i64> {
        self.lock().by_key.get(key).copied()
    }

    /// Stores the times, if they have changed.
    pub(super) async fn store(&self) -> Result<()> {
        let json = {
            let mut times = self.lock();
            if !std::mem::take(&mut times.changed) {
                return Ok(());
            }
            serde_json::to_vec(&times.by_key)
        };
        let json = json.map_err(|error| {
            Error::with_source(ErrorKind::Internal, "write when keys were last used", error)
        })?;
        let stored = self.store.put(&paths::keys_last_used(), json.into()).await;
        self.lock().changed |= stored.is_err();
        stored
    }

    fn lock(&self) -> MutexGuard<'_, Times> {
        // Only single times change under it: it is whole even after a panic.
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
