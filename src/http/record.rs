//! Records in the log of the log: begun when something is asked for, written before it is answered.
//!
//! In: who asks, for what, of whose log; how it ended. Out: an entry of the [`Logbook`]. Guaranteed: no event leaves before the
//! record of it is durable; an answer that streams is recorded before its first byte and again, with its rows, at its end;
//! who is refused is recorded in the log of the tenant whose key it was, or in the operator's.

use axum::{
    extract::{Request, State},
    http::header,
    middleware::Next,
    response::Response,
};
use serde_json::{Map, Value};

use super::{
    Api,
    caller::{Caller, Circumstances},
    problem::{Problem, ProblemType},
};
use crate::{
    auth::{Principal, Reach},
    error::Error,
    event::TenantId,
    logbook::{About, By, Ending, Entry, Logbook},
    query::Scope,
};

/// Does `work` to its end, though the client goes away: what is begun and then recorded is never the one without the other.
pub(super) async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, Problem>> + Send + 'static,
) -> Result<T, Problem> {
    tokio::spawn(work).await.unwrap_or_else(|error| Err(Problem::internal(error.to_string())))
}

/// A record that is not written yet.
#[derive(Clone, Debug)]
pub(super) struct Record {
    logbook: Logbook,
    entry: Entry,
}

impl Record {
    /// `caller` asks for `action` in the log that `scope` is about.
    pub(super) fn of(api: &Api, caller: &Caller, action: &'static str, scope: &Scope) -> Self {
        let about = match scope {
            Scope::Tenant(tenant) => About::Tenant(tenant.clone()),
            Scope::Part(tenant, _) => About::Part(tenant.clone()),
            Scope::All => About::All,
        };
        Self::about(api, caller, action, about)
    }

    /// `caller` changes something of `tenant`, or of all.
    pub(super) fn of_change(
        api: &Api,
        caller: &Caller,
        action: &'static str,
        tenant: Option<TenantId>,
    ) -> Self {
        // What is changed for all is the operator's affair: not each tenant's.
        let operator = || api.logbook.operator_tenant().clone();
        Self::about(api, caller, action, About::Tenant(tenant.unwrap_or_else(operator)))
    }

    fn about(api: &Api, caller: &Caller, action: &'static str, about: About) -> Self {
        let entry = Entry {
            action,
            by: caller.by.clone(),
            about,
            target: None,
            parameters: Map::new(),
            rows: None,
            ending: Ending::Success,
        };
        Self { logbook: api.logbook.clone(), entry }
    }

    /// What was asked for: the members of a JSON object.
    pub(super) fn with(mut self, parameters: Value) -> Self {
        if let Value::Object(parameters) = parameters {
            self.entry.parameters.extend(parameters);
        }
        self
    }

    /// What it is done to, besides the log.
    pub(super) fn target(mut self, kind: &'static str, id: impl Into<String>) -> Self {
        self.entry.target = Some((kind, id.into()));
        self
    }

    /// It was done, and so much came of it. Only after this may anything be answered.
    ///
    /// # Errors
    /// As an append; the problem says that it is the record which failed, and not what was asked for.
    pub(super) async fn done(&self, rows: Option<u64>) -> Result<(), Problem> {
        let written = self.write(self.entry.action, rows, Ending::Success).await;
        written.map_err(|error| {
            let detail =
                "nothing is answered, because the record of this access could not be written; try again";
            Problem::from(error).explained(detail)
        })
    }

    /// It ended so; gives the answer back, of which `rows` counts the events or rows. Only then may it be sent.
    pub(super) async fn answered<T>(
        &self,
        result: Result<T, Problem>,
        rows: impl FnOnce(&T) -> usize,
    ) -> Result<T, Problem> {
        match result {
            Ok(answer) => {
                self.done(Some(rows(&answer) as u64)).await?;
                Ok(answer)
            }
            Err(problem) => Err(self.failed(problem).await),
        }
    }

