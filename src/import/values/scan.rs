//! How far a value has been followed: brackets outside of strings, counted.

/// Follows one value, from piece to piece of a buffer that grows.
#[derive(Default)]
pub(super) struct Scan {
    depth: usize,
    in_string: bool,
    escaped: bool,
    started: bool,
    /// Bytes looked at so far.
    scanned: usize,
    /// Whether what cannot be JSON ends the search: so one broken line is told from the lines behind it.
    stops_at_errors: bool,
}

/// What the bytes so far come to.
pub(super) enum Progress {
    /// The value has so many bytes.
    Ended(usize),
    /// There is something that no JSON has.
    Broken,
    /// There has to be more.
    More,
}

impl Scan {
    /// For values that may stand on a line each.
    pub(super) fn of_lines() -> Self {
        Self { stops_at_errors: true, ..Self::default() }
    }

    /// For the members of an object up to its closing bracket.
    pub(super) fn inside_object() -> Self {
        Self { depth: 1, started: true, ..Self::default() }
    }

    /// Whether the value ends where the text does, as numbers and words do.
    pub(super) fn ends_with_text(&self) -> bool {
        self.depth == 0 && !self.in_string && self.started
    }

    /// Goes on in `bytes`, which begin where the value does, from where the last call came to.
    pub(super) fn go_on(&mut self, bytes: &[u8]) -> Progress {
        let mut at = self.scanned;
        self.scanned = bytes.len();
        while at < bytes.len() {
            if self.in_string {
                if std::mem::take(&mut self.escaped) {
                    at += 1;
                    continue;
                }
                match memchr::memchr3(b'"', b'\\', b'\n', &bytes[at..]) {
                    None => return Progress::More,
                    Some(found) => at += found,
                }
                match bytes[at] {
                    b'\\' => self.escaped = true,
                    b'"' => {
                        self.in_string = false;
                        if self.depth == 0 {
                            return Progress::Ended(at + 1);
                        }
                    }
                    _ if self.stops_at_errors => return Progress::Broken,
                    _ => {}
                }
                at += 1;
                continue;
            }
            match bytes[at] {
                b'"' => self.in_string = true,
                b'{' | b'[' => {
                    if self.stops_at_errors && self.depth > 0 && !may_open(&bytes[..at]) {
                        return Progress::Broken;
                    }
                    self.depth += 1;
                }
                b'}' | b']' if self.depth > 1 => self.depth -= 1,
                b'}' | b']' if self.depth == 1 => {
                    self.depth = 0;
                    return Progress::Ended(at + 1);
                }
                // A number or word ends at whatever cannot belong to it.
                b'}' | b']' | b',' if self.depth == 0 && self.started => return Progress::Ended(at),
                byte if self.depth == 0 && self.started && byte.is_ascii_whitespace() => {
                    return Progress::Ended(at);
                }
                _ => {}
            }
            self.started = true;
            at += 1;
        }
        Progress::More
    }
}

/// Whether an object or array can begin behind these bytes.
fn may_open(before: &[u8]) -> bool {
    let last = before.iter().rev().find(|byte| !byte.is_ascii_whitespace());
    matches!(last, Some(b':' | b',' | b'['))
}
