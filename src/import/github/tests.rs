//! Tests of the mapping of GitHub's audit log: over records of our own making, and over a real log where it lies
//! beside the repository.

use std::path::Path;

use super::*;
use crate::import::{
    Source,
    members::tests::{assert_decodes, assert_nothing_lost, map_lines, real_file},
};

const SAMPLE: &str = include_str!("../../../testdata/saas/github.ndjson");

fn record(members: Value) -> Value {
    let mut record = json!({
        "_document_id": "kT3vN9xQ2mZ8aL5cR7wYpA", "@timestamp": 1_730_708_130_123_u64, "action": "repo.create",
        "actor": "ana", "actor_id": 1001, "org": "acme",
    });
    for (name, value) in members.as_object().unwrap() {
        record[name] = value.clone();
    }
    record
}

fn mapped(members: Value) -> Value {
    let record = record(members);
    let event = event(record.clone()).unwrap();
    // Other names are copies: what is only there would be lost.
    let mut without_aliases = event.clone();
    for target in without_aliases.get_mut("targets").and_then(Value::as_array_mut).into_iter().flatten() {
        target.as_object_mut().unwrap().remove("aliases");
    }
    assert_nothing_lost(&record, &without_aliases);
    event.into()
}

fn sample() -> Vec<Value> {
    map_lines(SAMPLE, event).into_iter().map(|(_, event)| event.unwrap().into()).collect()
}

/// Would catch a member that goes to another field than the table says, and a value dropped on the way.
#[test]
fn a_whole_record_is_mapped_as_the_table_says() {
    let expected = json!({
        "id": "kT3vN9xQ2mZ8aL5cR7wYpA",
        "occurred_at": "2024-11-04T08:15:30.123Z",
        "action": "team.add_member",
        "actor": {"type": "user", "id": "1001", "name": "ana"},
        "workspace": {"id": "acme"},
        "targets": [{"type": "team", "id": "acme/operators"}, {"type": "user", "id": "1002", "name": "ben", "aliases": ["ben"]}],
        "outcome": {"result": "success"},
        "context": {"ip_address": "203.0.113.7", "request_id": "AB12:34CD:1", "country": "SE",
                    "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0"},
        "metadata": {"actor_is_bot": false, "business": "acme-group", "business_id": 55,
                     "created_at": 1_730_708_130_123_u64, "external_identity_nameid": "ana@acme.example",
                     "operation_type": "create", "org_id": 77},
    });
    assert_eq!(sample()[0], expected);
}

/// Would catch a leaked token whose uses cannot be found by what GitHub tells to look for.
#[test]
fn tokens_are_credentials() {
    let clone = &sample()[1];
    let credential = json!({
        "type": "Personal access token (classic)", "id": "3nbsWQ1kJ0v7mQe8aZyq1rY6cYt0d2u9X5pK4lHf8sE=",
    });
    assert_eq!(clone["actor"]["credential"], credential);
    assert_eq!(clone["actor"]["email"], "ana@acme.example");
    assert_eq!(clone["targets"], json!([{"type": "repo", "id": "acme/payments"}]));
    assert_eq!(clone["metadata"]["token_id"], 987_654_321);
    assert_eq!(clone["metadata"]["repository"], "acme/payments");
    let by_number = mapped(json!({"token_id": 5, "programmatic_access_type": "OAuth access token"}));
    assert_eq!(by_number["actor"]["credential"], json!({"type": "OAuth access token", "id": "5"}));
    let none = mapped(json!({"programmatic_access_type": "oauth_token"}));
    assert_eq!(none["actor"].get("credential"), None);
    assert_eq!(none["metadata"]["programmatic_access_type"], "oauth_token");
}

