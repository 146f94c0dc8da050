//! Which members of GitHub's audit log name things.
//!
//! In: an action and the members of an event. Out: the things to take, in the order of the table. Guaranteed: a member is looked up by
//! its name, so that more things cost nothing; a thing whose members mean something else in other actions is only asked for in
//! its own.
//!
//! Source: the fields of each action in the [audit log events](https://docs.github.com/en/enterprise-cloud@latest/admin/monitoring-activity-in-your-enterprise/reviewing-audit-logs-for-your-enterprise/audit-log-events-for-your-enterprise).

use std::{collections::HashMap, sync::LazyLock};

use serde_json::{Map, Value};

/// A thing by the members that identify it.
pub(super) struct Thing {
    pub(super) kind: &'static str,
    /// The first of these that is there is the id and moves into the target; the others are names and stay where they are.
    pub(super) ids: &'static [&'static str],
    /// The member that names it, if that is another one. It moves too.
    pub(super) name: &'static str,
    /// A member that moves into the target's metadata, and another name of it.
    pub(super) number: &'static str,
    /// Members that are other names of it and stay where they are.
    pub(super) others: &'static [&'static str],
    /// How its actions begin (with a dot: what is in them), if the members say something else in others.
    only: &'static [&'static str],
    /// It is no other thing than one of this type that is there already.
    pub(super) again: bool,
    /// Whether the organisation is named for its own sake beside it.
    pub(super) needs_org: bool,
}

