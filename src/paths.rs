//! Every object key is built and parsed here, and nowhere else.
//!
//! Keys are relative to the store's root. See `README.md`, "The store", for the layout.

pub mod tables;

use chrono::NaiveDate;
use object_store::path::Path;
use uuid::Uuid;

pub use self::tables::{
    TableFolder, TableLayout, data_file_name, parse_delta_commit, parse_kept, tables_root,
};
use crate::event::TenantId;

/// Folder of all WAL epochs.
pub fn wal_root() -> Path {
    Path::from("wal")
}

/// Folder of one writer's WAL segments.
pub fn wal_epoch(epoch: u64) -> Path {
    Path::from(format!("wal/{epoch:010}"))
}

/// One WAL segment; segments count from 1 in each epoch.
pub fn wal_segment(epoch: u64, segment: u64) -> Path {
    Path::from(format!("wal/{epoch:010}/{segment:020}.arrow"))
}

/// The epoch and segment number of a WAL key; `None` for anything else.
pub fn parse_wal_segment(path: &Path) -> Option<(u64, u64)> {
    let mut parts = path.as_ref().split('/');
    if parts.next()? != "wal" {
        return None;
    }
    let epoch = parts.next()?.parse().ok()?;
    let segment = parts.next()?.strip_suffix(".arrow")?.parse().ok()?;
    parts.next().is_none().then_some((epoch, segment))
}

/// How far what a tenant already has is locked and held.
pub fn locks(tenant: &TenantId) -> Path {
    Path::from(format!("control/locks/tenant={}.json", tenant.to_key()))
}

/// Folder of the segments of a tenant's skip index.
pub fn index(tenant: &TenantId) -> Path {
    Path::from(format!("index/tenant={}", tenant.to_key()))
}

/// One segment of a tenant's skip index.
pub fn index_segment(tenant: &TenantId, id: Uuid) -> Path {
    Path::from(format!("index/tenant={}/{id}.skip", tenant.to_key()))
}

/// The id of a segment's key; `None` for anything else.
pub fn parse_index_segment(path: &Path) -> Option<Uuid> {
    path.filename()?.strip_suffix(".skip")?.parse().ok()
}

/// The name of the deployment, which its checkpoints bear.
pub fn deployment() -> Path {
    Path::from("proof/deployment.json")
}

/// Folder of the public keys that have signed checkpoints.
pub fn verifier_keys() -> Path {
    Path::from("proof/keys")
}

/// One of them, by its hexadecimal digits.
pub fn verifier_key(digits: &str) -> Path {
    Path::from(format!("proof/keys/{digits}.json"))
}

/// The digits of a [`verifier_key`]; `None` for anything else.
pub fn parse_verifier_key(path: &Path) -> Option<&str> {
    path.as_ref().strip_prefix("proof/keys/")?.strip_suffix(".json").filter(|digits| digits.len() == 64)
}

/// Folder of all that proves something.
pub fn proofs_root() -> Path {
    Path::from("proof")
}

/// The tenant of a folder under [`proofs_root`]; `None` for anything else.
pub fn parse_proof(path: &Path) -> Option<TenantId> {
    TenantId::from_key(path.as_ref().strip_prefix("proof/tenant=")?)
}

/// A tenant's tree.
pub fn proof(tenant: &TenantId) -> Path {
    Path::from(format!("proof/tenant={}", tenant.to_key()))
}

/// A tile of a tenant's tree, by its path in C2SP's form without `tile/`.
pub fn proof_tile(tenant: &TenantId, tile: &str) -> Path {
    Path::from(format!("proof/tenant={}/tile/{tile}", tenant.to_key()))
}

/// The path of a [`proof_tile`] in C2SP's form without `tile/`; `None` for anything else.
pub fn parse_proof_tile<'a>(tenant: &TenantId, path: &'a Path) -> Option<&'a str> {
    path.as_ref().strip_prefix(proof(tenant).as_ref())?.strip_prefix("/tile/")
}

/// The newest checkpoint of a tenant, where tools for C2SP tiles look for it: a copy, which may lag behind.
pub fn checkpoint_copy(tenant: &TenantId) -> Path {
    Path::from(format!("proof/tenant={}/checkpoint", tenant.to_key()))
}

/// Folder of a tenant's checkpoints.
pub fn checkpoints(tenant: &TenantId) -> Path {
    Path::from(format!("proof/tenant={}/checkpoints", tenant.to_key()))
}

/// The checkpoint of a size.
pub fn checkpoint(tenant: &TenantId, size: u64) -> Path {
    Path::from(format!("proof/tenant={}/checkpoints/{size:020}", tenant.to_key()))
}

/// The size of a [`checkpoint`]; `None` for anything else.
pub fn parse_checkpoint(path: &Path) -> Option<u64> {
    version(path.filename()?)
}

/// Folder of what a tenant's retention has removed.
pub fn removals(tenant: &TenantId) -> Path {
    Path::from(format!("proof/tenant={}/removed", tenant.to_key()))
}

