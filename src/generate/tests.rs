//! Tests of the synthetic company: repeatable, exact, lifelike, and with the incident in it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::*;
use crate::event::decode::{BodyFormat, DecodeContext, decode};

fn settings(seed: u64, events: u64) -> Settings {
    let start = NaiveDate::from_ymd_opt(2026, 3, 2).unwrap();
    Settings { seed, tenants: 8, events, start, days: 28, enterprise_percent: None }
}

fn generate(settings: &Settings, chunk: usize) -> (Vec<u8>, Option<Incident>) {
    let mut generator = Generator::new(settings).unwrap();
    let mut body = Vec::new();
    while generator.fill(&mut body, chunk) > 0 {}
    (body, generator.incident().cloned())
}

fn events(settings: &Settings) -> (Vec<Value>, Option<Incident>) {
    let (body, incident) = generate(settings, 1_000);
    let lines = body.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    (lines.map(|line| serde_json::from_slice(line).unwrap()).collect(), incident)
}

fn hash(bytes: &[u8]) -> String {
    crate::telemetry::hex(&Sha256::digest(bytes)[..8])
}

/// Would catch a choice that depends on the clock, on memory addresses or on how large the chunks are.
#[test]
fn the_same_seed_gives_the_same_bytes() {
    let first = generate(&settings(1, 20_000), 1_000);
    assert!(first == generate(&settings(1, 20_000), 7));
    assert!(first.0 != generate(&settings(2, 20_000), 1_000).0);
    // A change of this text is a change of what users of a seed get: make it on purpose, and say so.
    assert_eq!(hash(&first.0), "8d127be43adcec89");
}

/// Would catch a lost or extra event, a repeated id, time that runs backwards or past the last day.
#[test]
fn events_are_exact_unique_and_in_order() {
    for (events_count, tenants, days) in [(1, 1, 1), (57, 3, 2), (20_000, 8, 28), (3_000, 500, 1)] {
        let settings = Settings { tenants, days, ..settings(3, events_count) };
        let (events, _) = events(&settings);
        assert_eq!(events.len() as u64, events_count);
        let ids: BTreeSet<&str> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), events.len());
        let times: Vec<&str> = events.iter().map(|event| event["occurred_at"].as_str().unwrap()).collect();
        assert!(times.is_sorted());
        assert!(times[0] >= write::time_text(settings.start_micros()).as_str());
        assert!(*times.last().unwrap() < write::time_text(settings.end_micros()).as_str());
        let generator = Generator::new(&settings).unwrap();
        for (tenant, count) in generator.tenants() {
            assert_eq!(events.iter().filter(|event| event["tenant_id"] == tenant).count() as u64, count);
        }
    }
}

/// Would catch fast formatting that differs from the plain kind, and an id that sorts elsewhere than its time.
#[test]
fn times_and_ids_are_well_formed() {
    for event in events(&settings(4, 2_000)).0 {
        let time = event["occurred_at"].as_str().unwrap();
        let micros = chrono::DateTime::parse_from_rfc3339(time).unwrap().timestamp_micros();
        assert_eq!(write::time_text(micros), time);
        let id: uuid::Uuid = event["id"].as_str().unwrap().parse().unwrap();
        assert_eq!((id.get_version_num(), id.get_variant()), (7, uuid::Variant::RFC4122));
        assert_eq!((id.as_u128() >> 80) as i64, micros / 1_000);
    }
}

/// Would catch a planted incident that is incomplete, mislabelled, visible by a label, or unlike its record.
#[test]
fn the_incident_is_planted_and_described() {
    let (events, incident) = events(&settings(5, 60_000));
    let incident = incident.unwrap();
    for (step, count) in [
        ("user.login failed", 31),
        ("user.login", 1),
        ("mfa.enroll", 1),
        ("role.grant", 1),
        ("api_key.create", 1),
        ("document.download", 160),
        ("document.export", 12),
        ("audit_log.delete denied", 1),
    ] {
        assert_eq!(incident.count(step), count, "{step}");
    }
    let by_id: BTreeMap<&str, &Value> =
        events.iter().map(|event| (event["id"].as_str().unwrap(), event)).collect();
    let home = events.iter().find(|event| event["actor"]["id"] == incident.actor_id.as_str()).unwrap();
    assert_ne!(home["context"]["country"], incident.country);
    for step in &incident.steps {
        for id in &step.event_ids {
            let event = by_id[id.as_str()];
            assert_eq!(event["tenant_id"], incident.tenant_id.as_str());
            assert_eq!(event["actor"]["id"], incident.actor_id.as_str());
            assert!(step.name.starts_with(event["action"].as_str().unwrap()));
            let address = event["context"]["ip_address"].as_str().unwrap();
            assert!(incident.ip_addresses.iter().any(|known| known == address));
            let time = event["occurred_at"].as_str().unwrap();
            assert!(incident.started_at.as_str() <= time && time <= incident.ended_at.as_str());
        }
    }
    let exports = &incident.steps.iter().find(|step| step.name == "document.export").unwrap().event_ids;
    assert_eq!(by_id[exports[0].as_str()]["actor"]["credential"]["id"], incident.api_key_id.as_str());
    let created = &incident.steps.iter().find(|step| step.name == "api_key.create").unwrap().event_ids;
    assert_eq!(by_id[created[0].as_str()]["targets"][0]["id"], incident.api_key_id.as_str());
    assert!(!events.iter().any(|event| event.to_string().contains("incident")));
    assert_eq!(Generator::new(&settings(5, 500)).unwrap().incident(), None);
}

