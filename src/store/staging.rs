//! Files on their way in: written here in full, then linked or renamed to their names.
//!
//! Each process that has the store open owns one folder `.staging/{slot}`, held by a file lock that the kernel frees when
//! the process dies, however it dies. Claiming a slot empties it, so what a killed process left behind is swept at
//! the next start, and the files of a process that is alive are never touched. Names end in `#digits`, which
//! `LocalFileSystem` hides from listings.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use crate::limits;

/// The folder under a store's root that holds the slots.
pub(super) const STAGING_FOLDER: &str = ".staging";

/// One process's staging folder; the slot is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Staging {
    folder: PathBuf,
    next: AtomicU64,
    /// Open for the lock on it.
    _lock: File,
}

/// A file nobody can see yet. Its staging name goes when this is dropped; a name it was given by then stays.
#[derive(Debug)]
pub(super) struct Staged {
    pub(super) file: File,
    pub(super) path: PathBuf,
}

impl Staging {
    /// Claims and empties the first free slot under `root`, and empties the other free ones.
    pub(super) fn claim(root: &Path) -> io::Result<Self> {
        let slots = root.join(STAGING_FOLDER);
        let mut claimed = None;
        for slot in 0..limits::STORE_LOCAL_OPENERS_MAX {
            let folder = slots.join(slot.to_string());
            if claimed.is_some() && !folder.is_dir() {
                break;
            }
            fs::create_dir_all(&folder)?;
            let Some(lock) = lock(&folder)? else { continue };
            empty(&folder)?;
            claimed.get_or_insert(Self { folder, next: AtomicU64::new(0), _lock: lock });
        }
        claimed.ok_or_else(|| {
            let message = format!("{} processes have it open already", limits::STORE_LOCAL_OPENERS_MAX);
            io::Error::new(io::ErrorKind::ResourceBusy, message)
        })
    }

    /// A new empty file.
    pub(super) fn create(&self) -> io::Result<Staged> {
        let path = self.name();
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        Ok(Staged { file, path })
    }

    /// A second name for an existing file, `from`, whose content is then shared by both.
    pub(super) fn link(&self, from: &Path) -> io::Result<Staged> {
        let file = File::open(from)?;
        let path = self.name();
        fs::hard_link(from, &path)?;
        Ok(Staged { file, path })
    }

    fn name(&self) -> PathBuf {
        self.folder.join(format!("put#{}", self.next.fetch_add(1, Ordering::Relaxed)))
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // Gone already if it was renamed into place; and if it stays for another reason, the next start sweeps it.
        let _ = fs::remove_file(&self.path);
    }
}

/// The lock on a slot, or `None` while another opener holds it.
fn lock(folder: &Path) -> io::Result<Option<File>> {
    let file = File::open(folder)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn empty(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        fs::remove_file(entry?.path())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// Would catch leftovers of a killed process that stay for ever, and a start that deletes a live process's files.
    #[test]
    fn a_start_sweeps_the_dead_and_spares_the_living() {
        let root = tempfile::tempdir().unwrap();
        let live = Staging::claim(root.path()).unwrap();
        let staged = live.create().unwrap();
        let dead = root.path().join(".staging/2");
        fs::create_dir_all(&dead).unwrap();
        fs::write(dead.join("put#7"), "left").unwrap();

        let second = Staging::claim(root.path()).unwrap();
        assert_ne!(second.folder, live.folder);
        assert!(staged.path.exists());
        assert_eq!(names(&dead), Vec::<String>::new());
    }

    /// Would catch a slot that stays taken after its owner is gone, and a dropped upload that leaves its file.
    #[test]
    fn a_dropped_slot_is_claimed_again() {
        let root = tempfile::tempdir().unwrap();
        let first = Staging::claim(root.path()).unwrap();
        let folder = first.folder.clone();
        drop(first.create().unwrap());
        assert_eq!(names(&folder), Vec::<String>::new());
        drop(first);
        assert_eq!(Staging::claim(root.path()).unwrap().folder, folder);
    }
}
