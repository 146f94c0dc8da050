//! Since the last time: the newest checkpoint against the one that was kept.

use std::{fs, io, path::Path};

use serde_json::json;

use super::{Arguments, Source, show};
use crate::{
    cli::{Global, Outcome, text},
    config::Config,
    error::{Error, ErrorKind, Result},
    evidence::{Checkpoint, Hash},
    verify::monitor,
};

pub(super) async fn run(
    arguments: &Arguments,
    file: &Path,
    global: &Global,
    config: &Config,
) -> Result<Outcome> {
    let verifiers = arguments.required_verifiers()?;
    let kept = match fs::read_to_string(file) {
        Ok(note) => {
            Some(monitor::open(&note, &verifiers, &format!("the kept checkpoint {}", file.display()))?)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(file, error)),
    };
    let source = Source::of(arguments, global, config).await?;
    let note = source.checkpoint().await?;
    let proven = prove(&source, kept.as_ref(), &note, &verifiers).await;
    let newest = match proven {
        Ok(newest) => newest,
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            let reason = error.report();
            let json = json!({"holds": false, "reason": reason, "newest": note});
            show(
                arguments.format,
                &format!("DOES NOT HOLD: {reason}\nthe newest checkpoint, as evidence:\n{note}"),
                &json,
            )?;
            return Ok(Outcome::Refuted);
        }
        Err(error) => return Err(error),
    };
    keep(file, &note).map_err(|error| failed(file, error))?;
    let from = kept.as_ref().map(|kept| kept.size);
    let since = match from {
        Some(from) => format!("goes on from the {} events kept before", text::count(from)),
        None => "nothing was kept before: it is believed this once".to_owned(),
    };
    let line = format!(
        "{}: holds: {} events, root {}; {since}",
        newest.origin,
        text::count(newest.size),
        newest.root
    );
    let json = json!({"holds": true, "origin": newest.origin, "size": newest.size, "root": newest.root, "from": from});
    show(arguments.format, &line, &json)?;
    Ok(Outcome::Complete)
}

async fn prove(
    source: &Source,
    kept: Option<&Checkpoint>,
    note: &str,
    verifiers: &[crate::evidence::Verifier],
) -> Result<Checkpoint> {
    let newest = monitor::open(note, verifiers, "the newest checkpoint")?;
    let Some(kept) = kept else { return Ok(newest) };
    let needs_proof = kept.origin == newest.origin && kept.size > 0 && kept.size < newest.size;
    let proof: Vec<Hash> = match source {
        _ if !needs_proof => Vec::new(),
        Source::Server(remote) => remote.consistency(kept.size, newest.size).await?,
        Source::Store(tree) => tree.reader(newest.size).consistency(kept.size).await?,
    };
    monitor::check(kept, &newest, &proof)?;
    Ok(newest)
}

/// In the place of the one before, whole or not at all.
fn keep(file: &Path, note: &str) -> io::Result<()> {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let staged = file.with_file_name(name);
    fs::write(&staged, note)?;
    fs::File::open(&staged)?.sync_all()?;
    fs::rename(&staged, file)
}

fn failed(file: &Path, error: io::Error) -> Error {
    Error::with_source(ErrorKind::Invalid, format!("{}: {error}", file.display()), error)
}
