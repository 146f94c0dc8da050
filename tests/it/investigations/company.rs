//! A generated company of three tenants and a month: 90 files, one break-in, an account that wakes up, and one that acts for
//! another.
//!
//! Each whole answer is kept in `testdata/investigations/`; `AUDITLAKE_WRITE_GOLDENS=1` writes it anew. What an answer
//! must say of the break-in comes from the generator's own account of it, which no event tells.

use std::{fs, path::Path, sync::LazyLock};

use auditlake::generate::{Generator, Incident, Settings};
use chrono::{DateTime, NaiveDate, Timelike as _, Utc};
use serde_json::{Value, json};

use super::{Answer, Sample, pick};

const SLEEPER: &str = "u_sleeper";
const HELPER: &str = "u_helper";
const HELPED: &str = "u_helped";

struct Company {
    sample: Sample,
    incident: Incident,
}

static COMPANY: LazyLock<Company> = LazyLock::new(|| {
    let start = NaiveDate::from_ymd_opt(2026, 10, 1).unwrap();
    let settings =
        Settings { seed: 11, tenants: 3, events: 6_000, start, days: 30, enterprise_percent: None };
    let mut generator = Generator::new(&settings).unwrap();
    let incident = generator.incident().unwrap().clone();
    let mut body = Vec::new();
    while generator.fill(&mut body, 1_000) > 0 {}
    let extra = |id: &str, day: u32, action: &str, actor: Value| {
        json!({
            "id": id, "tenant_id": incident.tenant_id, "action": action, "outcome": {"result": "success"},
            "occurred_at": format!("2026-10-{day:02}T12:00:00Z"), "actor": actor,
            "context": {"ip_address": "203.0.113.9"},
        })
    };
    let sleeper = || json!({"type": "user", "id": SLEEPER, "name": "Rip"});
    let helper = json!({"type": "user", "id": HELPER, "on_behalf_of": {"type": "user", "id": HELPED}});
    for event in [
        extra("x-1", 2, "user.login", sleeper()),
        extra("x-2", 2, "user.logout", sleeper()),
        extra("x-3", 29, "document.view", sleeper()),
        extra("x-4", 15, "settings.update", helper),
    ] {
        body.extend_from_slice(format!("{event}\n").as_bytes());
    }
    Company { sample: Sample::of([body].into_iter(), None), incident }
});

impl Company {
    fn ask(&self, name: &str, params: Value) -> Answer {
        self.sample.ask(name, &self.incident.tenant_id, params)
    }

    /// The UTC day of the break-in.
    fn day(&self) -> &str {
        &self.incident.started_at[..10]
    }

    /// All events of the break-in.
    fn events(&self) -> u64 {
        self.incident.steps.iter().map(|step| step.event_ids.len() as u64).sum()
    }

    fn event_id(&self, step: &str) -> &str {
        let step = self.incident.steps.iter().find(|known| known.name == step).unwrap();
        &step.event_ids[0]
    }

    /// Hours that the tenant's clock is ahead of UTC: the intruder came between 2:47 and 2:57 of it.
    fn utc_offset(&self) -> f64 {
        let started: DateTime<Utc> = self.incident.started_at.parse().unwrap();
        let minutes = 2 * 60 + 52 - i64::from(started.num_seconds_from_midnight() / 60);
        let half_hours = (minutes as f64 / 30.0).round();
        (half_hours / 2.0 + 12.0).rem_euclid(24.0) - 12.0
    }
}

/// Compares a whole answer with the one kept.
fn golden(name: &str, rows: &[Value]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("testdata/investigations/{name}.ndjson"));
    let lines: String = rows.iter().map(|row| format!("{row}\n")).collect();
    if std::env::var_os("AUDITLAKE_WRITE_GOLDENS").is_some() {
        fs::write(&path, &lines).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(lines, kept, "{name}");
}

