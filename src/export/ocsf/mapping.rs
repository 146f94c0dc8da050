//! Which OCSF class and activity an action is, and what goes where: the documented tables, as data.
//!
//! The README's section "OCSF" is made from [`RULES`], [`VERBS`] and [`FIELDS`]; a test ties it to them. An action is taken to
//! words (`user.login_failed`, `iam.CreateUser` and `org.add_member` are `user login`, `iam create user` and `org add member`:
//! split at signs and capitals, lowercase, without [`IGNORED`]). The first rule that fits its last two words decides; if none
//! does, the event is API Activity, and a verb says which.

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
        rule(Authentication, 1, &[], &["login", "logon", "signin", "authenticate"]),
        rule(Authentication, 1, &["log", "logged", "sign"], &["in", "on"]),
        rule(Authentication, 1, &["session"], &["start", "create", "begin"]),
        rule(Authentication, 2, &[], &["logout", "logoff", "signout"]),
        rule(Authentication, 2, &["log", "logged", "sign"], &["out", "off"]),
        rule(Authentication, 2, &["session"], &["end", "terminate", "expire", "revoke", "delete", "close"]),
        rule(
            Authentication,
            OTHER,
            FACTORS,
            &["verify", "verified", "challenge", "pass", "use", "accept", "reject"],
        ),
        rule(Authentication, OTHER, &["user", "login", "auth", "via"], FACTORS),
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
    field("workspace, changes, metadata, version", "`unmapped`"),
    field(
        "targets",
        "6003: `resources[]` with `uid`, `type`, `name`, `data` (metadata); 3001, 3002: `unmapped`, and the first `user` `member` `account` `person` `employee` `customer` `guest` is `user`, without one the actor; 3001: the first `role` `permission` `policy` `privilege` is `policy`",
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

/// What an action is in OCSF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// The class.
    pub class: Class,
    /// `activity_id`.
    pub activity: i32,
}

impl Class {
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

impl Kind {
    /// What `action` is.
    ///
    /// ```
    /// use auditlake::export::ocsf::mapping::{Class, Kind};
    /// assert_eq!(Kind::of("user.login_failed"), Kind { class: Class::Authentication, activity: 1 });
    /// assert_eq!(Kind::of("ec2.DescribeInstances"), Kind { class: Class::ApiActivity, activity: 2 });
    /// ```
    pub fn of(action: &str) -> Self {
        let words = words(action);
        if let Some(rule) = RULES.iter().find(|rule| rule.fits(&words)) {
            return Self { class: rule.class, activity: rule.activity };
        }
        let activity =
            |word: &String| VERBS.iter().find(|verbs| is_any(word, verbs.verbs)).map(|it| it.activity);
        let activity = words.last().into_iter().chain(&words).find_map(activity).unwrap_or(OTHER);
        Self { class: Class::ApiActivity, activity }
    }

