//! Which OCSF class and activity an action is, and what goes where: the documented tables, as data.
//!
//! The README's section "OCSF" is made from [`RULES`], [`VERBS`] and [`FIELDS`]; a test ties it to them. [`super::kind`] goes by them.

/// Version of the schema that the objects follow.
pub const SCHEMA_VERSION: &str = "1.3.0";

/// Words that say how it went or what with, and not what was done.
pub const IGNORED: [&str; 9] =
    ["failed", "failure", "fail", "success", "succeeded", "attempt", "attempted", "device", "devices"];

/// A class of OCSF events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// 3001: an account, its password, factors or rights were changed.
    AccountChange,
    /// 3002: somebody logged in or out.
    Authentication,
    /// 6003: anything else.
    ApiActivity,
}

/// The activity of an OCSF class that is not in its list.
pub const OTHER: i32 = 99;

/// Actions whose last two words are one of `subjects` and one of `verbs`, in either order; with no subjects, whose last word
/// is one of `verbs`.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The class.
    pub class: Class,
    /// Its activity.
    pub activity: i32,
    /// What it is done to.
    pub subjects: &'static [&'static str],
    /// What is done.
    pub verbs: &'static [&'static str],
}

/// Words that say which API activity it is: looked for in the last word, then in all from the first.
#[derive(Clone, Copy, Debug)]
pub struct Verbs {
    /// The activity.
    pub activity: i32,
    /// The words.
    pub verbs: &'static [&'static str],
}

/// Where a member of an event goes.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// The members of the API form; none for what is the same for every event.
    pub event: &'static str,
    /// The attributes of the OCSF event.
    pub ocsf: &'static str,
}

const PEOPLE: &[&str] = &["user", "member", "account", "employee", "guest", "lifecycle"];
const FACTORS: &[&str] =
    &["mfa", "2fa", "otp", "totp", "factor", "passkey", "authenticator", "authentication"];
const SECOND_FACTORS: &[&str] = &["mfa", "2fa", "otp", "totp", "factor", "passkey", "authenticator"];
/// Where the password of somebody who logs in is checked.
const INBOUND: &[&str] = &["idp", "social", "agent", "radius", "iwa", "saml", "delauth"];
const RIGHTS: &[&str] = &["role", "permission", "policy", "privilege"];
const PASSWORD: &[&str] = &["password"];

const fn rule(
    class: Class,
    activity: i32,
    subjects: &'static [&'static str],
    verbs: &'static [&'static str],
) -> Rule {
    Rule { class, activity, subjects, verbs }
}

/// The rules, in the order in which they are tried.
pub const RULES: &[Rule] = {
    use Class::{AccountChange, Authentication};
    &[
        rule(
            AccountChange,
            1,
            PEOPLE,
            &["create", "add", "invite", "register", "provision", "join", "import"],
        ),
        rule(AccountChange, 1, &["sign"], &["up"]),
        rule(AccountChange, 2, PEOPLE, ENABLING),
        rule(AccountChange, 3, PASSWORD, &["change", "update", "set", "modify"]),
        rule(AccountChange, 4, PASSWORD, &["reset", "recover", "forgot"]),
        rule(AccountChange, 5, PEOPLE, &["disable", "suspend", "deactivate", "block", "ban", "banned"]),
        rule(
            AccountChange,
            6,
            PEOPLE,
            &["delete", "remove", "destroy", "deprovision", "leave", "purge", "erase"],
        ),
        rule(AccountChange, 7, RIGHTS, &["grant", "assign", "attach", "add"]),
        rule(AccountChange, 8, RIGHTS, &["revoke", "unassign", "detach", "remove"]),
        rule(AccountChange, 9, PEOPLE, &["lock"]),
        rule(AccountChange, 10, FACTORS, &["enable", "add", "enroll", "activate", "register", "create"]),
        rule(AccountChange, 11, FACTORS, &["disable", "remove", "delete", "unenroll", "deactivate", "reset"]),
        rule(AccountChange, OTHER, PEOPLE, CHANGING),
        rule(AccountChange, OTHER, &["profile"], CHANGING),
        rule(AccountChange, OTHER, RIGHTS, &["change", "set"]),
        rule(AccountChange, 4, &["recovery"], &["request", "complete"]),
        rule(Authentication, 1, &[], &["login", "logon", "signin", "authenticate", "federate"]),
        rule(Authentication, 1, &["user", "login"], &["authentication"]),
        rule(Authentication, 1, &["authentication", "auth", "login"], &["sso", "saml"]),
        rule(Authentication, 1, &["via", "ad", "ldap", "inbound"], INBOUND),
        rule(Authentication, 1, &["sso"], &["response"]),
        rule(Authentication, 1, &["log", "logged", "sign"], &["in", "on"]),
        rule(Authentication, 1, &["session"], &["start", "create", "begin"]),
        rule(Authentication, 2, &[], &["logout", "logoff", "signout"]),
        rule(Authentication, 2, &["log", "logged", "sign"], &["out", "off"]),
        rule(Authentication, 2, &["session"], &["end", "terminate", "expire", "revoke", "delete", "close"]),
        rule(
            Authentication,
            OTHER,
            FACTORS,
            &["verify", "verified", "challenge", "pass", "use", "accept", "reject", "check"],
        ),
        rule(Authentication, OTHER, &["credential"], &["verification", "challenge", "verify"]),
        rule(Authentication, OTHER, &["user", "login", "auth", "via"], SECOND_FACTORS),
    ]
};

