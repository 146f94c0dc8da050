//! The saved investigations against what really happened: in a generated company with a planted break-in, and in the
//! records of an AWS attack exercise.
//!
//! Events go the whole way: decoded, acknowledged, committed to files by day, asked for by the engine.

mod cases;
mod cloudtrail;
mod company;

use std::sync::Arc;

use auditlake::{
    event::{
        TenantId,
        decode::{BodyFormat, DecodeContext, EventLimits, decode},
    },
    query::{
        Scope, Statistics,
        format::{Format, encode},
        saved::Catalogue,
    },
    server::Lake,
    telemetry::Clock,
};
use futures::TryStreamExt as _;
use object_store::memory::InMemory;
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;

use crate::support::lake;

/// A lake in memory with everything committed, and what keeps it going.
struct Sample {
    runtime: Runtime,
    lake: Lake,
    saved: Catalogue,
}

/// An answer and its cost.
struct Answer {
    rows: Vec<Value>,
    statistics: Statistics,
}

impl Answer {
    /// Fails unless files were skipped, nothing but files was read, and of those at most `kept`.
    fn pruned_to(self, kept: u64) -> Vec<Value> {
        let Statistics { files_considered, files_kept, rows_uncommitted, .. } = self.statistics;
        assert!(files_kept <= kept, "{files_kept} files of {files_considered} were read, not {kept}");
        assert!(files_kept < files_considered, "all of {files_considered} files were read");
        assert_eq!(rows_uncommitted, 0);
        self.rows
    }
}

impl Sample {
    /// Takes bodies of NDJSON in as a server would, and commits them.
    fn of(bodies: impl Iterator<Item = Vec<u8>>, tenant: Option<&str>) -> Self {
        Self::within(EventLimits::NATIVE, bodies, tenant)
    }

    /// The same with other limits of an event.
    fn within(limits: EventLimits, bodies: impl Iterator<Item = Vec<u8>>, tenant: Option<&str>) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let clock = Clock::manual(lake::START_MICROS);
        let tenant = tenant.map(|tenant| TenantId::parse(tenant).unwrap());
        let lake = runtime.block_on(async {
            let lake = lake::open(Arc::new(InMemory::new()), &clock, lake::config()).await.unwrap();
            for body in bodies {
                let context =
                    DecodeContext { limits, ..DecodeContext::new(tenant.clone(), clock.now_micros()) };
                let decoded = decode(&body, BodyFormat::Ndjson, &context).unwrap();
                assert!(decoded.rejected.is_empty(), "{:?}", decoded.rejected);
                lake::append(lake.ingest().unwrap(), decoded).await.unwrap();
            }
            lake.ingest().unwrap().flush().await.unwrap();
            lake
        });
        Self { runtime, lake, saved: Catalogue::load(None).unwrap() }
    }

    /// Asks a saved question about one tenant.
    fn ask(&self, name: &str, tenant: &str, params: Value) -> Answer {
        let params: Map<String, Value> = params.as_object().unwrap().clone();
        let today = self.lake.clock().now().date_naive();
        let scope = Scope::Tenant(TenantId::parse(tenant).unwrap());
        let request = self.saved.get(name).unwrap().request(&params, scope, today).unwrap();
        self.runtime.block_on(async {
            let running = self.lake.engine().run(request).await.unwrap();
            let schema = running.schema();
            let columns: Vec<_> = schema.fields().iter().map(|field| field.name()).collect();
            let description = self.saved.get(name).unwrap().description();
            let promised: Vec<_> = description.columns.iter().map(|column| &column.name).collect();
            assert_eq!(columns, promised, "{name}");
            // Files are chosen when a query is planned.
            let statistics = running.statistics();
            let parts: Vec<_> = encode(running, Format::Json).try_collect().await.unwrap();
            let mut document: Value = serde_json::from_slice(&parts.concat()).unwrap();
            let Value::Array(rows) = document["rows"].take() else { panic!("no rows in {document}") };
            Answer { rows, statistics }
        })
    }

    /// The rows of any question over all tenants.
    fn sql(&self, sql: &str) -> Vec<Value> {
        self.runtime.block_on(lake::sql(&self.lake, sql))
    }
}

/// Some columns of a row, in the order asked for.
fn pick(row: &Value, columns: &[&str]) -> Value {
    json!(columns.iter().map(|column| row[column].clone()).collect::<Vec<_>>())
}
