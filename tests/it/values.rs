//! Addresses and JSON numbers, by the command line and through a server: cases 06 and 11.

use serde_json::{Value, json};

use crate::support::{
    place::Place,
    program::run,
    server::{ROOT_KEY, Server},
};

const ADDRESSES: &str = include_str!("../../testdata/cases/06-address-spellings/events.ndjson");
const NUMBERS: [&str; 3] = [
    include_str!("../../testdata/cases/11-json-numbers/minimal.ndjson"),
    include_str!("../../testdata/cases/11-json-numbers/events.ndjson"),
    include_str!("../../testdata/cases/11-json-numbers/word.ndjson"),
];
const OF_IPV4: [&str; 4] =
    ["203.0.113.7", "::ffff:203.0.113.7", "::FFFF:CB00:7107", "0:0:0:0:0:ffff:cb00:7107"];
const OF_IPV6: [&str; 3] = ["2001:db8::1", "2001:0DB8:0:0::1", "2001:0DB8:0000:0000:0000:0000:0000:0001"];

fn import(place: &Place, events: &str) {
    let arguments = ["import", "--tenant", "acme", "--format", "native", "-"];
    let ended = run(place.command(&arguments), events.as_bytes());
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

fn one(rows: Vec<Value>, name: &str) -> Value {
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows[0][name].clone()
}

/// Would catch a spelling of an address that finds fewer events than another, by the command line.
#[test]
fn each_spelling_of_an_address_finds_all_its_events() {
    let place = Place::folder();
    import(&place, ADDRESSES);
    for (spellings, count) in [(&OF_IPV4[..], 3), (&OF_IPV6, 2)] {
        for spelling in spellings {
            for condition in [
                format!("ip_address = '{spelling}'"),
                format!("ip_address IN ('192.0.2.1', '{spelling}')"),
                format!("in_network(ip_address, '{spelling}')"),
            ] {
                let sql = format!("SELECT count(*) AS n FROM events WHERE {condition}");
                assert_eq!(one(place.sql(&sql), "n"), count, "{condition}");
            }
            let address = format!("ip_address={spelling}");
            let query = [
                "query",
                "first-and-last-seen",
                "--tenant",
                "acme",
                "--format",
                "ndjson",
                "--param",
                "from=2026-01-01",
            ];
            let query = [&query[..], &["--param", "to=2026-12-31", "--param", &address]].concat();
            assert_eq!(one(place.run(&query).rows(), "events"), count, "{spelling}");
        }
    }
    for (block, count) in [
        ("::ffff:203.0.113.0/120", 3),
        ("203.0.113.0/24", 3),
        ("::FFFF:CB00:7100/119", 3),
        ("2001:DB8::/32", 2),
    ] {
        let sql = format!("SELECT count(*) AS n FROM events WHERE in_network(ip_address, '{block}')");
        match block {
            // 203.0.112.0/23 begins one network before.
            "::FFFF:CB00:7100/119" => {
                drop(place.run(&["sql", &sql]).failed(1, &["bits after the prefix are set"]))
            }
            _ => assert_eq!(one(place.sql(&sql), "n"), count, "{block}"),
        }
    }
    let groups =
        place.sql("SELECT ip_address AS a, count(*) AS n FROM events GROUP BY ip_address ORDER BY a");
    let expected =
        json!([{"a": "203.0.113.7", "n": 3}, {"a": "203.0.114.7", "n": 1}, {"a": "2001:db8::1", "n": 2}]);
    assert_eq!(Value::from(groups), expected);
    let wrong = ["query", "first-and-last-seen", "--tenant", "acme", "--param", "ip_address=203.0.113.007"];
    place.run(&wrong).failed(1, &["'ip_address' is \"203.0.113.007\"; expected an IP address"]);
}

/// Would catch the same through a server: pages, histograms, fields, parameters of SQL and of saved queries.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_finds_each_spelling_too() {
    let place = Place::folder();
    import(&place, ADDRESSES);
    let server = Server::start(&place.calm(), &[]).await;
    let api = server.api();
    let get = async |path: String| -> Value {
        let request = api.request(reqwest::Method::GET, &path).bearer_auth(ROOT_KEY);
        request.send().await.unwrap().json().await.unwrap()
    };
    for (spellings, count) in [(&OF_IPV4[..], 3), (&OF_IPV6, 2)] {
        for spelling in spellings {
            let page = get(format!("/v1/events?tenant_id=acme&ip_address={spelling}")).await;
            assert_eq!(page["events"].as_array().unwrap().len(), count, "{page}");
            let histogram =
                get(format!("/v1/events/histogram?tenant_id=acme&ip_address={spelling}&field=ip_address"))
                    .await;
            assert_eq!(histogram["events"], count, "{histogram}");
            let fields =
                get(format!("/v1/events/fields?tenant_id=acme&ip_address={spelling}&field=ip_address")).await;
            assert_eq!((&fields["events"], &fields["distinct"]), (&json!(count), &json!(1)), "{fields}");
            let sql = json!({
                "tenant_id": "acme", "sql": "SELECT count(*) AS n FROM events WHERE ip_address = $ip", "params": {"ip": spelling},
            });
            let answer: Value = api.post("/v1/sql").json(&sql).send().await.unwrap().json().await.unwrap();
            assert_eq!(answer["rows"][0]["n"], count, "{answer}");
        }
    }
    assert!(server.terminate().await.status.success());
}

