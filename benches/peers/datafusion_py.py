"""DataFusion over the live Parquet files, hive-partitioned by day.

Settings: two partitions; a footer cache that holds them all; filters pushed into the Parquet reader for needles, where
that is faster, and not for aggregates, where it is slower.
"""

import datafusion
import pyarrow

import processes


class DataFusion:
    """A session with the table `events`."""

    def __init__(self, config):
        self.statistics = self.note = None
        pushdown = "true" if config["needle"] else "false"
        session = (
            datafusion.SessionConfig()
            .with_target_partitions(2)
            .set("datafusion.execution.parquet.pushdown_filters", pushdown)
            .set("datafusion.execution.parquet.reorder_filters", pushdown)
        )
        self.context = datafusion.SessionContext(session)
        self.context.sql("SET datafusion.runtime.metadata_cache_limit = '1G'").collect()
        self.context.register_listing_table(
            "events",
            config["live"],
            table_partition_cols=[("day", pyarrow.date32())],
            file_extension=".parquet",
        )

    def ask(self, sql):
        """The answer as Arrow batches."""
        return self.context.sql(sql).collect()

    def rows(self, answer):
        """The answer as dictionaries."""
        return [row for batch in answer for row in pyarrow.record_batch(batch).to_pylist()]

    def peak_kib(self):
        """Of this process."""
        return processes.peak_kib("self")

    def close(self):
        """Nothing to keep."""
