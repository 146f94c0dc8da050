//! What key check and rate limit add to a request, for one key of 10,000 and one tenant of 10,000.
//!
//! `cargo bench --bench gate`; the goal is 50 µs. It makes the keys and the settings in a store in memory first, through the
//! control log as the API does, which takes longer than the measurement.

use std::{collections::BTreeSet, hint::black_box, time::Duration};

use auditlake::{
    auth::{self, Auth, NewKey, Principal, Reach, Scope},
    control::{Change, Control, TenantLimits, TenantSettings},
    event::TenantId,
    rate::{Payer, Rate, Resource, Settings},
    store::Store,
    table::{self, Tables},
    telemetry::Clock,
};
use criterion::Criterion;

const KEYS: usize = 10_000;

fn tenant(number: usize) -> TenantId {
    TenantId::parse(&format!("tenant-{number}")).expect("letters, digits and a hyphen")
}

/// Keys of as many tenants, each of which has a limit of its own; and one of the keys.
async fn filled(store: &Store, clock: &Clock) -> (Auth, String) {
    let control = Control::open(store.clone(), clock.clone()).await.expect("the store is new");
    for number in 0..KEYS {
        let limits = TenantLimits { requests_per_second: Some(1_000_000_000), ..TenantLimits::default() };
        let settings = TenantSettings { limits, ..TenantSettings::default() };
        let change = Change::TenantSet { id: tenant(number), settings };
        control.change("bench", |_| Ok((change.clone(), ()))).await.expect("nobody else writes");
    }
    let tables =
        Tables::open(store.clone(), clock.clone(), table::Settings::default()).await.expect("it opens");
    let given = Some("the-root-key-of-a-benchmark");
    let (auth, _) = auth::open(store, &control, &tables, given, clock).await.expect("it opens");
    let mut chosen = String::new();
    for number in 0..KEYS {
        let wanted = NewKey {
            name: format!("key {number}"),
            scopes: BTreeSet::from([Scope::Read]),
            tenant: Some(tenant(number)),
            expires_ms: None,
        };
        let made = auth.keys().create(&Principal::root(), wanted).await.expect("there is room for it");
        if number == KEYS / 2 {
            chosen = made.key;
        }
    }
    (auth, chosen)
}

/// What every request goes through, and the numbers that its answer's headers are made of.
fn gate(auth: &Auth, rate: &Rate, authorization: &str) -> usize {
    let principal = auth.authenticate(Some(authorization)).expect("the key holds");
    let Reach::Tenant(tenant) = principal.reach() else { unreachable!("the key is bound to a tenant") };
    let payer =
        Payer { key: principal.id(), issuer: None, tenant: Some((tenant, auth.tenant_limits(tenant))) };
    rate.request(payer).expect("the limits are far away");
    rate.allows(payer, Resource::QuerySeconds).expect("nothing was asked");
    rate.standings(payer).len()
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let clock = Clock::system();
    let (auth, key) = runtime.block_on(async {
        let store = Store::open("memory://", &auditlake::store::Settings::default()).await.expect("it opens");
        filled(&store, &clock).await
    });
    let settings = Settings {
        key_requests_per_second: 1_000_000_000,
        tenant_query_seconds_per_minute: 0,
        ..Settings::default()
    };
    let rate = Rate::new(settings, clock);
    // Everyone else owes something, so that all are remembered.
    for number in 0..KEYS {
        let (key, tenant) = (format!("key_of_{number}"), tenant(number));
        let payer = Payer { key: &key, issuer: None, tenant: Some((&tenant, auth.tenant_limits(&tenant))) };
        rate.query(payer, Duration::from_secs(3_600));
        rate.request(payer).expect("requests are not query seconds");
    }
    let authorization = format!("Bearer {key}");
    let mut criterion = Criterion::default().configure_from_args();
    criterion.bench_function("key check and rate limit", |bencher| {
        bencher.iter(|| black_box(gate(&auth, &rate, black_box(&authorization))));
    });
    criterion.final_summary();
}