/// Would catch an older export that loses its inner members, and two of its events that get one id.
#[test]
fn older_exports_are_read() {
    let hook = &sample()[2];
    assert_eq!(
        hook["targets"],
        json!([{"type": "hook", "id": "111222333"}, {"type": "repo", "id": "acme/payments"}])
    );
    assert_eq!(hook["metadata"], json!({"events": ["push", "fork"]}));
    assert_eq!(hook["actor"], json!({"type": "user", "id": "ben", "name": "ben"}));
    assert_eq!(hook["occurred_at"], "2021-05-18T02:31:58.553Z");
    assert!(hook["id"].as_str().unwrap().starts_with("sha256:"));

    let short =
        json!({"_document_id": "redacted", "data": {"org": "other", "team": "acme/ops", "none": null}});
    let event = mapped(short);
    assert_eq!(event["workspace"], json!({"id": "acme"}));
    assert_eq!(event["targets"][0]["type"], "team");
    assert_eq!(event["metadata"], json!({"_document_id": "redacted", "data": {"org": "other"}}));
    assert_eq!(mapped(json!({"data": "odd"}))["metadata"], json!({"data": "odd"}));
}

/// Would catch a change that is only in the metadata, or made of members that do not belong together.
#[test]
fn pairs_of_members_are_changes() {
    let events = sample();
    assert_eq!(events[3]["changes"], json!({"visibility": {"old": "private", "new": "public"}}));
    assert_eq!(events[5]["changes"], json!({"permission": {"old": "read", "new": "admin"}}));
    let hook = mapped(json!({
        "config": {"url": "https://b.example"}, "config_was": {"url": "https://a.example"}, "events": ["push"],
        "events_were": [], "ruleset_enforcement": "enabled", "ruleset_old_enforcement": "evaluate",
        "old_name": "gone", "old_user": "before", "user": "after", "was": 1,
    }));
    let expected = json!({
        "config": {"old": {"url": "https://a.example"}, "new": {"url": "https://b.example"}},
        "events": {"old": [], "new": ["push"]},
        "ruleset_enforcement": {"old": "evaluate", "new": "enabled"},
    });
    assert_eq!(hook["changes"], expected);
    assert_eq!(hook["metadata"], json!({"old_name": "gone", "old_user": "before", "was": 1}));
}

/// Would catch a failed run or a rejected push counted as done.
#[test]
fn outcomes_follow_the_action() {
    let events = sample();
    let outcome = |index: usize| events[index]["outcome"]["result"].as_str().unwrap();
    assert_eq!((outcome(4), outcome(6), outcome(3)), ("failure", "denied", "success"));
    for (members, expected) in [
        (json!({"action": "user.failed_login"}), "failure"),
        (json!({"action": "personal_access_token.request_denied"}), "success"),
        (json!({"action": "workflows.completed_workflow_run", "conclusion": "success"}), "success"),
        (json!({"action": "workflows.completed_workflow_run", "conclusion": "cancelled"}), "unknown"),
        (json!({"action": "repo.failover"}), "success"),
        (json!({"action": "external_identity.scim_api_failure"}), "failure"),
        (json!({"action": "protected_branch.rejected_ref_update"}), "denied"),
        (json!({"action": "workflows.completed_workflow_run"}), "unknown"),
        (json!({"action": "workflows.completed_workflow_run", "conclusion": "timed_out"}), "failure"),
        (json!({"action": "workflows.completed_workflow_run", "conclusion": "startup_failure"}), "failure"),
        (json!({"action": "api.request", "status_code": 200}), "success"),
        (json!({"action": "api.request", "status_code": "204"}), "success"),
        (json!({"action": "api.request", "status_code": 403}), "denied"),
        (json!({"action": "api.request", "status_code": 404}), "failure"),
        (json!({"action": "api.request", "status_code": 304}), "unknown"),
    ] {
        assert_eq!(mapped(members.clone())["outcome"]["result"], expected, "{members}");
    }
}

/// Would catch a robot taken for a person, a person found under two ids in one event, and an email of someone else.
#[test]
fn actors_are_told_apart() {
    let events = sample();
    assert_eq!(events[4]["actor"], json!({"type": "bot", "id": "1003", "name": "acme-deploy[bot]"}));
    assert_eq!(
        events[3]["targets"][1],
        json!({"type": "user", "id": "1001", "name": "ana", "aliases": ["ana"]})
    );
    let actor = |members: Value| mapped(members)["actor"].clone();
    assert_eq!(actor(json!({"actor_is_agent": true, "actor_is_bot": true}))["type"], "agent");
    assert_eq!(actor(json!({"actor_is_bot": true}))["type"], "bot");
    assert_eq!(actor(json!({"actor": null}))["type"], "user");
    assert_eq!(actor(json!({"actor": "", "actor_id": null})), json!({"type": "unknown", "id": "unknown"}));
    assert_eq!(actor(json!({"actor": "", "actor_id": 0})), json!({"type": "unknown", "id": "unknown"}));
    for number in [json!(0), json!(-1), json!("0")] {
        let expected = json!({"type": "user", "id": "deploy_key", "name": "deploy_key"});
        assert_eq!(actor(json!({"actor": "deploy_key", "actor_id": number})), expected, "{number}");
    }
    let identity = json!({"external_identity_nameid": "ana@acme.example", "user": "ana"});
    assert_eq!(actor(identity)["email"], "ana@acme.example");
    assert_eq!(actor(json!({"external_identity_nameid": "ana"})).get("email"), None);
}

