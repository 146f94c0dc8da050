//! Every cap of the product in one table, unit last in the name; the README shows the same numbers.

/// Length of a tenant id.
pub const TENANT_ID_BYTES_MAX: usize = 64;

// The store.

/// Retries of one request to an S3 store, with exponential backoff between them.
pub const STORE_RETRIES_MAX: usize = 10;
/// No retry starts later than this after the first attempt.
pub const STORE_RETRY_MS_MAX: u64 = 60_000;
/// One attempt of a request, its body included.
pub const STORE_REQUEST_MS_MAX: u64 = 30_000;
/// Making a connection to an S3 store.
pub const STORE_CONNECT_MS_MAX: u64 = 5_000;
/// Retries of the request that checks an S3 store at start: few, so that a wrong setting is told soon.
pub const STORE_PROBE_RETRIES_MAX: usize = 2;
/// Versions of objects in one answer of a bucket: as many as S3 gives.
pub const VERSIONS_PAGE: usize = 1_000;
/// Versions of objects that are locked or held at the same time.
pub const LOCKS_AT_ONCE: usize = 16;
/// Folders a local store remembers as fsynced; past it, it forgets them and fsyncs again.
pub const STORE_FOLDERS_KNOWN_MAX: usize = 65_536;
/// Processes that may have one local store open at the same time.
pub const STORE_LOCAL_OPENERS_MAX: usize = 256;
// Tables: files, commits and what is uncommitted.

/// Rows of a Parquet row group.
pub const ROW_GROUP_ROWS_MAX: usize = 128 * 1024;
/// Encoded bytes of a Parquet row group: what a reader of one file keeps in memory.
pub const ROW_GROUP_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Rows of a Parquet page.
pub const PAGE_ROWS_MAX: usize = 1_024;
/// Bytes of a Parquet page before compression, about; also of a column's dictionary. Whoever reads or writes a file has one
/// of each in memory, for each of some forty columns.
pub const PAGE_BYTES_MAX: usize = 256 * 1024;
/// Bytes of the batches that reading a file yields, about.
pub const READ_BATCH_BYTES_MAX: usize = 1024 * 1024;
/// Rows of the batches that reading a file yields.
pub const READ_BATCH_ROWS_MAX: usize = 8_192;
/// Characters of text kept in a file's statistics.
pub const STATS_TEXT_CHARS_MAX: usize = 32;
/// Rows up to which uncommitted batches are merged into one.
pub const COALESCED_ROWS_MAX: usize = 8_192;
/// Bytes up to which uncommitted batches are merged into one.
pub const COALESCED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Attempts to write one entry of a Delta log when the store fails.
pub const COMMIT_ATTEMPTS_MAX: u32 = 5;
// The skip index.

/// Rows of a block: what one posting stands for.
pub const INDEX_BLOCK_ROWS: usize = 1_024;
/// Rows of a segment that is not merged any further.
pub const INDEX_SEGMENT_ROWS_MAX: u64 = 16 * 1024 * 1024;
/// Bits kept of a hash in a segment that will be merged again.
pub const INDEX_HASH_BITS: u32 = 30;
/// Postings collected in memory before a segment is written.
pub const INDEX_BUILD_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Different pairs of action and outcome that are counted in one piece of a file.
pub const INDEX_COUNTED_MAX: usize = 4_096;
/// Segments merged at once.
pub const INDEX_FAN_IN_MAX: usize = 64;
/// Values that one query looks up.
pub const INDEX_PROBES_MAX: usize = 4_096;

// --- import ---

/// Longest single JSON value (event, record, or envelope in one piece) that an imported file may hold.
pub const IMPORT_VALUE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// No record is as long, so an object that is holds records: they are read one after another.
pub const IMPORT_RECORD_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Bytes that a packed part of an envelope may have when it is decompressed.
pub const IMPORT_UNPACKED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Envelopes around one record.
pub const IMPORT_ENVELOPES_MAX: usize = 10;
/// Layers of compression around a file.
pub const IMPORT_COMPRESSIONS_MAX: usize = 3;
/// Levels of objects and arrays in a foreign record.
pub const IMPORT_DEPTH_MAX: usize = 128;
/// Members of one record that are given twice, or changed, and named.
pub const IMPORT_PROBLEMS_MAX: usize = 16;
/// Events in one batch of an import.
pub const IMPORT_BATCH_EVENTS_MAX: usize = 5_000;
/// Bytes of one batch of an import.
pub const IMPORT_BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;

