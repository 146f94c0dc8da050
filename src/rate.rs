//! How much: requests, events and query seconds, for each key and each tenant; and failures, for each address.
//!
//! In: who asks, and what it costs. Out: yes, or which limit says no, whose it is and when to come back. Guaranteed: a
//! request takes one token of its key and one of its tenant, both or none; events and query seconds are charged when they
//! are known, so a bucket may go into debt, and while it owes, nothing more is let in: nothing is too large to be let in
//! ever, and in the long run the rate holds. Memory is bounded by [`RATE_HOLDERS_MAX`].
//!
//! Requests count for the tenant that a key is bound to; events and query seconds for the tenant they are about, whoever
//! sends or asks. All is in this process's memory: a restart forgives.

mod bucket;
mod holders;
mod settings;
#[cfg(test)]
mod tests;

use std::{
    array, fmt,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

pub use self::settings::Settings;
use self::{
    bucket::{Bucket, Quota, SECOND},
    holders::Holders,
};
use crate::{control::TenantLimits, event::TenantId, limits::RATE_HOLDERS_MAX, telemetry::Clock};

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Requests, each of which takes one.
    Requests,
    /// Events sent.
    Events,
    /// Seconds for which a query has one of the places for queries.
    QuerySeconds,
}

/// Whose limit it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The key's.
    Key,
    /// The tenant's.
    Tenant,
    /// The client's address.
    Address,
}

/// A limit's name in headers, problems and metrics.
const fn name(whose: Whose, resource: Resource) -> &'static str {
    match (whose, resource) {
        (Whose::Key, Resource::Requests) => "requests",
        (Whose::Key, Resource::Events) => "events",
        (Whose::Key, Resource::QuerySeconds) => "query-seconds",
        (Whose::Tenant, Resource::Requests) => "tenant-requests",
        (Whose::Tenant, Resource::Events) => "tenant-events",
        (Whose::Tenant, Resource::QuerySeconds) => "tenant-query-seconds",
        (Whose::Address, _) => "address-failures",
    }
}

const RESOURCES: [Resource; 3] = [Resource::Requests, Resource::Events, Resource::QuerySeconds];

/// Who pays for a request.
#[derive(Clone, Copy, Debug)]
pub struct Payer<'a> {
    /// The principal's id.
    pub key: &'a str,
    /// The key that issued the token with which the principal asks: what is asked with its tokens is asked with the key.
    pub issuer: Option<&'a str>,
    /// The tenant that it is about, and what is set for it.
    pub tenant: Option<(&'a TenantId, TenantLimits)>,
}

impl<'a> Payer<'a> {
    /// Whose limits of keys hold for it.
    fn keys(self) -> impl Iterator<Item = &'a str> {
        std::iter::once(self.key).chain(self.issuer)
    }
}

/// A limit that says no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// The limit's name.
    pub policy: &'static str,
    /// Whose it is.
    pub whose: Whose,
    /// What happened, in words.
    pub detail: String,
    /// Whole seconds after which to come back; at least 1.
    pub retry_after_seconds: u64,
}

/// How it stands with one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The limit's name.
    pub policy: &'static str,
    /// Tokens that can be saved up.
    pub quota: i64,
    /// Seconds in which so many come back.
    pub window_seconds: i64,
    /// Whole tokens that are there.
    pub remaining: i64,
    /// Seconds, rounded up, until all are.
    pub full_in_seconds: i64,
}

/// All buckets. Cheap to clone: clones share.
#[derive(Clone)]
pub struct Rate {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    clock: Clock,
    /// Held for as long as it takes to count.
    books: Mutex<Books>,
}

struct Books {
    keys: Holders<Box<str>, 3>,
    tenants: Holders<TenantId, 3>,
    addresses: Holders<IpAddr, 1>,
}

impl fmt::Debug for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rate").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}

impl Rate {
    /// Full buckets for everyone.
    pub fn new(settings: Settings, clock: Clock) -> Self {
        let books = Books {
            keys: Holders::new(RATE_HOLDERS_MAX),
            tenants: Holders::new(RATE_HOLDERS_MAX),
            addresses: Holders::new(RATE_HOLDERS_MAX),
        };
        Self { shared: Arc::new(Shared { settings, clock, books: Mutex::new(books) }) }
    }