/// Would catch a thing that is found by its name or its number only.
#[test]
fn targets_are_found_by_name_and_number() {
    let aliases = |members: Value| {
        let targets = mapped(members)["targets"].clone();
        targets.as_array().unwrap().iter().map(|target| target["aliases"].clone()).collect::<Vec<_>>()
    };
    for (members, expected) in [
        (json!({"repo": "acme/a", "repo_id": 7}), vec![json!(["7"])]),
        (json!({"action": "git.push", "repository": "acme/a", "repository_id": "8"}), vec![json!(["8"])]),
        (json!({"action": "team.create", "team": "acme/ops", "team_id": 9}), vec![json!(["9"])]),
        (
            json!({"action": "org.add_member", "org_id": 77, "user": "ben", "user_id": 1002}),
            vec![json!(["77"]), json!(["ben"])],
        ),
        (json!({"action": "hook.create", "hook_id": 3}), vec![json!(null)]),
        (
            json!({"action": "oauth_application.create", "oauth_application_id": 4, "oauth_application_name": "ci"}),
            vec![json!(["ci"])],
        ),
        (
            json!({"action": "business.add_admin", "business": "group", "business_id": 55}),
            vec![json!(["55"])],
        ),
    ] {
        assert_eq!(aliases(members.clone()), expected, "{members}");
    }
    let names: Vec<String> = (0..100).map(|number| format!("acme/r{number}")).collect();
    let added = mapped(json!({"action": "integration_installation.repositories_added", "integration": "ci",
                              "repositories_added_names": names}));
    assert_eq!(added["targets"].as_array().unwrap().len(), 101);
    assert_eq!(added["targets"][100]["id"], "acme/r99");
}

/// Would catch a proxy taken for the client, a list of addresses that gives none, and nobody taken for somebody.
#[test]
fn addresses_and_people_are_told_from_lists_and_words() {
    let event = mapped(json!({"actor_ip": "203.0.113.90, 10.0.0.1", "actor": "anonymous", "actor_id": null}));
    assert_eq!(event["context"]["ip_address"], "203.0.113.90");
    assert_eq!(event["metadata"], json!({"actor": "anonymous", "actor_ip": "203.0.113.90, 10.0.0.1"}));
    assert_eq!(event["actor"], json!({"type": "unknown", "id": "unknown"}));
}

/// Would catch an event that is not found by what it is about.
#[test]
fn targets_begin_with_what_the_action_is_about() {
    let kinds = |members: Value| -> Vec<String> {
        let event = mapped(members);
        let targets = event["targets"].as_array().cloned().unwrap_or_default();
        targets.iter().map(|target| format!("{}:{}", target["type"], target["id"]).replace('"', "")).collect()
    };
    let events = sample();
    assert_eq!(
        events[3]["targets"][0],
        json!({"type": "repo", "id": "acme/payments", "aliases": ["4242"], "metadata": {"repo_id": 4242}})
    );
    for (members, expected) in [
        (json!({"action": "org.add_member", "user": "ben"}), vec!["org:acme", "user:ben"]),
        (
            json!({"action": "repo.add_member", "user": "ben", "repo": "acme/a"}),
            vec!["repo:acme/a", "user:ben"],
        ),
        (
            json!({"action": "repository_ruleset.create", "ruleset_id": 3, "ruleset_name": "main", "repo": "acme/a"}),
            vec!["repo:acme/a", "ruleset:3"],
        ),
        (
            json!({"action": "business_advanced_security.enabled", "business": "group"}),
            vec!["business:group"],
        ),
        (json!({"action": "dependabot_alerts.enable"}), vec!["org:acme"]),
        (
            json!({"action": "dependabot_alerts.enable", "org": null, "business": "group"}),
            vec!["business:group"],
        ),
        (json!({"action": "integration_installation.create", "integration": "bot"}), vec!["integration:bot"]),
        (json!({"action": "git.push", "repository": "acme/a"}), vec!["repo:acme/a"]),
        (json!({"action": "staff.note", "org": null}), vec![]),
    ] {
        assert_eq!(kinds(members.clone()), expected, "{members}");
    }
}