// --- export ---

/// Rows that an export encodes at once.
pub const EXPORT_GROUP_ROWS_MAX: usize = 4_096;
/// Bytes of their text, about: the row that passes them is the last of its group.
pub const EXPORT_GROUP_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Memory of what writes one export file, about: a group of rows in two forms, a row group, pages and compressors of all
/// columns.
pub const EXPORT_ENCODER_BYTES_MAX: usize = 64 * 1024 * 1024;

// --- generate ---

/// Tenants of a synthetic company.
pub const GENERATE_TENANTS_MAX: usize = 10_000;
/// Days of a synthetic company's history.
pub const GENERATE_DAYS_MAX: u32 = 3_660;
// HTTP

/// Size of a request's body to `/v1/sql`.
pub const SQL_REQUEST_BYTES_MAX: usize = 1 << 20;
/// What is read and thrown away of the body of a request that was refused before its end.
pub const DISCARDED_BYTES_MAX: usize = 64 << 20;
/// Size of a request's head, all headers together.
pub const HEAD_BYTES_MAX: usize = 64 << 10;
/// Connections that wait in the kernel's queue to be accepted, if the kernel's own cap (`net.core.somaxconn`) allows.
pub const LISTEN_QUEUE_MAX: u32 = 4_096;
/// Number of headers in a request.
pub const HEADERS_MAX: usize = 100;
/// Requests at once on one HTTP/2 connection.
pub const HTTP2_STREAMS_MAX: u32 = 100;
/// Length of a request id taken over from a client.
pub const REQUEST_ID_BYTES_MAX: usize = 128;
/// Length of an `Idempotency-Key`.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;
/// Gzip members concatenated in one body.
pub const GZIP_MEMBERS_MAX: usize = 1_024;
/// Window of a zstd body, as a power of two: 16 MiB, the size of the largest body.
pub const ZSTD_WINDOW_LOG_MAX: u32 = 24;
/// Length of a root key that an operator gives.
pub const GIVEN_KEY_BYTES_MIN: usize = 8;
/// Length of a root key that an operator gives to a server that other machines can reach.
pub const PUBLIC_KEY_BYTES_MIN: usize = 32;
// SQL: what a query text may be, and what a plan may do. Limits that an operator may change are in `query::Settings`.

/// Rows of the batches that a query works on.
pub const QUERY_BATCH_ROWS: usize = 8_192;
/// Length of a SQL text.
pub const SQL_BYTES_MAX: usize = 64 * 1024;
/// Words, numbers and signs in a SQL text.
pub const SQL_TOKENS_MAX: usize = 10_000;
/// Expressions inside each other, chains of `OR` and `+` included: `a OR b OR c` is 3 deep.
pub const SQL_DEPTH_MAX: usize = 256;
/// Expressions in a statement.
pub const SQL_EXPRESSIONS_MAX: usize = 5_000;
/// Tables and SELECTs in a statement after every `WITH` name is replaced by its query.
pub const SQL_RELATIONS_MAX: u64 = 128;
/// Parser calls inside each other: parentheses, subqueries, prefix operators.
pub const SQL_NESTING_MAX: usize = 50;
/// Rows of a subquery, or of the small side of a join, that are read before the rest of the query is planned.
pub const SUBQUERY_ROWS_MAX: usize = 65_536;
/// Bytes of them.
pub const SUBQUERY_BYTES_MAX: usize = 16 << 20;
/// Row pairs that a join without an equality may have to compare, by the planner's estimate.
pub const JOIN_PAIRS_MAX: usize = 1_000_000_000;
/// Stack of a thread that parses, plans or runs queries; touched only as deep as a query goes.
pub const QUERY_STACK_BYTES: usize = 32 * 1024 * 1024;
/// Batches between a query and its reader: what a slow reader can hold back.
pub const RESULT_BATCHES_QUEUED_MAX: usize = 2;
/// Rows that are turned into text at once.
pub const ENCODE_ROWS_MAX: usize = 1_024;
/// Length of the name of a saved query.
pub const SAVED_NAME_BYTES_MAX: usize = 64;
/// Files in a user's folder of saved queries.
pub const SAVED_FILES_MAX: usize = 1_000;
/// Rows that a text table shows.
pub const TEXT_TABLE_ROWS_MAX: usize = 1_000;

