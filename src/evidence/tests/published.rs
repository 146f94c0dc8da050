//! Trees in a store: continued, cut off in the middle, damaged.

use object_store::memory::InMemory as Objects;

use super::*;
use crate::{error::ErrorKind, paths};

fn acme() -> TenantId {
    TenantId::parse("acme").unwrap()
}

async fn open(store: &Store) -> Evidence {
    let key = SigningKey::from_seed([3; 32]).unwrap().to_text();
    Evidence::open(store, &Clock::manual(0), &Settings::default(), Some(&key)).await.unwrap()
}

async fn publish(evidence: &Evidence, leaves: &[Hash]) {
    let tree = evidence.of(&acme());
    let grown = tree.head().await.unwrap().grow(leaves).unwrap();
    tree.publish(grown).await.unwrap();
}

/// Would catch a tree that is not continued where the last process left it, partial tiles that stay for ever, and a second
/// checkpoint that is left behind.
#[tokio::test]
async fn trees_go_on_from_what_is_stored() {
    let store = Store::from_object_store(Arc::new(Objects::new()));
    let all = leaves(70_000);
    let mut done = 0;
    for batch in [1, 254, 1, 1, 300, 65_000, 3, 4_440] {
        publish(&open(&store).await, &all[done..done + batch]).await;
        done += batch;
        let tree = open(&store).await.of(&acme());
        let (_, checkpoint) = tree.checkpoint().await.unwrap().unwrap();
        assert_eq!(checkpoint.size, done as u64);
        assert_eq!(checkpoint.root, grown(&all[..done], &[1_000]).1.root());
        assert_eq!(tree.reader(done as u64).root().await.unwrap(), checkpoint.root);
        assert_eq!(store.list(&paths::checkpoints(&acme())).await.unwrap().len(), 1);
        // Older sizes can still be asked for.
        let old = done as u64 / 2 + 1;
        let proof = tree.reader(done as u64).consistency(old).await.unwrap();
        let old_root = grown(&all[..old as usize], &[1_000]).1.root();
        assert!(proof::is_consistent(old, old_root, done as u64, checkpoint.root, &proof));
    }
    let tree = open(&store).await.of(&acme());
    assert_eq!(tree.reader(70_000).leaf(69_999).await.unwrap(), all[69_999]);
    let stored: u64 =
        store.list(&paths::proof(&acme())).await.unwrap().iter().map(|object| object.size).sum();
    assert!(stored < 40 * 70_000, "{stored} bytes");
}

/// Would catch a writer that goes on from tiles that are not those the checkpoint signs, or from a checkpoint of another key.
#[tokio::test]
async fn damaged_trees_are_not_continued() {
    let store = Store::from_object_store(Arc::new(Objects::new()));
    publish(&open(&store).await, &leaves(300)).await;
    let tile = paths::proof_tile(&acme(), "0/001.p/44");
    let good = store.get(&tile).await.unwrap().unwrap();
    let mut bad = good.to_vec();
    bad[7] ^= 1;
    store.put(&tile, bad.into()).await.unwrap();
    assert_eq!(open(&store).await.of(&acme()).head().await.unwrap_err().kind(), ErrorKind::Corrupt);
    store.delete(&tile).await.unwrap();
    assert_eq!(open(&store).await.of(&acme()).head().await.unwrap_err().kind(), ErrorKind::Corrupt);
    store.put(&tile, good).await.unwrap();
    let forged =
        Checkpoint { origin: open(&store).await.origin(&acme()).unwrap(), size: 301, root: Hash::leaf(b"x") };
    let note = forged.sign(&[&SigningKey::from_seed([4; 32]).unwrap()]);
    store.put(&paths::checkpoint(&acme(), 301), note.into()).await.unwrap();
    let error = open(&store).await.of(&acme()).head().await.unwrap_err();
    assert!(
        error.kind() == ErrorKind::Corrupt && error.to_string().contains("no key that is trusted"),
        "{error}"
    );
    store.delete(&paths::checkpoint(&acme(), 301)).await.unwrap();
    publish(&open(&store).await, &leaves(301)[300..]).await;
    let (_, checkpoint) = open(&store).await.of(&acme()).checkpoint().await.unwrap().unwrap();
    assert_eq!(checkpoint.root, grown(&leaves(301), &[50]).1.root());
}