    /// `type_uid`.
    pub fn type_uid(self) -> i64 {
        i64::from(self.class.uid()) * 100 + i64::from(self.activity)
    }
}

impl Rule {
    fn fits(&self, words: &[String]) -> bool {
        match words {
            [.., last] if self.subjects.is_empty() => is_any(last, self.verbs),
            [.., first, last] => {
                is_any(first, self.subjects) && is_any(last, self.verbs)
                    || is_any(first, self.verbs) && is_any(last, self.subjects)
            }
            _ => false,
        }
    }

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

/// The words of an action: split at what is neither letter nor digit and where a capital begins a word, lowercase, without
/// [`IGNORED`].
fn words(action: &str) -> Vec<String> {
    let letters: Vec<char> = action.chars().collect();
    let mut words = Vec::new();
    let mut word = String::new();
    for (at, letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| letters[at]);
        let after = letters.get(at + 1);
        let hump = before.is_some_and(|before| !before.is_uppercase())
            || after.is_some_and(|after| after.is_lowercase());
        if !letter.is_alphanumeric() || (letter.is_uppercase() && hump) {
            words.push(std::mem::take(&mut word));
        }
        if letter.is_alphanumeric() {
            word.extend(letter.to_lowercase());
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty() && !IGNORED.contains(&word.as_str()));
    words
}

/// Whether `word` is one of `stems`, as it is or with `s`, `d` or `ed` after it.
fn is_any(word: &str, stems: &[&str]) -> bool {
    stems.iter().any(|stem| word.strip_prefix(stem).is_some_and(|rest| matches!(rest, "" | "s" | "d" | "ed")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch an action that moves to another class or activity when a rule is added.
    #[test]
    fn actions_are_what_people_would_say() {
        let cases: &[(i32, i32, &[&str])] = &[
            (
                3002,
                1,
                &[
                    "user.login",
                    "user.login_failed",
                    "user.login.failed",
                    "user.failed_login",
                    "user.signed_in",
                ],
            ),
            (3002, 1, &["signin.ConsoleLogin", "user.session.start", "user.logged_in", "session.created"]),
            (3002, 2, &["user.logout", "user.sign_out", "session.expired", "session.revoke"]),
            (
                3002,
                99,
                &[
                    "mfa.verify",
                    "user.mfa",
                    "user.mfa_failed",
                    "user.authentication.auth_via_mfa",
                    "otp.used",
                ],
            ),
            (
                3001,
                1,
                &["user.create", "user.invited", "iam.CreateUser", "org.add_member", "user.lifecycle.create"],
            ),
            (3001, 2, &["user.enable", "user.unsuspend", "user.account.unlock"]),
            (3001, 3, &["password.change", "iam.ChangePassword", "user.account.update_password"]),
            (3001, 4, &["password.reset", "user.account.reset_password"]),
            (3001, 5, &["user.suspend", "user.deactivated"]),
            (3001, 6, &["user.delete", "iam.DeleteUser", "org.remove_member", "member.removed"]),
            (3001, 7, &["role.grant", "user.role.assigned", "permission.add"]),
            (3001, 8, &["role.revoke", "permission.removed"]),
            (3001, 9, &["user.account.lock"]),
            (
                3001,
                10,
                &["mfa.enroll", "mfa.add", "two_factor_authentication.enabled", "iam.EnableMFADevice"],
            ),
            (3001, 11, &["mfa.remove", "two_factor_authentication.disabled", "mfa.device.delete"]),
            (3001, 99, &["user.update", "profile.update", "member.role_changed", "iam.UpdateUser"]),
            (
                6003,
                1,
                &["document.create", "ec2.RunInstances", "api_key.create", "repo.created", "file.upload"],
            ),
            (
                6003,
                2,
                &[
                    "document.view",
                    "ec2.DescribeInstances",
                    "search.query",
                    "user.view",
                    "iam.ListMFADevices",
                ],
            ),
            (6003, 2, &["auditlog.read", "s3.GetObject", "document.viewed"]),
            (
                6003,
                3,
                &[
                    "document.update",
                    "api_key.revoke",
                    "settings.update",
                    "s3.PutBucketPolicy",
                    "task.completed",
                ],
            ),
            (6003, 4, &["document.delete", "cloudtrail.DeleteTrail", "ec2.TerminateInstances"]),
            (6003, 99, &["webhook.deliver", "sts.AssumeRole", "", "...", "ÄÖ", "failed"]),
        ];
        for (class, activity, actions) in cases {
            for action in *actions {
                let kind = Kind::of(action);
                assert_eq!((kind.class.uid(), kind.activity), (*class, *activity), "{action}");
                assert_eq!(kind.type_uid(), i64::from(class * 100 + activity));
            }
        }
    }

    /// Would catch a rule that never decides, because an earlier one takes all its actions.
    #[test]
    fn every_rule_decides_something() {
        for rule in RULES {
            let subjects = if rule.subjects.is_empty() { &[""][..] } else { rule.subjects };
            let pairs =
                subjects.iter().flat_map(|subject| rule.verbs.iter().map(move |verb| (subject, verb)));
            for (subject, verb) in pairs {
                let kind = Kind::of(&format!("{subject}.{verb}"));
                assert_eq!((kind.class, kind.activity), (rule.class, rule.activity), "{subject}.{verb}");
            }
        }
        for verbs in VERBS {
            for verb in verbs.verbs {
                let kind = Kind::of(&format!("document.{verb}"));
                assert_eq!((kind.class, kind.activity), (Class::ApiActivity, verbs.activity), "{verb}");
            }
        }
    }

    /// Would catch an activity without a name: its events would be called "Other".
    #[test]
    fn every_activity_has_a_name() {
        let kinds = RULES.iter().map(|rule| (rule.class, rule.activity));
        let verbs = VERBS.iter().map(|verbs| (Class::ApiActivity, verbs.activity));
        for (class, activity) in kinds.chain(verbs) {
            assert_eq!(class.activity(activity) == "Other", activity == OTHER, "{class:?} {activity}");
        }
    }
}