// --- command line ---

/// Events in one batch of the demo: few, because it makes, takes in and asks in one process.
pub const DEMO_BATCH_EVENTS: usize = 1_000;

/// Records refused by an import that are shown one by one.
pub const IMPORT_REFUSALS_SHOWN_MAX: u64 = 20;
/// Entries in each list of an import's summary in JSON; the rest is counted.
pub const IMPORT_LISTED_MAX: usize = 1_000;
/// Reasons by which the other refused records are counted.
pub const IMPORT_REASONS_COUNTED_MAX: usize = 20;
/// Times that a request to a server is tried.
pub const CLIENT_TRIES_MAX: u32 = 12;

// Compaction.

/// Files that one compaction job reads.
pub const COMPACTION_FILES_MAX: usize = 256;
/// Files that one compaction job reads at once, because their times overlap.
pub const COMPACTION_FAN_IN_MAX: usize = 16;
/// Memory of all compaction jobs that run at once, about. The program itself and what the allocator does not give back
/// come on top: `benches/memory` measures that a process which compacts stays below 256 MiB.
pub const COMPACTION_BYTES_MAX: u64 = 104 * 1024 * 1024;
/// Of which for encoding one large file: a row group, pages and compressors of all columns, upload parts.
pub const ENCODING_BYTES_MAX: u64 = 40 * 1024 * 1024;
/// Pages, dictionaries and a batch of one open file as decoded, about: what all but contrived files keep to.
pub const DECODED_BYTES_MAX: u64 = 24 * 1024 * 1024;
/// Rows of the batches that a merge makes.
pub const MERGE_BATCH_ROWS_MAX: usize = 8_192;
/// Bytes of their values, about.
pub const MERGE_BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;
// One event. A length counts the bytes of the text in UTF-8, after JSON escapes are resolved.

