//! The words of a text: what the index keeps of it, and what `has_words` looks for.
//!
//! In: a text. Out: its words. A word is a longest run of letters and digits (Unicode Alphabetic and Numeric), and of
//! combining accents after them; everything else separates. Words are compared after Unicode full case folding
//! ([`caseless`], default folding: `STRASSE` is `straße`), without normalisation. Guaranteed: the index and the
//! function see the same words, because both ask here.
//!
//! In the JSON columns an escape (`\n`, `\"`, `\u001f`) separates: canonical JSON escapes only what is no letter, so
//! the words are those of the decoded keys and values.

/// What an ASCII byte is to a word.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Separator,
    Letter,
    Capital,
    Backslash,
    /// Part of a letter beyond ASCII.
    Other,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Separator; 256];
    let mut byte = 0;
    while byte < 256 {
        let letter = byte as u8;
        classes[byte] = match letter {
            b'A'..=b'Z' => Class::Capital,
            b'a'..=b'z' | b'0'..=b'9' => Class::Letter,
            b'\\' => Class::Backslash,
            0x80.. => Class::Other,
            _ => Class::Separator,
        };
        byte += 1;
    }
    classes
};

/// Calls `word` with each word of `text`, folded; with `json`, escapes separate.
///
/// Nearly all text is ASCII, whose words are found byte by byte; a word with other letters takes the long way.
pub fn for_each_word(text: &str, json: bool, mut word: impl FnMut(&str)) {
    let bytes = text.as_bytes();
    let mut lower = String::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match CLASSES[usize::from(*byte)] {
            Class::Separator => at += 1,
            Class::Backslash => at += if json { escape_bytes(&text[at..]) } else { 1 },
            Class::Letter | Class::Capital => {
                let (end, capitals) = ascii_run(bytes, at);
                if bytes.get(end).is_some_and(|next| !next.is_ascii()) && begins_with_letter(&text[end..]) {
                    at += long_word(&text[at..], &mut word);
                    continue;
                }
                match capitals {
                    false => word(&text[at..end]),
                    true => {
                        lower.clear();
                        lower.push_str(&text[at..end]);
                        lower.make_ascii_lowercase();
                        word(&lower);
                    }
                }
                at = end;
            }
            Class::Other if begins_with_letter(&text[at..]) => at += long_word(&text[at..], &mut word),
            Class::Other => at += text[at..].chars().next().map_or(1, char::len_utf8),
        }
    }
}

/// Where the ASCII letters and digits from `start` end, and whether there are capitals among them.
fn ascii_run(bytes: &[u8], start: usize) -> (usize, bool) {
    let (mut end, mut capitals) = (start, false);
    while let Some(byte) = bytes.get(end) {
        match CLASSES[usize::from(*byte)] {
            Class::Letter => {}
            Class::Capital => capitals = true,
            _ => break,
        }
        end += 1;
    }
    (end, capitals)
}

fn begins_with_letter(text: &str) -> bool {
    text.chars().next().is_some_and(is_of_word)
}

/// Gives the word that `text` begins with, whatever its letters; returns its bytes.
fn long_word(text: &str, word: &mut impl FnMut(&str)) -> usize {
    let end = text.find(|letter: char| !is_of_word(letter)).unwrap_or(text.len());
    word(&caseless::default_case_fold_str(&text[..end]));
    end
}

/// The different words of a text, sorted.
pub fn words(text: &str, json: bool) -> Vec<String> {
    let mut words = Vec::new();
    for_each_word(text, json, |word| words.push(word.to_owned()));
    words.sort_unstable();
    words.dedup();
    words
}

fn is_of_word(letter: char) -> bool {
    match letter.is_ascii() {
        true => letter.is_ascii_alphanumeric(),
        false => letter.is_alphanumeric() || ('\u{300}'..='\u{36f}').contains(&letter),
    }
}

/// Bytes of the escape that `text` begins with; of all the rest if it is cut off.
fn escape_bytes(text: &str) -> usize {
    let length = if text.as_bytes().get(1) == Some(&b'u') { 6 } else { 2 };
    if text.is_char_boundary(length) { length } else { text.len() }
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

    /// The words, letter by letter, as the head of this file says it.
    fn plainly(text: &str) -> Vec<String> {
        let words = text.split(|letter: char| !is_of_word(letter)).filter(|word| !word.is_empty());
        let mut words: Vec<String> = words.map(caseless::default_case_fold_str).collect();
        words.sort_unstable();
        words.dedup();
        words
    }

    proptest! {
        /// Would catch a word that the way for ASCII cuts or joins otherwise than the long way does.
        #[test]
        fn words_are_runs_of_letters(text in "[a-cA-C0-9 _.\\u{e9}\\u{df}\\u{301}\\u{6771}\\u{b7}\\u{1F600}-]{0,30}|\\PC{0,40}") {
            prop_assert_eq!(words(&text, false), plainly(&text));
        }

        /// Would catch words of a JSON text that differ from those of the text it stands for.
        #[test]
        fn json_has_the_words_of_its_text(text in "\\PC{0,40}|[a-c\\n\\t\"\\\\ ]{0,20}") {
            let json = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(words(&json, true), words(&text, false));
        }
    }
}