/// Would catch a guessed password that is not found first, or a takeover told of an account that was not taken.
#[test]
fn account_takeover() {
    let Company { incident, .. } = &*COMPANY;
    let rows =
        COMPANY.ask("account-takeover", json!({"from": "2026-10-15", "to": "2026-10-30"})).pruned_to(16);
    golden("account-takeover", &rows);
    let columns = [
        "tenant_id",
        "actor_id",
        "actor_name",
        "failures",
        "ip_address",
        "country",
        "new_country",
        "session_id",
    ];
    let truth = json!([
        incident.tenant_id,
        incident.actor_id,
        incident.actor_name,
        31,
        incident.ip_addresses[0],
        incident.country,
        true,
        incident.session_id,
    ]);
    assert_eq!(rows.iter().map(|row| pick(row, &columns)).collect::<Vec<_>>(), [truth]);
}

/// Would catch a source of guesses that is not named, or a success counted for a source that had none.
#[test]
fn failed_logins() {
    let Company { incident, .. } = &*COMPANY;
    let day = COMPANY.day();
    let params = json!({"from": day, "to": day, "failures": 5});
    let rows = COMPANY.ask("failed-logins", params).pruned_to(1);
    golden("failed-logins", &rows);
    let columns = ["ip_address", "failures", "worst_hour", "accounts", "successes", "account"];
    let [first, second] = [&incident.ip_addresses[0], &incident.ip_addresses[1]];
    // Every fourth of the 31 guesses came from the second address.
    let truth = [json!([first, 24, 24, 1, 1, incident.actor_id]), json!([second, 7, 7, 1, 0, null])];
    assert_eq!(rows.iter().map(|row| pick(row, &columns)).collect::<Vec<_>>(), truth);
}

/// Would catch a timeline that leaves a step out, has one twice, or in another order.
#[test]
fn actor_timeline() {
    let Company { incident, .. } = &*COMPANY;
    let day = COMPANY.day();
    let params = json!({
        "actor": incident.actor_id, "from": day, "to": day, "since": incident.started_at, "until": incident.ended_at,
    });
    let rows = COMPANY.ask("actor-timeline", params).pruned_to(1);
    golden("actor-timeline", &rows);
    let truth: Vec<Value> = incident
        .steps
        .iter()
        .map(|step| {
            let (action, outcome) = match step.name.split_once(' ') {
                None => (step.name.as_str(), "success"),
                Some((action, "failed")) => (action, "failure"),
                Some((action, outcome)) => (action, outcome),
            };
            json!([action, outcome, step.event_ids.len(), incident.country])
        })
        .collect();
    let columns = ["action", "outcome", "events", "country"];
    assert_eq!(rows.iter().map(|row| pick(row, &columns)).collect::<Vec<_>>(), truth);
    assert!(rows.iter().all(|row| row["actor_id"] == *incident.actor_id && row["on_behalf_of_id"].is_null()));
    assert_eq!(rows[0]["started_at"], json!(incident.started_at).as_str().unwrap());
}

/// Would catch what somebody did for others, or others for it, missing from its timeline.
#[test]
fn actor_timeline_on_behalf_of_others() {
    for actor in [HELPER, HELPED] {
        let params = json!({"actor": actor, "from": "2026-10-15", "to": "2026-10-16"});
        let rows = COMPANY.ask("actor-timeline", params).pruned_to(2);
        let columns = ["action", "actor_id", "on_behalf_of_id", "events"];
        let found: Vec<Value> = rows.iter().map(|row| pick(row, &columns)).collect();
        assert_eq!(found, [json!(["settings.update", HELPER, HELPED, 1])], "{actor}");
    }
}

/// Would catch an event of a resource that is missing, or one of another resource.
#[test]
fn resource_history() {
    let Company { incident, .. } = &*COMPANY;
    let params = json!({"target": incident.api_key_id, "from": "2026-10-02", "to": "2026-10-30"});
    let rows = COMPANY.ask("resource-history", params).pruned_to(29);
    golden("resource-history", &rows);
    let truth = json!(["api_key.create", "success", incident.actor_id, COMPANY.event_id("api_key.create")]);
    let columns = ["action", "outcome", "actor_id", "id"];
    assert_eq!(rows.iter().map(|row| pick(row, &columns)).collect::<Vec<_>>(), [truth]);
}

