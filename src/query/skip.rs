//! What filters let the skip index know: values to look for, and how they combine.
//!
//! In: the filters of a scan, and the files that other pruning has kept. Out: fewer files, and of those left the rows
//! that may match. Guaranteed: a row that passes the filters is among them. Understood are, on indexed columns,
//! `column = 'value'`, `IN`, `array_has(target_ids, 'value')`, `has_words(column, …, 'words')`,
//! `metadata->>'key' = 'value'` and `metadata->'key' = 20.25` (of the JSON columns), and `AND` and `OR` of these with each other and with anything
//! else; whatever else there is, is taken for "may match".

use datafusion::{
    logical_expr::{BinaryExpr, Expr, Operator, expr::ScalarFunction, utils::split_conjunction},
    scalar::ScalarValue,
};
use futures::{StreamExt, stream};

use super::{
    addresses::canonical::mapped,
    columns::IP_ADDRESS,
    has_words,
    json::{JSON_NUMBER, number_text},
    prune::{Kept, KeptFile},
};
use crate::{
    event::schema::{JSON_COLUMNS, TARGET_IDS},
    index::{
        Field, FileRef, Found, Indexes, Probe, Rows,
        field::{ID_COLUMNS, WORD_COLUMNS},
        join_ranges,
        words::words,
    },
    limits::INDEX_PROBES_MAX,
};

/// It is a needle if at most this part of the rows is left. What then matches is in most cases one row of a block.
const NEEDLE_ONE_IN: u64 = 4;

/// Tenants whose indexes are asked at the same time.
const TENANTS_AT_ONCE: usize = 16;

/// Filters as far as the index understands them.
#[derive(Debug)]
pub(crate) struct Skip {
    probes: Probes,
    formula: Formula,
}

/// The values to look for.
#[derive(Debug)]
struct Probes {
    all: Vec<Probe>,
    /// Whether an IPv4 address may have been indexed within IPv6.
    mapped: bool,
}

/// Which rows may match, by what was found for the probes.
#[derive(Debug, PartialEq)]
enum Formula {
    Probe(usize),
    All(Vec<Formula>),
    Any(Vec<Formula>),
}

impl Skip {
    /// `None` if the index cannot say anything about `filters`, which all have to hold; `mapped`: whether there are files that may
    /// hold addresses whose text is not canonical.
    pub(crate) fn of(filters: &[Expr], mapped: bool) -> Option<Self> {
        let mut probes = Probes { all: Vec::new(), mapped };
        let understood: Vec<Formula> =
            filters.iter().filter_map(|filter| formula(filter, &mut probes)).collect();
        let few = probes.all.len() <= INDEX_PROBES_MAX;
        (few && !understood.is_empty()).then_some(Self { probes, formula: Formula::All(understood) })
    }

    /// Takes out of `kept` what cannot match.
    pub(crate) async fn prune(&self, indexes: &Indexes, kept: &mut Kept) {
        let before: u64 = kept.files.iter().map(KeptFile::rows).sum();
        let mut by_tenant: Vec<Vec<KeptFile>> = kept.snapshots.iter().map(|_| Vec::new()).collect();
        for file in std::mem::take(&mut kept.files) {
            by_tenant[file.tenant].push(file);
        }
        let asked = by_tenant.into_iter().filter(|files| !files.is_empty());
        let answers: Vec<_> = stream::iter(asked)
            .map(|files| {
                let tenant = kept.snapshots[files[0].tenant].tenant.clone();
                let index = indexes.of(&tenant);
                async move {
                    let refs: Vec<FileRef<'_>> = files.iter().map(file_ref).collect();
                    let found = index.find(&refs, &self.probes.all).await;
                    (files, found)
                }
            })
            .buffered(TENANTS_AT_ONCE)
            .collect()
            .await;
        for (files, found) in answers {
            self.keep(kept, files, &found);
        }
        let after: u64 = kept.files.iter().map(KeptFile::rows).sum();
        kept.needle = after * NEEDLE_ONE_IN <= before;
    }

    fn keep(&self, kept: &mut Kept, files: Vec<KeptFile>, found: &Found) {
        let counts = &mut kept.counts;
        counts.index_segments += found.segments as u64;
        counts.index_requests += found.cost.requests();
        counts.index_bytes_read += found.cost.bytes();
        for (number, mut file) in files.into_iter().enumerate() {
            if !found.covered[number] {
                counts.files_not_indexed += 1;
                kept.files.push(file);
                continue;
            }
            let rows = self.formula.rows(found, number);
            if rows.is_empty() {
                counts.files_pruned_by_index += 1;
                counts.files_kept -= 1;
                counts.bytes_kept -= file.file.size_bytes;
                continue;
            }
            let whole = rows.len() == 1 && rows[0] == (0..file.file.rows);
            file.rows = (!whole).then_some(rows);
            kept.files.push(file);
        }
    }
}

