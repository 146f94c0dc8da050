//! The store in a folder: the order of a write's steps, shown by making each step fail, and what is left then.
//!
//! That `sync_all` reaches the disk cannot be shown without a power failure; nor can a failing fsync be had from the
//! file systems a test may use. The behaviour all backends share is tested in `tests/`, on S3 as well.

use std::{fs, path::Path as FilePath};

use object_store::{CopyMode, CopyOptions, MultipartUpload, ObjectStore, ObjectStoreExt, path::Path};
use tempfile::TempDir;

use super::{PutOutcome, Settings, Store};
use crate::error::{Error, ErrorKind};

async fn open(folder: &FilePath) -> Result<Store, Error> {
    Store::open(folder.to_str().unwrap(), &Settings::default()).await
}

async fn new_store() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await.unwrap();
    (folder, store)
}

/// The files in staging slot `0`.
fn staged(folder: &TempDir) -> usize {
    fs::read_dir(folder.path().join(".staging/0")).unwrap().count()
}

/// Would catch a store that opens something it cannot keep events in, or refuses without saying which folder.
#[tokio::test]
async fn open_makes_folders_and_refuses_files() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("a/b");
    let store = open(&deep).await.unwrap();
    assert!(store.is_local() && deep.is_dir());

    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let below = file.join("x");
    for (path, reason) in [(&file, "is a file, not a folder"), (&below, "cannot be made")] {
        let error = open(path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let message = error.to_string();
        assert!(message.contains(reason) && message.contains(path.to_str().unwrap()), "{message}");
    }
}

/// Would catch a folder that cannot be written and is found out with the first event only. (Root may write a read-only
/// folder, so a file stands where the staging folder has to be.)
#[tokio::test]
async fn open_refuses_what_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(".staging"), "").unwrap();
    let message = open(folder.path()).await.unwrap_err().to_string();
    assert!(message.contains("cannot be written"), "{message}");
}

/// Would catch staging files that listings show, or that stay after success, conflict or a killed process.
#[tokio::test]
async fn staging_is_hidden_and_emptied() {
    let (folder, store) = new_store().await;
    let path = Path::from("wal/1");
    assert_eq!(store.put_if_absent(&path, "a".into()).await.unwrap(), PutOutcome::Created);
    assert_eq!(store.put_if_absent(&path, "b".into()).await.unwrap(), PutOutcome::Exists);
    store.put(&path, "c".into()).await.unwrap();
    assert_eq!(staged(&folder), 0);

    fs::write(folder.path().join(".staging/0/put#9"), "left by a killed process").unwrap();
    let listed = store.list(&Path::default()).await.unwrap();
    assert_eq!(listed.iter().map(|object| object.location.as_ref()).collect::<Vec<_>>(), ["wal/1"]);
    assert_eq!(store.list_folders(&Path::default()).await.unwrap(), [Path::from("wal")]);

    drop(store);
    open(folder.path()).await.unwrap();
    assert_eq!(staged(&folder), 0);
}

/// Step 1: would catch a write reported as done although its folder could not be made.
#[tokio::test]
async fn a_file_in_the_way_of_a_folder_fails_the_write() {
    let (folder, store) = new_store().await;
    store.put(&Path::from("a"), "file".into()).await.unwrap();
    let error = store.put(&Path::from("a/b"), "x".into()).await.unwrap_err();
    assert!(error.to_string().starts_with("put a/b: cannot make the folder of "), "{error}");
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert_eq!(staged(&folder), 0);
    assert_eq!(&store.get(&Path::from("a")).await.unwrap().unwrap()[..], b"file");
}

/// Step 4: would catch a write whose name could not be made but which left its bytes behind, or was reported as done.
#[tokio::test]
async fn a_name_that_cannot_be_made_fails_the_write() {
    let (folder, store) = new_store().await;
    let path = Path::from(format!("wal/{}", "x".repeat(300)));
    for result in
        [store.put_if_absent(&path, "x".into()).await.map(|_| ()), store.put(&path, "x".into()).await]
    {
        let message = result.unwrap_err().to_string();
        assert!(message.contains("cannot give its name to"), "{message}");
    }
    assert_eq!(staged(&folder), 0);
    assert!(store.list(&Path::default()).await.unwrap().is_empty());
}

/// Step 4 again: would catch a folder on another disk (a link to it) that half works. Skipped where there is no second
/// file system to try it with.
#[tokio::test]
async fn a_store_stays_on_one_file_system() {
    let (folder, store) = new_store().await;
    let Ok(elsewhere) = tempfile::tempdir_in("/dev/shm") else { return };
    std::os::unix::fs::symlink(elsewhere.path(), folder.path().join("events")).unwrap();
    let error = store.put(&Path::from("events/x"), "x".into()).await.unwrap_err();
    assert!(error.to_string().contains("the store's own file system"), "{error}");
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    assert_eq!(staged(&folder), 0);
}