    /// Takes one request, of the key, of the key that issued its token, and of the tenant.
    ///
    /// # Errors
    /// The limit that takes longest to wait for; then nothing was taken.
    pub fn request(&self, payer: Payer<'_>) -> Result<(), Exceeded> {
        let (mut books, now) = self.open();
        self.check(&mut books, payer, Resource::Requests, now)?;
        self.each(&mut books, payer, Resource::Requests, now, |bucket, quota, _, _| bucket.take(quota, 1));
        Ok(())
    }

    /// Whether more of `resource` may be spent, as far as is known now; nothing is taken.
    ///
    /// # Errors
    /// The limit that takes longest to wait for.
    pub fn allows(&self, payer: Payer<'_>, resource: Resource) -> Result<(), Exceeded> {
        let (mut books, now) = self.open();
        self.check(&mut books, payer, resource, now)
    }

    /// Charges a key for `sent` events and each tenant for its own, if none of them is in debt.
    ///
    /// # Errors
    /// The limit that takes longest to wait for; then nothing was charged.
    pub fn events(
        &self,
        key: &str,
        sent: u64,
        tenants: &[(TenantId, TenantLimits, u64)],
    ) -> Result<(), Exceeded> {
        let (mut books, now) = self.open();
        let quota = self.shared.settings.of_key()[Resource::Events as usize];
        let mut worst = None;
        if let Some(quota) = quota {
            let bucket = &mut books.key(key, now)[Resource::Events as usize];
            bucket.settle_for(quota, now);
            keep_worst(&mut worst, verdict(bucket, quota, Whose::Key, Resource::Events, key));
        }
        for (tenant, own, _) in tenants {
            let Some(quota) = self.shared.settings.of_tenant(*own)[Resource::Events as usize] else {
                continue;
            };
            let bucket = &mut books.tenant(tenant, now)[Resource::Events as usize];
            bucket.settle_for(quota, now);
            keep_worst(&mut worst, verdict(bucket, quota, Whose::Tenant, Resource::Events, tenant.as_str()));
        }
        if let Some((_, exceeded)) = worst {
            return Err(exceeded);
        }
        if let Some(quota) = quota {
            books.key(key, now)[Resource::Events as usize].take(quota, sent);
        }
        for (tenant, own, count) in tenants {
            let Some(quota) = self.shared.settings.of_tenant(*own)[Resource::Events as usize] else {
                continue;
            };
            books.tenant(tenant, now)[Resource::Events as usize].take(quota, *count);
        }
        Ok(())
    }

    /// Charges for a query that had its place for so long.
    pub fn query(&self, payer: Payer<'_>, held: Duration) {
        let micros = u64::try_from(held.as_micros()).unwrap_or(u64::MAX);
        let (mut books, now) = self.open();
        let charge = |bucket: &mut Bucket, quota, _, _: &str| bucket.take_micros(quota, micros);
        self.each(&mut books, payer, Resource::QuerySeconds, now, charge);
    }

    /// Counts a request without a key that holds.
    ///
    /// # Errors
    /// If there were too many from this address already; then it was not counted.
    pub fn failure(&self, address: IpAddr) -> Result<(), Exceeded> {
        let Some(quota) = self.shared.settings.of_address() else { return Ok(()) };
        let (mut books, now) = self.open();
        let address = block_of(address);
        let [bucket] = books.addresses.of(&address, || address, now);
        bucket.settle_for(quota, now);
        match bucket.until_token(quota) {
            0 => {
                bucket.take(quota, 1);
                Ok(())
            }
            wait => {
                let detail = format!(
                    "more than {} requests in {} s came from your address without a key that holds",
                    quota.tokens(),
                    quota.seconds()
                );
                Err(exceeded(Whose::Address, Resource::Requests, detail, wait))
            }
        }
    }

    /// How it stands with each limit of a payer; unlimited things are not there. Of what a payer and its issuer have left, the less.
    pub fn standings(&self, payer: Payer<'_>) -> Vec<Standing> {
        let (books, now) = self.open();
        let of_issuer = payer.issuer.map(|issuer| books.keys.look(issuer)).unwrap_or_default();
        let own = books.keys.look(payer.key);
        let of_keys = array::from_fn(|each| Bucket::emptier(own[each], of_issuer[each], now));
        let keys = (Whose::Key, self.shared.settings.of_key(), of_keys);
        let tenants = payer.tenant.map(|(tenant, own)| {
            (Whose::Tenant, self.shared.settings.of_tenant(own), books.tenants.look(tenant))
        });
        drop(books);
        let mut standings = Vec::with_capacity(6);
        for (whose, quotas, mut buckets) in std::iter::once(keys).chain(tenants) {
            for ((resource, quota), bucket) in RESOURCES.into_iter().zip(quotas).zip(&mut buckets) {
                let Some(quota) = quota else { continue };
                bucket.settle(now);
                standings.push(Standing {
                    policy: name(whose, resource),
                    quota: quota.tokens(),
                    window_seconds: quota.seconds(),
                    remaining: bucket.left(quota),
                    full_in_seconds: seconds(bucket.until_full(quota)),
                });
            }
        }
        standings
    }

