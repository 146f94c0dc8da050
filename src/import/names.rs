//! Names of people and things: which names nobody, and how the other names of a target are written.
//!
//! In: texts of a record. Out: whether a text names anybody, and the list `aliases` of a target. Guaranteed: an alias is text
//! that its field holds, none is written twice, and none repeats the id.

use serde_json::{Map, Value};

use super::{members::fits, results::plain};
use crate::limits::REFERENCE_BYTES_MAX;

/// Most other names that a target may have.
pub(super) const ALIASES_MAX: usize = 16;

/// What sources write where they do not know or do not tell who it was.
const NOBODY: [&str; 7] = [
    "unknown",
    "anonymous",
    "anonymousprincipal",
    "anonymoususer",
    "hiddenduetosecurityreasons",
    "none",
    "null",
];

/// Whether a text in the place of a name names nobody: a word for that, or no letter and no digit at all.
pub(super) fn nobody(text: &str) -> bool {
    const WORD_BYTES_MAX: usize = 40;
    if text.len() > WORD_BYTES_MAX {
        return false;
    }
    let word = plain(text);
    word.is_empty() || NOBODY.contains(&word.as_str())
}

/// Gives a target its other names; those that are its id, say nothing or are there already are left out.
pub(super) fn put_aliases<'a>(target: &mut Map<String, Value>, names: impl IntoIterator<Item = &'a str>) {
    let id = target.get("id").and_then(Value::as_str).unwrap_or_default();
    let mut aliases: Vec<&str> = Vec::new();
    for name in names {
        let known = name == id || aliases.contains(&name);
        if !known && aliases.len() < ALIASES_MAX && fits(name, REFERENCE_BYTES_MAX) {
            aliases.push(name);
        }
    }
    if !aliases.is_empty() {
        let aliases = Value::from(aliases);
        target.insert("aliases".to_owned(), aliases);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Would catch a word for nobody taken for a person, and a person taken for nobody.
    #[test]
    fn some_words_name_nobody() {
        for text in [
            "",
            "-",
            "Unknown",
            "anonymous",
            "anonymousUser",
            "ANONYMOUS_PRINCIPAL",
            "HIDDEN_DUE_TO_SECURITY_REASONS",
        ] {
            assert!(nobody(text), "{text}");
        }
        for text in ["ana", "na", "unknown@acme.example", "anonymous-coward", "Ünknown"] {
            assert!(!nobody(text), "{text}");
        }
    }

    /// Would catch a list of aliases that the decoder refuses, or that repeats what is there.
    #[test]
    fn aliases_are_other_names_and_each_once() {
        let mut target = Map::from_iter([("id".to_owned(), json!("a"))]);
        let long = "x".repeat(REFERENCE_BYTES_MAX + 1);
        put_aliases(&mut target, ["a", "b", "", "b", &long, "c\n", "d"]);
        assert_eq!(target["aliases"], json!(["b", "d"]));
        let many: Vec<String> = (0..40).map(|number| format!("n{number}")).collect();
        put_aliases(&mut target, many.iter().map(String::as_str));
        assert_eq!(target["aliases"].as_array().unwrap().len(), ALIASES_MAX);
        let mut bare = Map::from_iter([("id".to_owned(), json!("a"))]);
        put_aliases(&mut bare, ["a"]);
        assert_eq!(bare.get("aliases"), None);
    }
}
