//! Decides what to compact; touches nothing.
//!
//! In: the live files of one tenant, the policy, the time. Out: jobs, each replacing some files of one day by
//! one. Guaranteed: jobs are disjoint; each makes the number of files smaller and no file larger than the
//! target, so planning again after each round ends; a file of half the target or more is never rewritten.
//!
//! A day in which nothing has arrived for the settle time is merged as far as it goes. In a day still growing,
//! only like sizes merge, and only when there are many: a row is then rewritten O(log n) times, as in a
//! log-structured tree, instead of with every flush. Events that come late make new small files, and so the day
//! settles anew.

use std::{collections::BTreeMap, sync::Arc};

use chrono::NaiveDate;
use datafusion::scalar::ScalarValue;
use serde::{Deserialize, Serialize};

use crate::{event::schema, limits, table::DataFile};

/// A file this small is always worth merging into.
const CHEAP_BYTES: u64 = 32 * 1024 * 1024;

/// A larger file is only rewritten for at least this part of its size.
const WORTH_ONE_IN: u64 = 8;

/// Rows of text and numbers take about this many times their size in a compressed file. What a file really takes, the
/// merge sees when it opens it.
const DECODED_PER_STORED_BYTE: u64 = 10;

/// Decompressors and buffers of one open file.
const OPEN_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// What encoding even a small file takes: compressors and buffers of all columns.
const ENCODING_BYTES_MIN: u64 = 16 * 1024 * 1024;

/// What indexing even the largest file takes, about: the postings collected before they are written.
const INDEXING_BYTES_MAX: u64 = limits::INDEX_BUILD_BYTES_MAX as u64;

/// Postings of a row take about this many times its size in a compressed file.
const INDEXED_PER_STORED_BYTE: u64 = 2;

/// When and into what to compact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// A day is settled when its newest file is this old, milliseconds.
    pub settle_ms: i64,
    /// In a day still growing, this many files of like size are merged.
    pub like_files_min: usize,
    /// Size of a file that is large enough.
    pub target_bytes: u64,
    /// Files that one job has open at once: those whose time ranges overlap.
    pub fan_in_max: usize,
    /// Memory of all jobs that run at once, about.
    pub memory_bytes_max: u64,
    /// Jobs that run at once, if they are small enough.
    pub jobs_at_once: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            settle_ms: 10 * 60_000,
            like_files_min: limits::COMPACTION_FAN_IN_MAX,
            target_bytes: 256 * 1024 * 1024,
            fan_in_max: limits::COMPACTION_FAN_IN_MAX,
            memory_bytes_max: limits::COMPACTION_BYTES_MAX,
            jobs_at_once: 4,
        }
    }
}

/// One replacement: several files of one day become one.
#[derive(Clone, Debug)]
pub struct Job {
    /// The partition.
    pub day: NaiveDate,
    /// At least two live files, in the order of their first events.
    pub inputs: Vec<Arc<DataFile>>,
    /// Memory for reading and merging, about.
    pub reading_bytes: u64,
    /// Memory for encoding and indexing, about.
    pub writing_bytes: u64,
}

impl Job {
    /// Memory that the job takes, about.
    pub fn memory_bytes(&self) -> u64 {
        self.reading_bytes + self.writing_bytes
    }
}

/// The jobs that `policy` wants done to a tenant's live `files` at `now_ms`.
pub fn plan(files: &[Arc<DataFile>], policy: &Policy, now_ms: i64) -> Vec<Job> {
    let mut small_by_day: BTreeMap<NaiveDate, Vec<Arc<DataFile>>> = BTreeMap::new();
    for file in files.iter().filter(|file| file.size_bytes < policy.target_bytes / 2) {
        small_by_day.entry(file.day).or_default().push(file.clone());
    }
    let mut jobs = Vec::new();
    for (day, small) in small_by_day {
        let newest = small.iter().map(|file| file.added_at_ms).max().unwrap_or(i64::MAX);
        let is_settled = now_ms.saturating_sub(newest) >= policy.settle_ms;
        let sets = if is_settled { vec![worth_merging(small)] } else { like_sizes(small, policy) };
        for set in sets {
            let groups = grouped(set, policy).into_iter();
            jobs.extend(groups.map(|group| Job {
                day,
                reading_bytes: group.reading_bytes,
                writing_bytes: group.writing_bytes(),
                inputs: group.files,
            }));
        }
    }
    jobs
}