/// Would catch an attempt to delete that is not told, or told without its outcome.
#[test]
fn who_deleted() {
    let Company { sample, incident } = &*COMPANY;
    let attempt = COMPANY.event_id("audit_log.delete denied");
    let target = &sample.sql(&format!("SELECT target_id FROM events WHERE id = '{attempt}'"))[0]["target_id"];
    let day = COMPANY.day();
    let params = json!({"target": target, "from": day, "to": "2026-10-30"});
    let rows = COMPANY.ask("who-deleted", params).pruned_to(10);
    golden("who-deleted", &rows);
    let columns = ["action", "outcome", "outcome_reason", "actor_id", "ip_address", "session_id", "id"];
    let truth = json!([
        "audit_log.delete",
        "denied",
        "missing_permission",
        incident.actor_id,
        incident.ip_addresses[0],
        incident.session_id,
        attempt,
    ]);
    assert_eq!(rows.iter().map(|row| pick(row, &columns)).collect::<Vec<_>>(), [truth]);

    let deleted = sample.sql(&format!(
        "SELECT target_id, actor_id, id, CAST(day AS VARCHAR) AS day FROM events
         WHERE tenant_id = '{}' AND action = 'document.delete' AND outcome = 'success' ORDER BY id LIMIT 1",
        incident.tenant_id
    ));
    let params =
        json!({"target": deleted[0]["target_id"], "from": deleted[0]["day"], "to": deleted[0]["day"]});
    let rows = COMPANY.ask("who-deleted", params).pruned_to(1);
    let found = rows.iter().find(|row| row["id"] == deleted[0]["id"]).expect("the deletion is found");
    assert_eq!((&found["actor_id"], &found["outcome"]), (&deleted[0]["actor_id"], &json!("success")));
}

/// Would catch an intruder's place that does not stand out, or one that failed to get in and does.
#[test]
fn new_locations() {
    let Company { incident, .. } = &*COMPANY;
    let params = json!({
        "actor": incident.actor_id, "from": "2026-10-02", "since": COMPANY.day(), "to": "2026-10-30",
        "countries_only": true,
    });
    let rows = COMPANY.ask("new-locations", params).pruned_to(29);
    golden("new-locations", &rows);
    let columns = ["ip_address", "country", "new_country", "events"];
    // What succeeded: the login, five steps to dig in, four searches, and what was taken.
    let truth = json!([incident.ip_addresses[0], incident.country, true, 1 + 5 + 4 + 160 + 12]);
    assert!(rows.iter().any(|row| pick(row, &columns) == truth), "{rows:?}");
    assert!(rows.iter().all(|row| row["ip_address"] != *incident.ip_addresses[1]), "the second never got in");
}

/// Would catch a right given to itself that is not told as such, or a mere look at roles among the changes.
#[test]
fn permission_changes() {
    let Company { incident, .. } = &*COMPANY;
    let day = COMPANY.day();
    let rows = COMPANY.ask("permission-changes", json!({"from": day, "to": day})).pruned_to(1);
    golden("permission-changes", &rows);
    let columns = ["action", "outcome", "actor_id", "target_id", "id"];
    let to_itself: Vec<Value> =
        rows.iter().filter(|row| row["to_itself"] == true).map(|row| pick(row, &columns)).collect();
    let grant = COMPANY.event_id("role.grant");
    assert_eq!(to_itself, [json!(["role.grant", "success", incident.actor_id, incident.actor_id, grant])]);
    for (params, expected) in [
        (json!({"from": day, "to": day, "target": incident.actor_id}), grant),
        (json!({"from": day, "to": day, "actor": incident.actor_id, "actions": "role"}), grant),
    ] {
        let narrowed = COMPANY.ask("permission-changes", params).pruned_to(1);
        assert!(narrowed.iter().any(|row| row["id"] == expected) && narrowed.len() <= rows.len());
    }
}