    /// It could not be done; gives the problem back. What the server had no room for, or failed at, is not worth a record: it would
    /// add to its troubles, and tells nothing of who asked.
    pub(super) async fn failed(&self, problem: Problem) -> Problem {
        let reason = || problem.detail().to_owned();
        let ending = match (problem.kind(), problem.kind().status()) {
            (ProblemType::Forbidden, _) => Ending::Denied(reason()),
            (_, 400..=428) => Ending::Failure(reason()),
            _ => return problem,
        };
        self.write_or_log(self.entry.action, None, ending).await;
        problem.recorded()
    }

    /// It was done and cannot be undone: a record that cannot be written is told by the server's log.
    pub(super) async fn done_already(&self) {
        self.write_or_log(self.entry.action, None, Ending::Success).await;
    }

    /// An answer that was recorded as begun has ended.
    pub(super) async fn ended(&self, action: &'static str, rows: u64, whole: bool) {
        let ending = match whole {
            true => Ending::Success,
            false => Ending::Failure("the answer broke off".to_owned()),
        };
        self.write_or_log(action, Some(rows), ending).await;
    }

    async fn write(&self, action: &'static str, rows: Option<u64>, ending: Ending) -> Result<(), Error> {
        self.logbook.write(&Entry { action, rows, ending, ..self.entry.clone() }).await
    }

    async fn write_or_log(&self, action: &'static str, rows: Option<u64>, ending: Ending) {
        if let Err(error) = self.write(action, rows, ending).await {
            tracing::error!(action, report = error.report(), "not recorded in the log of the log");
        }
    }
}

/// Records what a known principal is refused. Goes between authentication and the scopes of routes.
pub(super) async fn refusals(State(api): State<Api>, request: Request, next: Next) -> Response {
    let principal = request.extensions().get::<Principal>().cloned();
    let circumstances = Circumstances::of(request.headers(), request.extensions());
    let asked = format!("{} {}", request.method(), request.uri().path());
    let response = next.run(request).await;
    let refused = response.extensions().get::<Problem>();
    if let (Some(principal), Some(problem)) = (principal, refused) {
        let denied = match (problem.kind(), principal.reach()) {
            (ProblemType::Forbidden, _) => true,
            // For a tenant's key, what is another's is not there.
            (ProblemType::NotFound, Reach::Tenant(_)) => true,
            _ => false,
        };
        if denied && !problem.is_recorded() {
            let tenant = match principal.reach() {
                Reach::Tenant(tenant) => tenant.clone(),
                Reach::All => api.logbook.operator_tenant().clone(),
            };
            refused_entry(&api, circumstances.by(&principal), tenant, asked, problem.detail()).await;
        }
    }
    response
}

/// A request whose credentials open nothing.
#[derive(Debug)]
pub(super) struct Unauthorized {
    by: By,
    tenant: TenantId,
    asked: String,
}

impl Unauthorized {
    /// Of whom `request` is: of the tenant whose key it was, or else the operator's affair.
    pub(super) fn of(api: &Api, request: &Request) -> Self {
        let credentials = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let key = credentials.and_then(|text| api.auth.lapsed_key(text));
        let tenant = key.as_ref().and_then(|key| key.tenant.clone());
        let circumstances = Circumstances::of(request.headers(), request.extensions());
        Self {
            by: circumstances.refused(key.as_ref().map(|key| key.id.as_str()), tenant.is_none()),
            tenant: tenant.unwrap_or_else(|| api.logbook.operator_tenant().clone()),
            asked: format!("{} {}", request.method(), request.uri().path()),
        }
    }

    /// Records that it was refused for `reason`.
    pub(super) async fn write(self, api: &Api, reason: &str) {
        refused_entry(api, self.by, self.tenant, self.asked, reason).await;
    }
}

async fn refused_entry(api: &Api, by: By, tenant: TenantId, asked: String, reason: &str) {
    let entry = Entry {
        action: "auditlog.refused",
        by,
        about: About::Tenant(tenant),
        target: None,
        parameters: Map::from_iter([("request".to_owned(), Value::String(asked))]),
        rows: None,
        ending: Ending::Denied(reason.to_owned()),
    };
    if let Err(error) = api.logbook.write(&entry).await {
        tracing::error!(report = error.report(), "a refusal is not recorded in the log of the log");
    }
}
