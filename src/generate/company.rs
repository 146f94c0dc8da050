//! The company's tenants and their people and programs: who exists, before anything happens.

use super::{
    Settings,
    catalog::{self, ACTIONS, Action},
    dice::{Dice, Weighted, mix},
};

/// All tenants, and what is drawn the same way for each of them.
pub(super) struct Company {
    pub(super) tenants: Vec<Tenant>,
    everyone: Weighted,
    admins: Weighted,
    programs: Weighted,
}

/// One tenant.
pub(super) struct Tenant {
    pub(super) id: String,
    /// Exact number of its events, planted ones included.
    pub(super) events: u64,
    /// Of its local time.
    pub(super) minutes_east: i64,
    /// Root of all its derived ids.
    pub(super) key: u64,
    /// Number of its workspaces; 0: it does not use them.
    pub(super) workspaces: usize,
    pub(super) people: Vec<Actor>,
    pub(super) programs: Vec<Actor>,
    by_activity: Weighted,
    documents: Weighted,
    /// Words that its people search for; only an enterprise has its own.
    words: Option<Weighted>,
}

/// How much of everything a tenant has at most.
struct Scale {
    people_max: u64,
    programs_max: u64,
    documents_max: u64,
    words_max: u64,
}

const ORDINARY: Scale = Scale { people_max: 2_000, programs_max: 20, documents_max: 20_000, words_max: 0 };
const ENTERPRISE: Scale =
    Scale { people_max: 12_000, programs_max: 200, documents_max: 1_000_000, words_max: 100_000 };

/// A person or a program.
pub(super) struct Actor {
    pub(super) id: String,
    /// As they stand inside a JSON string.
    pub(super) name: String,
    /// `None` for programs.
    pub(super) email: Option<String>,
    pub(super) admin: bool,
    pub(super) country: &'static str,
    /// Address at work and at home; see [`address`].
    pub(super) addresses: [u32; 2],
    pub(super) agent: &'static str,
    /// The key a program uses.
    pub(super) key: u64,
}

impl Company {
    pub(super) fn new(settings: &Settings, dice: &mut Dice) -> Self {
        let sizes = sizes(settings);
        let tenants = sizes.into_iter().enumerate();
        Self {
            tenants: tenants.map(|(rank, events)| Tenant::new(rank, events, settings, dice)).collect(),
            everyone: Weighted::new(ACTIONS.iter().map(|action| action.everyone)),
            admins: Weighted::new(ACTIONS.iter().map(|action| action.everyone + action.admins)),
            programs: Weighted::new(ACTIONS.iter().map(|action| action.programs)),
        }
    }

    /// What an actor does next.
    pub(super) fn draw_action(&self, actor: &Actor, dice: &mut Dice) -> &'static Action {
        let weights = match actor {
            Actor { email: None, .. } => &self.programs,
            Actor { admin: true, .. } => &self.admins,
            // Now and then somebody tries what only administrators may do.
            _ if dice.chance(8) => &self.admins,
            _ => &self.everyone,
        };
        &ACTIONS[weights.pick(dice)]
    }
}

/// Each tenant's number of events: an enterprise's share first, if there is one, then what [`shares`] says.
fn sizes(settings: &Settings) -> Vec<u64> {
    let (events, tenants) = (settings.events, settings.tenants as u64);
    match settings.enterprise_percent {
        Some(percent) if tenants > 1 => {
            let enterprise = (u128::from(events) * u128::from(percent) / 100) as u64;
            [vec![enterprise], shares(events - enterprise, tenants - 1)].concat()
        }
        _ => shares(events, tenants),
    }
}

/// Shares events out: the tenant of rank `r` (from 0) gets a share in proportion to `1 / (r + 1)^1.5`.
fn shares(events: u64, tenants: u64) -> Vec<u64> {
    let weights: Vec<u128> = (1..=tenants)
        .map(|rank| u128::from(1_u64 << 40) * 1_000 / u128::from(rank * (rank * 1_000_000).isqrt()))
        .collect();
    let total: u128 = weights.iter().sum();
    let (mut passed, mut given) = (0, 0);
    weights
        .iter()
        .map(|weight| {
            passed += weight;
            // Rounding the running sum, not each share, keeps the total exact.
            let through = (u128::from(events) * passed / total) as u64;
            let share = through - given;
            given = through;
            share
        })
        .collect()
}