/// Length of an event's `id`.
pub const EVENT_ID_BYTES_MAX: usize = 128;
/// Length of `action`.
pub const ACTION_BYTES_MAX: usize = 256;
/// Length of the `type` of an actor, target, credential or `on_behalf_of`.
pub const TYPE_BYTES_MAX: usize = 128;
/// Length of the `id` of an actor, target, credential, workspace or `on_behalf_of` (an AWS ARN has up to 2,048).
pub const REFERENCE_BYTES_MAX: usize = 2_048;
/// Length of the `name` of an actor, target, workspace or `on_behalf_of`.
pub const NAME_BYTES_MAX: usize = 1_024;
/// Length of `actor.email`: 64 for the mailbox, `@`, 255 for the domain.
pub const EMAIL_BYTES_MAX: usize = 320;
/// Length of `context.user_agent`.
pub const USER_AGENT_BYTES_MAX: usize = 2_048;
/// Length of `context.session_id`, `context.request_id` and `correlation_id`.
pub const TRACE_ID_BYTES_MAX: usize = 512;
/// Length of `outcome.reason`.
pub const REASON_BYTES_MAX: usize = 4_096;
/// Length of `description`.
pub const DESCRIPTION_BYTES_MAX: usize = 8_192;
/// Targets of one event.
pub const TARGETS_MAX: usize = 64;
/// Aliases of one target: other names of the same thing.
pub const ALIASES_MAX: usize = 16;
/// Canonical JSON of one metadata object (the event's, the actor's, each target's) or of `changes`.
pub const METADATA_BYTES_MAX: usize = 16 * 1_024;
/// Text of one event as stored: the bytes of all its text and JSON columns together.
pub const EVENT_BYTES_MAX: usize = 64 * 1_024;
/// Levels of objects and arrays in an event, the event itself being the first.
pub const JSON_DEPTH_MAX: usize = 32;
/// Targets of an event that was mapped from a record of another system: as many as its text has room for.
pub const IMPORTED_TARGETS_MAX: usize = 65_536;
/// Canonical JSON of one metadata object, or of `changes`, of such an event. CloudTrail's records have up to 256 kB, and a record's
/// numbers may take more room as text.
pub const IMPORTED_METADATA_BYTES_MAX: usize = 1_024 * 1_024;
/// Text of such an event as stored: the record, and its targets once more.
pub const IMPORTED_EVENT_BYTES_MAX: usize = 2 * 1_024 * 1_024;
/// Levels of objects and arrays in such an event.
pub const IMPORTED_JSON_DEPTH_MAX: usize = 100;
/// Levels of objects and arrays past which a body is not read at all.
pub const BODY_DEPTH_MAX: usize = 128;
/// Characters of one JSON number; no double needs more than 800.
pub const NUMBER_BYTES_MAX: usize = 1_024;
/// Largest `version`.
pub const VERSION_MAX: i64 = i32::MAX as i64;
/// First year that `occurred_at` may lie in.
pub const OCCURRED_AT_YEAR_MIN: i32 = 2000;
/// How far `occurred_at` may lie after the server's clock.
pub const FUTURE_SKEW_HOURS_MAX: i64 = 24;
/// Problems reported for one event; the last one tells how many more there are.
pub const PROBLEMS_MAX: usize = 32;

// One request.

/// Events in a request.
pub const REQUEST_EVENTS_MAX: usize = 10_000;
/// Body of a request, decompressed.
pub const REQUEST_BYTES_MAX: usize = 16 * 1_024 * 1_024;

/// One row of the table of limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What is limited, as a reader of the documentation knows it.
    pub name: &'static str,
    /// The largest (for a year: the smallest) value that passes.
    pub value: i64,
    /// What `value` counts.
    pub unit: &'static str,
    /// What happens to whatever passes the limit.
    pub effect: &'static str,
}

const EVENT_REJECTED: &str = "event rejected";
const REQUEST_REFUSED: &str = "request refused (413)";

const fn limit(name: &'static str, value: usize, unit: &'static str, effect: &'static str) -> Limit {
    Limit { name, value: value as i64, unit, effect }
}

const fn event(name: &'static str, value: usize, unit: &'static str) -> Limit {
    limit(name, value, unit, EVENT_REJECTED)
}

