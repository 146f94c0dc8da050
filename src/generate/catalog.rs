//! What people and programs of a company do: kinds of actions, how often, on what, and how it goes wrong.
//! Also the words that names are made of. Plain data.

use Changes::{Member, Role, Setting, Status, Title};
use Extra::{Login, Query, Sync, Transfer};

/// A kind of thing that an action is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Nothing in particular.
    None,
    /// One of the tenant's many things: type as events name it, prefix of its id.
    Thing(&'static str, &'static str),
    /// The one thing of its kind that the tenant has.
    Only(&'static str, &'static str),
    /// Another person of the tenant.
    Person,
    /// The actor's own account.
    Own,
}

/// What an action changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Changes {
    None,
    Title,
    Status,
    Role,
    Member,
    Setting,
}

/// What an action's metadata tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extra {
    None,
    Login,
    Transfer,
    Query,
    Sync,
}

/// One kind of action.
pub(super) struct Action {
    pub(super) name: &'static str,
    pub(super) target: Target,
    /// How often everyone does it, and how much more often administrators do.
    pub(super) everyone: u64,
    pub(super) admins: u64,
    /// How often programs do it.
    pub(super) programs: u64,
    pub(super) changes: Changes,
    pub(super) extra: Extra,
    /// How often it fails and is denied, in a thousand.
    pub(super) failed: u64,
    pub(super) denied: u64,
}

/// An action that people do, without changes or metadata, and that hardly ever goes wrong.
const fn people(name: &'static str, target: Target, everyone: u64) -> Action {
    let (changes, extra) = (Changes::None, Extra::None);
    Action { name, target, everyone, admins: 0, programs: 0, changes, extra, failed: 4, denied: 6 }
}

/// An action that administrators do and everyone else may try.
const fn admin(name: &'static str, target: Target, admins: u64) -> Action {
    let action = people(name, target, 0);
    Action { admins, denied: 25, ..action }
}

const fn programs(action: Action, programs: u64) -> Action {
    Action { programs, ..action }
}

const fn changing(action: Action, changes: Changes) -> Action {
    Action { changes, ..action }
}

const fn telling(action: Action, extra: Extra) -> Action {
    Action { extra, failed: 15, ..action }
}

const DOCUMENT: Target = Target::Thing("document", "doc");
const FOLDER: Target = Target::Thing("folder", "fld");
const REPORT: Target = Target::Thing("report", "rep");
const PROJECT: Target = Target::Thing("project", "prj");
const TASK: Target = Target::Thing("task", "tsk");
const COMMENT: Target = Target::Thing("comment", "cmt");
const GROUP: Target = Target::Thing("group", "grp");
pub(super) const API_KEY: Target = Target::Thing("api_key", "key");
const WEBHOOK: Target = Target::Thing("webhook", "whk");
const INTEGRATION: Target = Target::Thing("integration", "int");
const INVOICE: Target = Target::Thing("invoice", "inv");
const SETTING: Target = Target::Thing("setting", "set");
pub(super) const DEVICE: Target = Target::Thing("mfa_device", "mfa");
pub(super) const AUDIT_LOG: Target = Target::Only("audit_log", "log");

/// Types of things that people give titles to; others are named by type and number.
pub(super) const TITLED: [&str; 5] = ["document", "folder", "report", "project", "task"];

/// Sessions begin and end with these; they are not drawn.
pub(super) const LOGIN: Action = Action { extra: Login, ..people("user.login", Target::Own, 0) };
pub(super) const LOGOUT: Action = people("user.logout", Target::Own, 0);

/// Everything that is drawn by its weights.
pub(super) const ACTIONS: [Action; 47] = [
    programs(people("document.view", DOCUMENT, 3000), 300),
    people("document.create", DOCUMENT, 300),
    changing(people("document.update", DOCUMENT, 900), Title),
    people("document.delete", DOCUMENT, 60),
    people("document.restore", DOCUMENT, 8),
    changing(people("document.share", DOCUMENT, 180), Member),
    telling(people("document.download", DOCUMENT, 320), Transfer),
    programs(telling(people("document.export", DOCUMENT, 25), Transfer), 60),
    people("folder.create", FOLDER, 50),
    changing(people("folder.rename", FOLDER, 25), Title),
    people("folder.delete", FOLDER, 6),
    telling(people("search.query", Target::None, 700), Query),
    people("report.view", REPORT, 350),
    people("report.create", REPORT, 25),
    programs(telling(people("report.export", REPORT, 20), Transfer), 40),
    people("project.create", PROJECT, 12),
    changing(people("project.update", PROJECT, 60), Status),
    people("project.archive", PROJECT, 4),
    programs(people("task.create", TASK, 280), 120),
    programs(changing(people("task.update", TASK, 520), Status), 250),
    changing(people("task.complete", TASK, 260), Status),
    people("comment.create", COMMENT, 380),
    people("comment.delete", COMMENT, 20),
    people("invoice.view", INVOICE, 10),
    people("profile.update", Target::Own, 15),
    people("password.change", Target::Own, 6),
    people("mfa.enroll", DEVICE, 4),
    people("mfa.remove", DEVICE, 2),
    programs(telling(people("record.sync", INTEGRATION, 0), Sync), 3000),
    programs(telling(people("file.upload", DOCUMENT, 60), Transfer), 700),
    programs(telling(people("backup.run", PROJECT, 0), Transfer), 30),
    programs(people("webhook.deliver", WEBHOOK, 0), 900),
    admin("user.invite", Target::Person, 60),
    changing(admin("user.update", Target::Person, 60), Setting),
    admin("user.suspend", Target::Person, 8),
    admin("user.delete", Target::Person, 4),
    changing(admin("role.grant", Target::Person, 40), Role),
    changing(admin("role.revoke", Target::Person, 20), Role),
    changing(admin("group.member_add", GROUP, 60), Member),
    changing(admin("group.member_remove", GROUP, 25), Member),
    admin("api_key.create", API_KEY, 14),
    admin("api_key.revoke", API_KEY, 10),
    admin("webhook.create", WEBHOOK, 8),
    admin("integration.connect", INTEGRATION, 6),
    changing(admin("settings.update", SETTING, 25), Setting),
    admin("audit_log.view", AUDIT_LOG, 70),
    telling(admin("audit_log.export", AUDIT_LOG, 6), Transfer),
];

