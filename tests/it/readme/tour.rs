//! The README's ways of CloudTrail files in, and exports or proofs out, each pasted into one shell.
//!
//! In: the block that checks hashes with `sha256sum`, and the one that proves an event. Out: nothing, or the first command that ends
//! otherwise or says something else than the lines that begin with `#` and two spaces below it. Guaranteed: the text is run as it stands. Without the files, `bash` or `jq` nothing is run,
//! and the test says so.

use std::{
    env, fs,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Stdio},
};

use super::{
    answer::Announced,
    curl::{commands, script_of},
    fence::fences,
    is_there, readme,
};

/// Takes the place of the program that was built and put on the path.
const PROGRAM: &str = "auditlake() { \"$PROGRAM\" \"$@\"; }\n";

/// Would catch a command that is not taken any more, a figure that is stale, and an export that is not what its manifest says.
#[test]
fn the_cloudtrail_files_come_out_again() {
    paste("sha256sum --check");
}

/// Would catch a proof that is not taken any more, or a forged one that is, and a verification that ends otherwise than the README says.
#[test]
fn events_of_the_cloudtrail_files_are_proven() {
    paste("auditlake verify --proof");
}

/// Pastes the one block that has these words.
fn paste(words: &str) {
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/cloudtrail");
    if !is_there("bash") || !is_there("jq") || !files.is_dir() {
        return println!("skipped: bash, jq or {} are not there", files.display());
    }
    let text = readme();
    let blocks: Vec<_> = fences(&text).into_iter().filter(|fence| fence.text.contains(words)).collect();
    let [tour] = blocks.as_slice() else { panic!("{} blocks have {words}", blocks.len()) };
    let (pasted, folder) = (commands(&tour.text, tour.line), tempfile::tempdir().unwrap());
    symlink(files.canonicalize().unwrap(), folder.path().join("cloudtrail")).unwrap();
    fs::write(folder.path().join("tour.sh"), script_of(PROGRAM, &pasted)).unwrap();
    let mut bash = Command::new("bash");
    bash.arg("tour.sh").current_dir(&folder).stdin(Stdio::null());
    bash.env_clear().env("PATH", env::var_os("PATH").unwrap_or_default());
    bash.env("PROGRAM", env!("CARGO_BIN_EXE_auditlake"));
    assert!(bash.status().unwrap().success());
    assert!(pasted.len() > 8, "{pasted:#?}");
    for (number, pasted) in pasted.iter().enumerate() {
        let read = |ending| {
            fs::read_to_string(folder.path().join(number.to_string()).with_extension(ending)).unwrap()
        };
        let said = read("stdout") + &read("stderr");
        let announced = pasted.command.split_once("# exit code ").map_or("0", |(_, code)| code);
        assert_eq!(read("code").trim(), announced.trim(), "README.md:{}: {said}", pasted.line);
        let announced = Announced::of(&pasted.answer);
        assert!(announced.fits(&said), "README.md:{} says {}, not {said}", pasted.line, pasted.answer);
    }
}
