//! A synthetic company: audit events of many tenants that look like real ones, the same for the same seed.
//!
//! In: [`Settings`]. Out: native API-form events as NDJSON, in time order over all tenants, in chunks; and,
//! apart from them, the ground truth about one planted [`Incident`], so that an investigation can be checked.
//! No event carries a label: what finds the incident is its behaviour.
//!
//! What makes it lifelike: tenants of very different size; working hours in each tenant's own time zone and
//! quiet weekends; a few busy people and a long tail; sessions from login to logout with one address, country
//! and user agent; service accounts that never sleep; mistyped passwords, refusals, and failed guesses from
//! abroad that come to nothing.
//!
//! Guaranteed: exactly [`Settings::events`] events; the same settings give the same bytes on every machine
//! (integers only, one seeded ChaCha stream, no clock); memory grows with tenants, people and open sessions,
//! not with the number of events.

mod catalog;
mod company;
mod dice;
mod incident;
mod schedule;
mod session;
mod write;

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
};

use chrono::NaiveDate;

pub use incident::{Incident, Step};

use crate::{
    error::{Error, ErrorKind, Result},
    limits,
};
use company::Company;
use dice::Dice;
use schedule::Schedule;
use session::Session;

const HOUR_MICROS: i64 = 3_600_000_000;
const DAY_MICROS: i64 = 24 * HOUR_MICROS;

/// Independent streams of the one seed, so that a change to one part leaves the others' choices alone.
const COMPANY_STREAM: u64 = 1;
const INCIDENT_STREAM: u64 = 2;
const TRAFFIC_STREAM: u64 = 3;

/// What company to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The same seed gives the same bytes.
    pub seed: u64,
    /// Number of tenants, from 1; the first is the largest.
    pub tenants: usize,
    /// Exact number of events.
    pub events: u64,
    /// First day, UTC.
    pub start: NaiveDate,
    /// Number of days, from 1.
    pub days: u32,
    /// Makes the first tenant an enterprise with this share of all events, from 50 to 100: many thousand people,
    /// hundreds of thousands of things, searches with rare words in them. What is left goes to the others.
    pub enterprise_percent: Option<u32>,
}

impl Settings {
    fn check(&self) -> Result<()> {
        let (tenants_max, days_max) = (limits::GENERATE_TENANTS_MAX, limits::GENERATE_DAYS_MAX);
        let problem = if !(1..=tenants_max).contains(&self.tenants) {
            format!("{} tenants: must be 1 to {tenants_max}", self.tenants)
        } else if !(1..=days_max).contains(&self.days) {
            format!("{} days: must be 1 to {days_max}", self.days)
        } else if self.enterprise_percent.is_some_and(|percent| !(50..=100).contains(&percent)) {
            format!(
                "an enterprise with {} % of the events: must be 50 to 100",
                self.enterprise_percent.unwrap_or(0)
            )
        } else if self.events == 0 {
            "0 events: must be at least 1".to_owned()
        } else {
            return Ok(());
        };
        Err(Error::new(ErrorKind::Invalid, problem))
    }

    fn start_micros(&self) -> i64 {
        self.start.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_micros()
    }

    fn end_micros(&self) -> i64 {
        self.start_micros() + i64::from(self.days) * DAY_MICROS
    }
}

/// Makes the events of a company, one chunk after another.
///
/// ```
/// use auditlake::generate::{Generator, Settings};
/// let start = chrono::NaiveDate::from_ymd_opt(2026, 1, 5).unwrap();
/// let settings = Settings { seed: 7, tenants: 3, events: 1_000, start, days: 5, enterprise_percent: None };
/// let mut generator = Generator::new(&settings).unwrap();
/// let mut body = Vec::new();
/// while generator.fill(&mut body, 100) > 0 {}
/// assert_eq!(body.iter().filter(|&&byte| byte == b'\n').count(), 1_000);
/// ```
pub struct Generator {
    company: Company,
    schedule: Schedule,
    dice: Dice,
    /// Sessions in progress; their slots are used again.
    sessions: Vec<Session>,
    free: Vec<usize>,
    /// Next event of each session in progress: time, a number that breaks ties, slot.
    next_events: BinaryHeap<Reverse<(i64, u64, usize)>>,
    started: u64,
    incident: Option<Incident>,
    /// The incident's events not yet given out, by time.
    planted: VecDeque<(i64, Vec<u8>)>,
}

