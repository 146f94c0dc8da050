//! What others have published, and what we publish for others.

use super::*;
use crate::evidence::{
    bundle::{Bundle, FORMAT, leaf_of_json},
    note::{self, NoteError},
    proof::{is_consistent, root_by_inclusion},
};

/// The leaves of Certificate Transparency's own tests (`merkle_tree_test`), and the roots of the trees of the first 1 … 8 of them.
const CT_LEAVES: [&str; 8] =
    ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
const CT_ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];
/// Inclusion: index, size, path.
const CT_PATHS: [(u64, u64, &[&str]); 5] = [
    (0, 1, &[]),
    (
        0,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        5,
        8,
        &[
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (2, 3, &["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (
        1,
        5,
        &[
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
];
/// Consistency: old size, size, path.
const CT_CONSISTENCY: [(u64, u64, &[&str]); 4] = [
    (1, 1, &[]),
    (
        1,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        6,
        8,
        &[
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        2,
        5,
        &[
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
];

fn bytes(digits: &str) -> Vec<u8> {
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

fn hash(digits: &str) -> Hash {
    Hash(bytes(digits).try_into().unwrap())
}

fn hashes(path: &[&str]) -> Vec<Hash> {
    path.iter().map(|digits| hash(digits)).collect()
}

/// Would catch hashing that is not RFC 6962's, in trees and in both kinds of proofs.
#[test]
fn certificate_transparency_vectors_hold() {
    assert_eq!(Hash::empty(), hash("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
    let leaves: Vec<Hash> = CT_LEAVES.iter().map(|leaf| Hash::leaf(&bytes(leaf))).collect();
    for (size, root) in (1..).zip(CT_ROOTS) {
        assert_eq!(grown(&leaves[..size], &[3]).1.root(), hash(root), "{size}");
    }
    let root = |size: u64| hash(CT_ROOTS[size as usize - 1]);
    for (index, size, path) in CT_PATHS {
        let (tiles, _) = grown(&leaves[..size as usize], &[1]);
        assert_eq!(
            wait(Reader::new(&tiles, size).inclusion(index)).unwrap(),
            hashes(path),
            "{index} of {size}"
        );
        assert_eq!(root_by_inclusion(leaves[index as usize], index, size, &hashes(path)), Some(root(size)));
    }
    for (old, size, path) in CT_CONSISTENCY {
        let (tiles, _) = grown(&leaves[..size as usize], &[2]);
        assert_eq!(
            wait(Reader::new(&tiles, size).consistency(old)).unwrap(),
            hashes(path),
            "{old} in {size}"
        );
        assert!(is_consistent(old, root(old), size, root(size), &hashes(path)));
    }
}

/// The example of Go's `golang.org/x/mod/sumdb/note`, from which C2SP's signed notes come.
const GO_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const GO_NOTE: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n\
    — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

/// Would catch verifier keys or notes that other tools do not read, or believe.
#[test]
fn notes_are_those_of_other_tools() {
    let verifier: Verifier = GO_KEY.parse().unwrap();
    assert_eq!(verifier.to_string(), GO_KEY);
    let (text, signers) = note::open(GO_NOTE, std::slice::from_ref(&verifier)).unwrap();
    assert!(text.starts_with("If you think") && text.ends_with("is.\n"));
    assert_eq!(signers, std::slice::from_ref(&verifier));
    let open = |note: &str| note::open(note, std::slice::from_ref(&verifier)).unwrap_err();
    assert_eq!(open(&GO_NOTE.replace("think", "thank")), NoteError::Forged);
    assert_eq!(open(&GO_NOTE.replace("Neumann", "Newmann")), NoteError::Unknown);
    for malformed in
        ["", "\n", "text\n", "text\n\n", "text\n\n— name\n", "text\n\n- name x08g\n", "text\n\n— name x08g"]
    {
        assert_eq!(open(malformed), NoteError::Malformed, "{malformed:?}");
    }
    for wrong in
        ["", "PeterNeumann", "+c74f20a3+ARpc", &GO_KEY.replace("c74f", "c74e"), &GO_KEY.replace("+AR", "+AB")]
    {
        assert!(wrong.parse::<Verifier>().is_err(), "{wrong}");
    }
}

/// Would catch a checkpoint of one tenant, or of other words, that passes for another's.
#[test]
fn checkpoints_are_of_one_log() {
    let (key, other) = (SigningKey::from_seed([7; 32]).unwrap(), SigningKey::from_seed([8; 32]).unwrap());
    let checkpoint =
        Checkpoint { origin: "audit.example.com/acme".into(), size: 300, root: Hash::leaf(b"x") };
    let acme = key.public().named("audit.example.com/acme");
    let note = checkpoint.sign(&[&key, &other]);
    assert_eq!(Checkpoint::open(&note, std::slice::from_ref(&acme)).unwrap(), checkpoint);
    assert_eq!(
        Checkpoint::open(&note, &[other.public().named("audit.example.com/acme")]).unwrap(),
        checkpoint
    );
    let globex = key.public().named("audit.example.com/globex");
    assert_eq!(Checkpoint::open(&note, &[globex]), Err(NoteError::Unknown));
    assert_eq!(
        Checkpoint::open(&note.replace("\n300\n", "\n301\n"), std::slice::from_ref(&acme)),
        Err(NoteError::Forged)
    );
    // A key may be somebody's to sign other things with.
    let foreign = Checkpoint { origin: "audit.example.com/globex".into(), ..checkpoint.clone() };
    let foreign = note::sign(&foreign.text(), &acme.name, &[&key]);
    assert_eq!(Checkpoint::open(&foreign, std::slice::from_ref(&acme)), Err(NoteError::Unknown));
    for wrong in ["a\n1\n", "a\n01\nAAAA\n", "\n1\nAAAA\n", "a\n-1\nAAAA\n", "a\n1\nAAAA"] {
        assert_eq!(Checkpoint::parse(wrong), None, "{wrong:?}");
    }
}

/// Would catch a signing key that its file does not give back, or that is shown.
#[test]
fn signing_keys_read_back_and_stay_hidden() {
    let key = SigningKey::generate().unwrap();
    let again = SigningKey::parse(&format!("{}\n", key.to_text())).unwrap();
    assert_eq!((again.public(), again.sign(b"x")), (key.public(), key.sign(b"x")));
    assert!(!format!("{key:?}").contains(&key.to_text()[5..]));
    for wrong in ["", "alsk_", "alsk_AAAA", &key.to_text()[1..], &format!("{}A", key.to_text())] {
        let error = SigningKey::parse(wrong).unwrap_err();
        assert!(wrong.len() < 20 || !error.to_string().contains(&wrong[20..]), "{error}");
    }
}

/// Would catch a removal that reads back as another.
#[test]
fn removals_read_back() {
    let key = SigningKey::from_seed([7; 32]).unwrap();
    let day = |day| chrono::NaiveDate::from_ymd_opt(2025, 1, day).unwrap();
    let events = removal::ranges([0, 1, 2, 5, 7, 8]);
    assert_eq!(events, [(0, 2), (5, 5), (7, 8)]);
    let removal = Removal { origin: "d/acme".into(), days: (day(1), day(3)), events };
    let note = removal.sign(&[&key]);
    assert_eq!(Removal::open(&note, &[key.public().named("d/acme")]), Ok(removal));
    assert_eq!(
        Removal::open(&note.replace("0-2", "0-3"), &[key.public().named("d/acme")]),
        Err(NoteError::Forged)
    );
}

/// Vectors for whoever writes a verifier: 600 events, their tiles' roots, a checkpoint, proofs. `AUDITLAKE_BLESS=1` writes them anew.
#[test]
fn the_vectors_in_testdata_hold() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/evidence");
    let key = SigningKey::from_seed([1; 32]).unwrap();
    let origin = "audit.example.com/acme";
    let event = |seq: u64| {
        format!(
            r#"{{"action":"document.read","actor":{{"id":"u_{}","type":"user"}},"id":"e-{seq}","occurred_at":"2026-01-02T03:04:05.{seq:06}Z","received_at":"2026-01-02T03:04:06.000000Z","seq":{seq},"tenant_id":"acme"}}"#,
            seq % 7
        )
    };
    let leaves: Vec<Hash> = (0..600).map(|seq| leaf_of_json(&event(seq), Some(seq)).unwrap()).collect();
    let (tiles, edge) = grown(&leaves, &[97]);
    let checkpoint = Checkpoint { origin: origin.into(), size: 600, root: edge.root() }.sign(&[&key]);
    let bundle = |seq: u64| Bundle {
        format: FORMAT.into(),
        event: serde_json::value::RawValue::from_string(event(seq)).unwrap(),
        seq,
        leaf_hash: leaves[seq as usize],
        inclusion: wait(Reader::new(&tiles, 600).inclusion(seq)).unwrap(),
        checkpoint: checkpoint.clone(),
    };
    let old = grown(&leaves[..300], &[97]).1.root();
    let consistency = serde_json::json!({
        "from": 300, "from_root": old, "to": 600, "to_root": edge.root(),
        "proof": wait(Reader::new(&tiles, 600).consistency(300)).unwrap(),
    });
    let verifier = key.public().named(origin);
    let json = |value: &dyn erased::Json| value.pretty();
    let files = [
        ("verifier-key.txt", format!("{verifier}\n")),
        ("checkpoint.txt", checkpoint.clone()),
        ("proof-of-event-300.json", json(&bundle(300))),
        ("proof-of-event-599.json", json(&bundle(599))),
        ("consistency-300-600.json", json(&consistency)),
        ("events.ndjson", (0..600).map(|seq| event(seq) + "\n").collect::<String>()),
    ];
    if std::env::var_os("AUDITLAKE_BLESS").is_some() {
        files.iter().for_each(|(name, text)| std::fs::write(folder.join(name), text).unwrap());
    }
    for (name, expected) in &files {
        let found = std::fs::read_to_string(folder.join(name)).unwrap();
        assert_eq!(found, *expected, "{name}");
    }
    for name in ["proof-of-event-300.json", "proof-of-event-599.json"] {
        let text = std::fs::read(folder.join(name)).unwrap();
        let proven = Bundle::parse(&text).unwrap().check(std::slice::from_ref(&verifier)).unwrap();
        assert_eq!((proven.checkpoint.size, proven.checkpoint.root), (600, edge.root()));
    }
}

/// Serde's documents, whatever their type.
mod erased {
    pub(super) trait Json {
        fn pretty(&self) -> String;
    }

    impl<T: serde::Serialize> Json for T {
        fn pretty(&self) -> String {
            serde_json::to_string_pretty(self).unwrap() + "\n"
        }
    }
}

/// Would catch a bundle that passes with another event, number, proof or key.
#[test]
fn changed_bundles_do_not_hold() {
    let key = SigningKey::from_seed([1; 32]).unwrap();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/evidence");
    let text = std::fs::read_to_string(folder.join("proof-of-event-300.json")).unwrap();
    let check = |text: &str, key: &SigningKey, name: &str| {
        Bundle::parse(text.as_bytes())?.check(&[key.public().named(name)]).map(drop)
    };
    let ours = "audit.example.com/acme";
    assert!(check(&text, &key, ours).is_ok());
    // The same event in other words.
    assert!(check(&text.replace("\"id\":\"u_", " \"id\" : \"u_"), &key, ours).is_ok());
    for (from, to) in [
        ("document.read", "document.rEad"),
        ("\"seq\":300", "\"seq\":299"),
        ("\"seq\": 300", "\"seq\": 299"),
        ("proof/v1", "proof/v2"),
        ("\\n600\\n", "\\n601\\n"),
        ("\"tenant_id\":\"acme\"", "\"tenant_id\":\"acme\",\"note\":1"),
    ] {
        assert_ne!(text.replace(from, to), text, "{from}");
        assert!(check(&text.replace(from, to), &key, ours).is_err(), "{from}");
    }
    assert!(check(&text, &SigningKey::from_seed([2; 32]).unwrap(), ours).is_err());
    assert!(check(&text, &key, "audit.example.com/globex").is_err());
}
