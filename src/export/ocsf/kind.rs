//! What an action is in OCSF: its class and its activity.
//!
//! In: the name of an action, as any sender may have chosen it. Out: a class and an activity, by the rules of [`mapping`]. An
//! action is taken to words (`user.login_failed`, `iam.CreateUser` and `org.add_member` are `user login`, `iam create user` and
//! `org add member`: split at signs and capitals, lowercase, without [`IGNORED`]). The first rule that fits its last two words
//! decides; if none does, the event is API Activity, and a verb says which. Guaranteed: every action is something.
//!
//! [`mapping`]: super::mapping

use super::mapping::{Class, IGNORED, OTHER, RULES, Rule, VERBS};

/// What an action is in OCSF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// The class.
    pub class: Class,
    /// `activity_id`.
    pub activity: i32,
}

impl Kind {
    /// What `action` is.
    ///
    /// ```
    /// use auditlake::export::ocsf::{kind::Kind, mapping::Class};
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
            (
                3002,
                1,
                &[
                    "signin.UserAuthentication",
                    "grafana.login-auth.sso",
                    "user.authentication.sso",
                    "user.authentication.auth_via_IDP",
                    "user.authentication.auth_via_AD_agent",
                    "sso.Authenticate",
                    "sso.Federate",
                    "org.sso_response",
                ],
            ),
            (3002, 99, &["signin.CredentialVerification", "signin.CredentialChallenge", "signin.CheckMfa"]),
            (3001, 4, &["signin.PasswordRecoveryRequested", "signin.PasswordRecoveryCompleted"]),
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