/// All limits that a sender of events can meet; the README's table is made from it.
pub const TABLE: &[Limit] = &[
    limit("events in a request", REQUEST_EVENTS_MAX, "events", REQUEST_REFUSED),
    limit("request body, decompressed", REQUEST_BYTES_MAX, "bytes", REQUEST_REFUSED),
    event("tenant_id", TENANT_ID_BYTES_MAX, "bytes"),
    event("id", EVENT_ID_BYTES_MAX, "bytes"),
    event("action", ACTION_BYTES_MAX, "bytes"),
    event("type (actor, target, credential, on_behalf_of)", TYPE_BYTES_MAX, "bytes"),
    event(
        "id (actor, target, credential, on_behalf_of, workspace), alias of a target",
        REFERENCE_BYTES_MAX,
        "bytes",
    ),
    event("name (actor, target, on_behalf_of, workspace)", NAME_BYTES_MAX, "bytes"),
    event("actor.email", EMAIL_BYTES_MAX, "bytes"),
    event("context.user_agent", USER_AGENT_BYTES_MAX, "bytes"),
    event("context.session_id, context.request_id, correlation_id", TRACE_ID_BYTES_MAX, "bytes"),
    event("outcome.reason", REASON_BYTES_MAX, "bytes"),
    event("description", DESCRIPTION_BYTES_MAX, "bytes"),
    event("targets", TARGETS_MAX, "targets"),
    event("aliases of a target", ALIASES_MAX, "aliases"),
    event("each metadata, changes", METADATA_BYTES_MAX, "bytes of canonical JSON"),
    event("an event's text in total", EVENT_BYTES_MAX, "bytes"),
    event("nesting", JSON_DEPTH_MAX, "levels"),
    event("targets, of an imported record", IMPORTED_TARGETS_MAX, "targets"),
    event(
        "each metadata, changes, of an imported record",
        IMPORTED_METADATA_BYTES_MAX,
        "bytes of canonical JSON",
    ),
    event("an event's text in total, of an imported record", IMPORTED_EVENT_BYTES_MAX, "bytes"),
    event("nesting, of an imported record", IMPORTED_JSON_DEPTH_MAX, "levels"),
    event("number", NUMBER_BYTES_MAX, "characters"),
    event("version", VERSION_MAX as usize, ""),
    event("occurred_at, earliest", OCCURRED_AT_YEAR_MIN as usize, "year"),
    event("occurred_at, ahead of the server's clock", FUTURE_SKEW_HOURS_MAX as usize, "hours"),
    limit("problems reported for an event", PROBLEMS_MAX, "problems", "the rest is counted"),
];

// Ingest.

/// Events that are being sorted and written to files at the same time, all tenants together, as KiB of Arrow data.
/// A tenant with more goes alone: it keeps a core busy, and taking events in needs the other. Sorting and encoding take
/// about three times as much on top.
pub const FLUSH_KIB_AT_ONCE: usize = 16 * 1_024;
/// Rows that are put together at once on their way into a file.
pub const FLUSH_ROWS_AT_ONCE: usize = 4_096;

// Keys.

/// Keys of a store that are not revoked.
pub const KEYS_MAX: usize = 10_000;
/// Keys of a page, if nothing is said.
pub const KEYS_PAGE: u64 = 100;
/// Keys of a page.
pub const KEYS_PAGE_MAX: u64 = 1_000;
/// Bytes of a key's name.
pub const KEY_NAME_BYTES_MAX: usize = 200;
/// For how long the secret before the newest may still hold: 30 days.
pub const KEY_GRACE_MS_MAX: i64 = 30 * 24 * 3_600_000;
/// The same if nothing is said: a day.
pub const KEY_GRACE_MS: i64 = 24 * 3_600_000;

// Filters of events.

/// Bytes of one value.
pub const FILTER_VALUE_BYTES_MAX: usize = 2_048;
/// Actions, each of which may match.
pub const FILTER_ACTIONS_MAX: usize = 32;
/// Keys of metadata, all of which have to match.
pub const FILTER_METADATA_MAX: usize = 16;
/// Words that `has_words` looks for at once.
pub const WORDS_MAX: usize = 64;
/// Words, all of which an event must have.
pub const FILTER_WORDS_MAX: usize = 16;
/// Events of a page.
pub const EVENTS_PAGE_MAX: u64 = 1_000;
/// Events of a page if nothing is said.
pub const EVENTS_PAGE: u64 = 100;
/// Bytes of a page, about: it ends with the event that passes them.
pub const EVENTS_PAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Rows of a histogram: intervals times values.
pub const HISTOGRAM_ROWS_MAX: u64 = 10_000;
/// Values of a field that are listed.
pub const FIELD_VALUES_MAX: u64 = 1_000;
/// The same if nothing is said.
pub const FIELD_VALUES: u64 = 20;

// Viewer tokens.

/// Bytes of the subject of a viewer token.
pub const VIEWER_SUBJECT_BYTES_MAX: usize = 256;
/// For how long a viewer token may hold: a day.
pub const VIEWER_TOKEN_MS_MAX: i64 = 24 * 3_600_000;
/// The same if nothing is said: an hour.
pub const VIEWER_TOKEN_MS: i64 = 3_600_000;