/// Would catch a value that does not fit its field being dropped, cut, or making the decoder refuse the event.
#[test]
fn what_does_not_fit_stays_in_the_metadata() {
    let event = mapped(json!({
        "actor_ip": "redacted", "user_agent": "", "request_id": 7, "actor_location": {"country_code": "usa"},
        "org": ["a", "b"], "user": "", "user_id": "0", "number": u64::MAX,
    }));
    assert_eq!((event.get("context"), event.get("workspace"), event.get("targets")), (None, None, None));
    let expected = json!({
        "actor_ip": "redacted", "user_agent": "", "request_id": 7, "actor_location": {"country_code": "usa"},
        "org": ["a", "b"], "user": "", "user_id": "0", "number": u64::MAX.to_string(),
    });
    assert_eq!(event["metadata"], expected);
    assert_eq!(sample()[5]["context"], json!({"country": "SE"}));
}

/// Would catch something else than a GitHub event imported as if it were, or an event with an invented time.
#[test]
fn other_values_are_refused_by_reason() {
    assert_eq!(event(json!("x")), Err(NotARecord::NotAnObject));
    assert_eq!(event(json!({"action": "a"})), Err(NotARecord::Missing("@timestamp")));
    for bad in [json!(null), json!(""), json!(5)] {
        let event = mapped(json!({"action": bad}));
        assert_eq!((&event["action"], &event["outcome"]["result"]), (&json!("unknown"), &json!("unknown")));
    }
    let wrong = json!({"@timestamp": null, "created_at": "2024-12-17 00:00:00000000"});
    assert_eq!(
        event(record(wrong)).unwrap_err().to_string(),
        "its created_at is not a time: \"2024-12-17 00:00:00000000\""
    );
}

/// Would catch an event of the sample that the decoder does not take.
#[test]
fn the_sample_decodes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/saas/github.ndjson");
    assert_eq!(assert_decodes(&path, Source::Github), 7);
}

/// Would catch a value of a real record that the mapping drops, and a real event that is refused for no good reason.
#[test]
fn a_real_log_loses_nothing() {
    let Some(path) = real_file("github-audit-log.ndjson") else { return };
    let events = map_lines(&std::fs::read_to_string(&path).unwrap(), event);
    // They have no time, or one that is none.
    let refused = events.iter().filter(|(_, event)| event.is_err()).count();
    assert_eq!((events.len(), refused), (101, 30));
    assert_eq!(assert_decodes(&path, Source::Github), 71);
}

