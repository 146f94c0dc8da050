//! Addresses in all their spellings, stored by this version and by versions before, asked for in every way.

use std::{collections::BTreeMap, net::IpAddr};

use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Map, Value, json};

use super::fixture::*;
use crate::{
    event::TenantId,
    query::{
        AddressBlock, Engine, Filter, Pushdown, Request, Scope, Settings,
        browse::{Field, FieldsQuery, HistogramQuery, Interval, Order, PageQuery, Stretch},
    },
};

const TENANT: &str = "acme";
const ADDRESSES: [&str; 9] = [
    "203.0.113.7",
    "203.0.113.8",
    "203.0.114.7",
    "10.0.0.1",
    "255.255.255.255",
    "2001:db8::1",
    "fe80::1",
    "::1",
    "::ffff:0:102:304",
];

/// Spellings of one address.
fn spellings(address: &str) -> Vec<String> {
    let address: IpAddr = address.parse().unwrap();
    match address {
        IpAddr::V4(address) => {
            let mapped = address.to_ipv6_mapped();
            let [.., high, low] = mapped.segments();
            vec![
                address.to_string(),
                mapped.to_string(),
                format!("::FFFF:{high:X}:{low:x}"),
                format!("0:0:0:0:0:ffff:{high:x}:{low:X}"),
            ]
        }
        IpAddr::V6(address) => {
            let full: Vec<String> = address.segments().iter().map(|part| format!("{part:04X}")).collect();
            vec![address.to_string(), full.join(":"), address.to_string().to_uppercase()]
        }
    }
}

/// What is stored of an address: what this version writes, or what versions before did.
fn stored(random: &mut StdRng, address: &str, is_older: bool) -> String {
    match address.parse().unwrap() {
        IpAddr::V4(address) if is_older && random.random_bool(0.5) => address.to_ipv6_mapped().to_string(),
        address => address.to_string(),
    }
}

/// A lake, and the true address of each event in it.
struct Told {
    lake: Lake,
    addresses: BTreeMap<String, Option<&'static str>>,
}

async fn random_lake(random: &mut StdRng, files: usize) -> Told {
    let mut told = Told { lake: Lake::new().await, addresses: BTreeMap::new() };
    let mut number = 0;
    for file in 0..=files {
        let is_older = random.random_bool(0.6);
        let known: Vec<&str> = ADDRESSES.choose_multiple(random, 4).copied().collect();
        let count = random.random_range(1..40);
        let mut events: Vec<Event> = (0..count)
            .map(|_| {
                number += 1;
                let address = known.choose(random).copied().filter(|_| random.random_bool(0.9));
                let mut event = Event::numbered(number);
                event.at = START + (file as i64 % 3) * DAY_MICROS + random.random_range(0..DAY_MICROS);
                event.ip = address.map(|address| stored(random, address, is_older));
                told.addresses.insert(
                    event.id.clone(),
                    address.map(|address| ADDRESSES.into_iter().find(|known| *known == address).unwrap()),
                );
                event
            })
            .collect();
        events.sort_by_key(|event| event.at);
        match file {
            0 => told.lake.add_uncommitted(TENANT, &events).await,
            _ if random.random_bool(0.8) => told.lake.add_file(TENANT, &events).await,
            _ => drop(told.lake.add_file_only(TENANT, &events).await),
        }
    }
    told
}

impl Told {
    fn ids(&self, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let of = |(id, address): (&String, &Option<&str>)| address.is_some_and(&wanted).then(|| id.clone());
        self.addresses.iter().filter_map(of).collect()
    }

    fn counts(&self) -> BTreeMap<Option<&str>, u64> {
        let mut counts = BTreeMap::new();
        self.addresses.values().for_each(|address| *counts.entry(*address).or_default() += 1);
        counts
    }
}

async fn ids(engine: &Engine, condition: &str, params: Value) -> Vec<String> {
    let request = Request {
        sql: format!("SELECT id FROM events WHERE {condition} ORDER BY id"),
        params: params.as_object().unwrap().clone(),
        scope: Scope::All,
    };
    let rows =
        rows_of(engine.run(request).await.unwrap_or_else(|error| panic!("{condition}: {error:?}"))).await;
    let text = |row: Map<String, Value>| row["id"].as_str().unwrap().to_owned();
    rows.unwrap_or_else(|error| panic!("{condition}: {error:?}")).into_iter().map(text).collect()
}