/// Would catch numbers of one form that numbers of another do not see, an order of texts, an error because of a word that other events have
/// there, and answers that change when files are merged.
#[test]
fn json_numbers_are_numbers() {
    let place = Place::folder();
    NUMBERS.iter().for_each(|events| import(&place, events));
    for merged in [false, true] {
        if merged {
            assert_eq!(place.run(&["compact"]).code, Some(0));
        }
        let count = |condition: &str| {
            one(place.sql(&format!("SELECT count(*) AS n FROM events WHERE {condition}")), "n")
        };
        for (condition, expected) in [
            ("metadata->'amount' > 10", 2),
            ("metadata->'amount' < 1000", 2),
            ("metadata->'amount' = 100", 1),
            ("metadata->'amount' = 1e2", 1),
            ("metadata->'amount' IN (100, 20.25)", 2),
            ("metadata->'amount' BETWEEN 20 AND 99", 1),
            ("metadata->'size' > 2", 3),
            ("metadata->'size' <> 3", 3),
            ("metadata->'rows' = 'many'", 1),
            ("metadata->'dry' = true", 1),
            ("metadata->'amount' > 9007199254740993", 0),
        ] {
            assert_eq!(count(condition), expected, "merged {merged}: {condition}");
        }
        let ids = |sql: &str| {
            place.sql(sql).iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let with_amount = "SELECT id FROM events WHERE metadata ? 'amount' ORDER BY metadata->'amount'";
        assert_eq!(ids(with_amount), ["fraction", "whole"], "merged {merged}");
        let rows = "SELECT id FROM events WHERE metadata->>'rows' > 1000 ORDER BY metadata->'rows'";
        assert_eq!(ids(rows), ["n1200", "n10000"], "merged {merged}");
        let by_size = "SELECT id FROM events WHERE metadata ? 'size' ORDER BY metadata->'size' DESC";
        assert_eq!(ids(by_size), ["n1200", "n900", "n10000", "n90", "word"], "merged {merged}");
        let sums = "SELECT sum((metadata->'amount')::double) AS cast, sum(metadata->'amount') AS plain, avg(metadata->'amount') AS mean,
                           min(metadata->'amount') AS low, max((metadata->'amount')::numeric) AS high FROM events";
        let sums = place.sql(sums).remove(0);
        assert_eq!(
            (&sums["cast"], &sums["plain"], &sums["mean"], &sums["low"]),
            (&json!(120.25), &json!(120.25), &json!(60.125), &json!(20.25))
        );
        let high = sums["high"].as_f64().or_else(|| sums["high"].as_str()?.parse().ok());
        assert_eq!(high, Some(100.0), "{sums}");
        // Names of such columns are no concern of this test.
        let row = place
            .sql("SELECT max(x), max(x::bigint) FROM (SELECT metadata->'amount' AS x FROM events)")
            .remove(0);
        let values: Vec<Option<f64>> = row.as_object().unwrap().values().map(Value::as_f64).collect();
        assert_eq!(values, [Some(100.0), Some(100.0)], "merged {merged}");
    }
}
