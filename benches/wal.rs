//! Appending to the WAL on a local folder, fsync included: `cargo bench --bench wal`.
#![allow(missing_docs, reason = "criterion's macro makes an undocumented function")]

use std::time::{Duration, Instant};

use auditlake::{
    event::decode::{BodyFormat, DecodeContext, decode},
    store::{self, Store},
    wal::{Appended, Appender, Segment},
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tokio::runtime::Runtime;

const RECEIVED_AT_MICROS: i64 = 1_767_312_000_000_000;

/// A segment of `events` events of about 300 bytes.
fn segment(events: usize) -> Segment {
    let event = |number: usize| {
        format!(
            r#"{{"id":"event-{number:08}","tenant_id":"acme","action":"document.update","occurred_at":"2026-01-01T10:00:00Z","actor":{{"type":"user","id":"user-{}","name":"Ana Example"}},"targets":[{{"type":"document","id":"doc-{number}"}}],"context":{{"ip_address":"203.0.113.7","session_id":"session-{}"}},"metadata":{{"project":"apollo"}}}}"#,
            number % 100,
            number % 1_000
        )
    };
    let body = (0..events).map(event).collect::<Vec<_>>().join("\n");
    let context = DecodeContext::new(None, RECEIVED_AT_MICROS);
    let decoded = decode(body.as_bytes(), BodyFormat::Ndjson, &context).expect("the body is NDJSON");
    assert_eq!(decoded.batch.num_rows(), events, "{:?}", decoded.rejected.first());
    Segment { writer: "bench".into(), batches: vec![decoded.batch], answers: String::new(), sealed_by: None }
}

fn encoding(criterion: &mut Criterion) {
    let segment = segment(1_000);
    let mut group = criterion.benchmark_group("wal");
    group.throughput(Throughput::Elements(1_000));
    group.bench_function("encode 1000 events", |bencher| {
        bencher.iter(|| segment.encode().expect("it encodes"))
    });
    let bytes = segment.encode().expect("it encodes");
    group.bench_function("check and decode 1000 events", |bencher| {
        bencher.iter(|| Segment::decode(&bytes).expect("it decodes"));
    });
    group.finish();
}

fn appending(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let location = folder.path().display().to_string();
    let store = runtime.block_on(Store::open(&location, &store::Settings::default())).expect("a store");
    let mut appender = Appender::new(store, 1, "bench".into());
    let mut group = criterion.benchmark_group("wal");
    for events in [1, 1_000, 10_000] {
        let bytes = segment(events).encode().expect("it encodes");
        group.throughput(Throughput::Elements(events as u64));
        group.bench_function(format!("append and fsync {events} events"), |bencher| {
            bencher.iter_custom(|times| {
                let mut taken = Duration::ZERO;
                for _ in 0..times {
                    let start = Instant::now();
                    let appended =
                        runtime.block_on(appender.append(bytes.clone())).expect("the folder takes it");
                    taken += start.elapsed();
                    assert!(matches!(appended, Appended::Durable(_)));
                }
                taken
            });
        });
    }
    group.finish();
}

criterion_group!(benches, encoding, appending);
criterion_main!(benches);