const fn thing(kind: &'static str, ids: &'static [&'static str]) -> Thing {
    Thing { kind, ids, name: "", number: "", others: &[], only: &[], again: false, needs_org: false }
}

/// A thing that is a part or a setting of an organisation.
const fn part(kind: &'static str, ids: &'static [&'static str]) -> Thing {
    Thing { needs_org: true, ..thing(kind, ids) }
}

static THINGS: [Thing; 60] = [
    Thing { number: "repo_id", others: &["repository_id"], ..thing("repo", &["repo"]) },
    Thing { number: "repository_id", again: true, ..thing("repo", &["repository"]) },
    Thing { number: "team_id", ..thing("team", &["team"]) },
    Thing { others: &["enterprise_team_id"], ..part("enterprise_team", &["enterprise_team"]) },
    thing("user", &["target_login"]),
    thing("user", &["blocked_user"]),
    part("user", &["invitee"]),
    Thing { only: &["project."], ..part("user", &["collaborator"]) },
    part("invitation", &["invitation_id"]),
    Thing { others: &["hook_url"], ..thing("hook", &["hook_id"]) },
    Thing { name: "ruleset_name", others: &["ruleset_old_name"], ..thing("ruleset", &["ruleset_id"]) },
    Thing { name: "name", only: &["workflows."], ..thing("workflow", &["workflow_id"]) },
    thing("workflow", &["workflow_id"]),
    Thing { name: "name", only: &["workflows."], again: true, ..part("workflow_run", &["workflow_run_id"]) },
    thing("workflow_run", &["workflow_run_id"]),
    Thing { name: "runner_name", ..thing("runner", &["runner_id"]) },
    Thing {
        only: &[".register_self_hosted_runner", ".remove_self_hosted_runner"],
        again: true,
        ..part("runner", &["runner_name", "name"])
    },
    Thing {
        name: "runner_group_name",
        others: &["name"],
        only: &[".runner_group_"],
        ..thing("runner_group", &["runner_group_id"])
    },
    Thing { name: "runner_group_name", ..thing("runner_group", &["runner_group_id"]) },
    Thing { only: &[".runner_group_"], again: true, ..part("runner_group", &["runner_group_name", "name"]) },
    Thing { name: "project_name", ..thing("project", &["project_id"]) },
    Thing { again: true, ..part("project", &["project_name"]) },
    Thing {
        name: "pull_request_title",
        others: &["pull_request_url"],
        ..thing("pull_request", &["pull_request_id"])
    },
    Thing { only: &["protected_branch."], ..part("protected_branch", &["name", "branch"]) },
    part("branch", &["branch"]),
    Thing { others: &["old_branch"], ..part("branch", &["new_branch"]) },
    Thing { others: &["environment_id"], ..thing("environment", &["environment_name"]) },
    Thing {
        only: &["environment."],
        again: true,
        others: &["environment_id"],
        ..part("environment", &["name"])
    },
    Thing { again: true, ..part("environment", &["environment_id"]) },
    thing("deploy_key", &["deploy_key_fingerprint"]),
    Thing {
        name: "title",
        others: &["key", "public_key_id"],
        only: &["public_key.", "deploy_key."],
        ..part("public_key", &["fingerprint", "public_key_id", "key"])
    },
    Thing {
        name: "name",
        others: &["key_id", "primary_key_id"],
        only: &["gpg_key."],
        ..part("gpg_key", &["fingerprint", "key_id", "gpg_key_id", "primary_key_id"])
    },
    Thing {
        name: "title",
        others: &["openssh_public_key"],
        only: &["ssh_certificate_authority."],
        ..part("ssh_certificate_authority", &["fingerprint"])
    },
    Thing {
        only: &[".*secret"],
        others: &["secret_name"],
        ..part("secret", &["key", "secret_name", "name"])
    },
    Thing {
        only: &[".*variable"],
        others: &["variable_name"],
        ..part("variable", &["key", "variable_name", "name"])
    },
    Thing {
        only: &["codespaces."],
        others: &["codespace_id", "codespace_name"],
        ..part("codespace", &["codespace_name", "name", "codespace_id"])
    },
    Thing {
        name: "oauth_application_name",
        others: &["oauth_application"],
        only: &["oauth", "org.oauth", "org_credential", "marketplace"],
        ..thing("oauth_application", &["oauth_application_id"])
    },
    Thing {
        again: true,
        others: &["oauth_application_id"],
        ..part("oauth_application", &["oauth_application"])
    },
    Thing { others: &["integration_id", "app_id"], ..thing("integration", &["integration"]) },
    Thing { again: true, ..part("integration", &["integration_id"]) },
    Thing {
        others: &["installation_id"],
        ..part("integration_installation", &["integration_installation_id"])
    },
    part("package", &["package", "package_name", "registry_package"]),
    Thing { name: "release_name", others: &["tag_name", "tag"], ..part("release", &["release_id"]) },
    Thing { again: true, only: &["release."], name: "name", ..part("release", &["tag_name", "tag", "name"]) },
    Thing {
        only: &["milestone."],
        name: "title",
        others: &["number"],
        ..part("milestone", &["milestone_id", "number", "title"])
    },
    Thing {
        only: &["issue.", "issues."],
        name: "title",
        others: &["number"],
        ..part("issue", &["issue_id", "number", "title"])
    },
    Thing {
        only: &["discussion"],
        name: "title",
        others: &["number", "discussion_number"],
        ..part("discussion", &["discussion_id", "discussion_post_id", "number", "discussion_number", "title"])
    },
    Thing {
        name: "external_group",
        others: &["scim_group_id"],
        ..part("external_group", &["external_group_id"])
    },
    Thing { again: true, ..part("external_group", &["external_group", "scim_group_id"]) },
    Thing {
        others: &["external_identity_nameid", "external_identity_username", "external_identity_guid"],
        ..part("external_identity", &["scim_user_id"])
    },
    Thing {
        only: &["external_identity.", "org.sso", "user.sso", "org_credential", "business.sso"],
        again: true,
        others: &["external_identity_username", "external_identity_nameid"],
        ..part(
            "external_identity",
            &[
                "external_identity_guid",
                "external_identity_id",
                "external_identity_nameid",
                "external_identity_username",
            ],
        )
    },
    Thing {
        others: &["user_programmatic_access_request_id"],
        name: "user_programmatic_access_name",
        ..part("personal_access_token", &["user_programmatic_access_id"])
    },
    Thing {
        again: true,
        others: &["user_programmatic_access_request_id"],
        ..part("personal_access_token", &["user_programmatic_access_name"])
    },
    Thing { name: "organization_role_name", ..part("role", &["organization_role_id"]) },
    Thing { name: "enterprise_role_name", ..part("role", &["enterprise_role_id"]) },
    Thing {
        only: &["role.", "organization_role.", "enterprise_role."],
        again: true,
        ..part("role", &["name"])
    },
    Thing {
        name: "security_configuration_name",
        ..part("security_configuration", &["security_configuration_id"])
    },
    Thing { others: &["definition_id"], ..part("custom_property", &["property_name"]) },
    Thing {
        only: &[
            "secret_scanning_alert.",
            "code_scanning.",
            "repository_vulnerability_alert.",
            "dependabot_alert",
        ],
        others: &["ghsa_id"],
        ..part("alert", &["alert_number", "number", "alert_id"])
    },
    part("gist", &["gist_id"]),
];
/// Actions with settings whose only member is the thing itself.
static SETTINGS: [Thing; 6] = [
    part("advisory", &["ghsa_id"]),
    part("domain", &["domain_name", "domain"]),
    part("ip_allow_list_entry", &["ip_allow_list_entry"]),
    part("marketplace_listing", &["marketplace_listing"]),
    part("network_configuration", &["network_configuration_id"]),
    Thing {
        name: "vulnerability_alert_rule_name",
        ..part("vulnerability_alert_rule", &["vulnerability_alert_rule_id"])
    },
];

/// For each member that can be an id the things in the order of the tables.
static BY_MEMBER: LazyLock<HashMap<&str, Vec<usize>>> = LazyLock::new(|| {
    let mut by_member: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, thing) in THINGS.iter().chain(&SETTINGS).enumerate() {
        for member in thing.ids {
            by_member.entry(*member).or_default().push(at);
        }
    }
    by_member
});

/// The things that an event may name, in the order of the table.
pub(super) fn of(action: &str, record: &Map<String, Value>) -> Vec<&'static Thing> {
    let by_member = &*BY_MEMBER;
    let mut found: Vec<usize> =
        record.keys().filter_map(|member| by_member.get(member.as_str())).flatten().copied().collect();
    found.sort_unstable();
    found.dedup();
    let all = |at: usize| if at < THINGS.len() { &THINGS[at] } else { &SETTINGS[at - THINGS.len()] };
    found.into_iter().map(all).filter(|thing| thing.is_of(action)).collect()
}

