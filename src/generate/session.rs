//! One sitting of a person or one run of a program, from its first event to its last.
//!
//! What stays the same in a session is drawn at its beginning: who, from where, with what. Each event then
//! draws only what it needs.

use super::{
    catalog::{self, Action, Extra, LOGIN, LOGIN_FAILURE, LOGOUT, Target},
    company::{Actor, Company, Tenant, address},
    dice::Dice,
    schedule::Crowd,
    write::{Event, Thing, write_event},
};

const SECOND: u64 = 1_000_000;

/// How a session goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    /// Login, perhaps after a mistyped password, then work, then perhaps a logout.
    Work { mistyped: u64, logged_in: bool },
    /// A program with an API key: no login.
    Run,
    /// Somebody outside guesses passwords of one account after another, without success.
    Guessing,
}

/// A session in progress.
pub(super) struct Session {
    /// Of the next event.
    time: i64,
    left: u64,
    tenant: usize,
    /// Among the tenant's people, or its programs for [`Course::Run`].
    actor: usize,
    course: Course,
    id: u64,
    address: u32,
    country: &'static str,
    agent: &'static str,
    workspace: Option<usize>,
    /// For whom an administrator acts.
    on_behalf_of: Option<usize>,
    correlation: Option<u64>,
}

/// Draws a session of at most `events_max` events, at least one.
pub(super) fn begin(
    company: &Company,
    tenant_number: usize,
    crowd: Crowd,
    time: i64,
    events_max: u64,
    dice: &mut Dice,
) -> Session {
    let tenant = &company.tenants[tenant_number];
    let (actor, length, course) = match crowd {
        Crowd::Programs => (dice.below(tenant.programs.len() as u64) as usize, run_length(dice), Course::Run),
        Crowd::People if dice.chance(4) => (0, dice.between(4, 25), Course::Guessing),
        Crowd::People => {
            let mistyped = if dice.chance(60) { dice.between(1, 5) } else { 0 };
            (tenant.draw_person(dice), sitting_length(dice), Course::Work { mistyped, logged_in: false })
        }
    };
    let who = match course {
        Course::Run => &tenant.programs[actor],
        Course::Work { .. } | Course::Guessing => &tenant.people[actor],
    };
    let away = course == Course::Guessing || (course != Course::Run && dice.chance(12));
    let acting_for = who.admin && matches!(course, Course::Work { .. }) && dice.chance(15);
    let on_behalf_of = acting_for.then(|| tenant.draw_person(dice));
    Session {
        time,
        left: length.min(events_max),
        tenant: tenant_number,
        actor,
        course,
        id: dice.word(),
        address: if away { address(dice.word()) } else { dice.pick(&who.addresses) },
        country: if away { dice.pick(&catalog::ABROAD) } else { who.country },
        agent: if course == Course::Guessing { dice.pick(&catalog::CLIENTS) } else { who.agent },
        workspace: (tenant.workspaces > 0).then(|| dice.below(tenant.workspaces as u64) as usize),
        on_behalf_of,
        correlation: (course == Course::Run).then(|| dice.word()),
    }
}

/// Many short sittings, a few long ones.
fn sitting_length(dice: &mut Dice) -> u64 {
    let long = if dice.chance(120) { dice.below(60) } else { 0 };
    dice.between(3, 18) + long
}

fn run_length(dice: &mut Dice) -> u64 {
    let long = if dice.chance(100) { dice.below(250) } else { 0 };
    dice.between(4, 40) + long
}

impl Session {
    /// Time of the next event.
    pub(super) fn time(&self) -> i64 {
        self.time
    }

    /// Number of events still to come.
    pub(super) fn events_left(&self) -> u64 {
        self.left
    }

    /// Moves on to the next event, which lies before `end`; `None` if there is none.
    pub(super) fn schedule_next(&mut self, dice: &mut Dice, end: i64) -> Option<i64> {
        self.left -= 1;
        if self.left == 0 {
            return None;
        }
        let pause = match self.course {
            Course::Run => dice.between(SECOND / 5, 6 * SECOND),
            Course::Guessing => dice.between(SECOND, 30 * SECOND),
            Course::Work { .. } => match dice.below(100) {
                0..70 => dice.between(2 * SECOND, 40 * SECOND),
                70..95 => dice.between(40 * SECOND, 300 * SECOND),
                _ => dice.between(300 * SECOND, 1_800 * SECOND),
            },
        };
        // What would reach past the end is squeezed in before it, so that no event is missing.
        let room = (end - self.time) / (self.left as i64 + 1);
        let next = self.time + pause as i64;
        self.time = if next < end { next } else { self.time + room };
        Some(self.time)
    }

