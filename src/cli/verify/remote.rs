//! Tiles, checkpoints and proofs from a server.

use bytes::Bytes;
use serde::Deserialize;

use crate::{
    cli::client::Client,
    error::{Error, ErrorKind, Result},
    event::TenantId,
    evidence::{Hash, TileId, Tiles},
};

/// One tenant's evidence at a server.
pub(super) struct Remote {
    client: Client,
    tenant: Option<TenantId>,
}

impl Remote {
    pub(super) fn new(client: Client, tenant: Option<TenantId>) -> Self {
        Self { client, tenant }
    }

    pub(super) async fn checkpoint(&self) -> Result<String> {
        let bytes = self.client.get("v1/checkpoint", &self.parameters(&[])).await?;
        String::from_utf8(bytes.to_vec()).map_err(|error| {
            Error::with_source(ErrorKind::Corrupt, "the server's checkpoint is no text", error)
        })
    }

    /// What proves that the tree of `to` events goes on from that of `from`.
    pub(super) async fn consistency(&self, from: u64, to: u64) -> Result<Vec<Hash>> {
        #[derive(Deserialize)]
        struct Answer {
            proof: Vec<Hash>,
        }
        let sizes = [("from", from.to_string()), ("to", to.to_string())];
        let bytes = self.client.get("v1/proofs/consistency", &self.parameters(&sizes)).await?;
        let answer: Answer = serde_json::from_slice(&bytes)
            .map_err(|error| Error::with_source(ErrorKind::Corrupt, "the server's proof is none", error))?;
        Ok(answer.proof)
    }

    fn parameters(&self, others: &[(&'static str, String)]) -> Vec<(&'static str, String)> {
        let tenant = self.tenant.iter().map(|tenant| ("tenant_id", tenant.to_string()));
        others.iter().cloned().chain(tenant).collect()
    }
}

impl Tiles for Remote {
    async fn tile(&self, tile: TileId) -> Result<Bytes> {
        let fetched = self.client.get(&format!("v1/tile/{}", tile.path()), &self.parameters(&[])).await;
        fetched.map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                Error::with_source(ErrorKind::Corrupt, format!("tile {} is missing", tile.path()), error)
            }
            _ => error,
        })
    }
}