/// Ids of the events of all pages.
async fn pages(engine: &Engine, filter: &Filter) -> Vec<String> {
    let query = PageQuery { filter: filter.clone(), order: Order::Desc, limit: 1_000, after: None };
    let running = engine.run(query.question(Scope::All)).await.unwrap();
    let page = query.read(running).await.unwrap();
    let mut ids: Vec<String> = page
        .events
        .iter()
        .map(|event| serde_json::from_str::<Value>(event).unwrap()["id"].as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    ids
}

fn engines(lake: &Lake) -> Vec<Engine> {
    let settings = Settings::default();
    let with = |pushdown| Settings { pushdown, ..settings.clone() };
    let mut all = vec![with(Pushdown::Auto), with(Pushdown::Always), with(Pushdown::Never)];
    all.push(Settings { skip_index: false, block_cache_bytes: 0, ..settings.clone() });
    all.push(Settings { pruning: false, ..settings });
    all.into_iter().map(|settings| lake.engine(settings)).collect()
}

/// Would catch a spelling that finds other events than another of the same address does, and old files that give other answers than
/// new ones, in SQL, by parameters, by a block, by the filter API, on pages, in exports, counts and groups.
#[tokio::test]
async fn an_address_is_found_by_each_of_its_spellings() {
    let seeds = std::env::var("AUDITLAKE_DIFFERENTIAL_SEEDS").map_or(3, |text| text.parse().unwrap());
    for seed in 0..seeds {
        let mut random = StdRng::seed_from_u64(seed);
        let told = random_lake(&mut random, if seed % 3 == 0 { 1 } else { 6 }).await;
        for (engine, name) in
            engines(&told.lake).iter().zip(["auto", "always", "never", "no index", "unpruned"])
        {
            for address in ADDRESSES {
                let expected = told.ids(|is| is == address);
                let others = told.ids(|is| is != address);
                for spelling in spellings(address).choose_multiple(&mut random, 2) {
                    let what = |how: &str| format!("seed {seed}, {name}, {how} {spelling}");
                    let with = json!({"ip": spelling});
                    assert_eq!(
                        ids(engine, &format!("ip_address = '{spelling}'"), json!({})).await,
                        expected,
                        "{}",
                        what("=")
                    );
                    assert_eq!(
                        ids(engine, "ip_address = $ip", with.clone()).await,
                        expected,
                        "{}",
                        what("$")
                    );
                    assert_eq!(ids(engine, "$ip <> ip_address", with).await, others, "{}", what("<>"));
                    let list = json!({"ips": ["x", spelling]});
                    assert_eq!(
                        ids(engine, "array_has($ips, ip_address)", list).await,
                        expected,
                        "{}",
                        what("array_has")
                    );
                    let mut filter = Filter::default();
                    filter.set("ip_address", spelling).unwrap();
                    assert_eq!(pages(engine, &filter).await, expected, "{}", what("page"));
                }
                let any: Vec<String> = spellings(address).iter().map(|text| format!("'{text}'")).collect();
                let any = any.join(", ");
                for (condition, expected) in [
                    (format!("ip_address IN ({any}, '192.0.2.1')"), &expected),
                    (format!("ip_address NOT IN ({any})"), &others),
                    (format!("ip_address BETWEEN '{0}' AND '{0}'", spellings(address)[1]), &expected),
                    (format!("in_network(ip_address, '{}')", spellings(address)[1]), &expected),
                    (format!("ip_address = ANY (ARRAY['{}'])", spellings(address)[1]), &expected),
                    (format!("ip_address = ANY (SELECT '{}')", spellings(address)[1]), &expected),
                    (format!("ip_address <> ALL (ARRAY[{any}])"), &others),
                    (format!("(ip_address, 1) IN (('{}', 1), ('x', 1))", spellings(address)[1]), &expected),
                    (format!("(1, ip_address) IN (SELECT 1, '{}')", spellings(address)[1]), &expected),
                    (format!("'{}' IN (action, ip_address)", spellings(address)[1]), &expected),
                    (
                        format!(
                            "ip_address IS NOT NULL AND nullif(ip_address, '{}') IS NULL",
                            spellings(address)[1]
                        ),
                        &expected,
                    ),
                    (
                        format!("ip_address >= '{0}' AND ip_address <= '{0}'", spellings(address)[1]),
                        &expected,
                    ),
                    (format!("ip_address < '{0}' OR ip_address > '{0}'", spellings(address)[1]), &others),
                    (
                        format!(
                            "ip_address IN (SELECT ip_address FROM events INTERSECT SELECT '{}')",
                            spellings(address)[1]
                        ),
                        &expected,
                    ),
                    (
                        format!(
                            "id IN (SELECT e.i FROM (SELECT id AS i, ip_address AS a FROM events) e
                              WHERE EXISTS (SELECT 1 FROM (SELECT '{}' AS b) o WHERE o.b = e.a))",
                            spellings(address)[1]
                        ),
                        &expected,
                    ),
                    (format!("CASE ip_address WHEN '{}' THEN true END", spellings(address)[1]), &expected),
                    (format!("ip_address IN (SELECT '{}')", spellings(address)[1]), &expected),
                    (
                        format!(
                            "'{}' = (SELECT max(e.ip_address) FROM events e WHERE e.id = events.id)",
                            spellings(address)[1]
                        ),
                        &expected,
                    ),
                    (
                        format!(
                            "id IN (SELECT i FROM (SELECT id AS i, coalesce(ip_address, '') AS a FROM events) WHERE a = '{}')",
                            spellings(address)[1]
                        ),
                        &expected,
                    ),
                ] {
                    assert_eq!(
                        ids(engine, &condition, json!({})).await,
                        *expected,
                        "seed {seed}, {name}: {condition}"
                    );
                }
            }
            let block: AddressBlock = AddressBlock::parse("::ffff:203.0.113.0/120").unwrap();
            let inside = told.ids(|is| block.holds(is.parse().unwrap()));
            assert_eq!(
                ids(engine, "in_network(ip_address, '::FFFF:CB00:7100/120')", json!({})).await,
                inside
            );
            let mut filter = Filter::default();
            filter.set("ip_address", "::ffff:203.0.113.0/120").unwrap();
            assert_eq!(pages(engine, &filter).await, inside);
            compare_counts(engine, &told, &format!("seed {seed}, {name}")).await;
        }
    }
}