impl Tenant {
    fn new(rank: usize, events: u64, settings: &Settings, dice: &mut Dice) -> Self {
        let key = mix(settings.seed ^ mix(rank as u64));
        let id = tenant_id(rank);
        let (country, minutes_east) = catalog::HOMES[(rank + dice.below(3) as usize) % catalog::HOMES.len()];
        let scale = if rank == 0 && settings.enterprise_percent.is_some() { &ENTERPRISE } else { &ORDINARY };
        let people_count = (events / 400).clamp(4, scale.people_max) as usize;
        let programs_count = (events / 20_000).clamp(1, scale.programs_max) as usize;
        let words_count = (events / 200).clamp(1_000.min(scale.words_max), scale.words_max) as usize;
        let people = (0..people_count).map(|number| person(number, &id, country, key, dice)).collect();
        let programs = (0..programs_count).map(|number| program(number, country, key, dice)).collect();
        Self {
            id,
            events,
            minutes_east,
            key,
            workspaces: [0, 2, 3, 4][dice.below(4) as usize],
            people,
            programs,
            by_activity: Weighted::zipf(people_count),
            documents: Weighted::zipf((events / 20).clamp(50, scale.documents_max) as usize),
            words: (words_count > 0).then(|| Weighted::zipf(words_count)),
        }
    }

    /// One of the people, busy ones more often.
    pub(super) fn draw_person(&self, dice: &mut Dice) -> usize {
        self.by_activity.pick(dice)
    }

    /// The number of one of the tenant's things, popular ones more often.
    pub(super) fn draw_thing(&self, dice: &mut Dice) -> u64 {
        self.documents.pick(dice) as u64
    }

    /// The number of one of the tenant's own words, common ones more often; `None` if it has none.
    pub(super) fn draw_word(&self, dice: &mut Dice) -> Option<u64> {
        self.words.as_ref().map(|words| words.pick(dice) as u64)
    }
}

/// `amber-anchor` and so on; with a number once the pairs of words are used up.
fn tenant_id(rank: usize) -> String {
    let (adjectives, nouns) = (&catalog::ADJECTIVES, &catalog::NOUNS);
    // Steps that share no factor with 20 visit every pair once before any comes again.
    let adjective = adjectives[rank * 7 % adjectives.len()];
    let noun = nouns[(rank * 3 + rank / adjectives.len()) % nouns.len()];
    match rank / (adjectives.len() * nouns.len()) {
        0 => format!("{adjective}-{noun}"),
        round => format!("{adjective}-{noun}-{round}"),
    }
}

fn person(number: usize, tenant: &str, country: &'static str, key: u64, dice: &mut Dice) -> Actor {
    let (given, ascii) = dice.pick(&catalog::GIVEN);
    let family = dice.pick(&catalog::FAMILY);
    let country = if dice.chance(120) { dice.pick(&catalog::HOMES).0 } else { country };
    Actor {
        id: format!("u_{:016x}", mix(key ^ mix(number as u64 + 1))),
        name: format!("{given} {family}"),
        email: Some(format!("{ascii}.{}{number}@{tenant}.example", family.to_lowercase())),
        admin: number == 0 || dice.chance(40),
        country,
        // People at work share an address; at home everyone has their own.
        addresses: [address(mix(key ^ dice.below(3))), address(dice.word())],
        agent: dice.pick(&catalog::BROWSERS),
        key: dice.word(),
    }
}

fn program(number: usize, country: &'static str, key: u64, dice: &mut Dice) -> Actor {
    let purpose = ["sync", "backup", "billing", "reports", "import"][number % 5];
    let place = address(dice.word());
    Actor {
        id: format!("svc_{:016x}", mix(key ^ mix(number as u64 + 1_000_000))),
        name: format!("{purpose}-{}", number / 5 + 1),
        email: None,
        admin: false,
        country,
        addresses: [place, place],
        agent: dice.pick(&catalog::CLIENTS),
        key: dice.word(),
    }
}

/// An address of 198.18.0.0/15, which belongs to nobody (RFC 2544).
pub(super) fn address(word: u64) -> u32 {
    (198 << 24) | (18 << 16) | (word as u32 & 0x1_ffff)
}
