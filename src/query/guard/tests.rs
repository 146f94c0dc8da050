//! What passes, what is refused, and that nothing here can bring the process down.

use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use super::*;
use crate::limits::QUERY_STACK_BYTES;
use crate::limits::SQL_DEPTH_MAX;

/// As in the engine: on a thread with the stack of a query thread.
fn guarded(sql: String) -> Result<Checked> {
    let thread = std::thread::Builder::new().stack_size(QUERY_STACK_BYTES).spawn(move || check(&sql));
    thread.unwrap().join().expect("the guard must not panic")
}

fn refusal(sql: &str) -> String {
    guarded(sql.to_string()).map(|_| ()).expect_err(sql).to_string()
}

/// Would catch a guard that refuses honest questions.
#[test]
fn reading_statements_pass() {
    for sql in [
        "SELECT * FROM events",
        "select count(*) from events where action = 'a' and metadata->>'k' = 'v'",
        "WITH a AS (SELECT 1 AS x), b AS (SELECT x FROM a) SELECT * FROM a JOIN b USING (x);",
        "VALUES (1), (2)",
        "EXPLAIN SELECT * FROM events",
        "EXPLAIN ANALYZE SELECT * FROM events",
        "EXPLAIN VERBOSE SELECT * FROM events",
        "DESCRIBE events",
        "SHOW TABLES",
        "SHOW COLUMNS FROM events",
        "SELECT unnest(target_ids) FROM events",
        "SELECT a FROM events UNION ALL SELECT b FROM events",
        "SELECT id FROM events WHERE metadata ? 'k'",
        "SELECT action, outcome, count(*) FROM events GROUP BY ROLLUP (action, outcome)",
    ] {
        guarded(sql.to_string()).expect(sql);
    }
}

/// Would catch a way to change, export or reveal anything but events.
#[test]
fn everything_else_is_refused() {
    for sql in [
        "",
        ";",
        "SELECT 1; SELECT 2",
        "INSERT INTO events VALUES (1)",
        "UPDATE events SET id = 'x'",
        "DELETE FROM events",
        "DROP TABLE events",
        "CREATE TABLE t AS SELECT 1",
        "CREATE VIEW v AS SELECT 1",
        "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'",
        "CREATE FUNCTION f() RETURNS INT RETURN 1",
        "COPY events TO '/tmp/x.csv'",
        "COPY (SELECT 1) TO '/tmp/x.csv'",
        "EXPLAIN COPY (SELECT 1) TO '/tmp/x.csv'",
        "EXPLAIN INSERT INTO events VALUES (1)",
        "EXPLAIN EXPLAIN SELECT 1",
        "SET datafusion.execution.batch_size = 1",
        "RESET datafusion.execution.batch_size",
        "SHOW ALL",
        "SHOW FULL TABLES",
        "SHOW COLUMNS FROM \"a'b\"",
        "SHOW FUNCTIONS",
        "PREPARE p AS SELECT 1",
        "EXECUTE p",
        "BEGIN",
        "SELECT * INTO t FROM events",
        "SELECT * FROM events FOR UPDATE",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT * FROM r",
        "SELECT * FROM (WITH RECURSIVE r AS (SELECT 1) SELECT * FROM r)",
        "WITH a AS (INSERT INTO events VALUES (1) RETURNING *) SELECT * FROM a",
        "SELECT * FROM generate_series(1, 1000000000)",
        "SELECT * FROM range(1, 10)",
        "SELECT * FROM LATERAL generate_series(1, 10)",
        "SELECT generate_series(1, 1000000000)",
        "SELECT unnest(generate_series(1, 1000000000))",
        "SELECT RANGE(1, 1000000000)",
        "SELECT \"range\"(1, 1000000000)",
        "SELECT repeat('x', 1000000000)",
        "SELECT array_repeat(1, 1000000000)",
        "SELECT lpad('x', 1000000000)",
        "SELECT id FROM events WHERE id = ?",
        "SELECT 1 FROM events GROUP BY CUBE (id, action, outcome, day, version, country, actor_id, target_id, seq)",
        "SELECT 1 FROM events GROUP BY CUBE (id, action), GROUPING SETS ((id), (action))",
    ] {
        let error = guarded(sql.to_string()).expect_err(sql);
        assert_eq!(error.kind(), ErrorKind::Invalid, "{sql}: {error}");
    }
}

/// Would catch a refusal that does not tell what to change.
#[test]
fn refusals_name_what_is_refused() {
    assert_eq!(refusal("DROP TABLE events"), "sql refused: DROP is not a read-only query");
    assert!(refusal("SELECT repeat('x', 9)").contains("function 'repeat' is not available"));
    assert!(refusal("SELECT 1; SELECT 2").contains("2 statements"));
    assert!(refusal("SELEC 1").starts_with("sql: Expected"), "{}", refusal("SELEC 1"));
}

