//! Offline: proofs of events, and exported files.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    path::Path,
};

use serde_json::json;

use super::{Arguments, Source, show};
use crate::{
    cli::{Global, Outcome, text},
    config::Config,
    error::{Error, ErrorKind, Result},
    evidence::{Checkpoint, Tiles, Verifier, bundle},
    verify::{
        file::{Bundle, Check, Collected, Report},
        monitor,
    },
};

/// Checks proofs of single events.
pub(super) fn proofs(arguments: &Arguments) -> Result<Outcome> {
    let verifiers = arguments.required_verifiers()?;
    let mut holds = true;
    for file in &arguments.proof {
        let name = file.display().to_string();
        let text = fs::read(file).map_err(|error| unreadable(file, error))?;
        match bundle::Bundle::parse(&text)?.check(&verifiers) {
            Ok(proven) => {
                let (seq, size, origin) = (proven.seq, proven.checkpoint.size, &proven.checkpoint.origin);
                let line = format!(
                    "{name}: holds: event {seq} is in the log {origin} of {} events",
                    text::count(size)
                );
                let json = json!({"file": name, "holds": true, "seq": seq, "origin": origin, "size": size,
                                  "root": proven.checkpoint.root, "leaf_hash": proven.leaf});
                show(arguments.format, &line, &json)?;
            }
            Err(error) => {
                holds = false;
                let reason = error.report();
                let json = json!({"file": name, "holds": false, "reason": reason});
                show(arguments.format, &format!("{name}: DOES NOT HOLD: {reason}"), &json)?;
            }
        }
    }
    Ok(if holds { Outcome::Complete } else { Outcome::Refuted })
}

/// Checks an exported file, by a bundle or by tiles from a server or a store.
pub(super) async fn file(
    arguments: &Arguments,
    file: &Path,
    global: &Global,
    config: &Config,
) -> Result<Outcome> {
    let verifiers = arguments.required_verifiers()?;
    let report = match &arguments.bundle {
        Some(path) => {
            let bundle = Bundle::parse(&fs::read(path).map_err(|error| unreadable(path, error))?)?;
            let note = bundle.checkpoint.clone();
            check(file, &bundle, &note, &verifiers).await?
        }
        None => {
            let source = Source::of(arguments, global, config).await?;
            let note = source.checkpoint().await?;
            match &source {
                Source::Server(remote) => collected(arguments, file, remote, &note, &verifiers).await?,
                Source::Store(tree) => collected(arguments, file, tree, &note, &verifiers).await?,
            }
        }
    };
    let holds = report.findings.is_empty();
    let verdict = if holds { "holds" } else { "DOES NOT HOLD" };
    let mut line = format!("{}: {verdict}: {} proven", file.display(), text::counted(report.proven, "event"));
    for finding in &report.findings {
        line.push_str(&format!("\n  {finding}"));
    }
    if report.more_findings > 0 {
        line.push_str(&format!("\n  and {} more", text::count(report.more_findings)));
    }
    show(
        arguments.format,
        &line,
        &json!({"file": file.display().to_string(), "holds": holds, "report": report}),
    )?;
    Ok(if holds { Outcome::Complete } else { Outcome::Refuted })
}

async fn collected<T: Tiles + Sync>(
    arguments: &Arguments,
    file: &Path,
    tiles: &T,
    note: &str,
    verifiers: &[Verifier],
) -> Result<Report> {
    let collected = Collected::new(tiles);
    let report = check(file, &collected, note, verifiers).await?;
    if let Some(path) = &arguments.write_bundle {
        let json = serde_json::to_vec(&collected.into_bundle(note))
            .map_err(|error| Error::with_source(ErrorKind::Internal, "write the proof", error))?;
        fs::write(path, json).map_err(|error| unreadable(path, error))?;
    }
    Ok(report)
}

async fn check<T: Tiles + Sync>(
    file: &Path,
    tiles: &T,
    note: &str,
    verifiers: &[Verifier],
) -> Result<Report> {
    let checkpoint: Checkpoint = monitor::open(note, verifiers, "the checkpoint")?;
    let mut check = Check::new(tiles, checkpoint);
    let open = || File::open(file).map_err(|error| unreadable(file, error));
    let extension =
        |path: &Path| path.extension().and_then(|end| end.to_str()).unwrap_or_default().to_owned();
    match &*extension(file) {
        "parquet" => check.parquet(open()?).await?,
        "gz" => check.ndjson(BufReader::new(flate2::read::MultiGzDecoder::new(open()?))).await?,
        "zst" => {
            let unpacked = zstd::Decoder::new(open()?).map_err(|error| unreadable(file, error))?;
            check.ndjson(BufReader::new(unpacked)).await?;
        }
        _ => {
            let lines: Box<dyn BufRead + Send> = Box::new(BufReader::new(open()?));
            check.ndjson(lines).await?;
        }
    }
    Ok(check.finish())
}

fn unreadable(file: &Path, error: std::io::Error) -> Error {
    Error::with_source(ErrorKind::Invalid, format!("{}: {error}", file.display()), error)
}
