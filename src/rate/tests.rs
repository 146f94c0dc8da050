//! Limits of keys, tenants and addresses, on a clock that stands still until it is told to go on.

use super::*;

fn tenant(id: &str) -> TenantId {
    TenantId::parse(id).unwrap()
}

fn rate(settings: Settings) -> (Rate, Clock) {
    let clock = Clock::manual(1_800_000_000_000_000);
    (Rate::new(settings, clock.clone()), clock)
}

fn small() -> Settings {
    Settings {
        burst_seconds: 2,
        key_requests_per_second: 5,
        key_events_per_second: 100,
        key_query_seconds_per_minute: 6,
        tenant_requests_per_second: 2,
        ..Settings::default()
    }
}

const NOTHING_SET: TenantLimits =
    TenantLimits { requests_per_second: None, events_per_second: None, query_seconds_per_minute: None };

/// Would catch a key's requests that are not counted for its tenant, or a refusal that costs the other bucket a token.
#[test]
fn a_request_takes_of_key_and_tenant_both_or_none() {
    let (rate, clock) = rate(small());
    let acme = tenant("acme");
    let payer = |key| Payer { key, issuer: None, tenant: Some((&acme, NOTHING_SET)) };
    for key in ["one", "two", "one", "two"] {
        rate.request(payer(key)).unwrap();
    }
    for _ in 0..20 {
        let exceeded = rate.request(payer("one")).unwrap_err();
        assert_eq!((exceeded.policy, exceeded.whose), ("tenant-requests", Whose::Tenant));
        assert_eq!(exceeded.retry_after_seconds, 1);
        assert_eq!(exceeded.detail, "tenant 'acme' has used up its requests: 4 in 2 s");
    }
    let alone = Payer { key: "one", issuer: None, tenant: None };
    for _ in 0..8 {
        rate.request(alone).unwrap();
    }
    assert_eq!(rate.request(alone).unwrap_err().policy, "requests");
    clock.advance(SECOND);
    rate.request(payer("two")).unwrap();
    let other = tenant("other");
    rate.request(Payer { key: "three", issuer: None, tenant: Some((&other, NOTHING_SET)) }).unwrap();
}

/// Would catch a tenant's own setting that is not obeyed, or obeyed only after a restart.
#[test]
fn a_tenants_own_limits_take_the_place_of_the_configurations() {
    let (rate, _) = rate(small());
    let acme = tenant("acme");
    let with = |requests| Payer {
        key: "k",
        issuer: None,
        tenant: Some((&acme, TenantLimits { requests_per_second: Some(requests), ..NOTHING_SET })),
    };
    rate.request(with(1)).unwrap();
    rate.request(with(1)).unwrap();
    rate.request(with(1)).unwrap_err();
    rate.request(with(100)).unwrap();
    rate.request(with(0)).unwrap();
    rate.request(with(1)).unwrap_err();
}

/// Would catch a batch larger than the burst that starves for ever, and one that is let in while another is being paid.
#[test]
fn events_may_be_owed() {
    let (rate, clock) = rate(small());
    let limits = TenantLimits { events_per_second: Some(1_000), ..NOTHING_SET };
    let counts = |a, b| [(tenant("a"), limits, a), (tenant("b"), limits, b)];
    rate.events("k", 10_000, &counts(4_000, 6_000)).unwrap();
    let exceeded = rate.events("k", 1, &counts(1, 0)).unwrap_err();
    assert_eq!(
        (exceeded.policy, exceeded.retry_after_seconds),
        ("events", 99),
        "10,000 - 200 owed, and one more"
    );
    clock.advance(3 * SECOND);
    let of_tenant = rate.events("other", 1, &counts(1, 1)).unwrap_err();
    assert_eq!((of_tenant.policy, of_tenant.detail.contains("'b'")), ("tenant-events", true));
    rate.events("other", 1, &counts(1, 1)[..1]).unwrap();
    clock.advance(95 * SECOND + 10_000);
    rate.events("k", 1, &[]).unwrap();
}

