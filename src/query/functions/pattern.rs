//! Patterns of `to_char`, `to_date` and `to_timestamp`: PostgreSQL's, such as `YYYY-MM-DD HH24:MI:SS`.
//!
//! In: the text of a pattern. Out: its items in order. Guaranteed: the longest field that fits is taken, as PostgreSQL does; what
//! this program does not carry out (`TM`, `SP`) is refused by name; everything else is text that stands for itself.

use datafusion::{common::plan_err, error::Result};

/// One thing of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// One letter that is shown as it is; whether it only separates, as `-`, `:` and blanks do.
    Letter(char, bool),
    Field(Field),
}

/// A field, with what is written around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) kind: Kind,
    /// `FM`: without filling up with blanks or zeros.
    pub(super) is_bare: bool,
    /// `TH`: `1st`, `2nd`; whether in capitals.
    pub(super) ordinal: Option<bool>,
}

/// In which letters a name is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    Upper,
    Capital,
    Lower,
}

/// What a field shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Hour24,
    Hour12,
    Minute,
    Second,
    Millisecond,
    Microsecond,
    Fraction(u32),
    SecondOfDay,
    /// In which letters, and whether with points.
    HalfDay(Case, bool),
    Era(Case, bool),
    /// The last digits of the year; the whole with four.
    Year(usize),
    YearWithComma,
    IsoYear(usize),
    MonthName(Case),
    MonthShort(Case),
    Month,
    MonthRoman(Case),
    DayName(Case),
    DayShort(Case),
    Day,
    DayOfYear,
    IsoDayOfYear,
    DayOfWeek,
    IsoDayOfWeek,
    WeekOfMonth,
    WeekOfYear,
    IsoWeek,
    Century,
    Julian,
    Quarter,
    Zone(Case),
    ZoneHours,
    ZoneMinutes,
    Offset,
}

use Case::{Capital, Lower, Upper};
use Kind::*;

/// Names of fields; those after `=` in these letters only, the others in capitals or small letters.
const FIELDS: [(&str, Kind); 62] = [
    ("HH24", Hour24),
    ("HH12", Hour12),
    ("HH", Hour12),
    ("MI", Minute),
    ("SSSSS", SecondOfDay),
    ("SSSS", SecondOfDay),
    ("SS", Second),
    ("MS", Millisecond),
    ("US", Microsecond),
    ("FF1", Fraction(1)),
    ("FF2", Fraction(2)),
    ("FF3", Fraction(3)),
    ("FF4", Fraction(4)),
    ("FF5", Fraction(5)),
    ("FF6", Fraction(6)),
    ("Y,YYY", YearWithComma),
    ("YYYY", Year(4)),
    ("YYY", Year(3)),
    ("YY", Year(2)),
    ("Y", Year(1)),
    ("IYYY", IsoYear(4)),
    ("IYY", IsoYear(3)),
    ("IY", IsoYear(2)),
    ("IDDD", IsoDayOfYear),
    ("ID", IsoDayOfWeek),
    ("IW", IsoWeek),
    ("I", IsoYear(1)),
    ("MM", Month),
    ("DDD", DayOfYear),
    ("DD", Day),
    ("WW", WeekOfYear),
    ("W", WeekOfMonth),
    ("CC", Century),
    ("J", Julian),
    ("Q", Quarter),
    ("TZH", ZoneHours),
    ("TZM", ZoneMinutes),
    ("OF", Offset),
    ("=TZ", Zone(Upper)),
    ("=tz", Zone(Lower)),
    ("=A.M.", HalfDay(Upper, true)),
    ("=P.M.", HalfDay(Upper, true)),
    ("=a.m.", HalfDay(Lower, true)),
    ("=p.m.", HalfDay(Lower, true)),
    ("=AM", HalfDay(Upper, false)),
    ("=PM", HalfDay(Upper, false)),
    ("=am", HalfDay(Lower, false)),
    ("=pm", HalfDay(Lower, false)),
    ("=MONTH", MonthName(Upper)),
    ("=Month", MonthName(Capital)),
    ("=month", MonthName(Lower)),
    ("=MON", MonthShort(Upper)),
    ("=Mon", MonthShort(Capital)),
    ("=mon", MonthShort(Lower)),
    ("=DAY", DayName(Upper)),
    ("=Day", DayName(Capital)),
    ("=day", DayName(Lower)),
    ("=DY", DayShort(Upper)),
    ("=Dy", DayShort(Capital)),
    ("=dy", DayShort(Lower)),
    ("=RM", MonthRoman(Upper)),
    ("=rm", MonthRoman(Lower)),
];
/// The same for fields whose names are in more forms.
const ERAS: [(&str, Kind); 8] = [
    ("=B.C.", Era(Upper, true)),
    ("=A.D.", Era(Upper, true)),
    ("=b.c.", Era(Lower, true)),
    ("=a.d.", Era(Lower, true)),
    ("=BC", Era(Upper, false)),
    ("=AD", Era(Upper, false)),
    ("=bc", Era(Lower, false)),
    ("=ad", Era(Lower, false)),
];

