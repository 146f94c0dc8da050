//! A tenant that asks too much, and its neighbour.

use futures::{StreamExt as _, stream::FuturesUnordered};

use super::fixture::*;
use crate::{
    error::ErrorKind,
    event::TenantId,
    query::{Engine, Request, Running, Scope, Settings},
};

const PATIENCE_MS: u64 = 600_000;

fn over(tenant: &str, sql: &str) -> Request {
    Request { scope: Scope::Tenant(TenantId::parse(tenant).unwrap()), ..request(sql) }
}

async fn two_tenants(settings: &Settings) -> Engine {
    let lake = Lake::new().await;
    let events: Vec<Event> =
        (0..20_000).map(|number| Event { at: START, ..Event::numbered(number) }).collect();
    lake.add_file("greedy", &events).await;
    lake.add_file("modest", &events[..10]).await;
    lake.engine(settings.clone())
}

fn slow_and_patient() -> Settings {
    Settings {
        concurrent_max: 4,
        queued_per_tenant_max: 32,
        queue_wait_ms: PATIENCE_MS,
        deadline_ms: PATIENCE_MS,
        ..Settings::default()
    }
}

/// Asks for more than is passed on before it is read, and reads a part: it keeps its place until it is dropped.
async fn holding(engine: &Engine, tenant: &str) -> crate::error::Result<Running> {
    let mut running = engine.run(over(tenant, "SELECT * FROM events")).await?;
    running.next().await.expect("there are rows")?;
    Ok(running)
}

/// Would catch a tenant that takes all places, or all turns, so that another's query is never answered.
#[tokio::test]
async fn a_greedy_tenant_starves_nobody() {
    let settings = slow_and_patient();
    let engine = two_tenants(&settings).await;
    let greedy = TenantId::parse("greedy").unwrap();
    let mut asked: FuturesUnordered<_> = (0..40).map(|_| holding(&engine, "greedy")).collect();
    // Two get their places, six find the queue full, and 32 wait.
    let (mut held, mut refused) = (Vec::new(), 0);
    while held.len() + refused < 8 {
        match asked.next().await.unwrap() {
            Ok(running) => held.push(running),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Busy, "{error:?}");
                assert!(error.to_string().contains("tenant 'greedy'"), "{error}");
                refused += 1;
            }
        }
    }
    assert_eq!((held.len(), refused, engine.running()), (2, 6, 2));
    assert_eq!(engine.places().present(Some(&greedy)), 34);

    for _ in 0..3 {
        let answer = batches(&engine, over("modest", "SELECT id FROM events")).await.unwrap();
        assert_eq!(answer.iter().map(|batch| batch.num_rows()).sum::<usize>(), 10);
    }
    // All tenants together are one more tenant.
    assert!(value(&engine, "SELECT count(*) FROM events").await.as_u64().unwrap() > 20_000);
    assert_eq!(engine.places().present(Some(&greedy)), 34, "the others wait as before");

    // Whoever waits gets its turn.
    held.clear();
    while let Some(running) = asked.next().await {
        drop(running.unwrap());
    }
    drop(engine.places().all().acquire_many(4).await.unwrap());
    assert_eq!(engine.places().present(Some(&greedy)), 0);
}

/// Would catch a place that is lost when its query fails or its client leaves, or a lane that stays behind.
#[tokio::test]
async fn every_place_comes_back() {
    let settings = Settings { concurrent_max: 2, ..slow_and_patient() };
    assert_eq!(settings.concurrent_per_tenant(), 1);
    let engine = two_tenants(&settings).await;
    let greedy = TenantId::parse("greedy").unwrap();
    let held = holding(&engine, "greedy").await.unwrap();
    let mut waiting = Box::pin(engine.run(over("greedy", "SELECT 1")));
    assert!(futures::poll!(&mut waiting).is_pending());
    assert_eq!(engine.places().present(Some(&greedy)), 2);
    drop(waiting);
    assert_eq!(engine.places().present(Some(&greedy)), 1);
    drop(held);
    for _ in 0..10 {
        batches(&engine, over("greedy", "SELECT nothing FROM events")).await.unwrap_err();
    }
    drop(engine.places().all().acquire_many(2).await.unwrap());
    assert_eq!((engine.running(), engine.places().present(Some(&greedy))), (0, 0));
}

/// Would catch query time that is never charged, or charged before the query has stopped.
#[tokio::test]
async fn the_meter_is_told_when_a_query_has_stopped() {
    let engine = two_tenants(&slow_and_patient()).await;
    for sql in ["SELECT * FROM events", "SELECT nothing FROM events"] {
        let (told, mut hears) = tokio::sync::oneshot::channel();
        let meter = Box::new(move |held| told.send(held).unwrap());
        let running = engine.run_metered(over("greedy", sql), Some(meter)).await;
        if let Ok(mut running) = running {
            running.next().await.unwrap().unwrap();
            hears.try_recv().unwrap_err();
            drop(running);
        }
        assert!(hears.await.unwrap() > std::time::Duration::ZERO);
    }
}