const ENABLING: &[&str] =
    &["enable", "activate", "reactivate", "unsuspend", "restore", "unblock", "unban", "unlock"];
const CHANGING: &[&str] = &["update", "change", "edit", "modify", "rename", "merge"];

/// The verbs of API Activity, in the order in which they are tried.
pub const VERBS: &[Verbs] = &[
    Verbs {
        activity: 1,
        verbs: &[
            "create",
            "add",
            "insert",
            "upload",
            "import",
            "invite",
            "register",
            "new",
            "generate",
            "issue",
            "post",
            "run",
            "launch",
            "connect",
            "clone",
            "copy",
            "duplicate",
            "send",
            "submit",
        ],
    },
    Verbs {
        activity: 2,
        verbs: &[
            "view", "read", "get", "list", "search", "query", "download", "export", "describe", "access",
            "open", "preview", "head", "lookup", "fetch", "show", "print", "scan", "find", "count", "browse",
            "check",
        ],
    },
    Verbs {
        activity: 3,
        verbs: &[
            "update",
            "edit",
            "change",
            "modify",
            "modified",
            "set",
            "patch",
            "put",
            "rename",
            "move",
            "share",
            "unshare",
            "archive",
            "unarchive",
            "restore",
            "enable",
            "disable",
            "grant",
            "revoke",
            "assign",
            "unassign",
            "attach",
            "detach",
            "complete",
            "approve",
            "reject",
            "merge",
            "sync",
            "rotate",
            "reset",
            "transfer",
            "publish",
            "unpublish",
            "lock",
            "unlock",
            "tag",
            "untag",
            "configure",
            "suspend",
            "resume",
        ],
    },
    Verbs {
        activity: 4,
        verbs: &[
            "delete",
            "remove",
            "destroy",
            "purge",
            "erase",
            "terminate",
            "drop",
            "disconnect",
            "uninstall",
            "expire",
            "deregister",
        ],
    },
];

const fn field(event: &'static str, ocsf: &'static str) -> Field {
    Field { event, ocsf }
}

/// Where each member of an event goes. Backquotes are the README's.
pub const FIELDS: &[Field] = &[
    field(
        "action",
        "`metadata.event_code`; 6003: `api.operation`, and what is before its last dot `api.service.name`; `activity_name` if the activity is 99",
    ),
    field(
        "id, tenant_id, seq, correlation_id",
        "`metadata.uid`, `.tenant_uid`, `.sequence`, `.correlation_uid`",
    ),
    field("occurred_at", "`time` (milliseconds), `time_dt` (microseconds)"),
    field("received_at", "`metadata.logged_time`, `metadata.logged_time_dt`"),
    field(
        "actor.id, name, email",
        "`actor.user.uid`, `.name`, `.email_addr` (if it is none as OCSF has them: `unmapped`)",
    ),
    field(
        "actor.type",
        "`actor.user.type_id`: `user` `person` `member` `customer` `employee` 1 User, `admin` `administrator` `owner` `root` 2 Admin, `system` 3 System, each with the word in `unmapped`; others 99 with the word in `actor.user.type`",
    ),
    field("actor.credential", "`id` is `actor.user.credential_uid`; `type` in `unmapped`"),
    field("actor.metadata, actor.on_behalf_of", "`unmapped`: OCSF has no one for whom somebody acts"),
    field("workspace, changes, metadata, sealed, version", "`unmapped`"),
    field(
        "targets",
        "6003: `resources[]` with `uid`, `type`, `name`, `data` (metadata), and `unmapped` if one has `aliases`; 3001, 3002: `unmapped`, and the first `user` `member` `account` `person` `employee` `customer` `guest` is `user`, without one the actor; 3001: the first `role` `permission` `policy` `privilege` is `policy`",
    ),
    field(
        "context.ip_address, country",
        "`src_endpoint.ip`, `.location.country`; where 6003 needs an endpoint or a country needs one and there is no address, `src_endpoint.name` is `unknown`",
    ),
    field(
        "context.user_agent, request_id",
        "`http_request.user_agent`, `.uid`; 6003: `api.request.uid`, too",
    ),
    field("context.session_id", "`actor.session.uid`; 3002: `session.uid`, too"),
    field(
        "outcome.result",
        "`status_code`; `status_id`: success 1 Success, failure and denied 2 Failure, else 0 Unknown; `severity_id`: 2 Low for failure and denied, else 1 Informational",
    ),
    field("outcome.reason, description", "`status_detail`, `message`"),
    field(
        "",
        "`metadata.version`, `.profiles` (`datetime`), `.product` (auditlake); 3002: `service.uid` is the tenant, for the class asks what was logged in to",
    ),
];