    fn open(&self) -> (MutexGuard<'_, Books>, i64) {
        // Counting does not panic; if it did, the numbers would still be numbers.
        let books = self.shared.books.lock().unwrap_or_else(PoisonError::into_inner);
        (books, self.shared.clock.monotonic_micros())
    }

    fn check(
        &self,
        books: &mut Books,
        payer: Payer<'_>,
        resource: Resource,
        now: i64,
    ) -> Result<(), Exceeded> {
        let mut worst = None;
        self.each(books, payer, resource, now, |bucket, quota, whose, holder| {
            keep_worst(&mut worst, verdict(bucket, quota, whose, resource, holder));
        });
        worst.map_or(Ok(()), |(_, exceeded)| Err(exceeded))
    }

    /// The buckets that a payer pays from, settled, each with its quota, whose it is, and the name of who that is.
    fn each(
        &self,
        books: &mut Books,
        payer: Payer<'_>,
        resource: Resource,
        now: i64,
        mut visit: impl FnMut(&mut Bucket, Quota, Whose, &str),
    ) {
        if let Some(quota) = self.shared.settings.of_key()[resource as usize] {
            for key in payer.keys() {
                let bucket = &mut books.key(key, now)[resource as usize];
                bucket.settle_for(quota, now);
                visit(bucket, quota, Whose::Key, key);
            }
        }
        let Some((tenant, own)) = payer.tenant else { return };
        if let Some(quota) = self.shared.settings.of_tenant(own)[resource as usize] {
            let bucket = &mut books.tenant(tenant, now)[resource as usize];
            bucket.settle_for(quota, now);
            visit(bucket, quota, Whose::Tenant, tenant.as_str());
        }
    }
}

impl Books {
    fn key(&mut self, key: &str, now: i64) -> &mut [Bucket; 3] {
        self.keys.of(key, || key.into(), now)
    }

    fn tenant(&mut self, tenant: &TenantId, now: i64) -> &mut [Bucket; 3] {
        self.tenants.of(tenant, || tenant.clone(), now)
    }
}

type Verdict = Option<(i64, Exceeded)>;

fn keep_worst(worst: &mut Verdict, verdict: Verdict) {
    if let Some((wait, exceeded)) = verdict
        && worst.as_ref().is_none_or(|(longest, _)| wait > *longest)
    {
        *worst = Some((wait, exceeded));
    }
}

/// Whether a bucket refuses, and for how long.
fn verdict(bucket: &Bucket, quota: Quota, whose: Whose, resource: Resource, holder: &str) -> Verdict {
    let wait = match resource {
        Resource::Requests => bucket.until_token(quota),
        Resource::Events | Resource::QuerySeconds => bucket.until_any(quota),
    };
    if wait == 0 {
        return None;
    }
    let who = if whose == Whose::Tenant { "tenant" } else { "key" };
    let what = match resource {
        Resource::Requests => "requests",
        Resource::Events => "events",
        Resource::QuerySeconds => "query seconds",
    };
    let detail =
        format!("{who} '{holder}' has used up its {what}: {} in {} s", quota.tokens(), quota.seconds());
    Some((wait, exceeded(whose, resource, detail, wait)))
}

fn exceeded(whose: Whose, resource: Resource, detail: String, wait_micros: i64) -> Exceeded {
    let retry_after_seconds = seconds(wait_micros).max(1).unsigned_abs();
    Exceeded { policy: name(whose, resource), whose, detail, retry_after_seconds }
}

/// Whole seconds, rounded up.
fn seconds(micros: i64) -> i64 {
    micros / SECOND + i64::from(micros % SECOND != 0)
}

/// Who has one IPv6 address has the /64 around it.
fn block_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        v4 => v4,
    }
}