/// One removal: days up to `last`, planned on a version of the table.
pub fn removal(tenant: &TenantId, last: NaiveDate, table_version: u64) -> Path {
    let day = last.format("%Y-%m-%d");
    Path::from(format!("proof/tenant={}/removed/{day}-{table_version:020}", tenant.to_key()))
}

/// Folder of the epoch claims.
pub fn epochs() -> Path {
    Path::from("control/epochs")
}

/// The claim of one writer epoch: created once, never changed.
pub fn epoch(epoch: u64) -> Path {
    Path::from(format!("control/epochs/{epoch:010}.json"))
}

/// The number of an epoch claim.
pub fn parse_epoch(path: &Path) -> Option<u64> {
    path.as_ref().strip_prefix("control/epochs/")?.strip_suffix(".json")?.parse().ok()
}

/// Written at each start to check that the store creates only what is absent.
pub fn exclusive_create_check() -> Path {
    Path::from("control/exclusive-create")
}

/// The running writer's lease.
pub fn lease(epoch: u64) -> Path {
    Path::from(format!("control/leases/{epoch:010}.json"))
}

/// Folder of answers kept for repeated `Idempotency-Key`s.
pub fn idempotency_root() -> Path {
    Path::from("control/idempotency")
}

/// Answers that were in the WAL segments up to and including `position` since the document before.
pub fn idempotency(position: u64) -> Path {
    Path::from(format!("control/idempotency/{position:020}.json"))
}

/// How the store names the folders of tables: created once, never changed.
pub fn layout() -> Path {
    Path::from("control/layout.json")
}

/// The root key's hash.
pub fn root_key() -> Path {
    Path::from("control/root-key.json")
}

/// Folder of the control log.
pub fn control_log() -> Path {
    Path::from("control/log")
}

/// One change, see [`crate::control`]; versions count from 1.
pub fn control_record(version: u64) -> Path {
    Path::from(format!("control/log/{version:020}.json"))
}

/// The version of a change's key; `None` for anything else.
pub fn parse_control_record(path: &Path) -> Option<u64> {
    version(path.as_ref().strip_prefix("control/log/")?.strip_suffix(".json")?)
}

/// What all changes up to a version add up to.
pub fn control_snapshot(version: u64) -> Path {
    Path::from(format!("control/log/{version:020}.snapshot.json"))
}

/// The version of a snapshot's key; `None` for anything else.
pub fn parse_control_snapshot(path: &Path) -> Option<u64> {
    version(path.as_ref().strip_prefix("control/log/")?.strip_suffix(".snapshot.json")?)
}

fn version(digits: &str) -> Option<u64> {
    (digits.len() == 20).then(|| digits.parse().ok())?
}

/// What cursors and viewer tokens are signed with.
pub fn signing_secret() -> Path {
    Path::from("control/signing-secret.json")
}

/// When each key was last used.
pub fn keys_last_used() -> Path {
    Path::from("control/keys-last-used.json")
}

/// Folder of all exports.
pub fn exports() -> Path {
    Path::from("exports")
}

/// Folder of one export.
pub fn export(tenant: &TenantId, id: &str) -> Path {
    Path::from(format!("exports/tenant={}/{id}", tenant.to_key()))
}

/// Folder, beside the files of an export to a folder of its own, of what else is kept of it until it is complete.
pub fn export_under_way() -> Path {
    Path::from(".auditlake-export")
}

/// What is to be exported, in the folder of an export: created once, never changed.
pub fn export_job(export: &Path) -> Path {
    export.clone().join("job.json")
}

/// The folder of an export, of the key of its [`export_job`] below [`exports`]; `None` for anything else.
pub fn parse_export_job(path: &Path) -> Option<Path> {
    let folder = path.as_ref().strip_suffix("/job.json")?;
    let (tenant, id) = folder.strip_prefix("exports/tenant=")?.split_once('/')?;
    let tenant = TenantId::from_key(tenant).filter(|_| !id.contains('/'))?;
    Some(export(&tenant, id))
}

/// One file of an export that is complete; they count from 1.
pub fn export_step(export: &Path, number: u64) -> Path {
    export.clone().join("steps").join(format!("{number:08}.json"))
}

/// How an export ended: created once, never changed.
pub fn export_end(export: &Path) -> Path {
    export.clone().join("end.json")
}

/// Folder of the files of an export that is kept here.
pub fn export_files(tenant: &TenantId, id: &str) -> Path {
    Path::from(format!("exports/tenant={}/{id}/files", tenant.to_key()))
}

/// Folder of what continuous exports have delivered.
pub fn deliveries() -> Path {
    Path::from("deliveries")
}

/// Folder of one continuous export.
pub fn deliveries_of(id: &str) -> Path {
    Path::from(format!("deliveries/{id}"))
}

/// Folder, in that of a continuous export, of what it has delivered of a tenant's log.
pub fn deliveries_of_tenant(id: &str, tenant: &TenantId) -> Path {
    Path::from(format!("deliveries/{id}/tenant={}", tenant.to_key()))
}