/// Reads a pattern.
pub(super) fn parse(pattern: &str) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    let mut rest = pattern;
    let mut is_bare = false;
    while let Some(letter) = rest.chars().next() {
        if let Some(after) = prefix(rest, "FM") {
            is_bare = true;
            rest = after;
        } else if let Some(after) = prefix(rest, "FX") {
            rest = after;
        } else if prefix(rest, "TM").is_some() {
            return plan_err!("pattern '{pattern}': TM is not available; names are English, leave TM out");
        } else if let Some((kind, after)) = field(rest) {
            let (ordinal, after) = ordinal(after);
            if prefix(after, "SP").is_some() {
                return plan_err!("pattern '{pattern}': SP is not available; leave it out");
            }
            items.push(Item::Field(Field { kind, is_bare, ordinal }));
            is_bare = false;
            rest = after;
        } else if letter == '"' {
            rest = quoted(&rest[1..], &mut items);
        } else if letter == '\\' && rest.len() > 1 {
            rest = literal(&rest[1..], &mut items);
        } else {
            rest = literal(rest, &mut items);
        }
    }
    Ok(items)
}

/// What comes after `name`, in capitals or in small letters but not mixed: `Dd` is two days of the week.
fn prefix<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.strip_prefix(name).or_else(|| text.strip_prefix(&*name.to_lowercase()))
}

fn field(text: &str) -> Option<(Kind, &str)> {
    let fits = |(name, kind): &(&str, Kind)| {
        let after = match name.strip_prefix('=') {
            Some(exact) => text.strip_prefix(exact),
            None => prefix(text, name),
        };
        after.map(|after| (name.len() - usize::from(name.starts_with('=')), *kind, after))
    };
    // A single D is a field, too, and shorter than all that start with it.
    let single = prefix(text, "D").map(|after| (1, DayOfWeek, after));
    let all = FIELDS.iter().chain(&ERAS).filter_map(fits).chain(single);
    all.max_by_key(|(length, ..)| *length).map(|(_, kind, after)| (kind, after))
}

fn ordinal(text: &str) -> (Option<bool>, &str) {
    match prefix(text, "TH") {
        Some(after) => (Some(text.starts_with('T')), after),
        None => (None, text),
    }
}

fn literal<'a>(text: &'a str, items: &mut Vec<Item>) -> &'a str {
    let mut letters = text.chars();
    if let Some(letter) = letters.next() {
        items.push(Item::Letter(letter, letter.is_whitespace() || letter.is_ascii_punctuation()));
    }
    letters.as_str()
}

/// Text in double quotes: all of it stands for itself.
fn quoted<'a>(text: &'a str, items: &mut Vec<Item>) -> &'a str {
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        let shown = match letter {
            '"' => break,
            '\\' => letters.next().unwrap_or('\\'),
            other => other,
        };
        items.push(Item::Letter(shown, false));
    }
    letters.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch a shorter field that hides a longer one, and text that is taken for a field.
    #[test]
    fn the_longest_field_is_taken() {
        let kinds = |pattern: &str| -> Vec<Kind> {
            let fields = parse(pattern).unwrap().into_iter();
            fields
                .filter_map(|item| if let Item::Field(field) = item { Some(field.kind) } else { None })
                .collect()
        };
        assert_eq!(
            kinds("YYYY-MM-DD HH24:MI:SS.US"),
            [Year(4), Month, Day, Hour24, Minute, Second, Microsecond]
        );
        assert_eq!(kinds("yyyymmddd"), [Year(4), Month, DayOfYear]);
        assert_eq!(kinds("Day Dy D DY"), [DayName(Capital), DayShort(Capital), DayOfWeek, DayShort(Upper)]);
        assert_eq!(kinds("\"Day\" \\D IYYY-IW"), [IsoYear(4), IsoWeek]);
        assert!(parse("TMMonth").unwrap_err().to_string().contains("TM is not available"));
    }
}