/// Would catch a store that stays broken after somebody removed one of its folders.
#[tokio::test]
async fn a_removed_folder_is_made_again() {
    let (folder, store) = new_store().await;
    store.put(&Path::from("a/b/1"), "1".into()).await.unwrap();
    fs::remove_dir_all(folder.path().join("a")).unwrap();
    store.put(&Path::from("a/b/2"), "2".into()).await.unwrap_err();
    store.put(&Path::from("a/b/3"), "3".into()).await.unwrap();
    assert_eq!(store.list(&Path::from("a")).await.unwrap().len(), 1);
}

/// Would catch parts in the wrong place, an upload visible before it is complete, or one that leaves its file behind.
#[tokio::test]
async fn uploads_appear_whole_or_not_at_all() {
    let (folder, store) = new_store().await;
    let (objects, path) = (store.object_store(), Path::from("events/day=1/a.parquet"));
    let mut upload = objects.put_multipart(&path).await.unwrap();
    let (first, second) = (upload.put_part("hello ".into()), upload.put_part("world".into()));
    second.await.unwrap();
    first.await.unwrap();
    assert_eq!(store.get(&path).await.unwrap(), None);
    upload.complete().await.unwrap();
    assert_eq!(&store.get(&path).await.unwrap().unwrap()[..], b"hello world");
    upload.complete().await.unwrap_err();

    let mut aborted = objects.put_multipart(&path).await.unwrap();
    aborted.put_part("other".into()).await.unwrap();
    aborted.abort().await.unwrap();
    assert_eq!(&store.get(&path).await.unwrap().unwrap()[..], b"hello world");
    assert_eq!(staged(&folder), 0);
}

/// Would catch an upload completed although one of its parts never reached the file.
#[tokio::test]
async fn an_upload_with_a_missing_part_is_refused() {
    let (folder, store) = new_store().await;
    let path = Path::from("a.parquet");
    let mut upload: Box<dyn MultipartUpload> = store.object_store().put_multipart(&path).await.unwrap();
    upload.put_part("written".into()).await.unwrap();
    drop(upload.put_part("never awaited".into()));
    let message = upload.complete().await.unwrap_err().to_string();
    assert!(message.contains("7 of 20 bytes"), "{message}");
    assert_eq!(store.get(&path).await.unwrap(), None);
    assert_eq!(staged(&folder), 0);
}

/// Would catch a copy that overwrites where it must not, loses its source, or leaves a staging name (also when an object
/// is copied onto itself, where rename(2) does nothing at all).
#[tokio::test]
async fn copies_and_renames_keep_their_mode() {
    let (folder, store) = new_store().await;
    let objects = store.object_store();
    let (a, b, c) = (Path::from("a"), Path::from("x/b"), Path::from("y/c"));
    store.put(&a, "1".into()).await.unwrap();
    objects.copy(&a, &b).await.unwrap();
    objects.copy(&a, &a).await.unwrap();
    let create = CopyOptions::new().with_mode(CopyMode::Create);
    let exists = objects.copy_opts(&a, &b, create).await.unwrap_err();
    assert!(matches!(exists, object_store::Error::AlreadyExists { .. }), "{exists}");
    store.put(&a, "2".into()).await.unwrap();
    objects.rename(&a, &c).await.unwrap();
    let absent = objects.copy(&a, &b).await.unwrap_err();
    assert!(matches!(absent, object_store::Error::NotFound { .. }), "{absent}");

    let text = async |path: &Path| store.get(path).await.unwrap().map(|bytes| bytes.to_vec());
    assert_eq!(text(&a).await, None);
    assert_eq!(text(&b).await.as_deref(), Some(&b"1"[..]));
    assert_eq!(text(&c).await.as_deref(), Some(&b"2"[..]));
    assert_eq!(staged(&folder), 0);
}

/// Would catch recovery that trusts a file it cannot fsync, or that takes an absent one for durable.
#[tokio::test]
async fn make_durable_wants_the_file() {
    let (folder, store) = new_store().await;
    fs::create_dir_all(folder.path().join("wal/1")).unwrap();
    fs::write(folder.path().join("wal/1/2"), "by a killed process").unwrap();
    store.make_durable(&Path::from("wal/1/2")).await.unwrap();
    let error = store.make_durable(&Path::from("wal/1/3")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().starts_with("fsync wal/1/3: "), "{error}");
}

/// Would catch a check that passes on a store without conditional writes, or fails on its second start.
#[tokio::test]
async fn exclusive_create_is_checked() {
    let (_folder, store) = new_store().await;
    for _ in 0..2 {
        store.require_exclusive_create(&Path::from("control/exclusive-create")).await.unwrap();
    }
}
