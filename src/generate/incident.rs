//! The planted incident: somebody takes over an account, and what the truth about it is.
//!
//! At night, from a country the account never came from: a run of failed logins, then a success; the second
//! factor replaced; the account made an administrator; an API key created; documents downloaded and exported
//! by the hundred; the audit log's deletion attempted and denied. The events are built like all others.

use std::collections::VecDeque;

use serde::Serialize;

use super::{
    DAY_MICROS, Settings,
    catalog::{self, AUDIT_LOG_DELETE, Action, Extra, LOGIN, LOGIN_FAILURE, Target},
    company::{Actor, Company, Tenant, address},
    dice::Dice,
    write::{
        Event, Thing, address_text, api_key_id, event_id, session_id, thing_key, time_text, write_event,
    },
};

const FAILED_LOGINS: u64 = 31;
const SEARCHES: u64 = 4;
const DOWNLOADS: u64 = 160;
const EXPORTS: u64 = 12;
const SECOND: u64 = 1_000_000;
/// The tenant has at least this many events for each one planted.
const ORDINARY_FOR_EACH: u64 = 4;
/// All of the incident's events.
const EVENTS: u64 = FAILED_LOGINS + SEARCHES + DOWNLOADS + EXPORTS + 7;

/// What really happened. Serialises to JSON for checks outside of the program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Incident {
    /// What kind of incident it is.
    pub kind: &'static str,
    /// Where it happened.
    pub tenant_id: String,
    /// The account taken over.
    pub actor_id: String,
    /// Its owner's name.
    pub actor_name: String,
    /// Where the intruder came from.
    pub country: &'static str,
    /// The intruder's addresses; the first is the one that got in.
    pub ip_addresses: Vec<String>,
    /// The intruder's session.
    pub session_id: String,
    /// The API key that the intruder made.
    pub api_key_id: String,
    /// First event, RFC 3339.
    pub started_at: String,
    /// Last event, RFC 3339.
    pub ended_at: String,
    /// All events, in order.
    pub steps: Vec<Step>,
}

/// One step of an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What the intruder did: an action, with `failed` or `denied` where it did not succeed.
    pub name: String,
    /// The ids of its events, in order.
    pub event_ids: Vec<String>,
}

impl Incident {
    /// Number of events of the step of that name.
    pub fn count(&self, step: &str) -> usize {
        self.steps.iter().filter(|known| known.name == step).map(|known| known.event_ids.len()).sum()
    }
}

/// The incident and its events by time, each one line of NDJSON.
pub(super) struct Planted {
    pub(super) incident: Incident,
    pub(super) events: VecDeque<(i64, Vec<u8>)>,
}

/// Plants the incident in one of the three largest tenants; `None` if that has too few events to hide it.
pub(super) fn plant(settings: &Settings, company: &Company, dice: &mut Dice) -> Option<Planted> {
    let large_enough = |tenant: &&Tenant| tenant.events >= EVENTS * (1 + ORDINARY_FOR_EACH);
    let tenant = company.tenants.iter().take(3).rfind(large_enough)?;
    // One of the regulars, so that there is ordinary behaviour to compare with.
    let victim = tenant.people.iter().filter(|person| !person.admin).nth(4).or(tenant.people.last())?;
    let mut intruder = Intruder::new(settings, tenant, victim, dice);
    intruder.break_in(dice);
    intruder.dig_in(dice);
    intruder.take(dice);
    Some(intruder.into_planted())
}

/// The incident as it comes about.
struct Intruder<'a> {
    tenant: &'a Tenant,
    victim: &'a Actor,
    time: i64,
    started: i64,
    country: &'static str,
    addresses: [u32; 2],
    agent: &'static str,
    session: u64,
    key_number: u64,
    key: u64,
    steps: Vec<Step>,
    events: VecDeque<(i64, Vec<u8>)>,
}

impl<'a> Intruder<'a> {
    fn new(settings: &Settings, tenant: &'a Tenant, victim: &'a Actor, dice: &mut Dice) -> Self {
        // Seven tenths into the time, so that a baseline lies before it; 02:47 in the tenant's own night.
        let day = i64::from(settings.days) * 7 / 10;
        let night = (2 * 3_600 + 47 * 60 + dice.below(600) as i64) * SECOND as i64;
        let local = settings.start_micros() + day * DAY_MICROS + night - tenant.minutes_east * 60_000_000;
        // A single day's range may not contain that moment: then the incident moves into it.
        let started = local.clamp(settings.start_micros(), settings.end_micros() - DAY_MICROS / 8);
        let key_number = 1_000_000 + dice.below(1_000_000);
        Self {
            tenant,
            victim,
            time: started,
            started,
            country: dice.pick(&catalog::ABROAD),
            addresses: [address(dice.word()), address(dice.word())],
            agent: dice.pick(&catalog::BROWSERS),
            session: dice.word(),
            key_number,
            key: thing_key(tenant, "key", key_number),
            steps: Vec::new(),
            events: VecDeque::new(),
        }
    }

