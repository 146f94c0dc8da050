//! A whole store: every event, tile and checkpoint of one tenant or of all.

use std::{
    collections::BTreeSet,
    fs,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use serde_json::json;

use super::{Arguments, Format, show};
use crate::{
    cli::{
        Global, Outcome,
        progress::{self, Watch},
        text,
    },
    config::Config,
    error::{Error, ErrorKind, Result},
    event::TenantId,
    evidence::{Checkpoint, Evidence},
    index::Indexes,
    store::Store,
    table::Tables,
    telemetry::Clock,
    verify::{self, Progress, Report, Trust},
};

const TICK: Duration = Duration::from_millis(200);

pub(super) async fn run(arguments: &Arguments, global: &Global, config: Config) -> Result<Outcome> {
    if global.server.is_some() {
        let message = "a whole log is verified in its store; through a server, verify an event (--proof), a file (--file) or what \
                       has come since (--monitor)";
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    let store = Store::open(&config.store, &config.object_store).await?;
    let tables = Tables::open(store.clone(), Clock::system(), config.table.clone()).await?;
    let evidence = Evidence::open_to_read(&store, &config.evidence).await?;
    let indexes = Indexes::open(store.clone(), Clock::system(), config.index.clone());
    let trust = trust(arguments)?;
    let tenants = tenants(arguments, &tables, &evidence, &trust).await?;
    if tenants.is_empty() {
        let message = format!("{} holds no log: is it the right store?", store.display());
        return Err(Error::new(ErrorKind::NotFound, message));
    }
    let (progress, watch) = (Arc::new(Progress::default()), Watch::start());
    let (mut events, mut holds, mut origins) = (0, true, Vec::new());
    let bar = progress::of_count(0, "verifying");
    for tenant in &tenants {
        let verified = verify::verify(&tables, &evidence, &indexes, tenant, &trust, &progress);
        tokio::pin!(verified);
        let report = loop {
            tokio::select! {
                report = &mut verified => break report?,
                () = tokio::time::sleep(TICK) => bar.set_position(progress.events.load(Ordering::Relaxed)),
            }
        };
        (events, holds) = (events + report.events, holds && report.holds());
        origins.extend(report.origin.clone());
        bar.suspend(|| told(arguments.format, &report))?;
    }
    bar.finish_and_clear();
    for missing in not_found(arguments, &trust, &origins) {
        holds = false;
        let line = format!("{missing}: DOES NOT HOLD: this store has no such log");
        show(
            arguments.format,
            &line,
            &json!({"origin": missing, "holds": false, "findings": [{"kind": "rewritten",
            "detail": "this store has no log of the name that a key or a kept checkpoint bears"}]}),
        )?;
    }
    eprintln!("{} verified {}", text::counted(events, "event"), watch.describe(events, "event"));
    if trust.verifiers.is_empty() {
        eprintln!(
            "the keys are those that the store lists: who holds the store could have put another there; give the one you know \
             by --public-key"
        );
    }
    Ok(if holds { Outcome::Complete } else { Outcome::Refuted })
}

/// Names that keys or kept checkpoints bear, and no log that was verified. If one tenant is named, others' are of no account.
fn not_found(arguments: &Arguments, trust: &Trust, origins: &[String]) -> BTreeSet<String> {
    let is_meant = |name: &&String| match &arguments.tenant {
        None => true,
        Some(tenant) => name.rsplit_once('/').is_some_and(|(_, of)| of == tenant),
    };
    let keys = trust.verifiers.iter().map(|verifier| &verifier.name);
    let names = keys.chain(trust.kept.iter().map(|kept| &kept.origin));
    names.filter(is_meant).filter(|name| !origins.contains(name)).cloned().collect()
}

/// The one that is named, or all; of keys that are given, those whose logs they are of.
async fn tenants(
    arguments: &Arguments,
    tables: &Tables,
    evidence: &Evidence,
    trust: &Trust,
) -> Result<Vec<TenantId>> {
    let mut tenants = match arguments.tenant()? {
        Some(tenant) => vec![tenant],
        None => verify::tenants(tables, evidence).await?,
    };
    let Some(first) = tenants.first() else { return Ok(tenants) };
    let Some(origin) = evidence.origin(first) else {
        // To who holds a key, that nothing is signed is a finding.
        if trust.verifiers.is_empty() {
            let message = "nothing was ever signed in this store: evidence was off, or is gone";
            return Err(Error::new(ErrorKind::NotFound, message));
        }
        return Ok(tenants);
    };
    if arguments.tenant.is_some() {
        verify::check_names(&trust.verifiers, Some(&origin))?;
    } else if !trust.verifiers.is_empty() {
        let is_known = |tenant: &TenantId| {
            let origin = evidence.origin(tenant);
            trust.verifiers.iter().any(|verifier| Some(&verifier.name) == origin.as_ref())
        };
        tenants.retain(is_known);
        if tenants.is_empty() {
            verify::check_names(&trust.verifiers, Some(&origin))?;
        }
    }
    Ok(tenants)
}

fn trust(arguments: &Arguments) -> Result<Trust> {
    let mut trust = Trust { verifiers: arguments.verifiers()?, kept: Vec::new() };
    for file in &arguments.checkpoint {
        let named = |reason: String| {
            Error::new(ErrorKind::Invalid, format!("checkpoint {}: {reason}", file.display()))
        };
        let note = fs::read_to_string(file).map_err(|error| named(error.to_string()))?;
        // It was checked when it was kept; here it says what the caller knows.
        trust.kept.push(Checkpoint::parse(&note).ok_or_else(|| named("it is none".into()))?);
    }
    Ok(trust)
}

fn told(format: Format, report: &Report) -> Result<()> {
    show(format, &lines(report), report)
}

/// `acme: holds: 1,500 events, …`, or what does not hold, a line each.
fn lines(report: &Report) -> String {
    let mut parts = vec![text::counted(report.events, "event")];
    for (number, what) in [
        (report.expired, "expired, with their leaf hashes kept"),
        (report.absent, "removed before there was a tree"),
        (report.uncovered, "not covered by a checkpoint yet"),
    ] {
        if number > 0 {
            parts.push(format!("{} {what}", text::count(number)));
        }
    }
    parts.push(format!("{} of evidence", text::bytes(report.evidence_bytes)));
    if let Some(root) = report.root {
        parts.push(format!("checkpoint of {} events, root {root}", text::count(report.size)));
    }
    let verdict = if report.holds() { "holds" } else { "DOES NOT HOLD" };
    let mut lines = format!("{}: {verdict}: {}", report.tenant, parts.join(", "));
    for finding in &report.findings {
        lines.push_str(&format!("\n  {finding}"));
    }
    if report.more_findings > 0 {
        lines.push_str(&format!("\n  and {} more", text::count(report.more_findings)));
    }
    lines
}
