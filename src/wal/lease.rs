//! The lease: a courtesy that keeps a second writer from starting by accident.
//!
//! Correctness never rests on it (the fence does that), so it is a plain document, overwritten by its
//! holder. A holder on the same machine whose process is gone has no lease, so that a restart after a
//! crash need not wait for the clock.

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::{
    error::{Error, ErrorKind, Result},
    paths,
    store::Store,
    telemetry::Clock,
};

/// A process: enough to show a person which one, and to know whether it still runs if it is on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Host name.
    pub host: String,
    /// Process id.
    pub pid: u32,
    /// Boot, process namespace and start time of the process; equal only on the same running machine.
    machine: String,
    started: String,
}

impl Holder {
    /// This process.
    pub fn this_process() -> Self {
        let pid = std::process::id();
        Self {
            host: read("/proc/sys/kernel/hostname").unwrap_or_else(|| "unknown host".into()),
            pid,
            machine: machine().unwrap_or_default(),
            started: started(pid).unwrap_or_default(),
        }
    }

    /// Whether the process is certainly gone; `false` when that cannot be told from here.
    fn is_gone(&self) -> bool {
        let same_machine = !self.machine.is_empty() && machine().as_ref() == Some(&self.machine);
        same_machine && started(self.pid).as_ref() != Some(&self.started)
    }
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// Boot id and process-id namespace: two containers on one machine differ.
fn machine() -> Option<String> {
    let boot = read("/proc/sys/kernel/random/boot_id")?;
    let namespace = std::fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{boot} {}", namespace.display()))
}

/// Start time of a process in clock ticks since boot: field 22 of `/proc/{pid}/stat`, see proc(5).
fn started(pid: u32) -> Option<String> {
    let stat = read(&format!("/proc/{pid}/stat"))?;
    let after_name = stat.rsplit_once(')')?.1;
    after_name.split_whitespace().nth(19).map(str::to_owned)
}

/// The stored document: who writes the store, until when unless renewed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The writer's epoch.
    pub epoch: u64,
    /// The writer.
    pub holder: Holder,
    /// Milliseconds since 1970.
    pub expires_at_ms: i64,
}

impl Lease {
    /// The lease of an epoch's writer, if it has one that can be read.
    ///
    /// # Errors
    /// Fails when the store does.
    pub async fn read(store: &Store, epoch: u64) -> Result<Option<Self>> {
        let path = paths::lease(epoch);
        let Some(bytes) = store.get(&path).await? else { return Ok(None) };
        match serde_json::from_slice(&bytes) {
            Ok(lease) => Ok(Some(lease)),
            Err(error) => {
                warn!(object = %path, %error, "ignoring a lease that cannot be read");
                Ok(None)
            }
        }
    }

    /// Stores the lease anew with `lease_ms` from now.
    ///
    /// # Errors
    /// Fails when the store does.
    pub async fn renew(&mut self, store: &Store, clock: &Clock, lease_ms: i64) -> Result<()> {
        self.expires_at_ms = clock.now_millis() + lease_ms;
        self.write(store).await
    }

    /// Ends the lease, so that the next writer need not wait.
    ///
    /// # Errors
    /// Fails when the store does; the lease then ends by itself.
    pub async fn release(&mut self, store: &Store) -> Result<()> {
        self.expires_at_ms = 0;
        self.write(store).await
    }

    async fn write(&self, store: &Store) -> Result<()> {
        let text = serde_json::to_vec(self)
            .map_err(|error| Error::with_source(ErrorKind::Internal, "cannot encode the lease", error))?;
        store.put(&paths::lease(self.epoch), Bytes::from(text)).await
    }

    /// Refuses a second writer while this lease holds.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] naming the holder, the time and what to do.
    pub fn check_free(&self, store: &Store, now_ms: i64) -> Result<()> {
        if self.expires_at_ms <= now_ms || self.holder.is_gone() {
            return Ok(());
        }
        let until = DateTime::<Utc>::from_timestamp_millis(self.expires_at_ms).unwrap_or_default();
        Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "{} is being written: process {} on {} holds the lease until {} (and renews it while it runs); \
                 stop it, wait, or start with --take-over to replace it",
                store.display(),
                self.holder.pid,
                self.holder.host,
                until.to_rfc3339_opts(SecondsFormat::Secs, true),
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::memory::InMemory;

    use super::*;

    fn lease(holder: Holder) -> Lease {
        Lease { epoch: 1, holder, expires_at_ms: 1_000 }
    }

    /// Would catch a second writer started by accident, and a message that does not say whose store it is.
    #[test]
    fn a_running_holder_is_named() {
        let store = Store::from_object_store(Arc::new(InMemory::new()));
        let lease = lease(Holder::this_process());
        let message = lease.check_free(&store, 999).unwrap_err().to_string();
        assert!(message.contains(&format!("process {}", std::process::id())), "{message}");
        assert!(message.contains("1970-01-01T00:00:01Z") && message.contains("--take-over"), "{message}");
        assert!(lease.check_free(&store, 1_000).is_ok());
    }

    /// Would catch a restart after a crash that has to wait for the lease to run out.
    #[test]
    fn a_dead_process_holds_nothing() {
        let store = Store::from_object_store(Arc::new(InMemory::new()));
        let dead = Holder { started: "1".into(), ..Holder::this_process() };
        assert!(lease(dead).check_free(&store, 0).is_ok());
        let elsewhere = Holder { machine: "another".into(), started: "1".into(), ..Holder::this_process() };
        assert!(lease(elsewhere).check_free(&store, 0).is_err());
    }
}