/// Would catch a company that is not lifelike: tenants alike, nights as busy as days, one kind of action.
#[test]
fn the_company_is_lifelike() {
    let settings = settings(6, 60_000);
    let generator = Generator::new(&settings).unwrap();
    let tenants: Vec<u64> = generator.tenants().map(|(_, count)| count).collect();
    assert!(tenants.is_sorted_by(|a, b| a >= b) && tenants[0] > 15 * tenants[7], "{tenants:?}");

    let (events, _) = events(&settings);
    let largest = generator.company.tenants.first().unwrap();
    let mut by_hour = [0; 24];
    let mut by_weekday = [0; 7];
    let mut actions: BTreeMap<&str, usize> = BTreeMap::new();
    let mut actors: BTreeMap<&str, usize> = BTreeMap::new();
    let mut results: BTreeMap<&str, usize> = BTreeMap::new();
    let mut sessions: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for event in &events {
        *actions.entry(event["action"].as_str().unwrap()).or_default() += 1;
        *results.entry(event["outcome"]["result"].as_str().unwrap()).or_default() += 1;
        let context = &event["context"];
        if let Some(session) = context["session_id"].as_str() {
            let place = format!("{}{}{}", event["actor"]["id"], context["ip_address"], context["user_agent"]);
            sessions.entry(session).or_default().insert(place);
        }
        if event["tenant_id"] == largest.id.as_str() && event["actor"]["type"] == "user" {
            *actors.entry(event["actor"]["id"].as_str().unwrap()).or_default() += 1;
            let time: chrono::DateTime<chrono::Utc> = event["occurred_at"].as_str().unwrap().parse().unwrap();
            let local = time.timestamp() + largest.minutes_east * 60;
            by_hour[(local.rem_euclid(86_400) / 3_600) as usize] += 1;
            by_weekday[((local.div_euclid(86_400) + 3) % 7) as usize] += 1;
        }
    }
    assert!(by_hour[10] > 10 * by_hour[3], "{by_hour:?}");
    assert!(by_weekday[1] > 4 * by_weekday[6], "{by_weekday:?}");
    assert!(actions.len() >= 40, "{actions:?}");
    let mut busiest: Vec<usize> = actors.into_values().collect();
    busiest.sort_unstable_by(|a, b| b.cmp(a));
    assert!(busiest[0] > 8 * busiest[busiest.len() / 2], "{busiest:?}");
    assert!(
        results["failure"] > 300 && results["denied"] > 300 && results["success"] > 54_000,
        "{results:?}"
    );
    assert!(sessions.values().all(|places| places.len() == 1));
    assert!(sessions.len() > 1_500);
}

/// Would catch an enterprise that is one tenant among others, or without the rare people, things and words
/// that somebody would look for.
#[test]
fn an_enterprise_has_its_share_and_much_that_is_rare() {
    let settings = Settings { enterprise_percent: Some(99), tenants: 21, ..settings(8, 100_000) };
    let generator = Generator::new(&settings).unwrap();
    let sizes: Vec<u64> = generator.tenants().map(|(_, count)| count).collect();
    assert_eq!((sizes[0], sizes.iter().sum::<u64>()), (99_000, 100_000));
    assert!(sizes[1..].iter().all(|&size| size < 500), "{sizes:?}");

    let enterprise = generator.company.tenants[0].id.clone();
    let (events, _) = events(&settings);
    let mut things: BTreeMap<&str, usize> = BTreeMap::new();
    let mut words: BTreeMap<&str, usize> = BTreeMap::new();
    for event in &events {
        let target = event["targets"][0]["id"].as_str();
        if let Some(target) = target.filter(|_| event["tenant_id"] == enterprise.as_str()) {
            *things.entry(target).or_default() += 1;
        }
        if let Some(query) = event["metadata"]["query"].as_str() {
            let word = query.split(' ').next_back().unwrap();
            *words.entry(word).or_default() += 1;
            assert_eq!(event["tenant_id"] == enterprise.as_str(), !catalog::KINDS.contains(&word), "{query}");
        }
    }
    let rare = |counts: &BTreeMap<&str, usize>| counts.values().filter(|&&count| count < 10).count();
    assert!(rare(&things) > 3_000 && rare(&words) > 300, "{} {}", rare(&things), rare(&words));

    let alone = Generator::new(&Settings { tenants: 1, ..settings }).unwrap();
    assert_eq!(alone.tenants().map(|(_, count)| count).collect::<Vec<_>>(), [100_000]);
}

/// Would catch an event that the server refuses, and one larger or smaller than the figures are told for.
#[test]
fn events_decode_and_have_about_six_hundred_bytes() {
    let (body, _) = generate(&settings(7, 10_000), 10_000);
    let context = DecodeContext::new(None, 1_800_000_000_000_000);
    let decoded = decode(&body, BodyFormat::Ndjson, &context).unwrap();
    assert_eq!(
        (decoded.batch.num_rows(), decoded.rejected.len()),
        (10_000, 0),
        "{:?}",
        decoded.rejected.first()
    );
    let mean = body.len() / 10_000;
    assert!((450..650).contains(&mean), "{mean} bytes an event");
}

/// Would catch settings that hang, divide by zero or fill the memory.
#[test]
fn settings_out_of_range_are_refused() {
    let good = settings(1, 1_000);
    for bad in [
        Settings { tenants: 0, ..good.clone() },
        Settings { tenants: 1_000_000, ..good.clone() },
        Settings { days: 0, ..good.clone() },
        Settings { days: 100_000, ..good.clone() },
        Settings { enterprise_percent: Some(49), ..good.clone() },
        Settings { enterprise_percent: Some(101), ..good.clone() },
        Settings { events: 0, ..good },
    ] {
        assert_eq!(Generator::new(&bad).err().map(|error| error.kind()), Some(ErrorKind::Invalid));
    }
}