fn file_ref(kept: &KeptFile) -> FileRef<'_> {
    FileRef { path: &kept.file.path, rows: kept.file.rows }
}

impl Formula {
    fn rows(&self, found: &Found, file: usize) -> Rows {
        match self {
            Self::Probe(number) => found.rows[*number].get(&file).cloned().unwrap_or_default(),
            Self::All(parts) => {
                let mut parts = parts.iter().map(|part| part.rows(found, file));
                let first = parts.next().unwrap_or_default();
                parts.fold(first, |rows, other| both(&rows, &other))
            }
            Self::Any(parts) => {
                let mut parts = parts.iter().map(|part| part.rows(found, file));
                let first = parts.next().unwrap_or_default();
                parts.fold(first, |rows, other| either(&rows, &other))
            }
        }
    }
}

/// Rows in both, each ascending and disjoint.
fn both(left: &Rows, right: &Rows) -> Rows {
    let (mut at, mut rows) = (0, Rows::new());
    for range in left {
        while right.get(at).is_some_and(|other| other.end <= range.start) {
            at += 1;
        }
        let overlapping = right[at..].iter().take_while(|other| other.start < range.end);
        rows.extend(overlapping.map(|other| range.start.max(other.start)..range.end.min(other.end)));
    }
    rows
}

/// Rows in one of the two.
fn either(left: &Rows, right: &Rows) -> Rows {
    let mut rows: Rows = left.iter().chain(right).cloned().collect();
    join_ranges(&mut rows);
    rows
}

/// What the index can say about `expr`; `None`: nothing.
fn formula(expr: &Expr, probes: &mut Probes) -> Option<Formula> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            let parts: Vec<_> = [left, right].into_iter().filter_map(|part| formula(part, probes)).collect();
            (!parts.is_empty()).then_some(Formula::All(parts))
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            Some(Formula::Any(vec![formula(left, probes)?, formula(right, probes)?]))
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => {
            equal(left, right, probes).or_else(|| equal(right, left, probes))
        }
        Expr::InList(list) if !list.negated => {
            let field = id_column(&list.expr)?;
            // A null among the values matches nothing.
            let values = list.list.iter().filter(|value| !is_null(value));
            let parts = values.map(|value| Some(of_column(field, text(value)?, probes)));
            parts.collect::<Option<Vec<_>>>().map(Formula::Any)
        }
        Expr::ScalarFunction(call) => match (call.name(), call.args.as_slice()) {
            ("array_has" | "list_has" | "array_contains" | "list_contains", [list, value]) => {
                let is_targets = column(list) == Some(TARGET_IDS);
                let field = Field::of_column(TARGET_IDS).filter(|_| is_targets)?;
                Some(probe(Probe::new(field, text(value)?), probes))
            }
            _ => all_words(&words_called(call)?, probes),
        },
        _ => None,
    }
}

fn equal(left: &Expr, right: &Expr, probes: &mut Probes) -> Option<Formula> {
    if let Some(words) = words_of_number(left, right) {
        return all_words(&words, probes);
    }
    let value = text(right)?;
    if let Some(field) = id_column(left) {
        return Some(of_column(field, value, probes));
    }
    all_words(&words_of_member(left, value)?, probes)
}

/// That a column has a value, whichever text an address was indexed by.
fn of_column(field: Field, value: &str, probes: &mut Probes) -> Formula {
    let is_address = probes.mapped && Field::of_column(IP_ADDRESS) == Some(field);
    let canonical = probe(Probe::new(field, value), probes);
    match is_address.then(|| mapped(value)).flatten() {
        Some(mapped) => Formula::Any(vec![canonical, probe(Probe::new(field, &mapped), probes)]),
        None => canonical,
    }
}

/// Words that each row has that passes all of `filters`, as far as these say: those of [`has_words`] and of members of JSON columns.
pub(crate) fn words_wanted(filters: &[Expr]) -> Vec<String> {
    let of = |filter: &Expr| match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => {
            text(right).and_then(|value| words_of_member(left, value))
        }
        Expr::ScalarFunction(call) => words_called(call),
        _ => None,
    };
    filters.iter().flat_map(split_conjunction).filter_map(of).flatten().collect()
}

/// The words of a `has_words` of indexed columns.
fn words_called(call: &ScalarFunction) -> Option<Vec<String>> {
    let [of @ .., wanted] = call.args.as_slice() else { return None };
    let indexed = |of| column(of).is_some_and(|name| WORD_COLUMNS.contains(&name));
    (call.name() == has_words::NAME && of.iter().all(indexed))
        .then(|| text(wanted))?
        .map(|text| words(text, false))
}

