//! What passes, what is refused, and where the caps are.
//!
//! Texts are just past our own caps: none would harm a parser or a planner that has no guard before it.

use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use super::*;
use crate::limits::QUERY_STACK_BYTES;
use crate::limits::{SQL_DEPTH_MAX, SQL_EXPRESSIONS_MAX, SQL_NESTING_MAX, SQL_RELATIONS_MAX};

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
        "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION 'x.csv'",
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
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT * FROM r",
        "SELECT * FROM (WITH RECURSIVE r AS (SELECT 1) SELECT * FROM r)",
        "WITH a AS (INSERT INTO events VALUES (1) RETURNING *) SELECT * FROM a",
        "SELECT * FROM generate_series(1, 9)",
        "SELECT * FROM range(1, 10)",
        "SELECT * FROM LATERAL generate_series(1, 10)",
        "SELECT generate_series(1, 9)",
        "SELECT unnest(generate_series(1, 9))",
        "SELECT RANGE(1, 9)",
        "SELECT \"range\"(1, 9)",
        "SELECT repeat('x', 9)",
        "SELECT array_repeat(1, 9)",
        "SELECT lpad('x', 9)",
        "SELECT id FROM events WHERE id = ?",
        "SELECT 1 FROM events GROUP BY CUBE (id, action, outcome, day, version, country, actor_id)",
        "SELECT 1 FROM events GROUP BY CUBE (id, action), GROUPING SETS ((id), (action))",
    ] {
        let error = guarded(sql.to_string()).expect_err(sql);
        assert_eq!(error.kind(), ErrorKind::Invalid, "{sql}: {error}");
    }
}

/// Would catch a refusal that does not tell what to change.
#[test]
fn refusals_name_what_is_refused() {
    assert_eq!(refusal("DROP TABLE events"), "sql refused: DROP is not a read-only query; write a SELECT");
    assert!(refusal("SELECT repeat('x', 9)").contains("function 'repeat' is not available"));
    assert!(refusal("SELECT 1; SELECT 2").contains("2 statements"));
    assert!(refusal("SELEC 1").starts_with("sql: Expected"), "{}", refusal("SELEC 1"));
}

/// What a planner goes down into once for each step, just past our own caps: enough to see each cap, and too little to harm a planner
/// that had none. What the caps keep away are texts of thousands of steps, which use up a stack and end the process. Would catch a
/// cap that is not there for one kind of step.
#[test]
fn each_kind_of_depth_has_a_cap() {
    let chain = |term: &str, operator: &str, count: usize| vec![term; count].join(operator);
    let nested =
        |open: &str, close: &str, count: usize| format!("{}1{}", open.repeat(count), close.repeat(count));
    let (deep, nests, many) = (SQL_DEPTH_MAX + 1, SQL_NESTING_MAX + 1, SQL_RELATIONS_MAX as usize + 1);
    for sql in [
        format!("SELECT {}", chain("1", "+", deep)),
        format!("SELECT {}", chain("'a'", "||", deep)),
        format!("SELECT 1 FROM events WHERE {}", chain("id='a'", " OR ", deep)),
        format!("SELECT {} true", "NOT ".repeat(deep)),
        format!("SELECT {} 1", "- ".repeat(deep)),
        format!("SELECT 1{}", "::int".repeat(deep)),
        format!("SELECT a{}", "[1]".repeat(deep)),
        format!("SELECT metadata{}", "->'a'".repeat(deep)),
        format!("SELECT {}", nested("(", ")", nests)),
        format!("SELECT {}", nested("[", "]", nests)),
        format!("SELECT {}", nested("abs(", ")", nests)),
        format!("SELECT {}", nested("CASE WHEN true THEN ", " END", nests)),
        format!("SELECT * FROM {}", nested("(SELECT * FROM ", ")", nests)),
        format!("SELECT {}", nested("(SELECT ", ")", nests)),
        format!("SELECT 1 FROM {}events{}", "(".repeat(nests), ")".repeat(nests)),
        format!("SELECT CAST(a AS int{})", "[]".repeat(5)),
        format!("SELECT CAST(a AS {}int{})", "ARRAY<".repeat(5), ">".repeat(5)),
        chain("SELECT 1", " UNION ALL ", many),
        format!("SELECT 1 FROM {}", chain("events", " CROSS JOIN ", many)),
        format!("SELECT {}", chain("1", ",", SQL_EXPRESSIONS_MAX + 1)),
        "EXPLAIN EXPLAIN SELECT 1".to_owned(),
        "SELECT /*/* 1 */".to_owned(),
    ] {
        let shown: String = sql.chars().take(60).collect();
        let error = guarded(sql).map(|_| ()).expect_err(&shown);
        assert!(matches!(error.kind(), ErrorKind::Limit | ErrorKind::Invalid), "{shown}: {error}");
    }
}

/// Would catch a plan that grows by doubling: the planner copies a WITH query for each of its names.
#[test]
fn with_names_that_double_are_refused() {
    // What they weigh: 1, 4, 10, 22, 46, 94, 190. The last one is the first past the cap.
    let doubled = |levels: usize| {
        let twice = |level: usize| {
            format!(", a{} AS (SELECT x FROM a{level} UNION ALL SELECT x FROM a{level})", level + 1)
        };
        let names: String = (0..levels).map(twice).collect();
        format!("WITH a0 AS (SELECT 1 AS x){names} SELECT * FROM a{levels}")
    };
    guarded(doubled(5)).unwrap();
    assert!(refusal(&doubled(6)).contains("WITH names written out"));
    // In another scope, and with another case of letters.
    let mut sql = "SELECT 1 AS x".to_string();
    for _ in 0..3 {
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

/// Would catch a statement that becomes many times as long as its text, because each part of it is written several times, and each of those parts again.
#[test]
fn what_is_written_twice_is_bounded() {
    let twice = |levels: usize, wrap: &dyn Fn(String) -> String| {
        let text = (0..levels).fold("version".to_owned(), |inner, _| wrap(inner));
        check(&format!("SELECT {text} AS a FROM events"))
    };
    type Wrap = fn(String) -> String;
    let wraps: [Wrap; 4] = [
        |inner| format!("(metadata->({inner})) ?| ARRAY['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']"),
        |inner| format!("CASE WHEN ({inner}, 1, 2) < (1, 2, 3) THEN 1 END"),
        |inner| format!("(({inner}, 1) BETWEEN (1, 2) AND (3, 4))"),
        |inner| format!("({inner}) < ALL (ARRAY[1, 2, 3, 4, 5, 6, 7, 8])"),
    ];
    for wrap in wraps {
        assert!(twice(1, &wrap).is_ok(), "{}", wrap("version".to_owned()));
        let error = twice(8, &wrap).expect_err(&wrap("…".to_owned()));
        assert_eq!(error.kind(), ErrorKind::Limit, "{error}");
    }
    // Pairs that fit, and those that are too many together.
    let pairs = |count: usize| {
        let pairs: Vec<String> = (0..count).map(|number| format!("({number}, 'e{number}')")).collect();
        check(&format!("SELECT id FROM events WHERE (version, id) IN ({})", pairs.join(", ")))
    };
    assert!(pairs(300).is_ok());
    assert_eq!(pairs(1_500).unwrap_err().kind(), ErrorKind::Limit);
}