impl Class {
    /// Whether objects of the class may have this attribute, of those that any of ours has.
    pub fn has(self, attribute: &str) -> bool {
        match attribute {
            "api" | "resources" => self == Self::ApiActivity,
            "policy" => self == Self::AccountChange,
            "service" | "session" => self == Self::Authentication,
            "user" => self != Self::ApiActivity,
            _ => true,
        }
    }

    /// `class_uid`.
    pub fn uid(self) -> i32 {
        match self {
            Self::AccountChange => 3001,
            Self::Authentication => 3002,
            Self::ApiActivity => 6003,
        }
    }

    /// `class_name`.
    pub fn name(self) -> &'static str {
        match self {
            Self::AccountChange => "Account Change",
            Self::Authentication => "Authentication",
            Self::ApiActivity => "API Activity",
        }
    }

    /// `category_uid` and `category_name`.
    pub fn category(self) -> (i32, &'static str) {
        match self {
            Self::AccountChange | Self::Authentication => (3, "Identity & Access Management"),
            Self::ApiActivity => (6, "Application Activity"),
        }
    }

    /// The schema's name of an activity of this class.
    pub fn activity(self, activity: i32) -> &'static str {
        match (self, activity) {
            (Self::AccountChange, 2) => "Enable",
            (Self::AccountChange, 3) => "Password Change",
            (Self::AccountChange, 4) => "Password Reset",
            (Self::AccountChange, 5) => "Disable",
            (Self::AccountChange, 6) => "Delete",
            (Self::AccountChange, 7) => "Attach Policy",
            (Self::AccountChange, 8) => "Detach Policy",
            (Self::AccountChange, 9) => "Lock",
            (Self::AccountChange, 10) => "MFA Factor Enable",
            (Self::AccountChange, 11) => "MFA Factor Disable",
            (Self::Authentication, 1) => "Logon",
            (Self::Authentication, 2) => "Logoff",
            (Self::AccountChange | Self::ApiActivity, 1) => "Create",
            (Self::ApiActivity, 2) => "Read",
            (Self::ApiActivity, 3) => "Update",
            (Self::ApiActivity, 4) => "Delete",
            _ => "Other",
        }
    }
}

impl Rule {
    /// The rule's row in the README's table.
    pub fn row(&self) -> String {
        let (class, activity) = (self.class, self.class.activity(self.activity));
        let (uid, name) = (class.uid(), class.name());
        let subjects = if self.subjects.is_empty() { "any".to_owned() } else { quoted(self.subjects) };
        format!("| {name} {uid} | {activity} {} | {subjects} | {} |", self.activity, quoted(self.verbs))
    }
}

impl Verbs {
    /// The row in the README's table of rules.
    pub fn row(&self) -> String {
        let activity = Class::ApiActivity.activity(self.activity);
        format!("| API Activity 6003 | {activity} {} | any | {} |", self.activity, quoted(self.verbs))
    }
}

impl Field {
    /// The row in the README's table.
    pub fn row(&self) -> String {
        if self.event.is_empty() {
            return format!("| — | {} |", self.ocsf);
        }
        let members: Vec<&str> = self.event.split(", ").collect();
        format!("| {} | {} |", quoted(&members), self.ocsf)
    }
}

fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" ")
}
