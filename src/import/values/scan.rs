//! How far a value has been followed: brackets outside of strings, each closed by its own kind.

/// Levels whose kind of bracket is remembered; deeper ones are only counted.
const KINDS_MAX: usize = 128;

/// Follows one value, from piece to piece of a buffer that grows.
#[derive(Default)]
pub(super) struct Scan {
    depth: usize,
    /// For each open bracket, the innermost last, whether it is that of an array.
    kinds: u128,
    /// Whether the value was deeper than `kinds` can tell.
    too_deep: bool,
    in_string: bool,
    escaped: bool,
    /// Whether the last byte ended a string.
    behind_string: bool,
    started: bool,
    /// Bytes looked at so far.
    scanned: usize,
    /// Whether a line break in a string ends the search: so one broken line is told from the lines behind it.
    of_lines: bool,
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
        Self { of_lines: true, ..Self::default() }
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
                        (self.in_string, self.behind_string) = (false, true);
                        if self.depth == 0 {
                            return Progress::Ended(at + 1);
                        }
                    }
                    _ if self.of_lines => return Progress::Broken,
                    _ => {}
                }
                at += 1;
                continue;
            }
            let byte = bytes[at];
            // A quotation mark that is missing turns strings inside out, and what follows one shows it.
            if std::mem::take(&mut self.behind_string) && !may_follow_string(byte) {
                return Progress::Broken;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => {
                    if self.depth > 0 && !self.may_open(&bytes[..at]) {
                        return Progress::Broken;
                    }
                    self.open(byte == b'[');
                }
                b'}' | b']' if self.depth > 0 => {
                    if !self.close(byte == b']') {
                        return Progress::Broken;
                    }
                    if self.depth == 0 {
                        return Progress::Ended(at + 1);
                    }
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

    /// Whether an object or array can begin behind these bytes, inside another one.
    fn may_open(&self, before: &[u8]) -> bool {
        let last = before.iter().rev().find(|byte| !byte.is_ascii_whitespace());
        match last {
            Some(b':' | b'[') => true,
            // In an object a key comes next.
            Some(b',') => self.too_deep || self.kinds & 1 == 1,
            _ => false,
        }
    }

    fn open(&mut self, is_array: bool) {
        self.depth += 1;
        self.kinds = self.kinds << 1 | u128::from(is_array);
        self.too_deep |= self.depth > KINDS_MAX;
    }

    /// Whether the innermost bracket is of this kind.
    fn close(&mut self, is_array: bool) -> bool {
        let fits = self.too_deep || (self.kinds & 1 == 1) == is_array;
        self.depth -= 1;
        self.kinds >>= 1;
        fits
    }
}

fn may_follow_string(byte: u8) -> bool {
    matches!(byte, b',' | b':' | b'}' | b']') || byte.is_ascii_whitespace()
}