/// The words in `metadata->>'key' = 'value'`.
fn words_of_member(member: &Expr, value: &str) -> Option<Vec<String>> {
    let key = json_key(member)?;
    // A value that is an object or a list is compared as JSON text, whose escapes are no words: see `index::words`.
    let plain = |text: &str| !text.contains('\\');
    if !plain(value) || !plain(key) {
        return None;
    }
    let mut wanted = words(value, false);
    wanted.extend(words(key, false));
    Some(wanted)
}

/// The words in `metadata->'key' = 20.25`: those of the number as RFC 8785 writes it.
fn words_of_number(member: &Expr, value: &Expr) -> Option<Vec<String>> {
    let Expr::ScalarFunction(call) = member else { return None };
    let Expr::Literal(ScalarValue::Float64(Some(value)), _) = value else { return None };
    let key = key_of(call).filter(|key| call.name() == JSON_NUMBER && !key.contains('\\'))?;
    let mut wanted = words(&number_text(*value)?, false);
    wanted.extend(words(key, false));
    Some(wanted)
}

/// The key in `metadata->>'key'`, of a JSON column whose words are indexed.
fn json_key(expr: &Expr) -> Option<&str> {
    let Expr::ScalarFunction(call) = uncast(expr) else { return None };
    key_of(call).filter(|_| ["json_as_text", "json_get_str"].contains(&call.name()))
}

/// The key that is looked for in a JSON column whose words are indexed.
fn key_of(call: &ScalarFunction) -> Option<&str> {
    let [of, key] = call.args.as_slice() else { return None };
    let name = column(of)?;
    (JSON_COLUMNS.contains(&name) && WORD_COLUMNS.contains(&name)).then(|| text(key)).flatten()
}

/// `None` if there is no word to look for.
fn all_words(words: &[String], probes: &mut Probes) -> Option<Formula> {
    let parts: Vec<_> = words.iter().map(|word| probe(Probe::new(Field::WORDS, word), probes)).collect();
    (!parts.is_empty()).then_some(Formula::All(parts))
}

fn probe(value: Probe, probes: &mut Probes) -> Formula {
    let probes = &mut probes.all;
    let known = probes.iter().position(|known| *known == value);
    Formula::Probe(known.unwrap_or_else(|| {
        probes.push(value);
        probes.len() - 1
    }))
}

/// The field of an id column of single values.
fn id_column(expr: &Expr) -> Option<Field> {
    let name = column(expr).filter(|name| ID_COLUMNS.contains(name) && *name != TARGET_IDS)?;
    Field::of_column(name)
}

fn column(expr: &Expr) -> Option<&str> {
    match uncast(expr) {
        Expr::Column(column) => Some(column.name()),
        _ => None,
    }
}

/// What is cast, between one kind of text and another at most: other casts change which values are equal.
fn uncast(expr: &Expr) -> &Expr {
    match expr {
        Expr::Cast(cast) if is_text(cast.field.data_type()) => match &*cast.expr {
            inner @ (Expr::Column(_) | Expr::ScalarFunction(_)) => inner,
            _ => expr,
        },
        _ => expr,
    }
}

fn is_text(data_type: &arrow::datatypes::DataType) -> bool {
    use arrow::datatypes::DataType::{LargeUtf8, List, Utf8, Utf8View};
    match data_type {
        List(item) => is_text(item.data_type()),
        other => matches!(other, Utf8 | LargeUtf8 | Utf8View),
    }
}

/// The text of a constant.
fn text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(value, _) => value.try_as_str().flatten(),
        _ => None,
    }
}

fn is_null(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(value, _) if ScalarValue::is_null(value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_rows() -> impl Strategy<Value = Rows> {
        prop::collection::btree_set(0_u64..60, 0..12).prop_map(|edges| {
            let edges: Vec<u64> = edges.into_iter().collect();
            edges.chunks_exact(2).map(|pair| pair[0]..pair[1]).collect()
        })
    }

    fn holds(rows: &Rows, row: u64) -> bool {
        rows.iter().any(|range| range.contains(&row))
    }

    proptest! {
        /// Would catch a row lost where two conditions meet, or ranges that the Parquet reader cannot take.
        #[test]
        fn rows_combine_as_sets(left in any_rows(), right in any_rows()) {
            let (both, either) = (both(&left, &right), either(&left, &right));
            for row in 0..60 {
                prop_assert_eq!(holds(&both, row), holds(&left, row) && holds(&right, row));
                prop_assert_eq!(holds(&either, row), holds(&left, row) || holds(&right, row));
            }
            for rows in [both, either] {
                prop_assert!(rows.iter().all(|range| range.start < range.end));
                prop_assert!(rows.windows(2).all(|pair| pair[0].end <= pair[1].start));
            }
        }
    }
}