/// Actions that the planted incident needs besides the drawn ones.
pub(super) const AUDIT_LOG_DELETE: Action = admin("audit_log.delete", AUDIT_LOG, 0);

/// The drawn action of a name.
pub(super) fn action(name: &str) -> &'static Action {
    ACTIONS.iter().find(|action| action.name == name).expect("the catalog has every action asked for by name")
}

/// How an action fails, and how it is denied.
pub(super) const FAILURES: [&str; 4] = ["not_found", "validation_failed", "conflict", "timeout"];
pub(super) const DENIALS: [&str; 3] = ["missing_permission", "not_a_member", "plan_limit"];
pub(super) const LOGIN_FAILURE: &str = "invalid_password";

/// Countries with an office hour: code, minutes east of UTC.
pub(super) const HOMES: [(&str, i64); 12] = [
    ("US", -300),
    ("DE", 60),
    ("GB", 0),
    ("US", -480),
    ("IN", 330),
    ("FR", 60),
    ("BR", -180),
    ("JP", 540),
    ("CA", -300),
    ("AU", 600),
    ("PL", 60),
    ("SG", 480),
];

/// Where people travel to, and where guesses at passwords come from.
pub(super) const ABROAD: [&str; 10] = ["NL", "ES", "IT", "RO", "TR", "VN", "ID", "NG", "UA", "MX"];

/// Workspaces of tenants that have any: id, name.
pub(super) const WORKSPACES: [(&str, &str); 4] =
    [("main", "Main"), ("eu", "Europe"), ("sales", "Sales"), ("lab", "Research")];

pub(super) const BROWSERS: [&str; 6] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0",
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14.7; rv:144.0) Gecko/20100101 Firefox/144.0",
    "Desktop/7.2.1 (Windows 11; x64)",
    "Mobile/5.18.0 (iOS 18.5; iPhone)",
    "Mobile/5.18.0 (Android 15; Pixel 8)",
];
pub(super) const CLIENTS: [&str; 4] =
    ["python-requests/2.32.3", "acme-sdk-go/1.14.2", "node-fetch/3.3.2", "okhttp/4.12.0"];

/// Given names as people write them and as their mail address has them.
pub(super) const GIVEN: [(&str, &str); 24] = [
    ("Ana", "ana"),
    ("Ben", "ben"),
    ("Chloé", "chloe"),
    ("Daniel", "daniel"),
    ("Elif", "elif"),
    ("Farid", "farid"),
    ("Grace", "grace"),
    ("Hiro", "hiro"),
    ("Inês", "ines"),
    ("José", "jose"),
    ("Katja", "katja"),
    ("Łukasz", "lukasz"),
    ("Mei", "mei"),
    ("Noah", "noah"),
    ("Oksana", "oksana"),
    ("Priya", "priya"),
    ("Quinn", "quinn"),
    ("Rosa", "rosa"),
    ("Sven", "sven"),
    ("Tariq", "tariq"),
    ("Uma", "uma"),
    ("Viktor", "viktor"),
    ("Wanda", "wanda"),
    ("Zoë", "zoe"),
];
pub(super) const FAMILY: [&str; 24] = [
    "Adler", "Baker", "Costa", "Duarte", "Eriksen", "Fischer", "Gupta", "Haddad", "Ito", "Jansen", "Kim",
    "Lima", "Moreau", "Nowak", "Okafor", "Petrov", "Quist", "Rossi", "Silva", "Tanaka", "Ueda", "Vargas",
    "Weber", "Zhang",
];
pub(super) const ADJECTIVES: [&str; 20] = [
    "amber", "brisk", "calm", "daring", "eager", "fair", "golden", "hidden", "inner", "jolly", "keen",
    "lively", "modern", "noble", "open", "prime", "quiet", "rapid", "silver", "true",
];
pub(super) const NOUNS: [&str; 20] = [
    "anchor", "bridge", "canyon", "delta", "engine", "forest", "garden", "harbor", "island", "junction",
    "kernel", "lantern", "meadow", "needle", "orchard", "prairie", "quarry", "river", "summit", "tower",
];
/// Subjects and kinds of titles; as they stand inside a JSON string.
pub(super) const SUBJECTS: [&str; 16] = [
    "Q1",
    "Q2",
    "Q3",
    "Q4",
    "Onboarding",
    "Roadmap",
    "Pricing",
    "Hiring",
    "Security",
    "Customer",
    "Vendor",
    "Launch",
    "Budget",
    "Plan \\\"B\\\"",
    "Büro",
    "Board",
];
pub(super) const KINDS: [&str; 12] = [
    "plan",
    "notes",
    "review",
    "draft",
    "forecast",
    "contract",
    "checklist",
    "summary",
    "slides",
    "figures",
    "proposal",
    "minutes",
];
pub(super) const STATUSES: [&str; 4] = ["open", "in_progress", "blocked", "done"];
pub(super) const ROLES: [&str; 4] = ["member", "editor", "billing", "admin"];
pub(super) const SETTINGS: [&str; 4] = ["locale", "session_hours", "default_view", "notifications"];
pub(super) const FORMATS: [&str; 4] = ["pdf", "docx", "csv", "xlsx"];