    /// Appends the event that is due.
    pub(super) fn write_next(&mut self, company: &Company, dice: &mut Dice, body: &mut Vec<u8>) {
        let tenant = &company.tenants[self.tenant];
        let (actor, action, outcome) = self.decide(company, dice);
        // A failed login has no session yet; a program needs none.
        let in_session = matches!(self.course, Course::Work { logged_in: true, .. });
        let at_work = in_session && action.target != Target::Own;
        let target = draw_target(action.target, tenant, actor, dice);
        let second = (action.target == Target::Thing("document", "doc") && dice.chance(60))
            .then(|| draw_target(action.target, tenant, actor, dice))
            .flatten();
        let event = Event {
            time: self.time,
            id: [dice.word(), dice.word()],
            tenant,
            action,
            actor,
            on_behalf_of: self.on_behalf_of.filter(|_| at_work).map(|person| &tenant.people[person]),
            api_key: (self.course == Course::Run).then_some(actor.key),
            workspace: self.workspace,
            targets: [target, second],
            outcome,
            address: self.address,
            country: self.country,
            agent: self.agent,
            session: in_session.then_some(self.id),
            correlation: self.correlation,
            detail: dice.word(),
            word: if action.extra == Extra::Query { tenant.draw_word(dice) } else { None },
        };
        write_event(body, &event);
    }

    /// Who does what next, and how it ends.
    fn decide<'a>(
        &mut self,
        company: &'a Company,
        dice: &mut Dice,
    ) -> (&'a Actor, &'static Action, (&'static str, Option<&'static str>)) {
        let tenant = &company.tenants[self.tenant];
        match &mut self.course {
            Course::Guessing => {
                let guessed = dice.below(tenant.people.len() as u64) as usize;
                (&tenant.people[guessed], &LOGIN, ("failure", Some(LOGIN_FAILURE)))
            }
            Course::Work { mistyped, logged_in: false } if *mistyped > 0 => {
                *mistyped -= 1;
                (&tenant.people[self.actor], &LOGIN, ("failure", Some(LOGIN_FAILURE)))
            }
            Course::Work { logged_in, .. } if !*logged_in => {
                *logged_in = true;
                (&tenant.people[self.actor], &LOGIN, ("success", None))
            }
            Course::Work { .. } if self.left == 1 && dice.chance(600) => {
                (&tenant.people[self.actor], &LOGOUT, ("success", None))
            }
            course => {
                let actors = if *course == Course::Run { &tenant.programs } else { &tenant.people };
                let actor = &actors[self.actor];
                let action = company.draw_action(actor, dice);
                (actor, action, draw_outcome(action, actor, dice))
            }
        }
    }
}

fn draw_outcome(action: &Action, actor: &Actor, dice: &mut Dice) -> (&'static str, Option<&'static str>) {
    // Who is no administrator and tries what administrators do is refused.
    let only_admins = action.everyone == 0 && action.programs == 0;
    let denied = if only_admins && !actor.admin { 900 } else { action.denied };
    match dice.below(1_000) {
        drawn if drawn < denied => ("denied", Some(dice.pick(&catalog::DENIALS))),
        drawn if drawn < denied + action.failed => ("failure", Some(dice.pick(&catalog::FAILURES))),
        _ if action.extra == Extra::Sync && dice.chance(5) => ("unknown", None),
        _ => ("success", None),
    }
}

fn draw_target<'a>(
    target: Target,
    tenant: &'a Tenant,
    actor: &'a Actor,
    dice: &mut Dice,
) -> Option<Thing<'a>> {
    match target {
        Target::None => None,
        Target::Own => Some(Thing::Person(actor)),
        Target::Person => Some(Thing::Person(&tenant.people[tenant.draw_person(dice)])),
        Target::Thing(kind, prefix) => {
            Some(Thing::Numbered { kind, prefix, number: tenant.draw_thing(dice) })
        }
        Target::Only(kind, prefix) => Some(Thing::Numbered { kind, prefix, number: 0 }),
    }
}
