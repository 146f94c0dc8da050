//! `auditlake proof`: what proves one event, of a store or through a server.
//!
//! In: an event's id. Out: one JSON document on stdout, which `auditlake verify --proof` checks without store or server.

use clap::Args;

use super::{Global, Outcome, text};
use crate::{
    config::Config,
    error::{Error, ErrorKind, Result},
    event::TenantId,
    query::{
        Filter, Scope,
        browse::{Order, PageQuery},
    },
    server::{Access, Lake},
};

const AFTER_HELP: &str = "\
Examples:
  auditlake proof --tenant acme 018c2f5e-… > event.json
  auditlake verify --proof event.json --public-key \"$(auditlake key verifier --tenant acme)\"";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Arguments {
    /// The event's id
    id: String,
    /// Whose log; needed unless the server's key is of one tenant
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
}

pub(super) async fn run(arguments: &Arguments, global: &Global, config: Config) -> Result<Outcome> {
    let tenant = arguments.tenant.as_deref().map(TenantId::parse).transpose()?;
    let proof = match global.client()? {
        Some(client) => {
            let parameters: Vec<_> = tenant.iter().map(|tenant| ("tenant_id", tenant.to_string())).collect();
            client.get(&format!("v1/events/{}/proof", arguments.id), &parameters).await?.to_vec()
        }
        None => of_store(&arguments.id, tenant, config).await?,
    };
    text::write_stdout(&[&proof[..], b"\n"].concat())?;
    Ok(Outcome::Complete)
}

async fn of_store(id: &str, tenant: Option<TenantId>, config: Config) -> Result<Vec<u8>> {
    let tenant = tenant.ok_or_else(|| Error::new(ErrorKind::Invalid, "name the log with --tenant"))?;
    let lake = Lake::open(config, Access::Read).await?;
    let mut filter = Filter::default();
    let refused = |detail: String| Error::new(ErrorKind::Invalid, format!("id {id:?}: {detail}"));
    filter.set("id", id).map_err(|error| refused(error.detail))?;
    let query = PageQuery { filter, order: Order::Desc, limit: 1, after: None };
    let running = lake.engine().run(query.question(Scope::Tenant(tenant.clone()))).await?;
    let page = query.read(running).await?;
    let missing = || Error::new(ErrorKind::NotFound, format!("tenant '{tenant}' has no event '{id}'"));
    let event = page.events.into_iter().next().ok_or_else(missing)?;
    let tree = lake.evidence().of(&tenant);
    let unsigned = || Error::new(ErrorKind::NotFound, format!("nothing of tenant '{tenant}' is signed yet"));
    let (note, _) = tree.checkpoint().await?.ok_or_else(unsigned)?;
    let bundle = tree.prove(&note, event).await?;
    serde_json::to_vec(&bundle)
        .map_err(|error| Error::with_source(ErrorKind::Internal, "write the proof", error))
}
