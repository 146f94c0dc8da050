//! What is whole in a text that is not JSON.
//!
//! In: a text that was cut out of a stream and that the parser does not take. Out: a refusal for each part of it that is broken,
//! and the records between these. Guaranteed: a page with one broken record gives all others; the first refusal is for the
//! part in which the parser found the error; what is not a whole record for certain is part of what is refused.

use super::{
    Source, json,
    records::{Outlet, Problem, read_inside, shown},
    resync::{Next, Seeker, same_length},
};

/// Tells `outlet` of what is broken and what is whole in `text`; `false`, and nothing is told, if it is JSON after all.
pub(super) fn read(
    source: Source,
    text: &[u8],
    line: u64,
    envelopes: usize,
    outlet: &mut impl Outlet,
) -> bool {
    let plain = same_length(text);
    let Err(error) = json::parse(plain.as_bytes()) else { return false };
    let seeker = Seeker(source);
    let (mut at, mut from) = (1, 0);
    loop {
        let next = seeker.next(&plain, at);
        let (start, end) = match next {
            Next::Record(start, end) => (start, end),
            Next::NotBefore(_) => (plain.len(), plain.len()),
        };
        let gap = Gap { text: &plain[from..start], line: line + line_breaks(&text[..from]) };
        if from <= error.offset && (error.offset < end || start == plain.len()) {
            gap.refuse(source, error.to_string(), outlet);
        } else if from > 0
            && let Some(reason) = gap.broken()
        {
            gap.refuse(source, reason, outlet);
        }
        if start == plain.len() {
            return true;
        }
        read_inside(source, &text[start..end], line + line_breaks(&text[..start]), envelopes, outlet);
        (at, from) = (end, end);
    }
}

fn line_breaks(text: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', text).count() as u64
}

/// What stands between two records.
struct Gap<'t> {
    text: &'t str,
    line: u64,
}

impl Gap<'_> {
    /// What is wrong here, if an object begins here and does not end.
    fn broken(&self) -> Option<String> {
        let mut at = 0;
        while let Some(found) = self.text[at..].find('{') {
            match json::leading_members(&self.text[at + found..]) {
                Ok((_, length)) => at += found + length,
                Err(error) => return Some(error.to_string()),
            }
        }
        None
    }

    fn refuse(&self, source: Source, reason: String, outlet: &mut impl Outlet) {
        let separators = |letter: char| letter.is_ascii_whitespace() || letter == ',';
        let before = self.text.len() - self.text.trim_start_matches(separators).len();
        // Where nothing else stands, what is wrong is the separator.
        let before = if before == self.text.len() { 0 } else { before };
        let line = self.line + line_breaks(&self.text.as_bytes()[..before]);
        outlet.refused(line, Problem { id: self.id(source), ..Problem::of(reason) });
    }

    /// The id that the broken record has, if that can be told: what is called so deeper in it is another thing's.
    fn id(&self, source: Source) -> Option<String> {
        let mut rest = &self.text[self.text.find('{')?..];
        let mut depth = 0_usize;
        loop {
            let found = rest.find(['{', '}', '[', ']', '"'])?;
            let (mark, behind) = (rest.as_bytes()[found], &rest[found + 1..]);
            rest = behind;
            match mark {
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.checked_sub(1)?,
                _ => {
                    let (name, behind) = string(behind)?;
                    rest = behind;
                    if depth == 1 && name == source.id_member() {
                        let value = behind.trim_start().strip_prefix(':')?.trim_start();
                        let (id, end) = string(value.strip_prefix('"')?)?;
                        let is_whole = end.trim_start().starts_with([',', '}']);
                        return (is_whole && !id.is_empty() && !id.contains('\\')).then(|| shown(id));
                    }
                }
            }
        }
    }
}

/// The letters up to the end of a string, and what is behind.
fn string(text: &str) -> Option<(&str, &str)> {
    let mut end = 0;
    loop {
        end += text[end..].find(['"', '\\'])?;
        if text.as_bytes()[end] == b'"' {
            return Some((&text[..end], &text[end + 1..]));
        }
        // What is escaped may have several bytes.
        end += 1 + text[end + 1..].chars().next()?.len_utf8();
    }
}

#[cfg(test)]
mod tests;