/// Folder of the files of a continuous export that are kept here.
pub fn delivered_files(id: &str) -> Path {
    Path::from(format!("deliveries/{id}/files"))
}

/// What is said of the files that a delivery of a tenant's log has left there.
pub fn delivered_list(id: &str, tenant: &TenantId, number: u64) -> Path {
    Path::from(format!("deliveries/{id}/listed/tenant={}/{number:020}.json", tenant.to_key()))
}

/// Where a stream began: created once, never changed.
pub fn delivery_origin(stream: &Path) -> Path {
    stream.clone().join("origin.json")
}

/// Deliveries that were begun.
pub const BEGUN: &str = "begun";
/// Deliveries that are done.
pub const DONE: &str = "done";
/// Replays that are under way.
pub const REPLAYING: &str = "replaying";
/// Replays that are done.
pub const REPLAYED: &str = "replayed";

/// A delivery of a stream, or a replay; they count from 1.
pub fn delivery(stream: &Path, kind: &'static str, number: u64) -> Path {
    stream.clone().join(kind).join(format!("{number:020}.json"))
}

/// The number of a delivery's key; `None` for one of another kind.
pub fn parse_delivery(path: &Path, kind: &'static str) -> Option<u64> {
    let (folder, name) = path.as_ref().rsplit_once('/')?;
    (folder.rsplit('/').next()? == kind).then(|| version(name.strip_suffix(".json")?))?
}

/// Folder of the pages of old deliveries.
pub fn delivery_pages(stream: &Path) -> Path {
    stream.clone().join("pages")
}

/// The page that begins with a delivery.
pub fn delivery_page(stream: &Path, first: u64) -> Path {
    delivery_pages(stream).join(format!("{first:020}.json"))
}

/// Folder of all erasures.
pub fn erasures() -> Path {
    Path::from("erasures")
}

/// Folder of one erasure.
pub fn erasure(tenant: &TenantId, id: Uuid) -> Path {
    Path::from(format!("erasures/tenant={}/{}", tenant.to_key(), id.simple()))
}

/// What is to be erased, in the folder of an erasure: created once, never changed.
pub fn erasure_job(erasure: &Path) -> Path {
    erasure.clone().join("job.json")
}

/// That no live file has it any more.
pub fn erasure_rewritten(erasure: &Path) -> Path {
    erasure.clone().join("rewritten.json")
}

/// That no file has it any more.
pub fn erasure_end(erasure: &Path) -> Path {
    erasure.clone().join("end.json")
}

/// The folder of an erasure, of the key of its [`erasure_job`]; `None` for anything else.
pub fn parse_erasure_job(path: &Path) -> Option<Path> {
    let folder = path.as_ref().strip_suffix("/job.json")?;
    let (tenant, id) = folder.strip_prefix("erasures/tenant=")?.split_once('/')?;
    Some(erasure(&TenantId::from_key(tenant)?, Uuid::try_parse(id).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch a key that recovery cannot read back.
    #[test]
    fn keys_parse_back() {
        assert_eq!(parse_wal_segment(&wal_segment(7, 42)), Some((7, 42)));
        assert_eq!(parse_wal_segment(&Path::from("wal/7/x.arrow")), None);
        assert_eq!(parse_epoch(&epoch(9)), Some(9));
        let tenant = TenantId::parse("Acme_1").unwrap();
        let id = Uuid::from_u128(7);
        assert_eq!(parse_index_segment(&index_segment(&tenant, id)), Some(id));
        assert_eq!(parse_index_segment(&Path::from("index/tenant=acme/notes.txt")), None);
        assert_eq!(parse_checkpoint(&checkpoint(&tenant, 42)), Some(42));
        assert_eq!(parse_checkpoint(&checkpoint_copy(&tenant)), None);
        assert_eq!(parse_proof_tile(&tenant, &proof_tile(&tenant, "0/000.p/7")), Some("0/000.p/7"));
        assert_eq!(parse_proof_tile(&tenant, &checkpoint(&tenant, 42)), None);
        assert_eq!(parse_verifier_key(&verifier_key(&"a".repeat(64))), Some(&*"a".repeat(64)));
        let folder = export(&tenant, "exp_7");
        assert_eq!(parse_export_job(&export_job(&folder)), Some(folder));
        // A file of an export may have that name, too.
        assert_eq!(parse_export_job(&export_files(&tenant, "exp_7").join("job.json")), None);
        let folder = erasure(&tenant, id);
        assert_eq!(parse_erasure_job(&erasure_job(&folder)), Some(folder.clone()));
        assert_eq!(parse_erasure_job(&erasure_end(&folder)), None);
        let stream = deliveries_of_tenant("sub_7", &tenant);
        assert_eq!(parse_delivery(&delivery(&stream, DONE, 42), DONE), Some(42));
        assert_eq!(parse_delivery(&delivery(&stream, BEGUN, 42), DONE), None);
        assert_eq!(parse_delivery(&delivery_page(&stream, 42), DONE), None);
    }
}
