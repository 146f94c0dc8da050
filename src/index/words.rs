//! The words of a text: what the index keeps of it, and what `has_words` looks for.
//!
//! In: a text. Out: its words. A word is a longest run of letters and digits (Unicode Alphabetic and Numeric), and of
//! combining accents after them; everything else separates. Words are compared after Unicode full case folding
//! ([`caseless`], default folding: `STRASSE` is `straße`), without normalisation. Guaranteed: the index and the
//! function see the same words, because both ask here.
//!
//! In the JSON columns an escape (`\n`, `\"`, `\u001f`) separates: canonical JSON escapes only what is no letter, so
//! the words are those of the decoded keys and values.

use std::borrow::Cow;

/// Calls `word` with each word of `text`, folded; with `json`, escapes separate.
pub fn for_each_word(text: &str, json: bool, mut word: impl FnMut(&str)) {
    let mut rest = text;
    while let Some(start) = rest.find(|letter: char| is_of_word(letter) || (json && letter == '\\')) {
        rest = &rest[start..];
        if json && rest.starts_with('\\') {
            rest = after_escape(rest);
            continue;
        }
        let end = rest.find(|letter: char| !is_of_word(letter)).unwrap_or(rest.len());
        word(&folded(&rest[..end]));
        rest = &rest[end..];
    }
}

/// The different words of a text, sorted.
pub fn words(text: &str, json: bool) -> Vec<String> {
    let mut words = Vec::new();
    for_each_word(text, json, |word| words.push(word.to_owned()));
    words.sort_unstable();
    words.dedup();
    words
}

/// ASCII, which nearly all text is, needs no tables.
fn is_of_word(letter: char) -> bool {
    match letter.is_ascii() {
        true => letter.is_ascii_alphanumeric(),
        false => letter.is_alphanumeric() || ('\u{300}'..='\u{36f}').contains(&letter),
    }
}

/// What follows the escape that `text` begins with.
fn after_escape(text: &str) -> &str {
    let length = if text.as_bytes().get(1) == Some(&b'u') { 6 } else { 2 };
    text.get(length..).unwrap_or("")
}

fn folded(word: &str) -> Cow<'_, str> {
    if !word.is_ascii() {
        return caseless::default_case_fold_str(word).into();
    }
    match word.bytes().any(|letter| letter.is_ascii_uppercase()) {
        true => word.to_ascii_lowercase().into(),
        false => word.into(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Would catch a word cut, joined or folded in another way than documented.
    #[test]
    fn texts_have_the_words_a_reader_sees() {
        for (text, expected) in [
            ("", &[][..]),
            ("--", &[]),
            ("Q3 plan", &["plan", "q3"]),
            ("plan plan PLAN", &["plan"]),
            ("u_1@example.com", &["1", "com", "example", "u"]),
            ("STRASSE straße", &["strasse"]),
            ("ΣΊΣΥΦΟΣ", &["σίσυφοσ"]),
            ("cafe\u{301} café", &["cafe\u{301}", "café"]),
            (r"C:\new", &["c", "new"]),
            ("東京 2026", &["2026", "東京"]),
        ] {
            assert_eq!(words(text, false), expected, "{text}");
        }
    }

    /// Would catch the letter of an escape taken for a letter of the text.
    #[test]
    fn escapes_of_json_are_no_words() {
        let json = r#"{"Path":"C:\\new\nline","end":"a\u001fb\"c","n":-1.5e7,"ok":true}"#;
        let expected = ["1", "5e7", "a", "b", "c", "end", "line", "n", "new", "ok", "path", "true"];
        assert_eq!(words(json, true), expected);
        for broken in [r"\", r"\u", r"\u12", r"a\"] {
            assert!(words(broken, true).len() <= 1);
        }
    }

    proptest! {
        /// Would catch words of a JSON text that differ from those of the text it stands for.
        #[test]
        fn json_has_the_words_of_its_text(text in "\\PC{0,40}|[a-c\\n\\t\"\\\\ ]{0,20}") {
            let json = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(words(&json, true), words(&text, false));
        }
    }
}