/// Would catch a renamed repository that nobody finds under its earlier name, and repositories that a list of numbers names.
#[test]
fn repositories_are_found_by_earlier_names_and_numbers() {
    let renamed =
        mapped(json!({"action": "repo.rename", "repo": "acme/new", "repo_id": 5, "old_name": "old"}));
    assert_eq!(renamed["targets"][0]["id"], "acme/new");
    assert_eq!(renamed["targets"][0]["aliases"], json!(["5", "acme/old", "old"]));
    let moved = mapped(json!({"action": "repo.transfer", "repo": "acme/app", "old_user": "before"}));
    assert_eq!(moved["targets"][0]["aliases"], json!(["before/app"]));
    let leaving =
        mapped(json!({"action": "repo.transfer_outgoing", "repo": "acme/app", "new_nwo": "other/app"}));
    assert_eq!(leaving["targets"][0]["aliases"], json!(["other/app"]));
    let org = mapped(json!({"action": "org.rename", "org": "acme", "old_login": "acme-old"}));
    assert!(has_name(&org, "acme-old"), "{org:?}");
    let other = mapped(json!({"action": "repo.access", "repo": "acme/new", "old_name": "old"}));
    assert_eq!(other["targets"][0].get("aliases"), None);
    let removed = mapped(json!({
        "action": "integration_installation.repositories_removed",
        "repositories_removed": [11, 12], "repositories_removed_names": ["acme/a", "acme/b"],
    }));
    assert_eq!(
        removed["targets"],
        json!([{"type": "repo", "id": "acme/a", "aliases": ["11"]}, {"type": "repo", "id": "acme/b", "aliases": ["12"]}])
    );
    let uneven = mapped(json!({
        "action": "integration_installation.repositories_removed",
        "repositories_removed": [11], "repositories_removed_names": ["acme/a", "acme/b"],
    }));
    assert_eq!(uneven["targets"][0].get("aliases"), None);
    let numbers =
        mapped(json!({"action": "integration_installation.repositories_added", "repositories_added": [11]}));
    assert_eq!(numbers["targets"][0], json!({"type": "repo", "id": "11"}));
}

/// Would catch a status code that a writer without integers wrote, and that is told as unknown.
#[test]
fn status_codes_with_a_decimal_point_are_status_codes() {
    for (code, expected) in [(json!(401.0), "denied"), (json!("200.0"), "success"), (json!(500.0), "failure")]
    {
        let event = mapped(json!({"action": "api.request", "status_code": code}));
        assert_eq!(event["outcome"]["result"], expected, "{code}");
    }
}