// The log of the log.

/// Tenants in each of whose logs a read of all is recorded; if there are more, only the operator's tells of it.
pub const LOGBOOK_TENANTS_MAX: usize = 1_000;
/// Bytes of one parameter or reason that are recorded.
pub const LOGBOOK_TEXT_BYTES_MAX: usize = 2_048;
// Tenants.

/// Days that a tenant's events may be kept: a hundred years.
pub const RETENTION_DAYS_MAX: u32 = 36_500;
/// Tenants of a page, if nothing is said.
pub const TENANTS_PAGE: u64 = 100;
/// Tenants of a page.
pub const TENANTS_PAGE_MAX: u64 = 1_000;
/// Live files of a table on a page, about, if nothing is said: a page has whole days.
pub const TABLE_FILES_PAGE: u64 = 1_000;
/// Live files of a table on a page, about.
pub const TABLE_FILES_PAGE_MAX: u64 = 10_000;
// Rates.

/// Keys, tenants and addresses whose spending is remembered, each: past it, who owes least is forgotten.
pub const RATE_HOLDERS_MAX: usize = 65_536;
/// The most seconds of a rate that may be spent at once.
pub const RATE_BURST_SECONDS_MAX: u32 = 3_600;

// Exports

/// Events of an export that are read and sorted at once, about.
pub const EXPORT_STRETCH_ROWS: u64 = 65_536;
/// Rows of the batches that an export works on: a few of each file that it reads are in memory.
pub const EXPORT_BATCH_ROWS: usize = 1_024;
/// Files whose times overlap that an export merges; of more, it sorts a stretch at a time.
pub const EXPORT_FAN_IN_MAX: usize = 16;
/// Size at which a file of an export ends, about.
pub const EXPORT_FILE_BYTES: u64 = 256 << 20;
/// Rows at which a file of an export ends at the latest, about.
pub const EXPORT_FILE_ROWS: u64 = 16 << 20;
/// Exports of one tenant that are kept, ended ones included.
pub const EXPORTS_PER_TENANT_MAX: usize = 1_000;
/// How long a request may wait for the end of an export.
pub const EXPORT_WAIT_SECONDS_MAX: u64 = 60;
/// Exports of a list, if not said.
pub const EXPORTS_PAGE: u64 = 100;
/// Bytes of one part of a file on its way.
pub const EXPORT_PART_BYTES: usize = 8 << 20;
/// Parts of one file on their way at once.
pub const EXPORT_PARTS_AT_ONCE: usize = 2;
/// Footers that a process keeps which only exports.
pub const EXPORT_FOOTER_CACHE_BYTES: usize = 16 << 20;
/// How long an export that is told to stop may take to give up what it is sending; then it is dropped.
pub const EXPORT_STOP: std::time::Duration = std::time::Duration::from_secs(2);
/// For how long a URL of an exported file holds, unless said otherwise, in seconds.
pub const EXPORT_URL_SECONDS: u64 = 900;
/// And at most.
pub const EXPORT_URL_SECONDS_MAX: u64 = 3_600;
/// Continuous exports of a tenant, or of all tenants at once.
pub const CONTINUOUS_PER_TENANT_MAX: usize = 20;
/// Seconds between two deliveries, unless said otherwise.
pub const CONTINUOUS_INTERVAL_SECONDS: u64 = 300;
/// The fewest.
pub const CONTINUOUS_INTERVAL_SECONDS_MIN: u64 = 60;
/// The most.
pub const CONTINUOUS_INTERVAL_SECONDS_MAX: u64 = 86_400;
/// The fewest for Amazon Security Lake, which asks for it (Security Lake User Guide, "Collecting data from custom sources").
pub const SECURITY_LAKE_INTERVAL_SECONDS_MIN: u64 = 300;
/// Events of a delivery at most, unless said otherwise: some 80 MB of Parquet.
pub const CONTINUOUS_ROWS: u64 = 1_000_000;
/// The fewest that can be said.
pub const CONTINUOUS_ROWS_MIN: u64 = 1_000;
/// The most.
pub const CONTINUOUS_ROWS_MAX: u64 = 5_000_000;
/// The fewest bytes of the log at which a delivery can be said to end.
pub const CONTINUOUS_BYTES_MIN: u64 = 64 << 10;
/// The most.
pub const CONTINUOUS_BYTES_MAX: u64 = 4 << 30;
/// Continuous exports in a page, if nothing is said.
pub const CONTINUOUS_PAGE: u64 = 100;
/// And at most.
pub const CONTINUOUS_PAGE_MAX: u64 = 1_000;
/// Files of a continuous export in a page, if nothing is said.
pub const CONTINUOUS_FILES_PAGE: u64 = 100;
/// And at most.
pub const CONTINUOUS_FILES_PAGE_MAX: u64 = 1_000;
/// Deliveries that are looked at for one page: many may have no files.
pub const CONTINUOUS_FILES_LOOKED_AT_MAX: usize = 1_000;
/// Of which so many are read at the same time.
pub const CONTINUOUS_FILES_READ_AT_ONCE: usize = 16;

