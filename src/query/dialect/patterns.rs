//! Patterns of text as the engine reads them: `SIMILAR TO`, `LIKE … ESCAPE` and PostgreSQL's regular expressions.
//!
//! In: a pattern as PostgreSQL reads it. Out: one that matches the same for the engine, or why there is none.

/// What stands for itself in `SIMILAR TO` and not in a regular expression.
const PLAIN_IN_SIMILAR: &str = ".^$\\";

/// A pattern of `SIMILAR TO` as a regular expression of the whole text.
pub(super) fn similar(pattern: &str, escape: Option<char>) -> Result<String, &'static str> {
    let mut out = String::from("(?s)^(?:");
    let mut letters = pattern.chars();
    let mut in_class = false;
    while let Some(letter) = letters.next() {
        if Some(letter) == escape {
            let literal = letters
                .next()
                .ok_or("SIMILAR TO: the pattern ends with its escape character; write it twice")?;
            push_literal(literal, &mut out);
        } else if in_class {
            in_class = letter != ']';
            if letter == '\\' || letter == '[' {
                out.push('\\');
            }
            out.push(letter);
        } else {
            match letter {
                '%' => out.push_str(".*"),
                '_' => out.push('.'),
                '(' => out.push_str("(?:"),
                '[' => {
                    in_class = true;
                    out.push('[');
                }
                other if PLAIN_IN_SIMILAR.contains(other) => push_literal(other, &mut out),
                other => out.push(other),
            }
        }
    }
    if in_class {
        return Err("SIMILAR TO: a '[' of the pattern is not closed; write \\[ for that letter");
    }
    out.push_str(")$");
    Ok(out)
}

fn push_literal(letter: char, out: &mut String) {
    if !letter.is_alphanumeric() && letter.is_ascii() {
        out.push('\\');
    }
    out.push(letter);
}

/// A pattern of `LIKE` with another escape character, or with none, as one that is escaped by `\`.
pub(super) fn like(pattern: &str, escape: Option<char>) -> Result<String, &'static str> {
    let mut out = String::new();
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        if Some(letter) == escape {
            let literal =
                letters.next().ok_or("LIKE: the pattern ends with its escape character; write it twice")?;
            if matches!(literal, '%' | '_' | '\\') {
                out.push('\\');
            }
            out.push(literal);
        } else {
            if letter == '\\' {
                out.push('\\');
            }
            out.push(letter);
        }
    }
    Ok(out)
}

/// A regular expression of PostgreSQL as the engine's; `None`: they are the same.
pub(super) fn regex(pattern: &str) -> Result<Option<String>, &'static str> {
    if pattern.starts_with("***") {
        return Err("a regular expression with a director (***:); write the pattern alone");
    }
    for (form, instead) in [
        ("(?=", "looking ahead in a regular expression; write a second condition"),
        ("(?!", "looking ahead in a regular expression; write AND col !~ 'pattern'"),
        ("(?<=", "looking back in a regular expression; write a second condition"),
        ("(?<!", "looking back in a regular expression; write AND col !~ 'pattern'"),
        ("[[.", "collating elements in a regular expression; write the letters"),
        ("[[=", "equivalence classes in a regular expression; write the letters"),
    ] {
        if pattern.contains(form) {
            return Err(instead);
        }
    }
    let mut out = String::new();
    let mut letters = pattern.chars();
    let mut has_dot = false;
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            has_dot |= letter == '.';
            out.push(letter);
            continue;
        }
        match letters.next() {
            Some('1'..='9') => {
                return Err(
                    "a reference to what a regular expression matched; write a condition for each part",
                );
            }
            Some('y') => out.push_str(r"\b"),
            Some('Y') => out.push_str(r"\B"),
            Some('m') => out.push_str(r"\b{start}"),
            Some('M') => out.push_str(r"\b{end}"),
            Some('Z') => out.push_str(r"\z"),
            Some(other) => {
                out.push('\\');
                out.push(other);
            }
            None => return Err("a regular expression that ends with \\; write \\\\ for that letter"),
        }
    }
    // PostgreSQL's point matches the end of a line, too.
    if has_dot && !out.starts_with("(?") {
        out.insert_str(0, "(?s)");
    }
    Ok((out != pattern).then_some(out))
}

/// What `regexp_replace` puts in, in the engine's form: `$1` stands for itself, `\1` and `\&` for what was matched.
pub(super) fn replacement(text: &str) -> String {
    let mut out = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '$' => out.push_str("$$"),
            '\\' => match letters.next() {
                Some('&') => out.push_str("${0}"),
                Some(digit @ '0'..='9') => {
                    out.push_str("${");
                    out.push(digit);
                    out.push('}');
                }
                Some(other) => out.push(other),
                None => {}
            },
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch letters that mean something in one kind of pattern and stand for themselves in the other.
    #[test]
    fn patterns_mean_the_same() {
        assert_eq!(similar("a%(b|c)_.", Some('\\')).unwrap(), r"(?s)^(?:a.*(?:b|c).\.)$");
        assert_eq!(similar(r"100\%", Some('\\')).unwrap(), r"(?s)^(?:100\%)$");
        assert_eq!(similar("[a-c.]#%", Some('#')).unwrap(), r"(?s)^(?:[a-c.]\%)$");
        assert!(similar("a\\", Some('\\')).is_err() && similar("[a", None).is_err());
        assert_eq!(like(r"50#%\_", Some('#')).unwrap(), r"50\%\\_");
        assert_eq!(regex("login").unwrap(), None);
        assert_eq!(regex(r"\mlog.\M").unwrap().unwrap(), r"(?s)\b{start}log.\b{end}");
        assert_eq!(replacement(r"$1 \1 \&"), "$$1 ${1} ${0}");
        assert!(regex(r"(a)\1").is_err() && regex("a(?=b)").is_err());
    }
}