/// All files, but a large one only if the others bring enough to rewrite it for.
fn worth_merging(mut files: Vec<Arc<DataFile>>) -> Vec<Arc<DataFile>> {
    files.sort_by_key(|file| file.size_bytes);
    while let Some(largest) = files.last() {
        let others: u64 = files.iter().map(|file| file.size_bytes).sum::<u64>() - largest.size_bytes;
        if largest.size_bytes <= CHEAP_BYTES || others * WORTH_ONE_IN >= largest.size_bytes {
            break;
        }
        files.pop();
    }
    files
}

/// Files whose sizes are within a factor of eight, where there are many of them.
fn like_sizes(files: Vec<Arc<DataFile>>, policy: &Policy) -> Vec<Vec<Arc<DataFile>>> {
    let mut by_size: BTreeMap<u32, Vec<Arc<DataFile>>> = BTreeMap::new();
    for file in files {
        by_size.entry(file.size_bytes.max(1).ilog2() / 3).or_default().push(file);
    }
    by_size.into_values().filter(|like| like.len() >= policy.like_files_min.max(2)).collect()
}

/// Groups of at least two files, neighbours in time, of about equal length.
fn grouped(mut files: Vec<Arc<DataFile>>, policy: &Policy) -> Vec<Group> {
    files.sort_by(|a, b| (first_event(a), &a.path).cmp(&(first_event(b), &b.path)));
    let greedy = cut(&files, policy, limits::COMPACTION_FILES_MAX);
    // 17 files where 16 are allowed make 9 and 8, not 16 and 1.
    let mut groups = cut(&files, policy, files.len().div_ceil(greedy.len().max(1)));
    groups.retain(|group| group.files.len() >= 2);
    groups
}

/// Files that become one, and what making it takes.
#[derive(Default)]
struct Group {
    files: Vec<Arc<DataFile>>,
    bytes: u64,
    /// Of the files: those that overlap the last one in time, and so are open at once with it.
    open: Vec<Arc<DataFile>>,
    /// Memory for reading, where most is open at once.
    reading_bytes: u64,
}

impl Group {
    /// Adds `file`, which begins after all others, unless the group would pass a limit.
    fn add(&mut self, file: &Arc<DataFile>, policy: &Policy, files_max: usize) -> bool {
        // A merge opens a file when it reaches its first event and is done with it after its last.
        let mut open: Vec<_> =
            self.open.iter().filter(|open| last_event(open) >= first_event(file)).cloned().collect();
        open.push(file.clone());
        let reading_bytes = self.reading_bytes.max(open.iter().map(|file| reading_bytes(file)).sum());
        let bytes = self.bytes + file.size_bytes;
        let reading_max = policy.memory_bytes_max.saturating_sub(writing_bytes(bytes));
        let is_open_to_all = self.files.len() < 2;
        let fits = bytes <= policy.target_bytes
            && self.files.len() < files_max.max(2)
            && (is_open_to_all || (open.len() <= policy.fan_in_max && reading_bytes <= reading_max));
        if fits {
            self.files.push(file.clone());
            self.bytes = bytes;
            (self.open, self.reading_bytes) = (open, reading_bytes);
        }
        fits
    }

    fn writing_bytes(&self) -> u64 {
        writing_bytes(self.bytes)
    }
}

