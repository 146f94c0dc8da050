//! Folders whose names are known to survive a power failure, so that each is fsynced once and not with every file.
//!
//! A file is only as durable as the entries that lead to it: an fsync of a file says nothing about its name, which
//! lives in its folder, and so on up to the root. A folder found on disk proves nothing either: its maker may have been
//! killed before the fsync. So the first write below a folder fsyncs the folder's parent, whoever made it.

use std::{
    collections::HashSet,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use crate::limits;

/// The folders below `root` that are known to be durable. Losing the knowledge costs an fsync, never a promise.
#[derive(Debug)]
pub(super) struct Folders {
    root: PathBuf,
    known: Mutex<HashSet<PathBuf>>,
}

/// Folders that exist but may not survive a power failure yet; [`Folders::sync`] makes them durable.
#[must_use]
#[derive(Debug)]
pub(super) struct Unsynced(Vec<PathBuf>);

impl Folders {
    /// `root` itself must be durable already.
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root, known: Mutex::default() }
    }

    /// Makes `folder` and what leads to it from the root, without waiting for the disk.
    pub(super) fn create(&self, folder: &Path) -> io::Result<Unsynced> {
        let unknown: Vec<PathBuf> = {
            let known = self.known();
            let below_root = folder.ancestors().take_while(|ancestor| *ancestor != self.root);
            below_root.take_while(|ancestor| !known.contains(*ancestor)).map(Path::to_path_buf).collect()
        };
        if !unknown.is_empty() {
            fs::create_dir_all(folder)?;
        }
        Ok(Unsynced(unknown))
    }

    /// Makes the folders durable: fsyncs the parent of each, for that is where their names are.
    pub(super) fn sync(&self, unsynced: Unsynced) -> io::Result<()> {
        for parent in unsynced.0.iter().filter_map(|folder| folder.parent()) {
            fsync_folder(parent)?;
        }
        if unsynced.0.is_empty() {
            return Ok(());
        }
        let mut known = self.known();
        if known.len() + unsynced.0.len() > limits::STORE_FOLDERS_KNOWN_MAX {
            known.clear();
        }
        known.extend(unsynced.0);
        Ok(())
    }

    /// Forgets all folders, for someone else has removed one.
    pub(super) fn forget(&self) {
        self.known().clear();
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashSet<PathBuf>> {
        // The set is whole after every statement, so a panic elsewhere cannot have left half of an update.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the names in `folder` durable.
pub(super) fn fsync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Makes `root` and every missing folder that leads to it, each one durable. A root that exists is the operator's, who
/// may not let us read its parent: it is taken as it is.
pub(super) fn create_root(root: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = root.ancestors().take_while(|folder| !folder.exists()).collect();
    fs::create_dir_all(root)?;
    for folder in missing {
        // The parent of the first part of a relative path is "": the folder the process is in.
        let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
        fsync_folder(parent.unwrap_or(Path::new(".")))?;
    }
    Ok(())
}

/// Removes `folder` and the folders below it as far as they hold nothing else; one that is absent is fine.
pub(super) fn remove_empty(folder: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_empty(&entry.path())?;
        }
    }
    match fs::remove_dir(folder) {
        // Another process may have been faster, or have put something there.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty) => {
            Ok(())
        }
        removed => removed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch a folder trusted because it was found on disk, or fsynced again with every file.
    #[test]
    fn a_folder_is_unsynced_until_synced_once() {
        let root = tempfile::tempdir().unwrap();
        let folders = Folders::new(root.path().to_path_buf());
        let deep = root.path().join("a/b/c");
        fs::create_dir_all(root.path().join("a")).unwrap();

        let unsynced = folders.create(&deep).unwrap();
        assert_eq!(unsynced.0, [deep.clone(), root.path().join("a/b"), root.path().join("a")]);
        assert!(deep.is_dir());
        assert_eq!(folders.create(&deep).unwrap().0.len(), 3, "not durable before sync");

        folders.sync(unsynced).unwrap();
        assert!(folders.create(&deep).unwrap().0.is_empty());
        assert_eq!(folders.create(&root.path().join("a/x")).unwrap().0, [root.path().join("a/x")]);
        assert!(folders.create(root.path()).unwrap().0.is_empty());

        folders.forget();
        assert_eq!(folders.create(&deep).unwrap().0.len(), 3);
    }

    /// Would catch a folder that goes with what is in it, and an empty one that stays.
    #[test]
    fn only_empty_folders_are_removed() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("a");
        fs::create_dir_all(folder.join("b/c")).unwrap();
        fs::create_dir_all(folder.join("d")).unwrap();
        fs::write(folder.join("d/file"), "x").unwrap();
        remove_empty(&folder).unwrap();
        assert!(!folder.join("b").exists() && folder.join("d/file").exists());
        fs::remove_file(folder.join("d/file")).unwrap();
        remove_empty(&folder).unwrap();
        remove_empty(&folder).unwrap();
        assert!(!folder.exists() && root.path().exists());
    }

    /// Would catch a failed fsync that still marks the folder durable.
    #[test]
    fn a_failed_sync_is_not_remembered() {
        let root = tempfile::tempdir().unwrap();
        let folders = Folders::new(root.path().to_path_buf());
        let folder = root.path().join("a/b");
        let unsynced = folders.create(&folder).unwrap();
        fs::remove_dir_all(root.path().join("a")).unwrap();
        folders.sync(unsynced).unwrap_err();
        assert_eq!(folders.create(&folder).unwrap().0.len(), 2);
    }
}
