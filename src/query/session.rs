//! The DataFusion session of one query: what it can see, call and use.
//!
//! In: the principal's snapshots and the engine's shared parts. Out: a session with one table, `events`, what describes it
//! (`information_schema`), the functions below, a memory pool and a spill limit of its own. Guaranteed: no files, catalogs, settings or
//! table functions are reachable; `now()` is the engine's clock; times are UTC.

use std::{num::NonZeroUsize, sync::Arc};

use chrono::{DateTime, Utc};
use datafusion::{
    catalog::{
        CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList,
        MemorySchemaProvider, SchemaProvider, TableProvider,
    },
    config::Dialect,
    error::Result,
    execution::FunctionRegistry,
    execution::{
        SessionState, SessionStateBuilder, SessionStateDefaults, TaskContext,
        disk_manager::{DiskManagerBuilder, DiskManagerMode},
        memory_pool::{FairSpillPool, TrackConsumersPool},
        runtime_env::{RuntimeEnv, RuntimeEnvBuilder},
    },
    logical_expr::execution_props::ExecutionProps,
    optimizer::{Analyzer, AnalyzerRule},
    physical_optimizer::{PhysicalOptimizerRule, optimizer::PhysicalOptimizer},
    prelude::SessionConfig,
};

use super::{
    addresses,
    counts::FromCounts,
    eager::EagerFilters,
    functions,
    guard::REFUSED_FUNCTIONS,
    has_target, has_words, information_schema,
    json::{self, JsonValues},
    lists::{self, Comparisons},
    newest::NewestFirst,
    qualified::QualifiedKeys,
    settings::Settings,
};

const CATALOG: &str = "auditlake";
const SCHEMA: &str = "public";
const TABLE: &str = "events";
/// Consumers that an out-of-memory message names.
const CONSUMERS_NAMED: NonZeroUsize = NonZeroUsize::new(3).expect("three is not zero");

/// In which text addresses are seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Addresses {
    /// In their canonical one, on both sides of a comparison.
    Canonical,
    /// As they are stored; who compares them knows which texts there may be.
    AsStored,
}

/// The session that all queries start from: functions, rules and options, but no table. Batches have about `batch_rows`.
pub(crate) fn template(
    settings: &Settings,
    batch_rows: usize,
    runtime: Arc<RuntimeEnv>,
    seen: Addresses,
) -> Result<SessionState> {
    let functions = SessionStateDefaults::default_scalar_functions().into_iter().filter(|function| {
        let names = || std::iter::once(function.name()).chain(function.aliases().iter().map(String::as_str));
        !names().any(|name| REFUSED_FUNCTIONS.contains(&name))
    });
    let mut builder = SessionStateBuilder::new().with_optimizer_rule(Arc::new(QualifiedKeys));
    if settings.pruning {
        // Before DataFusion's own rules, which give the scan a filter that changes while it runs.
        let mut rules: Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> = vec![Arc::new(NewestFirst)];
        rules.extend(PhysicalOptimizer::new().rules);
        rules.push(Arc::new(EagerFilters));
        builder = builder.with_physical_optimizer_rules(rules).with_optimizer_rule(Arc::new(FromCounts));
    }
    let mut analysis: Vec<Arc<dyn AnalyzerRule + Send + Sync>> =
        vec![Arc::new(Comparisons), Arc::new(JsonValues::new()?), Arc::new(functions::Spans)];
    if seen == Addresses::Canonical {
        analysis.push(Arc::new(addresses::Addresses));
    }
    // What types are coerced to is decided after it is known what values are.
    analysis.extend(Analyzer::new().rules);
    let mut state = builder
        .with_analyzer_rules(analysis)
        .with_config(config(settings, batch_rows))
        .with_runtime_env(runtime)
        .with_scalar_functions(json::with_json_values(functions).collect())
        .with_higher_order_functions(SessionStateDefaults::default_higher_order_functions())
        .with_aggregate_functions(json::aggregates(SessionStateDefaults::default_aggregate_functions()))
        .with_window_functions(SessionStateDefaults::default_window_functions())
        .with_expr_planners(json::planners(SessionStateDefaults::default_expr_planners())?)
        .build();
    let own = [
        has_words::function(),
        has_target::function(),
        addresses::function(),
        addresses::canonical::function(),
    ];
    let all = own.into_iter().chain(json::functions()?).chain(functions::all());
    for function in json::with_json_values(all).chain(lists::functions()) {
        state.register_udf(function)?;
    }
    functions::register(&mut state)?;
    Ok(state)
}

fn config(settings: &Settings, batch_rows: usize) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_default_catalog_and_schema(CATALOG, SCHEMA)
        .with_create_default_catalog_and_schema(false)
        .with_information_schema(false)
        .with_target_partitions(settings.threads)
        .with_batch_size(batch_rows)
        .with_collect_statistics(true);
    let options = config.options_mut();
    options.execution.time_zone = Some("UTC".to_string());
    options.execution.enable_recursive_ctes = false;
    // A sort that reads ahead may hold this much outside of the pool.
    options.execution.sort_pushdown_buffer_capacity = settings.query_memory_bytes() / 8;
    // The reserve of a spilling sort must leave room for the sort itself.
    options.execution.sort_spill_reservation_bytes = settings.query_memory_bytes() / 16;
    options.sql_parser.dialect = Dialect::PostgreSQL;
    options.sql_parser.map_string_types_to_utf8view = false;
    config
}

/// The session of one query: `template` with the table and a time; and what runs the plan, with its own share of
/// memory and disk.
///
/// A copy of the template: to build a session anew would register all functions anew, which takes longer than to find a needle.
pub(crate) fn session(
    template: &SessionState,
    events: Arc<dyn TableProvider>,
    settings: &Settings,
    now: DateTime<Utc>,
) -> Result<(SessionState, Arc<TaskContext>)> {
    let schema = MemorySchemaProvider::new();
    schema.register_table(TABLE.to_string(), events)?;
    let catalog = MemoryCatalogProvider::new();
    catalog.register_schema(SCHEMA, Arc::new(schema))?;
    catalog.register_schema(information_schema::NAME, information_schema::schema()?)?;
    let catalogs = MemoryCatalogProviderList::new();
    catalogs.register_catalog(CATALOG.to_string(), Arc::new(catalog));
    let mut state = template.clone();
    state.register_catalog_list(Arc::new(catalogs));
    *state.execution_props_mut() = ExecutionProps::new().with_query_execution_start_time(now);
    let task = TaskContext::from(&state).with_runtime(own_runtime(template.runtime_env(), settings)?);
    Ok((state, Arc::new(task)))
}

/// Caches and store are shared; memory and spill space are the query's own, so that one query cannot starve
/// its neighbours. Inside a query, operators share fairly.
fn own_runtime(shared: &RuntimeEnv, settings: &Settings) -> Result<Arc<RuntimeEnv>> {
    let pool = TrackConsumersPool::new(FairSpillPool::new(settings.query_memory_bytes()), CONSUMERS_NAMED);
    let mode = match &settings.spill_folder {
        Some(folder) => DiskManagerMode::Directories(vec![folder.clone()]),
        None => DiskManagerMode::OsTmpDirectory,
    };
    let disk =
        DiskManagerBuilder::default().with_mode(mode).with_max_temp_directory_size(settings.spill_bytes_max);
    RuntimeEnvBuilder::from_runtime_env(shared)
        .with_memory_pool(Arc::new(pool))
        .with_disk_manager_builder(disk)
        .build_arc()
}