/// Memory that encoding and indexing a file of `bytes` takes, about.
fn writing_bytes(bytes: u64) -> u64 {
    let indexing = INDEXING_BYTES_MAX.min(INDEXED_PER_STORED_BYTE * bytes);
    limits::ENCODING_BYTES_MAX.min(ENCODING_BYTES_MIN + 4 * bytes) + indexing
}

/// Cuts files, sorted by time, where a group would pass a limit.
fn cut(files: &[Arc<DataFile>], policy: &Policy, files_max: usize) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for file in files {
        let added = groups.last_mut().is_some_and(|group| group.add(file, policy, files_max));
        if !added {
            let mut group = Group::default();
            group.add(file, policy, files_max);
            groups.push(group);
        }
    }
    groups
}

/// Memory that reading `file` takes, about: one row group as stored, one page of each column as decoded, and the
/// decompressor of each column.
fn reading_bytes(file: &DataFile) -> u64 {
    let page_rows = file.rows.min(limits::PAGE_ROWS_MAX as u64);
    let row_bytes = file.size_bytes / file.rows.max(1);
    let stored = file.size_bytes.min(limits::ROW_GROUP_BYTES_MAX as u64);
    let decoded = (page_rows * row_bytes * DECODED_PER_STORED_BYTE).min(limits::DECODED_BYTES_MAX);
    stored + decoded + OPEN_FILE_BYTES
}

/// When the file's first event occurred; if its statistics do not say, before everything.
pub(crate) fn first_event(file: &DataFile) -> i64 {
    match file.stats.get(schema::OCCURRED_AT).and_then(|stats| stats.min.as_ref()) {
        Some(ScalarValue::TimestampMicrosecond(Some(micros), _)) => *micros,
        _ => i64::MIN,
    }
}