impl Generator {
    /// Plans the company and the incident. Errors: [`ErrorKind::Invalid`] for settings out of range.
    pub fn new(settings: &Settings) -> Result<Self> {
        settings.check()?;
        let company = Company::new(settings, &mut Dice::new(settings.seed, COMPANY_STREAM));
        let planted = incident::plant(settings, &company, &mut Dice::new(settings.seed, INCIDENT_STREAM));
        let (incident, planted) = match planted {
            Some(planted) => (Some(planted.incident), planted.events),
            None => (None, VecDeque::new()),
        };
        let schedule = Schedule::new(settings, &company, incident.as_ref(), planted.len() as u64);
        Ok(Self {
            company,
            schedule,
            dice: Dice::new(settings.seed, TRAFFIC_STREAM),
            sessions: Vec::new(),
            free: Vec::new(),
            next_events: BinaryHeap::new(),
            started: 0,
            incident,
            planted,
        })
    }

    /// The planted incident; `None` if the company has too few events to hide one among them.
    pub fn incident(&self) -> Option<&Incident> {
        self.incident.as_ref()
    }

    /// Each tenant's id and exact number of events, the largest first.
    pub fn tenants(&self) -> impl Iterator<Item = (&str, u64)> {
        self.company.tenants.iter().map(|tenant| (tenant.id.as_str(), tenant.events))
    }

    /// Appends up to `events_max` events to `body`, one a line, and returns how many; 0 means the end.
    pub fn fill(&mut self, body: &mut Vec<u8>, events_max: usize) -> usize {
        (0..events_max).take_while(|_| self.write_next(body)).count()
    }

    fn write_next(&mut self, body: &mut Vec<u8>) -> bool {
        // An hour's sessions are drawn only when their time has come: that is what bounds the memory.
        while self.next_time().is_none_or(|time| time >= self.schedule.hour_start())
            && let Some(starts) = self.schedule.next_hour(&self.company, &mut self.dice)
        {
            starts.into_iter().for_each(|session| self.start(session));
        }
        let planted = self.planted.front().map(|(time, _)| *time);
        let ordinary = self.next_events.peek().map(|Reverse((time, ..))| *time);
        match (planted, ordinary) {
            (None, None) => return false,
            (Some(time), other) if other.is_none_or(|other| time <= other) => {
                if let Some((_, line)) = self.planted.pop_front() {
                    body.extend_from_slice(&line);
                }
            }
            _ => self.write_ordinary(body),
        }
        true
    }

    fn next_time(&self) -> Option<i64> {
        let planted = self.planted.front().map(|(time, _)| *time);
        let ordinary = self.next_events.peek().map(|Reverse((time, ..))| *time);
        planted.into_iter().chain(ordinary).min()
    }

    fn write_ordinary(&mut self, body: &mut Vec<u8>) {
        let Some(Reverse((_, number, slot))) = self.next_events.pop() else { return };
        let session = &mut self.sessions[slot];
        session.write_next(&self.company, &mut self.dice, body);
        match session.schedule_next(&mut self.dice, self.schedule.end()) {
            Some(time) => self.next_events.push(Reverse((time, number, slot))),
            None => self.free.push(slot),
        }
    }

    fn start(&mut self, session: Session) {
        let time = session.time();
        let slot = match self.free.pop() {
            Some(slot) => {
                self.sessions[slot] = session;
                slot
            }
            None => {
                self.sessions.push(session);
                self.sessions.len() - 1
            }
        };
        self.next_events.push(Reverse((time, self.started, slot)));
        self.started += 1;
    }
}

#[cfg(test)]
mod tests;
