//! When sessions begin: hour by hour, by each tenant's own clock, until every tenant has its exact share.

use super::{
    DAY_MICROS, HOUR_MICROS, Incident, Settings,
    company::{Company, Tenant},
    dice::Dice,
    session::{self, Session},
};

/// How busy people are in each hour of a working day.
const PEOPLE: [u64; 24] =
    [2, 1, 1, 1, 1, 2, 8, 25, 70, 95, 100, 96, 70, 85, 100, 96, 85, 60, 30, 18, 14, 10, 6, 4];
/// Programs run day and night, with the big jobs at two.
const PROGRAMS: [u64; 24] =
    [40, 40, 90, 60, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40];
const WEEKEND_PERCENT: u64 = 12;
/// Of a tenant's events, how many come from programs.
const PROGRAMS_PERCENT: u64 = 28;

/// Who is active in a stream of sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Crowd {
    People,
    Programs,
}

/// One tenant's people or programs: how many events they are to make, and how many are under way.
struct Stream {
    tenant: usize,
    crowd: Crowd,
    events: u64,
    started: u64,
    weight_total: u64,
    weight_passed: u64,
}

/// All streams, moving forward together.
pub(super) struct Schedule {
    streams: Vec<Stream>,
    /// Start of the first hour that is not planned yet.
    hour: i64,
    end: i64,
}

impl Schedule {
    /// `planted` events of the incident's tenant are made elsewhere.
    pub(super) fn new(
        settings: &Settings,
        company: &Company,
        incident: Option<&Incident>,
        planted: u64,
    ) -> Self {
        let (start, end) = (settings.start_micros(), settings.end_micros());
        let mut streams = Vec::with_capacity(company.tenants.len() * 2);
        for (number, tenant) in company.tenants.iter().enumerate() {
            let elsewhere = match incident {
                Some(incident) if incident.tenant_id == tenant.id => planted,
                _ => 0,
            };
            let events = tenant.events - elsewhere;
            let programs = events * PROGRAMS_PERCENT / 100;
            for (crowd, events) in [(Crowd::People, events - programs), (Crowd::Programs, programs)] {
                let hours = (start..end).step_by(HOUR_MICROS as usize);
                let weight_total = hours.map(|hour| weight(crowd, tenant, hour)).sum();
                let stream =
                    Stream { tenant: number, crowd, events, started: 0, weight_total, weight_passed: 0 };
                streams.push(stream);
            }
        }
        Self { streams, hour: start, end }
    }

    /// Start of the hour that [`Schedule::next_hour`] plans next: no session begins before it any more.
    pub(super) fn hour_start(&self) -> i64 {
        self.hour
    }

    /// When everything is over.
    pub(super) fn end(&self) -> i64 {
        self.end
    }

    /// The sessions that begin within the next hour, in no order; `None` after the last hour.
    pub(super) fn next_hour(&mut self, company: &Company, dice: &mut Dice) -> Option<Vec<Session>> {
        if self.hour >= self.end {
            return None;
        }
        let mut starts = Vec::new();
        for stream in &mut self.streams {
            let tenant = &company.tenants[stream.tenant];
            stream.weight_passed += weight(stream.crowd, tenant, self.hour);
            let due = u128::from(stream.events) * u128::from(stream.weight_passed);
            let due = (due / u128::from(stream.weight_total)) as u64;
            while stream.started < due {
                let time = self.hour + dice.below(HOUR_MICROS as u64) as i64;
                let left = stream.events - stream.started;
                let session = session::begin(company, stream.tenant, stream.crowd, time, left, dice);
                stream.started += session.events_left();
                starts.push(session);
            }
        }
        self.hour += HOUR_MICROS;
        Some(starts)
    }
}

fn weight(crowd: Crowd, tenant: &Tenant, hour: i64) -> u64 {
    let local = hour + tenant.minutes_east * 60_000_000;
    let of_day = (local.rem_euclid(DAY_MICROS) / HOUR_MICROS) as usize;
    // Day 0, 1970-01-01, was a Thursday.
    let weekend = (local.div_euclid(DAY_MICROS) + 3).rem_euclid(7) >= 5;
    match crowd {
        Crowd::People if weekend => PEOPLE[of_day] * WEEKEND_PERCENT,
        Crowd::People => PEOPLE[of_day] * 100,
        Crowd::Programs => PROGRAMS[of_day],
    }
}
