//! Keys from their making to their end.

use std::collections::BTreeSet;

use super::*;
use crate::{control::Control, event::TenantId, limits, table::Tables};

const ROOT: &str = "alk_root_key_of_these_tests_0123456789";
const HOUR_MS: i64 = 3_600_000;

async fn memory() -> Store {
    Store::open("memory://", &Default::default()).await.unwrap()
}

async fn open_on(store: &Store, clock: &Clock) -> Auth {
    let control = Control::open(store.clone(), clock.clone()).await.unwrap();
    let tables = Tables::open(store.clone(), clock.clone(), Default::default()).await.unwrap();
    open(store, &control, &tables, Some(ROOT), clock).await.unwrap().0
}

fn tenant(text: &str) -> TenantId {
    TenantId::parse(text).unwrap()
}

fn wanted(of: Option<&str>, scopes: &[Scope]) -> NewKey {
    let scopes: BTreeSet<Scope> = scopes.iter().copied().collect();
    NewKey { name: "a test".into(), scopes, tenant: of.map(tenant), expires_ms: None }
}

fn bearer(key: &str) -> String {
    format!("Bearer {key}")
}

fn authenticate(auth: &Auth, key: &str) -> Result<Principal> {
    auth.authenticate(Some(&bearer(key)))
}

/// Would catch a header form that lets anyone in, or one that locks everyone out.
#[tokio::test]
async fn only_the_key_itself_is_let_in() {
    let auth = open_on(&memory().await, &Clock::manual(0)).await;
    for good in [format!("Bearer {ROOT}"), format!("bearer {ROOT}"), format!("BEARER  {ROOT}")] {
        assert_eq!(auth.authenticate(Some(&good)).unwrap().id(), "root", "{good}");
    }
    let made = auth.keys().create(&Principal::root(), wanted(None, &[Scope::Read])).await.unwrap();
    let cut = &made.key[..made.key.len() - 1];
    for bad in ["", "Bearer", "Bearer ", "Bearer alk_2", &bearer(cut), &format!("Basic {ROOT}"), ROOT] {
        let error = auth.authenticate(Some(bad)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthorized, "{bad}");
        assert!(!error.to_string().contains("alk_"), "a message repeats the key: {error}");
    }
    assert!(auth.authenticate(None).is_err());
}

/// Would catch a key that does more than it may, forgets its tenant, or is lost by a restart.
#[tokio::test]
async fn a_key_opens_what_it_was_made_for() {
    let (store, clock) = (memory().await, Clock::manual(0));
    let auth = open_on(&store, &clock).await;
    let root = Principal::root();
    let made = auth.keys().create(&root, wanted(Some("acme"), &[Scope::Read, Scope::Export])).await.unwrap();
    for auth in [auth, open_on(&store, &clock).await] {
        let principal = authenticate(&auth, &made.key).unwrap();
        assert_eq!(principal.id(), made.described.id);
        assert_eq!(principal.reach(), &Reach::Tenant(tenant("acme")));
        principal.require(Scope::Read).unwrap();
        principal.require(Scope::Export).unwrap();
        for lacking in [Scope::Ingest, Scope::Admin] {
            assert_eq!(principal.require(lacking).unwrap_err().kind(), ErrorKind::Forbidden);
        }
    }
    for object in store.list(&object_store::path::Path::from("control")).await.unwrap() {
        let stored = store.get(&object.location).await.unwrap().unwrap();
        assert!(!String::from_utf8_lossy(&stored).contains(&made.key[24..]), "{}", object.location);
    }
}

/// Would catch a tenant's principal that reads or writes another tenant's log.
#[test]
fn a_tenants_principal_stays_with_its_tenant() {
    let all = Principal::root();
    assert_eq!(all.tenant(None).unwrap(), None);
    assert_eq!(all.tenant(Some(tenant("b"))).unwrap(), Some(tenant("b")));
    let one = Principal::new("key_1", Reach::Tenant(tenant("a")), [Scope::Read]);
    assert_eq!(one.tenant(None).unwrap(), Some(tenant("a")));
    assert_eq!(one.tenant(Some(tenant("a"))).unwrap(), Some(tenant("a")));
    assert_eq!(one.tenant(Some(tenant("b"))).unwrap_err().kind(), ErrorKind::NotFound);
}