/// Would catch a key left behind whose maker or use is not told, and old keys told as new.
#[test]
fn api_keys() {
    let Company { incident, .. } = &*COMPANY;
    let day = COMPANY.day();
    let rows = COMPANY.ask("api-keys", json!({"from": day, "to": "2026-10-30"})).pruned_to(20);
    golden("api-keys", &rows);
    let columns = ["made_by", "made_from", "made_in", "uses", "users", "actions", "addresses"];
    let truth = json!([incident.actor_id, incident.ip_addresses[0], incident.session_id, 12, 1, 1, 1]);
    let left = rows.iter().find(|row| row["credential_id"] == *incident.api_key_id).unwrap();
    assert_eq!(pick(left, &columns), truth);

    let one = json!({"from": day, "to": day, "credential": incident.api_key_id});
    let one = COMPANY.ask("api-keys", one).pruned_to(2);
    assert_eq!(one.iter().map(|row| pick(row, &columns)).collect::<Vec<_>>(), [truth]);
    // Each file counts twice: once where keys are made, once where they are used.
    let all = COMPANY
        .ask("api-keys", json!({"from": "2026-10-02", "to": "2026-10-30", "everything": true}))
        .pruned_to(58);
    assert!(all.iter().any(|row| row["made_at"].is_null() && row["uses"].as_u64() > Some(0)), "{all:?}");
}

/// Would catch a theft that drowns in what others take every day.
#[test]
fn mass_export() {
    let Company { incident, .. } = &*COMPANY;
    let rows = COMPANY.ask("mass-export", json!({"from": "2026-10-05", "to": "2026-10-30"})).pruned_to(26);
    golden("mass-export", &rows);
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(pick(&rows[0], &["day", "actor_id"]), json!([COMPANY.day(), incident.actor_id]));
    // The account's owner took something as well that day.
    assert!(rows[0]["things"].as_u64() >= Some(160));
    assert!(rows[0]["taken"].as_u64() >= Some(172));
}

/// Would catch a clock that is moved the wrong way, a weekend that is a working day, and hours past midnight.
#[test]
fn outside_working_hours() {
    let Company { sample, incident } = &*COMPANY;
    let offset = COMPANY.utc_offset();
    let params = json!({"from": "2026-10-12", "to": "2026-10-30", "utc_offset": offset, "least": 20});
    let rows = COMPANY.ask("outside-working-hours", params).pruned_to(19);
    golden("outside-working-hours", &rows);
    let night = rows.iter().find(|row| {
        row["actor_id"] == *incident.actor_id
            && row["started_at"].as_str() == Some(incident.started_at.as_str())
    });
    let night = night.unwrap_or_else(|| panic!("the night of the break-in is missing: {rows:?}"));
    assert!(night["events"].as_u64() >= Some(COMPANY.events()), "{night}");

    // The same counted another way: every event, its local time written out.
    let expected = sample.sql(&format!(
        "SELECT count(*) AS n FROM (
             SELECT occurred_at + INTERVAL '{} minutes' AS local FROM events
             WHERE tenant_id = '{}' AND actor_type = 'user' AND day BETWEEN '2026-10-12' AND '2026-10-30'
         ) WHERE date_part('dow', local) IN (0, 6) OR date_part('hour', local) < 7 OR date_part('hour', local) >= 20",
        (offset * 60.0) as i64,
        incident.tenant_id
    ));
    let everyone = json!({"from": "2026-10-12", "to": "2026-10-30", "utc_offset": offset, "least": 1});
    let everyone = COMPANY.ask("outside-working-hours", everyone).pruned_to(19);
    let found: u64 = everyone.iter().map(|row| row["events"].as_u64().unwrap()).sum();
    assert_eq!(found, expected[0]["n"].as_u64().unwrap());

    let nightly = json!({
        "from": "2026-10-12", "to": "2026-10-30", "actor": incident.actor_id, "utc_offset": offset, "least": 1,
        "starts": 22, "ends": 6, "weekends": false,
    });
    let nightly = COMPANY.ask("outside-working-hours", nightly).pruned_to(19);
    assert!(nightly.iter().all(|row| row["started_at"] != incident.started_at.as_str()), "at 2:47 they work");
}

