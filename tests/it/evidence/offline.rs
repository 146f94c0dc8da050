//! The command line alone: a store verified, files exported from it proven without it.

use std::fs;

use auditlake::evidence::{Checkpoint, Hash, SigningKey, Verifier};

use crate::support::{
    program::{Ended, command, run},
    server::SIGNING_KEY,
};

fn verify(arguments: &[&str]) -> Ended {
    run(command(&[&["verify"], arguments].concat()), b"")
}

/// A store of three tenants from generated events; its folder and the verifier key of one of them.
fn store(folder: &std::path::Path) -> (String, String) {
    let place = folder.join("store").to_str().unwrap().to_owned();
    let events = run(command(&["generate", "--events", "3000", "--tenants", "3", "--days", "3"]), b"").stdout;
    let file = folder.join("events.ndjson");
    fs::write(&file, events).unwrap();
    let imported =
        run(command(&["import", "--store", &place, "--format", "native", file.to_str().unwrap()]), b"");
    assert_eq!(imported.code, Some(0), "{}", imported.stderr);
    let tenants = run(
        command(&[
            "sql",
            "--store",
            &place,
            "--format",
            "ndjson",
            "SELECT tenant_id FROM events GROUP BY 1 ORDER BY count(*) DESC",
        ]),
        b"",
    );
    (place, tenants.rows()[0]["tenant_id"].as_str().unwrap().to_owned())
}

/// Would catch a store that does not hold by itself, an exit code that cron misreads, and a key of another log that passes.
#[test]
fn a_store_is_verified() {
    let folder = tempfile::tempdir().unwrap();
    let (place, tenant) = store(folder.path());
    let shown =
        run(command(&["key", "verifier", "--store", &place, "--tenant", &tenant]), b"").quiet().stdout;
    let verifier: Verifier = shown.trim().parse().unwrap();
    assert_eq!(verifier.key, SigningKey::parse(SIGNING_KEY).unwrap().public());

    let all = verify(&["--store", &place]);
    assert_eq!((all.code, all.stdout.matches(": holds: ").count()), (Some(0), 3), "{all:?}");
    assert!(all.stderr.contains("3,000 events verified") && all.stderr.contains("--public-key"), "{all:?}");
    let one =
        verify(&["--store", &place, "--tenant", &tenant, "--public-key", shown.trim(), "--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&one.stdout).unwrap();
    assert_eq!(
        (one.code, &report["findings"], &report["independent"]),
        (Some(0), &serde_json::json!([]), &true.into())
    );

    let all_with_key = verify(&["--store", &place, "--public-key", shown.trim()]);
    assert_eq!(
        (all_with_key.code, all_with_key.stdout.matches(": holds: ").count()),
        (Some(0), 1),
        "only the key's own log"
    );
    verify(&["--store", &place, "--public-key", "x"]).failed(1, &["not a verifier key"]);

    let other = SigningKey::from_seed([5; 32]).unwrap().public().named(&verifier.name).to_string();
    assert_eq!(verify(&["--store", &place, "--tenant", &tenant, "--public-key", &other]).code, Some(4));
    let renamed = verifier.key.named("audit.example.com/x").to_string();
    verify(&["--store", &place, "--tenant", &tenant, "--public-key", &renamed])
        .failed(1, &["audit.example.com/x"]);
    verify(&["--store", folder.path().join("empty").to_str().unwrap()]).failed(1, &["holds no log"]);
    assert_eq!(verify(&["--proof", "x", "--monitor", "y"]).code, Some(2));
    verify(&["--proof", "x"]).failed(1, &["--public-key"]);

    // Kept from this tenant's log, when it bore another name: that it is gone is no reason to pass it over.
    let kept = Checkpoint { origin: format!("audit.example.com/{tenant}"), size: 5, root: Hash::empty() };
    let file = folder.path().join("kept");
    fs::write(&file, kept.sign(&[&SigningKey::from_seed([5; 32]).unwrap()])).unwrap();
    for arguments in [&["--store", &place][..], &["--store", &place, "--tenant", &tenant]] {
        let renamed = verify(&[arguments, &["--checkpoint", file.to_str().unwrap()]].concat());
        assert_eq!(renamed.code, Some(4), "{renamed:?}");
        assert!(renamed.stdout.contains(&format!("{}: DOES NOT HOLD", kept.origin)), "{renamed:?}");
    }

    // One byte of one tile.
    let tile = folder.path().join(format!("store/proof/tenant={tenant}/tile/0/000"));
    let mut bytes = fs::read(&tile).unwrap();
    bytes[0] ^= 1;
    fs::write(&tile, bytes).unwrap();
    let damaged = verify(&["--store", &place, "--tenant", &tenant]);
    assert_eq!(damaged.code, Some(4), "{damaged:?}");
    assert!(damaged.stdout.contains("DOES NOT HOLD") && damaged.stdout.contains("tile 0/000"), "{damaged:?}");
}

/// Would catch an export that its own log does not prove, and a changed line or row that a bundle proves all the same.
#[test]
fn exported_files_are_proven_without_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let (place, tenant) = store(folder.path());
    let key = run(command(&["key", "verifier", "--store", &place, "--tenant", &tenant]), b"").quiet().stdout;
    let key = key.trim();
    for (format, compression, end) in [
        ("ndjson", "none", "ndjson"),
        ("ndjson", "zstd", "zst"),
        ("ndjson", "gzip", "gz"),
        ("parquet", "none", "parquet"),
    ] {
        let out = folder.path().join(format!("{format}-{compression}"));
        let exported = run(
            command(&[
                "export",
                "--store",
                &place,
                "--tenant",
                &tenant,
                "--format",
                format,
                "--compression",
                compression,
                "--to",
                out.to_str().unwrap(),
            ]),
            b"",
        );
        assert_eq!(exported.code, Some(0), "{exported:?}");
        let files: Vec<_> = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().path()).collect();
        let file = files.iter().find(|path| path.extension().is_some_and(|extension| extension == end));
        let file = file.unwrap_or_else(|| panic!("{files:?}")).to_str().unwrap().to_owned();
        let bundle = folder.path().join("bundle.json").to_str().unwrap().to_owned();
        let made = verify(&[
            "--store",
            &place,
            "--tenant",
            &tenant,
            "--public-key",
            key,
            "--file",
            &file,
            "--write-bundle",
            &bundle,
        ]);
        assert!(made.quiet().stdout.contains(": holds: "));
        let offline = verify(&["--public-key", key, "--file", &file, "--bundle", &bundle]).quiet();
        assert!(offline.stdout.contains(": holds: ") && !offline.stdout.contains(" 0 events"), "{offline:?}");
        if end == "ndjson" {
            let text = fs::read_to_string(&file).unwrap();
            let first = text.lines().next().unwrap();
            let changed = first.replacen("\"type\":\"", "\"type\":\"x", 1);
            assert_ne!(changed, first);
            fs::write(&file, text.replacen(first, &changed, 1)).unwrap();
            let refuted = verify(&["--public-key", key, "--file", &file, "--bundle", &bundle]);
            assert_eq!(refuted.code, Some(4), "{refuted:?}");
            assert!(refuted.stdout.contains("line 1: it is not in the log as it stands here"), "{refuted:?}");
        }
    }
}