/// The texts that overflow DataFusion's stack, and others of their kind. Would catch an abort of the whole
/// process: the test binary itself would die.
#[test]
fn texts_that_overflow_the_stack_are_errors() {
    let chain = |term: &str, operator: &str, count: usize| vec![term; count].join(operator);
    let nested =
        |open: &str, close: &str, count: usize| format!("{}1{}", open.repeat(count), close.repeat(count));
    for sql in [
        format!("SELECT {}", chain("1", "+", 2_000)),
        format!("SELECT {}", chain("1", "+", 30_000)),
        format!("SELECT {}", chain("'a'", "||", 4_900)),
        format!("SELECT 1 FROM events WHERE {}", chain("id='a'", " OR ", 2_400)),
        format!("SELECT 1 FROM events WHERE {}", chain("id='a'", " OR ", 10_000)),
        format!("SELECT {}", nested("(", ")", 5_000)),
        format!("SELECT {}", nested("(", ")", 4_900)),
        format!("SELECT {}", nested("[", "]", 4_900)),
        format!("SELECT {}", nested("abs(", ")", 3_000)),
        format!("SELECT {}", nested("CASE WHEN true THEN ", " END", 1_500)),
        format!("SELECT * FROM {}", nested("(SELECT * FROM ", ")", 1_500)),
        format!("SELECT {}", nested("(SELECT ", ")", 3_000)),
        format!("SELECT {} true", "NOT ".repeat(9_000)),
        format!("SELECT {} 1", "- ".repeat(9_000)),
        format!("SELECT 1{}", "::int".repeat(3_000)),
        format!("SELECT a{}", "[1]".repeat(3_000)),
        format!("SELECT metadata{}", "->'a'".repeat(4_000)),
        format!("SELECT CAST(a AS int{})", "[]".repeat(4_000)),
        format!("SELECT CAST(a AS {}int{})", "ARRAY<".repeat(2_000), ">".repeat(2_000)),
        chain("SELECT 1", " UNION ALL ", 2_400),
        format!("SELECT 1 FROM {}", chain("events", " CROSS JOIN ", 3_000)),
        format!("SELECT 1 FROM {}events{}", "(".repeat(3_000), ")".repeat(3_000)),
        format!("EXPLAIN {}", "EXPLAIN ".repeat(5_000)),
        format!("SELECT {}1{}", "/*".repeat(20_000), "*/".repeat(10_000)),
    ] {
        let shown: String = sql.chars().take(60).collect();
        let error = guarded(sql).map(|_| ()).expect_err(&shown);
        assert!(matches!(error.kind(), ErrorKind::Limit | ErrorKind::Invalid), "{shown}: {error}");
    }
}

/// Would catch a plan that grows by doubling: the planner copies a WITH query for each of its names.
#[test]
fn with_names_that_double_are_refused() {
    let mut sql = "WITH a0 AS (SELECT 1 AS x)".to_string();
    for level in 1..40 {
        let before = level - 1;
        sql += &format!(", a{level} AS (SELECT x FROM a{before} UNION ALL SELECT x FROM a{before})");
    }
    assert!(refusal(&format!("{sql} SELECT * FROM a39")).contains("WITH names written out"));
    // In another scope, and with another case of letters.
    let mut sql = "SELECT 1 AS x".to_string();
    for _ in 0..4 {
        sql = format!("WITH a AS ({sql}), b AS (SELECT * FROM A, A, a) SELECT * FROM b, B");
    }
    assert!(refusal(&sql).contains("WITH names written out"));
}

/// Would catch a cap that is one off, or that hits honest long lists.
#[test]
fn caps_are_where_they_are_documented() {
    let list = vec!["'0190d5a4-7d2c-7000-8000-000000000000'"; 1_500].join(",");
    guarded(format!("SELECT 1 FROM events WHERE id IN ({list})")).unwrap();
    guarded(format!("SELECT {}", vec!["1"; SQL_DEPTH_MAX].join("+"))).unwrap();
    assert!(guarded(format!("SELECT {}", vec!["1"; SQL_DEPTH_MAX + 1].join("+"))).is_err());
    let long = format!("SELECT '{}'", "x".repeat(SQL_BYTES_MAX));
    assert!(refusal(&long).contains("bytes"));
}

/// Would catch parameters that are overlooked or misnamed.
#[test]
fn placeholders_are_collected() {
    let checked = guarded("SELECT $1, $name FROM events WHERE id = $name LIMIT $2".to_string()).unwrap();
    assert_eq!(checked.placeholders.into_iter().collect::<Vec<_>>(), ["1", "2", "name"]);
}

/// Would catch a panic on texts that nobody thought of.
#[test]
fn words_in_any_order_never_panic() {
    const WORDS: [&str; 48] = [
        "SELECT",
        "FROM",
        "events",
        "WHERE",
        "(",
        ")",
        ",",
        "*",
        "id",
        "=",
        "'x'",
        "1",
        "WITH",
        "a",
        "AS",
        "UNION",
        "ALL",
        "GROUP BY",
        "CUBE",
        "ORDER BY",
        "LIMIT",
        "$1",
        "$n",
        "CASE",
        "WHEN",
        "THEN",
        "END",
        "CAST",
        "::",
        "int",
        "[",
        "]",
        "->",
        "?",
        "EXPLAIN",
        "ANALYZE",
        "INSERT INTO",
        "VALUES",
        "DELETE",
        "COPY",
        "TO",
        "SET",
        "INTO",
        "RECURSIVE",
        "LATERAL",
        "range(1)",
        ";",
        "DESCRIBE",
    ];
    let thread = std::thread::Builder::new().stack_size(QUERY_STACK_BYTES).spawn(|| {
        let mut random = StdRng::seed_from_u64(7);
        let mut passed = 0;
        for _ in 0..20_000 {
            let count = random.random_range(1..14);
            let mut words = vec![*["SELECT", "EXPLAIN", "WITH", "VALUES"].choose(&mut random).unwrap()];
            words.extend((0..count).map(|_| *WORDS.choose(&mut random).unwrap()));
            passed += usize::from(check(&words.join(" ")).is_ok());
        }
        passed
    });
    let passed = thread.unwrap().join().expect("the guard must not panic");
    assert!(passed > 100, "only {passed} texts were SQL: the test tests little");
}
