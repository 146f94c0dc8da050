//! Writers that are not ours, and what an append-only table tells them: Python with `deltalake`, where it is installed (see `readers.rs`).

use std::process::Command;

use super::*;
use crate::readers::python;

/// Deletes all rows of a table, writes over it, and counts its rows; says what came of each.
const SCRIPT: &str = r#"
import sys, deltalake
table = deltalake.DeltaTable(sys.argv[1])
rows = table.to_pyarrow_table()
for change in (lambda: table.delete(), lambda: deltalake.write_deltalake(table, rows.slice(0, 1), mode="overwrite")):
    try:
        change()
        print("done")
    except Exception as error:
        print("append-only" if "append only" in str(error).lower().replace("-", " ") else error)
print(deltalake.DeltaTable(sys.argv[1]).to_pyarrow_table().num_rows)
"#;

/// Would catch a property that writers of Delta do not know, and one that keeps readers away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_writers_remove_nothing_from_an_append_only_table() {
    let Some(python) = python("import deltalake, pyarrow") else { return };
    let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::manual(START_MICROS));
    let store = Store::open(folder.path().to_str().unwrap(), &Settings::default()).await.unwrap();
    let access = Access::Write { take_over: true };
    let lake = Lake::open_on(store, clock.clone(), config(), access).await.unwrap();
    let events = [event(None, "a"), event(None, "b")].map(|mut event| {
        event["tenant_id"] = "acme".into();
        event
    });
    append(lake.ingest().unwrap(), decoded(&events, &clock)).await.unwrap();
    lake.ingest().unwrap().flush().await.unwrap();
    let stop = CancellationToken::new();
    assert_eq!(append_only::declare(lake.tables(), lake.control(), &stop).await.unwrap().changed, 1);
    let table = folder.path().join("events/acme");
    let tried = Command::new(python).args(["-c", SCRIPT]).arg(&table).output().unwrap();
    let said = String::from_utf8_lossy(&tried.stdout);
    assert_eq!(said.lines().collect::<Vec<_>>(), ["append-only", "append-only", "2"], "{tried:?}");
}