/// Would catch a tenant's administrator who makes, sees or ends keys of others, or keys that reach everyone.
#[tokio::test]
async fn a_tenants_administrator_has_its_own_keys_only() {
    let auth = open_on(&memory().await, &Clock::manual(0)).await;
    let (keys, root) = (auth.keys(), Principal::root());
    let of_bolt = keys.create(&root, wanted(Some("bolt"), &[Scope::Read])).await.unwrap().described.id;
    let of_all = keys.create(&root, wanted(None, &[Scope::Read])).await.unwrap().described.id;
    let admin = keys.create(&root, wanted(Some("acme"), &[Scope::Admin])).await.unwrap();
    let admin = authenticate(&auth, &admin.key).unwrap();

    let made = keys.create(&admin, wanted(None, &[Scope::Ingest])).await.unwrap().described;
    assert_eq!(made.tenant_id.as_deref(), Some("acme"), "no tenant named means its own, never all");
    let error = keys.create(&admin, wanted(Some("bolt"), &[Scope::Read])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let unknown = keys.get(&admin, "key_0123456789abcdef").unwrap_err().to_string();
    for id in [&of_bolt, &of_all] {
        let message = |error: Error| error.to_string().replace(id.as_str(), "key_0123456789abcdef");
        assert_eq!(message(keys.get(&admin, id).unwrap_err()), unknown, "it is as if it weren't there");
        assert_eq!(message(keys.revoke(&admin, id).await.unwrap_err()), unknown);
        assert_eq!(message(keys.rotate(&admin, id, 0).await.unwrap_err()), unknown);
    }
    let listed = keys.list(&admin, None);
    assert!(listed.len() == 2 && listed.iter().all(|key| key.tenant_id.as_deref() == Some("acme")));
    assert_eq!(keys.list(&root, None).len(), 4);
    assert_eq!(keys.list(&root, Some(&tenant("bolt"))).len(), 1);
}

/// Would catch a rotation that locks out who still has the earlier secret, and one that leaves it open for ever.
#[tokio::test]
async fn a_rotated_key_has_two_secrets_for_a_while() {
    let (store, clock) = (memory().await, Clock::manual(0));
    let auth = open_on(&store, &clock).await;
    let (keys, root) = (auth.keys(), Principal::root());
    let first = keys.create(&root, wanted(None, &[Scope::Read])).await.unwrap();
    let id = first.described.id.as_str();
    let second = keys.rotate(&root, id, HOUR_MS).await.unwrap();
    assert_eq!(second.described.earlier_secret_ends_at.as_deref(), Some("1970-01-01T01:00:00.000Z"));
    for key in [&first.key, &second.key] {
        assert_eq!(authenticate(&auth, key).unwrap().id(), id);
    }
    clock.advance(HOUR_MS * 1_000);
    assert!(authenticate(&auth, &first.key).is_err() && authenticate(&auth, &second.key).is_ok());
    let third = keys.rotate(&root, id, 0).await.unwrap();
    assert!(authenticate(&auth, &second.key).is_err() && authenticate(&auth, &third.key).is_ok());
    let too_long = keys.rotate(&root, id, limits::KEY_GRACE_MS_MAX + 1).await.unwrap_err();
    assert_eq!(too_long.kind(), ErrorKind::Invalid);
}

/// Would catch keys that outlive their time or their revocation, here or in a process that is told later.
#[tokio::test]
async fn expired_and_revoked_keys_open_nothing() {
    let (store, clock) = (memory().await, Clock::manual(0));
    let (auth, other) = (open_on(&store, &clock).await, open_on(&store, &clock).await);
    let (keys, root) = (auth.keys(), Principal::root());
    let expiring = NewKey { expires_ms: Some(HOUR_MS), ..wanted(None, &[Scope::Read]) };
    let expiring = keys.create(&root, expiring).await.unwrap();
    let revoked = keys.create(&root, wanted(None, &[Scope::Read])).await.unwrap();
    other.refresh().await.unwrap();
    assert!(authenticate(&other, &expiring.key).is_ok() && authenticate(&other, &revoked.key).is_ok());

    keys.revoke(&root, &revoked.described.id).await.unwrap();
    keys.revoke(&root, &revoked.described.id).await.unwrap();
    clock.advance(HOUR_MS * 1_000);
    other.refresh().await.unwrap();
    for auth in [&auth, &other] {
        let said = |key: &str| authenticate(auth, key).unwrap_err().to_string();
        assert_eq!(said(&expiring.key), "the key has expired");
        assert_eq!(said(&revoked.key), "the key was revoked");
    }
    let conflict = keys.rotate(&root, &revoked.described.id, 0).await.unwrap_err();
    assert_eq!(conflict.kind(), ErrorKind::Conflict);
    let past = NewKey { expires_ms: Some(HOUR_MS), ..wanted(None, &[Scope::Read]) };
    assert_eq!(keys.create(&root, past).await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(keys.create(&root, wanted(None, &[])).await.unwrap_err().kind(), ErrorKind::Invalid);
}

/// Would catch a time of last use that is never seen, or lost by a restart.
#[tokio::test]
async fn the_last_use_is_known() {
    let (store, clock) = (memory().await, Clock::manual(0));
    let auth = open_on(&store, &clock).await;
    let root = Principal::root();
    let made = auth.keys().create(&root, wanted(None, &[Scope::Read])).await.unwrap();
    assert_eq!(made.described.last_used_at, None);
    clock.advance(HOUR_MS * 1_000);
    authenticate(&auth, &made.key).unwrap();
    auth.refresh().await.unwrap();
    for auth in [auth, open_on(&store, &clock).await] {
        let described = auth.keys().get(&root, &made.described.id).unwrap();
        assert_eq!(described.last_used_at.as_deref(), Some("1970-01-01T01:00:00.000Z"));
    }
}