/// When the file's last event occurred; if its statistics do not say, after everything.
fn last_event(file: &DataFile) -> i64 {
    match file.stats.get(schema::OCCURRED_AT).and_then(|stats| stats.max.as_ref()) {
        Some(ScalarValue::TimestampMicrosecond(Some(micros), _)) => *micros,
        _ => i64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::ColumnStats;

    const MIB: u64 = 1024 * 1024;
    const HOUR_MS: i64 = 3_600_000;

    fn file(number: usize, size_bytes: u64, added_at_ms: i64) -> Arc<DataFile> {
        let day = NaiveDate::from_ymd_opt(2026, 1, 2).unwrap();
        let (path, rows) = (format!("day=2026-01-02/{number:04}.parquet"), size_bytes / 64 + 1);
        Arc::new(DataFile { path, day, rows, size_bytes, added_at_ms, stats: BTreeMap::new() })
    }

    fn files(count: usize, size_bytes: u64, added_at_ms: i64) -> Vec<Arc<DataFile>> {
        (0..count).map(|number| file(number, size_bytes, added_at_ms)).collect()
    }

    /// How many files each job takes.
    fn fan_ins(files: &[Arc<DataFile>], now_ms: i64) -> Vec<usize> {
        plan(files, &Policy::default(), now_ms).iter().map(|job| job.inputs.len()).collect()
    }

    /// Would catch a day compacted while it still grows, one never compacted, a large file rewritten for a late
    /// event, lopsided groups, and groups beyond fan-in, target or memory.
    #[test]
    fn a_day_is_compacted_when_it_should_be() {
        let late = |large: u64, late: u64| vec![file(0, large, 0), file(1, late, 0)];
        type Case = (&'static str, Vec<Arc<DataFile>>, i64, &'static [usize]);
        let cases: [Case; 14] = [
            ("nothing", vec![], HOUR_MS, &[]),
            ("a single file", files(1, MIB, 0), HOUR_MS, &[]),
            ("settled", files(3, MIB, 0), HOUR_MS, &[3]),
            ("not settled", files(3, MIB, HOUR_MS - 1), HOUR_MS, &[]),
            ("growing, many alike", files(16, 64 * 1_024, HOUR_MS), HOUR_MS, &[16]),
            (
                "growing, many but not alike",
                [files(15, 1_024, HOUR_MS), files(15, MIB, HOUR_MS)].concat(),
                HOUR_MS,
                &[],
            ),
            ("large enough already", files(4, 128 * MIB, 0), HOUR_MS, &[]),
            ("late event in a small day", late(5 * MIB, 1_024), HOUR_MS, &[2]),
            ("late event in a large day", late(100 * MIB, 1_024), HOUR_MS, &[]),
            ("many late events in a large day", late(100 * MIB, 13 * MIB), HOUR_MS, &[2]),
            ("evenly", files(17, 1_024, 0), HOUR_MS, &[9, 8]),
            ("memory", files(16, MIB, 0), HOUR_MS, &[8, 8]),
            ("target size", files(5, 100 * MIB, 0), HOUR_MS, &[2, 2]),
            ("clock set back", files(3, MIB, 2 * HOUR_MS), HOUR_MS, &[]),
        ];
        for (name, files, now_ms, expected) in cases {
            assert_eq!(fan_ins(&files, now_ms), expected, "{name}");
        }
    }

    /// Would catch files that follow one another being merged in more rounds than needed, as if all were open at
    /// once, and files that overlap being opened beyond the fan-in.
    #[test]
    fn only_files_that_overlap_count_as_open() {
        let timed = |number: usize, first: i64, last: i64| {
            let time = |micros| Some(ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into())));
            let stats = ColumnStats { min: time(first), max: time(last), null_count: Some(0), exact: true };
            let mut file = file(number, 1_024, 0);
            Arc::make_mut(&mut file).stats.insert(schema::OCCURRED_AT, stats);
            file
        };
        let one_after_another: Vec<_> =
            (0..100).map(|n| timed(n, n as i64 * 10, n as i64 * 10 + 12)).collect();
        assert_eq!(fan_ins(&one_after_another, HOUR_MS), [100]);
        let at_once: Vec<_> = (0..100).map(|n| timed(n, n as i64, 1_000)).collect();
        assert_eq!(fan_ins(&at_once, HOUR_MS), [15, 15, 15, 15, 15, 15, 10]);
    }

    /// Would catch jobs over files of different days, which no single file could hold.
    #[test]
    fn days_are_apart() {
        let mut files = files(4, MIB, 0);
        for late in &mut files[2..] {
            Arc::make_mut(late).day = NaiveDate::from_ymd_opt(2026, 1, 3).unwrap();
        }
        let jobs = plan(&files, &Policy::default(), HOUR_MS);
        assert_eq!(jobs.len(), 2);
        assert!(jobs.iter().all(|job| job.inputs.iter().all(|file| file.day == job.day)));
    }

    /// Would catch planning that never ends, leaves many files, or makes one beyond the target.
    #[test]
    fn rounds_end_with_few_files() {
        for (count, size) in [(2, 1), (300, 200 * 1_024), (1_000, 3 * MIB), (40, 127 * MIB)] {
            let mut live = files(count, size, 0);
            let mut rounds = 0;
            loop {
                let jobs = plan(&live, &Policy::default(), HOUR_MS);
                if jobs.is_empty() {
                    break;
                }
                rounds += 1;
                for (number, job) in jobs.iter().enumerate() {
                    let bytes = job.inputs.iter().map(|file| file.size_bytes).sum();
                    assert!(bytes <= Policy::default().target_bytes && job.inputs.len() <= 16);
                    live.retain(|file| job.inputs.iter().all(|input| input.path != file.path));
                    live.push(file(10_000 * rounds + number, bytes, 0));
                }
            }
            let few = (count as u64 * size).div_ceil(128 * MIB) as usize + 1;
            assert!(rounds <= 5 && live.len() <= few, "{count} files: {rounds} rounds, {} files", live.len());
        }
    }
}
