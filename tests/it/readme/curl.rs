//! A newcomer pastes the README: every shell block that has a `curl`, in order, into one shell, against a real server.
//!
//! In: README.md. Out: nothing, or each command that fails with all it said. Guaranteed: the text is run as it stands, but for the
//! address of the server, which runs already; an error that is not announced fails, and so does an answer that is not what the lines
//! that begin with `#` and two spaces below the command say. Without `bash` or `curl` nothing is run, and the test says so.

use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
};

use super::{answer::Announced, fence::fences, is_there, readme};
use crate::support::{
    place::Place,
    server::{ROOT_KEY, Server},
};

/// Takes the place of what a newcomer has and a test must not touch: the server and its end, the key made for it, and time without
/// end. A status that curl was told goes to stderr, after what it said itself.
const NEWCOMER: &str = r#"
set -o pipefail
openssl() { echo "$ROOT_KEY"; }
auditlake() { [ "$1" = serve ] || "$PROGRAM" "$@"; }
kill() { :; }
sleep() { [ "$((naps += 1))" -le 600 ] && command sleep "$1" || exit 1; }
curl() { command curl --noproxy '*' --max-time 60 "$@" -w '%{stderr}\nstatus %{http_code}\n' | tee -a "$number.answer"; }
"#;

/// One command of a block, and the lines below it.
#[derive(Debug, Default)]
pub(super) struct Pasted {
    pub(super) command: String,
    /// The number of its first line in the README.
    pub(super) line: usize,
    pub(super) answer: String,
}

/// Would catch an example that the server does not take any more, or whose answer is not what the README shows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_curl_can_be_pasted() {
    if !is_there("bash") || !is_there("curl") {
        return;
    }
    let place = Place::folder();
    let mut launch = place.calm();
    // As it is for whoever starts it.
    launch.environment.push(("AUDITLAKE_LOGBOOK__ENABLED", "true".into()));
    let server = Server::start(&launch, &[]).await;
    let address = server.api().address().trim_start_matches("http://");
    let text = readme().replace("localhost:8080", address);
    let folder = tempfile::tempdir().unwrap();
    let blocks = fences(&text).into_iter().filter(|fence| fence.language == "sh" && fence.is_replayed);
    let blocks = blocks.map(|fence| commands(&fence.text, fence.line));
    let pasted: Vec<Pasted> = blocks.filter(|block| block.iter().any(Pasted::asks)).flatten().collect();
    assert!(pasted.iter().filter(|pasted| pasted.asks()).count() > 5, "{pasted:#?}");

    let script = folder.path().join("newcomer.sh");
    fs::write(&script, script_of(NEWCOMER, &pasted)).unwrap();
    let mut bash = Command::new("bash");
    bash.arg(&script).current_dir(&folder).stdin(Stdio::null());
    // Nothing of the developer's environment but where programs are.
    bash.env_clear().env("PATH", env::var_os("PATH").unwrap_or_default());
    bash.env("ROOT_KEY", ROOT_KEY).env("PROGRAM", env!("CARGO_BIN_EXE_auditlake"));
    bash.env("AUDITLAKE_STORE", place.store());
    let ended = bash.output().unwrap();
    let failures: Vec<String> = (0..pasted.len())
        .filter_map(|number| pasted[number].failure(&folder.path().join(number.to_string())))
        .collect();
    assert!(failures.is_empty(), "{}\n{ended:?}\n{}", failures.join("\n"), server.stderr());
}

/// The commands of a block: bash itself says where each ends.
pub(super) fn commands(block: &str, first_line: usize) -> Vec<Pasted> {
    let (mut all, mut open) = (Vec::<Pasted>::new(), Pasted::default());
    for (number, line) in block.lines().enumerate() {
        if open.command.is_empty() && (line.trim().is_empty() || line.starts_with('#')) {
            if let (Some(answer), Some(last)) = (line.strip_prefix("#  "), all.last_mut()) {
                last.answer += &format!("{answer} ");
            }
            continue;
        }
        if open.command.is_empty() {
            open.line = first_line + number;
        }
        open.command += &format!("{line}\n");
        if !line.ends_with('\\') && is_whole(&open.command) {
            all.push(std::mem::take(&mut open));
        }
    }
    assert_eq!(open.command, "", "line {} of the README begins a command without end", open.line);
    all
}

/// Whether bash waits for nothing more.
fn is_whole(command: &str) -> bool {
    let checked = Command::new("bash").args(["-n", "-c", command]).output().unwrap();
    checked.status.success() && checked.stderr.is_empty()
}

/// All commands in one shell, after what is said `before`; what each says in files of its own.
pub(super) fn script_of(before: &str, pasted: &[Pasted]) -> String {
    let mut script = before.to_owned();
    for (number, Pasted { command, .. }) in pasted.iter().enumerate() {
        script += &format!(
            "number={number}\n{{\n{command}}} >{number}.stdout 2>{number}.stderr\necho $? >{number}.code\n"
        );
    }
    script
}

impl Pasted {
    fn asks(&self) -> bool {
        self.command.split(|c: char| !c.is_alphanumeric()).any(|word| word == "curl")
    }

    /// What went wrong, if anything did. `files` is where it left its words, without their endings.
    fn failure(&self, files: &Path) -> Option<String> {
        let read = |ending| fs::read_to_string(files.with_extension(ending)).unwrap_or_default();
        let (code, stderr, answer) = (read("code"), read("stderr"), read("answer"));
        let statuses: Vec<&str> = stderr.lines().filter_map(|line| line.strip_prefix("status ")).collect();
        let announced = Announced::of(&self.answer);
        let problem = match announced.status.map(|status| status.to_string()) {
            _ if code.trim() != "0" => format!("ended with {code:?}"),
            _ if !self.asks() => return None,
            Some(status) if statuses.last() != Some(&&*status) => format!("the README says {status}"),
            None if statuses.iter().any(|status| !status.starts_with('2')) => "an error not announced".into(),
            _ if !announced.fits(&answer) => format!("the README says {}", self.answer),
            _ => return None,
        };
        let Self { command, line, .. } = self;
        Some(format!(
            "\nREADME.md:{line}: {problem}\n{command}status {statuses:?}, answer {answer}\n{}{stderr}",
            read("stdout")
        ))
    }
}
