//! Names of functions: those that exist, and what to write instead of those that do not.

use std::{collections::HashSet, sync::LazyLock};

use datafusion::execution::SessionStateDefaults;

/// Functions of one row that the planner calls whatever else is written with them.
static SCALAR: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let built_in = SessionStateDefaults::default_scalar_functions();
    let ours = super::all();
    let functions = built_in.iter().chain(&ours);
    let names = functions.flat_map(|function| {
        std::iter::once(function.name().to_string()).chain(function.aliases().iter().cloned())
    });
    let others = ["has_words", "has_target", "in_network"].map(str::to_string);
    names.chain(others).collect()
});

/// Whether `name` is a function of one row, no aggregate and no window function.
pub(crate) fn is_scalar(name: &str) -> bool {
    SCALAR.contains(name) || name.starts_with("json_")
}

/// What to write instead of a function that people know from elsewhere and that does not exist here, or that another product
/// means otherwise.
pub(crate) fn hint(name: &str) -> Option<&'static str> {
    HINTS.iter().find(|(names, _)| names.contains(&name)).map(|(_, hint)| *hint)
}

type Hint = (&'static [&'static str], &'static str);

static HINTS: [Hint; 31] = [
    (&["age"], "write a - b between times, or date_diff('day', a, b)"),
    (
        &["regexp_matches"],
        "write col ~ 'pattern' for whether it matches, regexp_match(col, 'pattern') for what matched",
    ),
    (&["regexp_split_to_array", "regexp_split_to_table"], "write string_to_array(col, ',')"),
    (&["string_to_table"], "write unnest(string_to_array(col, ','))"),
    (&["percentile_disc"], "write percentile_cont(0.5) WITHIN GROUP (ORDER BY col)"),
    (&["mode"], "write GROUP BY col ORDER BY count(*) DESC LIMIT 1"),
    (
        &["json_agg", "jsonb_agg", "json_object_agg", "jsonb_object_agg", "array_to_json"],
        "write array_agg(col), which JSON answers show as a list",
    ),
    (
        &[
            "to_json",
            "to_jsonb",
            "row_to_json",
            "json_build_object",
            "jsonb_build_object",
            "json_build_array",
            "jsonb_build_array",
            "json_object",
        ],
        "write the columns that you want and choose a JSON format of the answer",
    ),
    (
        &["jsonb_set", "jsonb_insert", "jsonb_strip_nulls", "json_strip_nulls", "jsonb_pretty"],
        "JSON is not changed in a query: write -> or ->> for the members that you want",
    ),
    (
        &[
            "jsonb_path_query",
            "jsonb_path_exists",
            "jsonb_path_match",
            "jsonb_path_query_array",
            "jsonb_path_query_first",
            "json_value",
            "json_query",
            "json_exists",
        ],
        "JSON paths are not available; write -> and ->>",
    ),
    (
        &[
            "json_array_elements",
            "jsonb_array_elements",
            "json_array_elements_text",
            "jsonb_array_elements_text",
        ],
        "write unnest(json_get_array(col, 'member'))",
    ),
    (
        &["json_each", "jsonb_each", "json_each_text", "jsonb_each_text"],
        "write unnest(json_object_keys(col))",
    ),
    (
        &["json_typeof", "jsonb_typeof"],
        "write json_get_bool, json_get_int, json_get_float or json_get_str IS NOT NULL",
    ),
    (&["num_nonnulls", "num_nulls"], "write (a IS NOT NULL)::int + (b IS NOT NULL)::int"),
    (&["make_interval"], "write n * interval '1 day'"),
    (
        &["make_timestamp", "make_timestamptz"],
        "write make_date(y, m, d) + interval '1 hour', or timestamp '…'",
    ),
    (&["justify_days", "justify_hours", "justify_interval"], "write date_diff('day', a, b)"),
    (&["to_number"], "write CAST(replace(col, ',', '') AS numeric)"),
    (&["format"], "write concat(a, ' ', b) or a || ' ' || b"),
    (
        &["quote_ident", "quote_literal", "quote_nullable"],
        "no SQL text is made in a query: write the column itself",
    ),
    (&["width_bucket"], "write floor((x - low) / (high - low) * n) + 1"),
    (&["div"], "write a / b between whole numbers, or trunc(a / b)"),
    (&["array_dims", "array_upper", "array_lower"], "write array_length(col, 1)"),
    (&["isfinite"], "every stored time is finite: write true"),
    (&["regexp_extract", "regexp_substr"], "write (regexp_match(col, 'pattern'))[1]"),
    (&["pg_typeof"], "write arrow_typeof(col)"),
    (&["pg_sleep", "set_config", "current_setting", "pg_read_file"], "it is not available: leave it out"),
    (&["xmlagg", "xpath", "xmlelement"], "XML is not available: leave it out"),
    (
        &["to_tsvector", "to_tsquery", "plainto_tsquery", "websearch_to_tsquery"],
        "write has_words(col, 'words')",
    ),
    (&["input_file_name", "file_row_index"], "files are not shown: leave it out"),
    (&["setseed"], "random() takes no seed: leave it out"),
];
