//! The demo's work: events in, questions answered.

use std::sync::Arc;

use arrow::{array::RecordBatch, datatypes::SchemaRef, util::display::array_value_to_string};
use chrono::{Days, NaiveDate};
use futures::TryStreamExt;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{
    pipeline::{self, Outlet, Parcel},
    progress::{self, Watch},
    sink::Sink,
    text,
};
use crate::{
    error::{Error, ErrorKind, Result},
    event::TenantId,
    generate::{Generator, Incident},
    limits::DEMO_BATCH_EVENTS,
    query::{
        Scope, Statistics, format,
        saved::{Catalogue, Investigation},
    },
    server::Lake,
};

/// Takes the company's events in and commits them.
pub(super) async fn ingest(
    lake: Lake,
    mut generator: Generator,
    events: u64,
    stop: &CancellationToken,
) -> Result<Lake> {
    let bar = progress::of_count(events, "ingesting");
    let watch = Watch::start();
    let producer = move |outlet: Outlet<()>| {
        while outlet.is_wanted() {
            let mut body = Vec::new();
            let count = generator.fill(&mut body, DEMO_BATCH_EVENTS);
            if count == 0 || !outlet.put(Parcel { body: body.into(), label: () }) {
                break;
            }
        }
    };
    let lake = Arc::new(lake);
    let sink = Sink::local(lake.clone());
    let (mut accepted, mut bytes, mut refused) = (0, 0, Vec::new());
    pipeline::run(&sink, None, stop, producer, |(), size, mut sent| {
        accepted += sent.accepted;
        bytes += size;
        refused.append(&mut sent.refused);
        bar.set_position(accepted);
    })
    .await?;
    bar.finish_and_clear();
    if let Some(first) = refused.first() {
        let message =
            format!("{} of the generated events were refused, one for {}", refused.len(), first.reason);
        return Err(Error::new(ErrorKind::Internal, message));
    }
    text::say(&format!(
        "{} durable, {} of JSON {}",
        text::counted(accepted, "event"),
        text::bytes(bytes),
        watch.describe(accepted, "event"),
    ));
    lake.ingest()?.flush().await?;
    text::say(&format!("all committed after {:.2} s", watch.seconds()));
    drop(sink);
    Arc::into_inner(lake).ok_or_else(|| Error::new(ErrorKind::Internal, "the store is still in use"))
}

/// Asks the three saved questions, each one following from the answer before.
pub(super) async fn investigate(
    lake: &Lake,
    saved: &Catalogue,
    today: NaiveDate,
    days: u32,
    incident: Option<&Incident>,
) -> Result<()> {
    // As far back as the incident can be; by default the last 30 of 90 days.
    let back = Days::new(u64::from(days * 2 / 5).max(29));
    let from = today.checked_sub_days(back).unwrap_or(today).to_string();
    let range = [("from", from.as_str())];

    let takeover = ask(lake, saved.get("account-takeover")?, Scope::All, &range, today).await?;
    let found =
        takeover.first("tenant_id").zip(takeover.first("actor_id")).zip(takeover.first("logged_in_at"));
    if let Some(((tenant, actor), time)) = &found
        && let Some(day) = time.get(..10).and_then(|day| day.parse::<NaiveDate>().ok())
    {
        let day = day.to_string();
        let params = [("actor", actor.as_str()), ("from", &day), ("to", &day)];
        let scope = Scope::Tenant(TenantId::parse(tenant)?);
        ask(lake, saved.get("actor-timeline")?, scope, &params, today).await?;
    }
    ask(lake, saved.get("mass-export")?, Scope::All, &range, today).await?;
    if let Some(truth) = incident {
        let hit =
            found.is_some_and(|((tenant, actor), _)| tenant == truth.tenant_id && actor == truth.actor_id);
        text::say(&format!(
            "The truth, which no event tells: the account of {} ({}) in {} was taken over at {}; {}.",
            truth.actor_name,
            truth.actor_id,
            truth.tenant_id,
            truth.started_at,
            if hit {
                "the first row of the first answer names it"
            } else {
                "the first answer does not name it first"
            },
        ));
    }
    Ok(())
}

/// An answer small enough to keep.
struct Answer {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    statistics: Statistics,
}

impl Answer {
    /// The value of a column in the first row.
    fn first(&self, column: &str) -> Option<String> {
        let batch = self.batches.iter().find(|batch| batch.num_rows() > 0)?;
        array_value_to_string(batch.column_by_name(column)?, 0).ok()
    }

    fn cost(&self) -> String {
        let cost = &self.statistics;
        format!(
            "{:.0} ms; of {} {} skipped by tenant, {} by day, {} by minimum and maximum; {} read",
            cost.milliseconds,
            text::counted(cost.files_considered, "file"),
            text::count(cost.files_pruned_by_tenant),
            text::count(cost.files_pruned_by_day),
            text::count(cost.files_pruned_by_min_max),
            text::bytes(cost.bytes_read),
        )
    }
}

/// Asks one saved question and prints it with its answer and cost.
async fn ask(
    lake: &Lake,
    investigation: &Investigation,
    scope: Scope,
    given: &[(&str, &str)],
    today: NaiveDate,
) -> Result<Answer> {
    let description = investigation.description();
    text::say(&format!("\n{}\n{}\n", description.title, description.question));
    let given = given.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))).collect();
    let mut running = lake.engine().run(investigation.request(&given, scope, today)?).await?;
    let batches = (&mut running).try_collect().await?;
    let answer = Answer { schema: running.schema(), batches, statistics: running.statistics() };
    let table = format::text_table(&answer.schema, &answer.batches)?;
    text::say(&format!("{table}{}", answer.cost()));
    Ok(answer)
}
