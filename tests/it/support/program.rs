//! The real command line, run to its end.

use std::{
    io::Write as _,
    process::{Command, Output, Stdio},
    thread,
};

use serde_json::Value;

use super::server::SIGNING_KEY;

/// How a command ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ended {
    /// `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// The same, if it ended well and wrote nothing to stderr.
    pub(crate) fn quiet(self) -> Self {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{}", self.stdout);
        self
    }

    /// The same, if it failed as `code` says, with one line on stderr that contains all of `words`.
    pub(crate) fn failed(self, code: i32, words: &[&str]) -> Self {
        assert_eq!((self.code, self.stdout.as_str()), (Some(code), ""), "{}", self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "no {word:?} in {}", self.stderr);
        }
        self
    }

    /// NDJSON on stdout, parsed.
    pub(crate) fn rows(self) -> Vec<Value> {
        self.quiet().stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// The program with these arguments, and nothing of the developer's environment.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_auditlake"));
    command.env_clear().env("AUDITLAKE_SIGNING_KEY", SIGNING_KEY).args(arguments);
    command
}

/// Runs a command to its end with `input` on its standard input.
pub(crate) fn run(mut command: Command, input: &[u8]) -> Ended {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_vec());
    // A thread of its own: the program may write more than a pipe holds before it has read everything. A program that
    // does not want its input is fine.
    let writer = thread::spawn(move || stdin.write_all(&input).is_ok());
    let ended = child.wait_with_output().unwrap().into();
    writer.join().unwrap();
    ended
}
