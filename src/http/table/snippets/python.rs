//! Snippets in Python: Polars, deltalake, pyarrow, daft, datafusion, Spark.

use chrono::{Datelike as _, NaiveDate};
use serde_json::{Map, Value, json};

use super::{in_bucket, looks_like_a_column};
use crate::table::Described;

pub(super) fn polars(table: &Described, since: NaiveDate) -> String {
    let (more, about) = match looks_like_a_column(table) {
        true => (
            ", use_pyarrow=True",
            "# Polars' own reader refuses a table below a folder named key=value; by pyarrow, name a column when you count.\n",
        ),
        false => ("", ""),
    };
    let source = arguments(table, more);
    let since = moment(since);
    format!(
        "import datetime, polars\n\
         {about}\
         since = {since}\n\
         events = polars.scan_delta({source})\n\
         # day and the time both skip files.\n\
         events = events.filter(polars.col(\"day\") >= since.date(), polars.col(\"occurred_at\") >= since)\n\
         print(events.group_by(\"action\").len().sort(\"len\", descending=True).collect())\n"
    )
}

pub(super) fn deltalake(table: &Described, since: NaiveDate) -> String {
    let (source, question) = (arguments(table, ""), question(since));
    format!(
        "from deltalake import DeltaTable, QueryBuilder\n\
         events = QueryBuilder().register(\"events\", DeltaTable({source}))\n\
         # Text comes as views (Utf8View); cast it for programs that do not know them.\n\
         print(events.execute({question}).read_all())\n"
    )
}

pub(super) fn pyarrow(table: &Described, since: NaiveDate) -> String {
    let (source, since) = (arguments(table, ""), moment(since));
    format!(
        "import datetime, pyarrow.dataset\n\
         from deltalake import DeltaTable\n\
         since = {since}\n\
         # By the log, not by the folder: the folder also has files that compaction has replaced.\n\
         events = DeltaTable({source}).to_pyarrow_dataset()\n\
         field = pyarrow.dataset.field\n\
         events = events.to_table([\"action\"], filter=(field(\"day\") >= since.date()) & (field(\"occurred_at\") >= since))\n\
         print(events[\"action\"].value_counts().to_pylist())\n"
    )
}

pub(super) fn daft(table: &Described, since: NaiveDate) -> String {
    let (location, since) = (text(&table.location), moment(since));
    let of_s3 = [("region_name", &table.region), ("endpoint_url", &table.endpoint)];
    let mut of_s3: Vec<String> = of_s3
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", text(value.as_ref()?))))
        .collect();
    if table.endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://")) {
        of_s3.push("use_ssl=False".to_owned());
    }
    let config = match of_s3.is_empty() {
        true => String::new(),
        false => format!(", io_config=daft.io.IOConfig(s3=daft.io.S3Config({}))", of_s3.join(", ")),
    };
    format!(
        "import datetime, daft\n\
         since = {since}\n\
         events = daft.read_deltalake({location}{config})\n\
         # day skips files, occurred_at alone skips none.\n\
         events = events.where((daft.col(\"day\") >= since.date()) & (daft.col(\"occurred_at\") >= since))\n\
         events = events.groupby(\"action\").agg(daft.col(\"action\").count().alias(\"events\"))\n\
         print(events.sort(\"events\", desc=True).to_pylist())\n"
    )
}

pub(super) fn datafusion(table: &Described, since: NaiveDate) -> String {
    let (source, question) = (arguments(table, ""), question(since));
    format!(
        "import datafusion\n\
         from deltalake import DeltaTable\n\
         events = datafusion.SessionContext()\n\
         # register_table(DeltaTable) would read every file for any question; a dataset skips files.\n\
         events.register_dataset(\"events\", DeltaTable({source}).to_pyarrow_dataset())\n\
         print(events.sql({question}).to_pylist())\n"
    )
}

pub(super) fn spark(table: &Described, since: NaiveDate) -> String {
    let location = match in_bucket(table) {
        Some((bucket, key)) => format!("s3a://{bucket}/{key}"),
        None => table.location.clone(),
    };
    let endpoint = table.endpoint.as_ref().map_or_else(String::new, |endpoint| {
        let endpoint = text(endpoint);
        format!("spark.conf.set(\"fs.s3a.endpoint\", {endpoint})\nspark.conf.set(\"fs.s3a.path.style.access\", \"true\")\n")
    });
    let location = text(&location);
    format!(
        "{endpoint}events = spark.read.format(\"delta\").load({location})\n\
         # Spark shows times in spark.sql.session.timeZone; the text below is UTC.\n\
         events = events.where(\"day >= '{since}' AND occurred_at >= TIMESTAMP '{since} 00:00:00Z'\")\n\
         events.groupBy(\"action\").count().orderBy(\"count\", ascending=False).show()\n"
    )
}

/// The SQL of programs that are built on DataFusion, as a text of Python.
fn question(since: NaiveDate) -> String {
    text(&format!(
        "SELECT action, count(*) AS events FROM events \
         WHERE day >= DATE '{since}' AND occurred_at >= TIMESTAMP '{since}T00:00:00Z' \
         GROUP BY action ORDER BY events DESC"
    ))
}

/// Where the table is, and what a reader of delta-rs needs to be told to get there.
fn arguments(table: &Described, more: &str) -> String {
    let mut options = Map::new();
    if let Some(region) = &table.region {
        options.insert("aws_region".into(), json!(region));
    }
    if let Some(endpoint) = &table.endpoint {
        options.insert("aws_endpoint_url".into(), json!(endpoint));
        if endpoint.starts_with("http://") {
            options.insert("aws_allow_http".into(), json!("true"));
        }
    }
    let options = match options.is_empty() {
        true => String::new(),
        false => format!(", storage_options={}", Value::Object(options)),
    };
    format!("{}{options}{more}", text(&table.location))
}

/// The first moment of a day.
fn moment(day: NaiveDate) -> String {
    let (year, month, day) = (day.year(), day.month(), day.day());
    format!("datetime.datetime({year}, {month}, {day}, tzinfo=datetime.timezone.utc)")
}

/// What JSON calls a text, Python does too.
fn text(text: &str) -> String {
    json!(text).to_string()
}