impl Thing {
    fn is_of(&self, action: &str) -> bool {
        let last = action.rsplit('.').next().unwrap_or_default();
        let is_of = |start: &&str| match start.strip_prefix(".*") {
            Some(word) => last.contains(word) && last.len() < action.len(),
            None if start.starts_with('.') => action.contains(*start),
            None => action.starts_with(*start),
        };
        self.only.is_empty() || self.only.iter().any(is_of)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Would catch a member taken for a thing in an action in which it means something else.
    #[test]
    fn members_mean_things_in_their_actions_only() {
        let kinds = |action: &str, members: Value| -> Vec<&str> {
            of(action, members.as_object().unwrap()).iter().map(|thing| thing.kind).collect()
        };
        assert_eq!(
            kinds("protected_branch.create", json!({"repo": "a/b", "name": "main"})),
            ["repo", "protected_branch"]
        );
        assert_eq!(kinds("org.update_member", json!({"name": "main", "key": "x"})), Vec::<&str>::new());
        assert_eq!(kinds("org.update_actions_secret", json!({"key": "TOKEN"})), ["secret"]);
        assert_eq!(kinds("secret_scanning.enable", json!({"key": "TOKEN"})), Vec::<&str>::new());
        assert_eq!(kinds("repo.create_actions_variable", json!({"key": "REGION"})), ["variable"]);
        assert_eq!(kinds("git.push", json!({"oauth_application_id": 5})), Vec::<&str>::new());
    }
}
