//! Who asks, whose events that reaches, and what it may do with them.

use std::{collections::BTreeSet, sync::Arc};

use super::Viewer;
use crate::{
    control::{Key, Scope},
    error::{Error, ErrorKind, Result},
    event::TenantId,
    query,
};

/// The id of who has the root key; no key has it.
pub(super) const ROOT: &str = "root";

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
    viewer: Option<Arc<Viewer>>,
}

impl Principal {
    /// A principal known by `id`, which stands in logs and must not be a secret.
    pub fn new(id: &str, reach: Reach, scopes: impl IntoIterator<Item = Scope>) -> Self {
        Self { id: id.into(), reach, scopes: Arc::new(scopes.into_iter().collect()), viewer: None }
    }

    /// Who has the root key.
    pub fn root() -> Self {
        Self::new(ROOT, Reach::All, Scope::ALL)
    }

    /// Whether this is who has the root key.
    pub fn is_root(&self) -> bool {
        &*self.id == ROOT
    }

    /// Who has `key`.
    pub(super) fn of_key(key: &Key) -> Self {
        let reach = key.tenant.clone().map_or(Reach::All, Reach::Tenant);
        Self::new(key.id.as_str(), reach, key.scopes.iter().copied())
    }

    /// Who has a viewer token.
    pub(super) fn of_viewer(viewer: Viewer, tenant: TenantId) -> Self {
        let id = format!("{} for {}", viewer.issued_by, viewer.subject);
        let viewer = Some(Arc::new(viewer));
        Self { viewer, ..Self::new(&id, Reach::Tenant(tenant), [Scope::Read]) }
    }

    /// Whoever reads with a viewer token.
    pub fn viewer(&self) -> Option<&Viewer> {
        self.viewer.as_deref()
    }

    /// Refuses viewers: they read events and nothing else.
    ///
    /// # Errors
    /// [`ErrorKind::Forbidden`].
    pub fn require_key(&self) -> Result<()> {
        match &self.viewer {
            None => Ok(()),
            Some(_) => Err(Error::new(ErrorKind::Forbidden, "a viewer token only reads events")),
        }
    }

    /// What it sees of the events of the tenant that a request names, or of all that it reaches.
    ///
    /// # Errors
    /// As [`Principal::tenant`].
    pub fn scope(&self, named: Option<TenantId>) -> Result<query::Scope> {
        Ok(match (self.tenant(named)?, &self.viewer) {
            (Some(tenant), Some(viewer)) if !viewer.narrowing.is_empty() => {
                query::Scope::Part(tenant, Arc::new(viewer.narrowing.clone()))
            }
            (Some(tenant), _) => query::Scope::Tenant(tenant),
            (None, _) => query::Scope::All,
        })
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