async fn compare_counts(engine: &Engine, told: &Told, what: &str) {
    let counts = told.counts();
    for sql in [
        "SELECT ip_address AS a, count(*) AS n FROM events GROUP BY ip_address",
        "SELECT a, count(*) AS n FROM (SELECT id, ip_address AS a FROM events) GROUP BY 1",
        "SELECT DISTINCT ip_address AS a, count(*) OVER (PARTITION BY ip_address) AS n FROM events",
        "SELECT e.ip_address AS a, count(DISTINCT o.id) AS n FROM events e LEFT JOIN events o
            ON e.ip_address IS NOT DISTINCT FROM o.ip_address GROUP BY e.ip_address",
    ] {
        let found = rows(engine, sql).await;
        let found: BTreeMap<Option<&str>, u64> =
            found.iter().map(|row| (row["a"].as_str(), row["n"].as_u64().unwrap())).collect();
        assert_eq!(found, counts, "{what}: {sql}");
    }
    let mut sorted: Vec<&str> = told.addresses.values().flatten().copied().collect();
    // IPv4 before IPv6, each by its number.
    sorted.sort_unstable_by_key(|address| address.parse::<IpAddr>().unwrap());
    let found = rows(engine, "SELECT ip_address AS a FROM events ORDER BY ip_address LIMIT 5").await;
    let found: Vec<&str> = found.iter().filter_map(|row| row["a"].as_str()).collect();
    assert_eq!(found, sorted[..sorted.len().min(5)], "{what}");
    let extremes = rows(engine, "SELECT min(ip_address) AS low, max(ip_address) AS high FROM events").await;
    assert_eq!(extremes[0]["low"].as_str(), sorted.first().copied(), "{what}");
    assert_eq!(extremes[0]["high"].as_str(), sorted.last().copied(), "{what}");

    let field = Field::parse("ip_address").unwrap();
    let fields = FieldsQuery { filter: Filter::default(), field, limit: 100 };
    let found = fields.read(engine.run(fields.request(Scope::All)).await.unwrap()).await.unwrap();
    let found: BTreeMap<Option<&str>, u64> =
        found.values.iter().map(|value| (value.value.as_deref(), value.count)).collect();
    assert_eq!(found, counts, "{what}: fields");
    let mut filter = Filter::default();
    filter.set("ip_address", "::ffff:203.0.113.7").unwrap();
    let query = HistogramQuery { filter: filter.clone(), interval: Interval::Day, field: Some(field) };
    let found = query.read(engine.run(query.request(Scope::All)).await.unwrap()).await.unwrap();
    let expected = counts.get(&Some("203.0.113.7")).copied().unwrap_or(0);
    assert_eq!(found.events, expected, "{what}: histogram");
    assert!(
        found.bars.iter().all(|bar| bar.value == Some(Some("203.0.113.7".to_owned()))),
        "{what}: histogram"
    );
    compare_export(engine, told, &filter, what).await;
}

/// An export gives what is stored, of the same events.
async fn compare_export(engine: &Engine, told: &Told, filter: &Filter, what: &str) {
    let day = |text: &str| text.parse().unwrap();
    let stretch = Stretch {
        filter,
        first: day("2026-10-01"),
        last: day("2026-12-01"),
        part: None,
        after: None,
        seq_before: i64::MAX,
        seq_from: 0,
    };
    let running = engine.run_stretch(&stretch, TenantId::parse(TENANT).unwrap()).await.unwrap();
    let all = rows_of(running).await.unwrap();
    let committed = rows(engine, "SELECT id, ip_address FROM events WHERE seq IS NOT NULL").await;
    let committed = committed.iter().filter(|row| row["ip_address"] == "203.0.113.7").count();
    assert_eq!(all.len(), committed, "{what}: export");
    for row in all {
        let (id, address) = (row["id"].as_str().unwrap(), row["ip_address"].as_str().unwrap());
        assert_eq!(told.addresses[id], Some("203.0.113.7"), "{what}: export");
        assert!(["203.0.113.7", "::ffff:203.0.113.7"].contains(&address), "{what}: {address}");
    }
}
