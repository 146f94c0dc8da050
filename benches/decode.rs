//! Decoding and validating events of about 500 bytes, and hashing and writing them back: events per second.
//!
//! `cargo bench --bench decode`; the goal is 250,000 events/s a core for decoding.

use std::hint::black_box;

use auditlake::event::{
    canonical::{Rows, content_hashes},
    decode::{BodyFormat, DecodeContext, decode},
};
use criterion::{Criterion, Throughput};

const EVENTS: usize = 1_000;
const CONTEXT: DecodeContext = DecodeContext::new(None, 1_795_400_000_000_000);

/// An event as a SaaS back end sends it: about 500 bytes, with a target, context and metadata.
fn event(number: usize) -> String {
    let (actor, document, minute) = (number * 7 % 997, number * 13 % 9_973, number % 60);
    format!(
        concat!(
            r#"{{"id":"018c8e0a-7b1c-7000-8000-{:012x}","tenant_id":"acme","action":"document.updated","#,
            r#""occurred_at":"2026-11-22T03:{:02}:05.678901Z","actor":{{"type":"user","id":"user_{}","#,
            r#""name":"Ana Example","email":"ana.{}@example.com"}},"targets":[{{"type":"document","#,
            r#""id":"doc_{}","name":"Q3 plan"}}],"context":{{"ip_address":"203.0.113.{}","#,
            r#""user_agent":"Mozilla/5.0 (X11; Linux x86_64)","request_id":"req_{:08x}"}},"#,
            r#""outcome":{{"result":"success"}},"metadata":{{"plan":"pro","bytes":{},"ratio":0.75}}}}"#
        ),
        number,
        minute,
        actor,
        actor,
        document,
        number % 256,
        number,
        number * 31
    )
}

fn benches(criterion: &mut Criterion) {
    let events: Vec<String> = (0..EVENTS).map(event).collect();
    let lines = events.join("\n");
    let array = format!("[{}]", events.join(","));
    let batch = decode(array.as_bytes(), BodyFormat::Json, &CONTEXT).expect("the body is JSON").batch;
    assert_eq!(batch.num_rows(), EVENTS, "every event is good");

    let mut group = criterion.benchmark_group(format!("events of {} bytes", array.len() / EVENTS));
    group.throughput(Throughput::Elements(EVENTS as u64));
    group.bench_function("decode JSON array", |bencher| {
        bencher.iter(|| decode(black_box(array.as_bytes()), BodyFormat::Json, &CONTEXT));
    });
    group.bench_function("decode NDJSON", |bencher| {
        bencher.iter(|| decode(black_box(lines.as_bytes()), BodyFormat::Ndjson, &CONTEXT));
    });
    group.bench_function("content hashes", |bencher| bencher.iter(|| content_hashes(black_box(&batch))));
    group.bench_function("canonical JSON", |bencher| {
        let rows = Rows::new(&batch).expect("the batch has the columns of an event");
        let mut out = String::new();
        bencher.iter(|| {
            out.clear();
            (0..rows.len()).for_each(|row| rows.push_canonical(row, &mut out));
            black_box(out.len())
        });
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    benches(&mut criterion);
    criterion.final_summary();
}