/// Would catch a thing of GitHub's that an event is about and that has no target, or is found by one of its names only.
#[test]
fn things_of_all_actions_are_targets() {
    for (members, kind, names) in [
        (
            json!({"action": "protected_branch.update_admin_enforced", "name": "main", "repo": "acme/a"}),
            "protected_branch",
            vec!["main", "refs/heads/main"],
        ),
        (
            json!({"action": "protected_branch.policy_override", "branch": "refs/heads/main", "repo": "acme/a"}),
            "protected_branch",
            vec!["main", "refs/heads/main"],
        ),
        (
            json!({"action": "repo.rename_branch", "old_branch": "master", "new_branch": "main"}),
            "branch",
            vec!["main", "master", "refs/heads/main"],
        ),
        (json!({"action": "org.update_actions_secret", "key": "TOKEN"}), "secret", vec!["TOKEN"]),
        (
            json!({"action": "repo.create_integration_secret", "key": "TOKEN", "integration": "dependabot"}),
            "secret",
            vec!["TOKEN"],
        ),
        (
            json!({"action": "environment.remove_actions_secret", "key": "TOKEN", "environment_name": "prod"}),
            "environment",
            vec!["prod"],
        ),
        (
            json!({"action": "enterprise.create_actions_variable", "key": "REGION"}),
            "variable",
            vec!["REGION"],
        ),
        (
            json!({"action": "public_key.create", "title": "laptop", "key": "ssh-ed25519 AAAA", "fingerprint": "SHA256:x"}),
            "public_key",
            vec!["SHA256:x", "laptop", "ssh-ed25519 AAAA"],
        ),
        (json!({"action": "gpg_key.create", "key_id": "ABCD"}), "gpg_key", vec!["ABCD"]),
        (
            json!({"action": "codespaces.connect", "name": "ana-x1", "owner": "ana", "repo": "acme/a"}),
            "codespace",
            vec!["ana-x1"],
        ),
        (
            json!({"action": "environment.create", "name": "prod", "repo": "acme/a"}),
            "environment",
            vec!["prod"],
        ),
        (
            json!({"action": "workflows.completed_workflow_run", "name": "ci", "workflow_id": 4, "workflow_run_id": 5}),
            "workflow",
            vec!["4", "ci"],
        ),
        (
            json!({"action": "workflows.completed_workflow_run", "name": "ci", "workflow_id": 4, "workflow_run_id": 5}),
            "workflow_run",
            vec!["5"],
        ),
        (
            json!({"action": "hook.create", "hook_id": 3, "config": {"url": "https://ci.example", "secret": "x"}}),
            "hook",
            vec!["3", "https://ci.example"],
        ),
        (
            json!({"action": "org.runner_group_created", "runner_group_id": 5, "name": "gpu"}),
            "runner_group",
            vec!["5", "gpu"],
        ),
        (json!({"action": "enterprise.runner_group_removed", "name": "gpu"}), "runner_group", vec!["gpu"]),
        (
            json!({"action": "org.register_self_hosted_runner", "runner_id": 6, "runner_name": "r1"}),
            "runner",
            vec!["6", "r1"],
        ),
        (
            json!({"action": "enterprise_team.create", "enterprise_team": "ops", "enterprise_team_id": 7}),
            "enterprise_team",
            vec!["ops", "7"],
        ),
        (
            json!({"action": "org.oauth_app_access_approved", "oauth_application": "ci", "oauth_application_id": 4}),
            "oauth_application",
            vec!["ci", "4"],
        ),
        (
            json!({"action": "marketplace_listing.approve", "marketplace_listing": "ci", "integration": "ci-app"}),
            "integration",
            vec!["ci-app"],
        ),
        (
            json!({"action": "packages.package_version_published", "package": "api", "version": "1.0"}),
            "package",
            vec!["api"],
        ),
        (
            json!({"action": "release.create", "tag_name": "v2", "name": "Two", "repo": "acme/a"}),
            "release",
            vec!["v2", "Two"],
        ),
        (
            json!({"action": "milestone.destroy", "milestone_id": 8, "title": "v2", "repo": "acme/a"}),
            "milestone",
            vec!["8", "v2"],
        ),
        (
            json!({"action": "discussion_post.destroy", "number": 3, "title": "Hi", "team": "acme/ops"}),
            "discussion",
            vec!["3", "Hi"],
        ),
        (
            json!({"action": "external_group.link", "external_group": "ops", "external_group_id": 9, "scim_group_id": "s-1"}),
            "external_group",
            vec!["ops", "9", "s-1"],
        ),
        (
            json!({"action": "external_identity.deprovision", "user": "ben", "external_identity_nameid": "ben@acme.example"}),
            "external_identity",
            vec!["ben@acme.example"],
        ),
        (
            json!({"action": "external_identity.provision", "scim_user_id": "s-2", "external_identity_username": "ben"}),
            "external_identity",
            vec!["s-2", "ben"],
        ),
        (
            json!({"action": "personal_access_token.access_revoked", "user_programmatic_access_id": 6, "user_programmatic_access_name": "ci"}),
            "personal_access_token",
            vec!["6", "ci"],
        ),
        (
            json!({"action": "ip_allow_list_entry.create", "ip_allow_list_entry": "203.0.113.0/24"}),
            "ip_allow_list_entry",
            vec!["203.0.113.0/24"],
        ),
        (
            json!({"action": "secret_scanning_alert.resolve", "number": 12, "repo": "acme/a"}),
            "alert",
            vec!["12"],
        ),
    ] {
        let event = mapped(members.clone());
        let all = event["targets"].as_array().unwrap();
        let of_kind: Vec<&Value> = all.iter().filter(|target| target["type"] == kind).collect();
        assert_eq!(of_kind.len(), 1, "{kind} of {members} in {all:?}");
        for name in names {
            let has = |value: &Value| value == name;
            let aliases = of_kind[0]["aliases"].as_array().map_or(&[][..], Vec::as_slice);
            assert!(has(&of_kind[0]["id"]) || aliases.iter().any(has), "{name} of {members} in {all:?}");
        }
    }
    // An organisation's setting has the organisation beside it, as before.
    let domain = mapped(json!({"action": "organization_domain.verify", "domain_name": "acme.example"}));
    assert_eq!(domain["targets"].as_array().unwrap().len(), 2);
    // The application by which somebody came in is not what was done something to.
    let push = mapped(
        json!({"action": "git.push", "repo": "acme/a", "oauth_application_id": 4, "name": "x", "key": "y"}),
    );
    assert_eq!(push["targets"], json!([{"type": "repo", "id": "acme/a"}]));
}

fn has_name(event: &Value, name: &str) -> bool {
    let targets = event["targets"].as_array().into_iter().flatten();
    targets
        .flat_map(|target| target["aliases"].as_array().cloned().unwrap_or_default())
        .any(|alias| alias == name)
}