/// Would catch a tour that cannot be pasted any more, or whose answers are not what it shows. Needs `bash`, and the CloudTrail files of the
/// other tests.
#[test]
fn the_tour_of_the_readme_can_be_pasted() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = root.join("../shared/data/cloudtrail");
    if !files.is_dir() {
        println!("skipped: there are no CloudTrail files in {}", files.display());
        return;
    }
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let tour = readme.split("\n## Evidence\n").nth(1).unwrap().split("```sh\n").nth(1).unwrap();
    let tour = tour.split("```").next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        "auditlake() {{ \"$PROGRAM\" \"$@\"; echo \"exit code $?\" >&2; }}\nln -s \"$FILES\" cloudtrail\n{tour}"
    );
    let mut bash = std::process::Command::new("bash");
    bash.args(["-c", &script]).current_dir(&folder).env_clear();
    bash.env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("FILES", files.canonicalize().unwrap());
    bash.env("PROGRAM", env!("CARGO_BIN_EXE_auditlake"));
    let Ended { stdout, stderr, .. } = run(bash, b"");
    // Each line that the tour shows, up to where it leaves something out.
    let shown: Vec<&str> = tour.lines().filter_map(|line| line.strip_prefix("#  ")).collect();
    assert!(shown.len() > 3, "{tour}");
    for line in shown {
        for part in line.split('…') {
            assert!(stdout.contains(part), "the README shows {line:?}, not in\n{stdout}\n{stderr}");
        }
    }
    assert_eq!(stdout.matches("holds: 2,900 events proven").count(), 2, "{stdout}\n{stderr}");
    assert_eq!(stderr.matches("exit code 4").count(), 1, "{stderr}");
    assert_eq!(stderr.matches("exit code 1").count(), 0, "{stderr}");
    assert!(folder.path().join("auditlake-data.signing-key").is_file());
}
