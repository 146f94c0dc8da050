//! Who asks, whose events that reaches, and what it may do with them.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    control::{Key, Scope},
    error::{Error, ErrorKind, Result},
    event::TenantId,
};

/// Whose events a principal sees and sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Every tenant's.
    All,
    /// One tenant's; for this principal no other exists.
    Tenant(TenantId),
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    id: Arc<str>,
    reach: Reach,
    scopes: Arc<BTreeSet<Scope>>,
}

impl Principal {
    /// A principal known by `id`, which stands in logs and must not be a secret.
    pub fn new(id: &str, reach: Reach, scopes: impl IntoIterator<Item = Scope>) -> Self {
        Self { id: id.into(), reach, scopes: Arc::new(scopes.into_iter().collect()) }
    }

    /// Who has the root key.
    pub fn root() -> Self {
        Self::new("root", Reach::All, Scope::ALL)
    }

    /// Who has `key`.
    pub(super) fn of_key(key: &Key) -> Self {
        let reach = key.tenant.clone().map_or(Reach::All, Reach::Tenant);
        Self::new(key.id.as_str(), reach, key.scopes.iter().copied())
    }

    /// The name for logs and for keeping principals' idempotency keys apart.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whose events it sees and sends.
    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    /// Refuses who lacks `scope`.
    ///
    /// # Errors
    /// [`ErrorKind::Forbidden`], naming the scope.
    pub fn require(&self, scope: Scope) -> Result<()> {
        self.require_one(&[scope])
    }

    /// Refuses who has none of `scopes`.
    ///
    /// # Errors
    /// [`ErrorKind::Forbidden`], naming them.
    pub fn require_one(&self, scopes: &[Scope]) -> Result<()> {
        if scopes.iter().any(|scope| self.scopes.contains(scope)) {
            return Ok(());
        }
        let names: Vec<String> = scopes.iter().map(|scope| format!("'{}'", scope.name())).collect();
        let message = format!("this needs a key with the scope {}", names.join(" or "));
        Err(Error::new(ErrorKind::Forbidden, message))
    }

    /// The tenant that a request is about, given the one it names; `None` means all.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for a tenant out of reach, the same as for one that does not exist.
    pub fn tenant(&self, named: Option<TenantId>) -> Result<Option<TenantId>> {
        match (&self.reach, named) {
            (Reach::All, named) => Ok(named),
            (Reach::Tenant(own), Some(named)) if named != *own => {
                Err(Error::new(ErrorKind::NotFound, format!("tenant '{named}' does not exist")))
            }
            (Reach::Tenant(own), _) => Ok(Some(own.clone())),
        }
    }

    /// Whether what belongs to `tenant` (`None`: to all) is there for it.
    pub fn reaches(&self, tenant: Option<&TenantId>) -> bool {
        match &self.reach {
            Reach::All => true,
            Reach::Tenant(own) => tenant == Some(own),
        }
    }
}