/// Would catch an account that comes back unseen, or a silence that is counted wrongly.
#[test]
fn dormant_accounts() {
    let params = json!({"from": "2026-10-02", "to": "2026-10-30", "silence": 20});
    let rows = COMPANY.ask("dormant-accounts", params).pruned_to(29);
    golden("dormant-accounts", &rows);
    let sleeper = rows.iter().find(|row| row["actor_id"] == SLEEPER).unwrap();
    let columns = ["silent_since", "silent_days", "awoke_at", "first_action", "ip_address", "events"];
    let truth = json!(["2026-10-02", 26, "2026-10-29T12:00:00.000000Z", "document.view", "203.0.113.9", 1]);
    assert_eq!(pick(sleeper, &columns), truth);
    for (silence, found) in [(26, 1), (27, 0)] {
        let params = json!({"from": "2026-10-02", "to": "2026-10-30", "silence": silence, "actor": SLEEPER});
        assert_eq!(COMPANY.ask("dormant-accounts", params).pruned_to(29).len(), found);
    }
}

/// Would catch uses of a key that are missed, or ascribed to another.
#[test]
fn credential_actions() {
    let Company { incident, .. } = &*COMPANY;
    let params = json!({"credential": incident.api_key_id, "from": "2026-10-02", "to": "2026-10-30"});
    let rows = COMPANY.ask("credential-actions", params).pruned_to(29);
    golden("credential-actions", &rows);
    let columns = ["action", "outcome", "events", "things", "actor_id", "ip_address", "country"];
    let truth = json!([
        "document.export",
        "success",
        12,
        12,
        incident.actor_id,
        incident.ip_addresses[0],
        incident.country,
    ]);
    assert_eq!(rows.iter().map(|row| pick(row, &columns)).collect::<Vec<_>>(), [truth]);
}

/// Would catch somebody else who came from the intruder's address and is not told.
#[test]
fn first_and_last_seen() {
    let Company { sample, incident } = &*COMPANY;
    let range = ("2026-10-02", "2026-10-30");
    let params = json!({"ip_address": incident.ip_addresses[0], "from": range.0, "to": range.1});
    let rows = COMPANY.ask("first-and-last-seen", params).pruned_to(29);
    golden("first-and-last-seen", &rows);
    let columns = [
        "actor_id",
        "first_seen_at",
        "last_seen_at",
        "events",
        "days",
        "failures",
        "first_action",
        "last_action",
    ];
    // 24 guesses, what succeeded, and the deletion that was denied.
    let truth = json!([
        incident.actor_id,
        incident.started_at,
        incident.ended_at,
        24 + 182 + 1,
        1,
        25,
        "user.login",
        "audit_log.delete",
    ]);
    assert_eq!(rows.iter().map(|row| pick(row, &columns)).collect::<Vec<_>>(), [truth]);

    let everyone = COMPANY.ask("first-and-last-seen", json!({"from": range.0, "to": range.1})).pruned_to(29);
    let actors = sample.sql(&format!(
        "SELECT count(DISTINCT actor_id) AS n FROM events WHERE tenant_id = '{}' AND day >= '{}'",
        incident.tenant_id, range.0
    ));
    assert_eq!(everyone.len() as u64, actors[0]["n"].as_u64().unwrap());
}