/// Would catch old checkpoints that nobody can check any more after a change of keys, and a name that changes.
#[tokio::test]
async fn keys_rotate_and_names_stay() {
    let store = Store::from_object_store(Arc::new(Objects::new()));
    let (clock, settings) = (Clock::manual(0), Settings::default());
    let folder = tempfile::tempdir().unwrap();
    let old = SigningKey::from_seed([3; 32]).unwrap();
    let old_file = folder.path().join("old");
    std::fs::write(&old_file, old.to_text()).unwrap();
    let first = Evidence::open(&store, &clock, &settings, Some(&old.to_text())).await.unwrap();
    publish(&first, &leaves(5)).await;
    let origin = first.origin(&acme()).unwrap();
    let (note, _) = first.of(&acme()).checkpoint().await.unwrap().unwrap();

    let new = Settings {
        key_file: Some(folder.path().join("new")),
        previous_key_file: Some(old_file),
        ..settings.clone()
    };
    let both = Evidence::open(&store, &clock, &new, None).await.unwrap();
    publish(&both, &leaves(9)[5..]).await;
    let verifiers = both.verifiers(&acme());
    assert_eq!((verifiers.len(), verifiers[1].key), (2, old.public()));
    assert!(Checkpoint::open(&note, &verifiers).is_ok());
    let (note, _) = both.of(&acme()).checkpoint().await.unwrap().unwrap();
    for verifier in &verifiers {
        assert!(Checkpoint::open(&note, std::slice::from_ref(verifier)).is_ok(), "each key has signed");
    }
    let alone = Settings { previous_key_file: None, ..new };
    let alone = Evidence::open(&store, &clock, &alone, None).await.unwrap();
    publish(&alone, &leaves(12)[9..]).await;
    assert_eq!((alone.origin(&acme()), alone.verifiers(&acme())), (Some(origin), verifiers.clone()));
    let (note, _) = alone.of(&acme()).checkpoint().await.unwrap().unwrap();
    assert!(Checkpoint::open(&note, &verifiers[1..]).is_err());
    let reader = Evidence::open_to_read(&store, &settings).await.unwrap();
    assert!(!reader.signs() && reader.of(&acme()).checkpoint().await.unwrap().is_some());

    for (name, reason) in [("other.example.com", "cannot change its name"), ("a b", "without spaces")] {
        let renamed = Settings { origin: Some(name.into()), ..settings.clone() };
        let error = Evidence::open(&store, &clock, &renamed, None).await.unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
    }
}

/// Would catch a signing key that is put into the store, that others may read, or that is another at the next start.
#[tokio::test]
async fn a_key_is_made_beside_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("data");
    let open = async || {
        let store = Store::open(place.to_str().unwrap(), &crate::store::Settings::default()).await.unwrap();
        let evidence = Evidence::open(&store, &Clock::manual(0), &Settings::default(), None).await.unwrap();
        (store, evidence)
    };
    let (store, evidence) = open().await;
    publish(&evidence, &leaves(3)).await;
    let file = folder.path().join("data.signing-key");
    let text = std::fs::read_to_string(&file).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let secret = SigningKey::parse(&text).unwrap();
    for object in store.list(&object_store::path::Path::default()).await.unwrap() {
        let bytes = store.get(&object.location).await.unwrap().unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains(text.trim()), "{}", object.location);
    }
    let (_, again) = open().await;
    assert_eq!(again.verifiers(&acme())[0].key, secret.public());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}