    fn break_in(&mut self, dice: &mut Dice) {
        for attempt in 0..FAILED_LOGINS {
            // Every fourth guess comes from a second address, as if that could hide it.
            let from = usize::from(attempt % 4 == 3);
            let failed = ("failure", Some(LOGIN_FAILURE));
            self.act(&LOGIN, Some(Thing::Person(self.victim)), failed, from, false, dice);
            self.wait(4, 26, dice);
        }
        self.succeed(&LOGIN, Some(Thing::Person(self.victim)), dice);
    }

    fn dig_in(&mut self, dice: &mut Dice) {
        for (name, target) in [
            ("mfa.remove", numbered(catalog::DEVICE, 1)),
            ("mfa.enroll", numbered(catalog::DEVICE, 2)),
            ("role.grant", Some(Thing::Person(self.victim))),
            ("audit_log.view", numbered(catalog::AUDIT_LOG, 0)),
            ("api_key.create", numbered(catalog::API_KEY, self.key_number)),
        ] {
            self.wait(20, 90, dice);
            self.succeed(catalog::action(name), target, dice);
        }
    }

    fn take(&mut self, dice: &mut Dice) {
        for _ in 0..SEARCHES {
            self.wait(8, 40, dice);
            self.succeed(catalog::action("search.query"), None, dice);
        }
        let first = dice.below(40);
        for number in 0..DOWNLOADS {
            self.wait(3, 15, dice);
            self.succeed(catalog::action("document.download"), document(first + number), dice);
        }
        for number in 0..EXPORTS {
            self.wait(2, 9, dice);
            let export = catalog::action("document.export");
            self.act(export, document(first + number), ("success", None), 0, true, dice);
        }
        self.wait(30, 120, dice);
        let denied = ("denied", Some("missing_permission"));
        self.act(&AUDIT_LOG_DELETE, numbered(catalog::AUDIT_LOG, 0), denied, 0, false, dice);
    }

    fn wait(&mut self, seconds_min: u64, seconds_max: u64, dice: &mut Dice) {
        self.time += dice.between(seconds_min * SECOND, seconds_max * SECOND) as i64;
    }

    fn succeed(&mut self, action: &Action, target: Option<Thing<'_>>, dice: &mut Dice) {
        self.act(action, target, ("success", None), 0, false, dice);
    }

    fn act(
        &mut self,
        action: &Action,
        target: Option<Thing<'_>>,
        outcome: (&'static str, Option<&'static str>),
        from: usize,
        with_key: bool,
        dice: &mut Dice,
    ) {
        let id = [dice.word(), dice.word()];
        let event = Event {
            time: self.time,
            id,
            tenant: self.tenant,
            action,
            actor: self.victim,
            on_behalf_of: None,
            api_key: with_key.then_some(self.key),
            workspace: None,
            targets: [target, None],
            outcome,
            address: self.addresses[from],
            country: self.country,
            agent: if with_key { catalog::CLIENTS[0] } else { self.agent },
            session: (!with_key && outcome.0 != "failure").then_some(self.session),
            correlation: None,
            detail: dice.word(),
            word: if action.extra == Extra::Query { self.tenant.draw_word(dice) } else { None },
        };
        let mut line = Vec::new();
        write_event(&mut line, &event);
        self.events.push_back((self.time, line));
        self.note(action.name, outcome.0, event_id(self.time, id).to_string());
    }

    fn note(&mut self, action: &str, result: &str, event_id: String) {
        let name = match result {
            "success" => action.to_owned(),
            "failure" => format!("{action} failed"),
            other => format!("{action} {other}"),
        };
        match self.steps.last_mut() {
            Some(step) if step.name == name => step.event_ids.push(event_id),
            _ => self.steps.push(Step { name, event_ids: vec![event_id] }),
        }
    }

    fn into_planted(self) -> Planted {
        let incident = Incident {
            kind: "account-takeover",
            tenant_id: self.tenant.id.clone(),
            actor_id: self.victim.id.clone(),
            actor_name: self.victim.name.clone(),
            country: self.country,
            ip_addresses: self.addresses.map(address_text).into(),
            session_id: session_id(self.session),
            api_key_id: api_key_id(self.key),
            started_at: time_text(self.started),
            ended_at: time_text(self.time),
            steps: self.steps,
        };
        Planted { incident, events: self.events }
    }
}

fn numbered(target: Target, number: u64) -> Option<Thing<'static>> {
    match target {
        Target::Thing(kind, prefix) | Target::Only(kind, prefix) => {
            Some(Thing::Numbered { kind, prefix, number })
        }
        Target::None | Target::Person | Target::Own => None,
    }
}

fn document(number: u64) -> Option<Thing<'static>> {
    Some(Thing::Numbered { kind: "document", prefix: "doc", number })
}