/// Would catch query time that costs nothing, or a debt that is forgotten.
#[test]
fn query_seconds_are_charged_afterwards() {
    let (rate, clock) = rate(small());
    let payer = Payer { key: "k", issuer: None, tenant: None };
    rate.allows(payer, Resource::QuerySeconds).unwrap();
    rate.query(payer, Duration::from_secs(9));
    let exceeded = rate.allows(payer, Resource::QuerySeconds).unwrap_err();
    assert_eq!(
        (exceeded.policy, exceeded.retry_after_seconds),
        ("query-seconds", 31),
        "3 s owed at 0.1 a second"
    );
    clock.advance(31 * SECOND);
    rate.allows(payer, Resource::QuerySeconds).unwrap();
}

/// Would catch a header that promises what is not there.
#[test]
fn standings_tell_what_is_left() {
    let (rate, clock) = rate(small());
    let acme = tenant("acme");
    let payer = Payer { key: "k", issuer: None, tenant: Some((&acme, NOTHING_SET)) };
    rate.request(payer).unwrap();
    let standings = rate.standings(payer);
    let names: Vec<&str> = standings.iter().map(|standing| standing.policy).collect();
    assert_eq!(names, ["requests", "events", "query-seconds", "tenant-requests", "tenant-query-seconds"]);
    let expected =
        Standing { policy: "requests", quota: 10, window_seconds: 2, remaining: 9, full_in_seconds: 1 };
    assert_eq!(standings[0], expected);
    clock.advance(200_000);
    let full = Standing { remaining: 10, full_in_seconds: 0, ..expected };
    assert_eq!(rate.standings(payer)[0], full);
}

/// Would catch guesses at keys that cost nothing, and a client that moves on to the next address of its network.
#[test]
fn failures_count_by_address() {
    let (rate, clock) = rate(Settings { address_failures_per_minute: 3, ..small() });
    let at = |text: &str| rate.failure(text.parse().unwrap());
    for address in ["2001:db8::1", "2001:db8::2", "2001:db8::3"] {
        at(address).unwrap();
    }
    let exceeded = at("2001:db8::4").unwrap_err();
    assert_eq!((exceeded.policy, exceeded.retry_after_seconds), ("address-failures", 20));
    at("2001:db8:0:1::1").unwrap();
    at("203.0.113.7").unwrap();
    clock.advance(20 * SECOND);
    at("2001:db8::5").unwrap();
    at("2001:db8::6").unwrap_err();
}

/// Would catch a key that multiplies its rate by issuing tokens, a viewer who uses up what others have, and a refusal that takes of
/// one bucket what the other does not give.
#[test]
fn viewers_pay_from_the_key_that_issued_their_tokens() {
    let (rate, clock) = rate(small());
    let viewer = |subject| Payer { key: subject, issuer: Some("k"), tenant: None };
    let key = Payer { key: "k", issuer: None, tenant: None };
    for subject in ["a", "b", "c", "a", "b", "c", "a", "b", "c"] {
        rate.request(viewer(subject)).unwrap();
    }
    assert_eq!(rate.standings(viewer("d"))[0].remaining, 1, "of the key's ten");
    assert_eq!(rate.standings(viewer("d"))[0], rate.standings(key)[0]);
    rate.request(key).unwrap();
    let exceeded = rate.request(viewer("d")).unwrap_err();
    assert_eq!((exceeded.policy, exceeded.whose), ("requests", Whose::Key));
    assert_eq!(exceeded.detail, "key 'k' has used up its requests: 10 in 2 s");
    rate.request(key).unwrap_err();
    rate.request(Payer { issuer: Some("other"), ..viewer("d") }).unwrap();
    assert_eq!(rate.standings(Payer { key: "d", ..key })[0].remaining, 9, "a refusal took nothing");

    clock.advance(2 * SECOND);
    rate.query(viewer("a"), Duration::from_secs(9));
    for payer in [viewer("b"), key] {
        let exceeded = rate.allows(payer, Resource::QuerySeconds).unwrap_err();
        assert_eq!((exceeded.policy, exceeded.retry_after_seconds), ("query-seconds", 31));
    }
}
