"""DuckDB over the live Parquet files, hive-partitioned by day.

Settings: two threads; Parquet footers cached between queries. The view names the files by a pattern, as its users do.
"""

import duckdb

import processes


class Duck:
    """A connection with the view `events`."""

    def __init__(self, config):
        self.statistics = self.note = None
        self.connection = duckdb.connect()
        for statement in (
            "SET threads = 2",
            "SET parquet_metadata_cache = true",
            "SET TimeZone = 'UTC'",
            f"CREATE VIEW events AS FROM read_parquet('{config['live']}/*/*.parquet', hive_partitioning = true)",
        ):
            self.connection.execute(statement)

    def ask(self, sql):
        """The answer as an Arrow table."""
        return self.connection.execute(sql).to_arrow_table()

    def rows(self, answer):
        """The answer as dictionaries."""
        return answer.to_pylist()

    def peak_kib(self):
        """Of this process."""
        return processes.peak_kib("self")

    def close(self):
        """Nothing to keep."""
        self.connection.close()