/// Would catch an hour that is left out, or counted on another weekday.
#[test]
fn activity_by_hour() {
    let Company { sample, incident } = &*COMPANY;
    let day = COMPANY.day();
    let params =
        json!({"actor": incident.actor_id, "from": day, "to": day, "utc_offset": COMPANY.utc_offset()});
    let rows = COMPANY.ask("activity-by-hour", params).pruned_to(1);
    golden("activity-by-hour", &rows);
    assert_eq!(
        rows.iter().map(|row| row["hour"].as_u64().unwrap()).collect::<Vec<_>>(),
        Vec::from_iter(0..24)
    );
    assert!(
        rows[2]["events"].as_u64().unwrap() + rows[3]["events"].as_u64().unwrap() >= COMPANY.events(),
        "{rows:?}"
    );

    let rows =
        COMPANY.ask("activity-by-hour", json!({"from": "2026-10-12", "to": "2026-10-25"})).pruned_to(14);
    let expected = sample.sql(&format!(
        "SELECT CAST(date_part('dow', occurred_at) AS INT) AS weekday, count(*) AS n FROM events
         WHERE tenant_id = '{}' AND day BETWEEN '2026-10-12' AND '2026-10-25' GROUP BY 1 ORDER BY 1",
        incident.tenant_id
    ));
    let sum = |column: &str| rows.iter().map(|row| row[column].as_u64().unwrap()).sum::<u64>();
    let weekdays = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
    let found: Vec<Value> = weekdays
        .iter()
        .enumerate()
        .map(|(number, name)| json!({"weekday": number, "n": sum(name)}))
        .collect();
    assert_eq!(found, expected);
    assert_eq!(sum("events"), weekdays.map(sum).iter().sum::<u64>());
}

/// Would catch an attempt that was refused and is not told, or a success among the refusals.
#[test]
fn denied_attempts() {
    let Company { sample, incident } = &*COMPANY;
    let day = COMPANY.day();
    let rows = COMPANY.ask("denied-attempts", json!({"from": day, "to": "2026-10-30"})).pruned_to(10);
    golden("denied-attempts", &rows);
    let columns = ["attempts", "things", "last_reason", "last_at"];
    let attempt = rows.iter().find(|row| row["action"] == "audit_log.delete").unwrap();
    assert_eq!(attempt["actor_id"], *incident.actor_id);
    assert_eq!(pick(attempt, &columns), json!([1, 1, "missing_permission", incident.ended_at]));
    let expected = sample.sql(&format!(
        "SELECT count(*) AS n FROM events WHERE tenant_id = '{}' AND day >= '{day}' AND outcome = 'denied'",
        incident.tenant_id
    ));
    let found: u64 = rows.iter().map(|row| row["attempts"].as_u64().unwrap()).sum();
    assert_eq!(found, expected[0]["n"].as_u64().unwrap());
}

/// Would catch a parameter that is compared where the files' bounds cannot help: wrapped in a function, or in an `OR`
/// with its absence that planning does not take apart.
#[test]
fn what_is_asked_for_decides_which_files_are_read() {
    // They sort before every id, or address, there is, so no file's bounds include them.
    let (nobody, nowhere) = ("!", "0.0.0.0");
    for (name, parameter) in [
        ("actor-timeline", "actor"),
        ("activity-by-hour", "actor"),
        ("credential-actions", "credential"),
        ("denied-attempts", "actor"),
        ("dormant-accounts", "actor"),
        ("first-and-last-seen", "actor"),
        ("first-and-last-seen", "ip_address"),
        ("first-and-last-seen", "session"),
        ("first-and-last-seen", "credential"),
        ("mass-export", "actor"),
        ("new-locations", "actor"),
        ("outside-working-hours", "actor"),
        ("permission-changes", "actor"),
        ("resource-history", "target"),
        ("who-deleted", "target"),
    ] {
        let mut params = json!({"from": "2026-10-02", "to": "2026-10-30"});
        params[parameter] = if parameter == "ip_address" { nowhere } else { nobody }.into();
        if name == "new-locations" {
            params["since"] = "2026-10-20".into();
        }
        let statistics = COMPANY.ask(name, params).statistics;
        assert_eq!(statistics.files_kept, 0, "{name} by {parameter}: {statistics:?}");
        let pruned = statistics.files_pruned_by_index + statistics.files_pruned_by_min_max;
        assert!(pruned > 0, "{name} by {parameter}: {statistics:?}");
    }
}