// Sealed fields.

/// Fields that a tenant can have sealed.
pub const SEALED_FIELDS_MAX: usize = 32;
/// Bytes of the name of one.
pub const SEALED_FIELD_BYTES_MAX: usize = 256;
/// Files that an erasure replaces in one commit.
pub const ERASURE_FILES_AT_ONCE: usize = 32;
/// How long an erasure that failed waits before it is tried again.
pub const ERASURE_RETRY: std::time::Duration = std::time::Duration::from_secs(60);
/// Files that were written so long after the last commit of an erasure may still be made of what it has replaced.
pub const ERASURE_LATE_FILES: std::time::Duration = std::time::Duration::from_secs(3_600);
/// How often it is looked whether the sweep has taken the files from before an erasure.
pub const ERASURE_LOOK: std::time::Duration = std::time::Duration::from_secs(600);
/// Erasures in a page, if nothing is said.
pub const ERASURES_PAGE: u64 = 100;
/// Erasures in a page, at most.
pub const ERASURES_PAGE_MAX: u64 = 1_000;
/// Seconds for which an answer may wait for an erasure.
pub const ERASURE_WAIT_SECONDS_MAX: u64 = 60;

// Evidence.

/// Tiles of one tree on their way to the store, or from it, at once.
pub const EVIDENCE_REQUESTS_MAX: usize = 32;
/// Leaf hashes that are made from committed files at once, to catch up with them: 32 MiB.
pub const EVIDENCE_WINDOW_LEAVES: u64 = 1 << 20;
/// Findings that a verification lists for one tenant; the rest is counted.
pub const VERIFY_FINDINGS_MAX: usize = 1_000;
/// Rows of a file that a verification reads at once, if they are small.
pub const VERIFY_FEW_ROWS: u64 = 256;
/// Rows of a batch whose hashes a verification makes where it reads them; those of more go to another thread.
pub const VERIFY_ROWS_IN_PLACE: usize = 1_024;
/// Tiles of leaves that a verification keeps at hand: 8 KiB each.
pub const VERIFY_TILES_MAX: usize = 2_048;
/// Damaged tiles whose events are compared with the tree above them; events of further ones only with the tile.
pub const VERIFY_DAMAGED_TILES_MAX: usize = 4_096;

// Blocks of files.

/// Memory for the times of files' blocks, 16 bytes for a thousand events.
pub const BLOCK_TIMES_CACHE_BYTES: u64 = 16 << 20;
/// Files that it is made for, to begin with.
pub const BLOCK_TIMES_FILES_ESTIMATE: usize = 4_096;
/// Memory for the words of uncommitted events; only where words are looked for.
pub const MEMORY_WORDS_CACHE_BYTES: u64 = 32 << 20;
/// Batches that it is made for, to begin with.
pub const MEMORY_WORDS_ESTIMATE: usize = 64;
