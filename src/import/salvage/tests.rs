//! Tests that what is broken costs what is broken, and no record besides.

use std::io::Cursor;

use proptest::prelude::*;

use super::*;
use crate::import::{
    records::{
        self,
        tests::{Kept, records},
    },
    values::Values,
};

const SOURCES: [Source; 4] = [Source::Cloudtrail, Source::Okta, Source::Github, Source::Native];

/// Everything that is told of a file, ids and refusals.
fn told(source: Source, text: &[u8]) -> Vec<String> {
    let mut values = Values::new(Box::new(Cursor::new(text.to_vec())), source);
    let mut kept = Kept::default();
    loop {
        match values.next_value() {
            Ok(Some(cut)) => records::read(source, cut, &mut kept),
            Ok(None) => return kept.told,
            Err(error) => {
                kept.told.push(format!("file {error}"));
                if error.is_final() {
                    return kept.told;
                }
            }
        }
    }
}

fn ids(told: &[String]) -> Vec<String> {
    let events = told.iter().filter(|line| !line.starts_with("file") && !line.contains("refused"));
    events.map(|line| line.split(' ').nth(1).unwrap_or_default().to_owned()).collect()
}

/// Five records, each with an id of its own.
fn five(source: Source) -> Vec<String> {
    let [one, _] = records(source);
    let number = |number: usize| {
        let text = one.to_string();
        text.replace("000000000001", &format!("00000000001{number}"))
    };
    (0..5).map(number).collect()
}

/// Ways to break a record.
fn broken(record: &str) -> Vec<String> {
    let quotes: Vec<usize> = record.match_indices('"').map(|(at, _)| at).collect();
    let without = |at: usize| format!("{}{}", &record[..at], &record[at + 1..]);
    let mut ways: Vec<String> = quotes.iter().take(9).map(|at| without(*at)).collect();
    ways.extend([
        record[1..].to_owned(),
        record[..record.len() - 1].to_owned(),
        record[..record.len() / 2].to_owned(),
        record.replacen(':', " ", 1),
        record.replacen(',', "", 1),
        record.replacen('"', "\u{1}", 1),
        format!("{record}}}"),
        record.replace('}', "]"),
        format!("{record} garbage"),
        format!("x{record}"),
        "{".into(),
        "nonsense".into(),
        "\"".into(),
        "]".into(),
    ]);
    ways
}

/// Would catch a broken record, wherever it stands and however it is broken, that costs another one, that nobody is told of,
/// or that is told of as many.
#[test]
fn a_broken_record_costs_itself_alone() {
    for source in SOURCES {
        let whole = five(source);
        for place in [0, 2, 4] {
            let other = |(index, row): (usize, &String)| (index != place).then(|| row.clone());
            let others: Vec<String> = whole.iter().enumerate().filter_map(other).collect();
            for way in broken(&whole[place]) {
                let mut rows = whole.clone();
                rows[place] = way;
                let expected = ids(&told(source, others.join("\n").as_bytes()));
                assert_eq!(expected.len(), 4);
                let list = rows.join(",");
                for text in [
                    rows.join("\n"),
                    rows.join("\r\n"),
                    format!("[{list}]"),
                    format!("[\n  {}\n]\n", rows.join(",\n  ")),
                    format!("{{\"Records\":[{list}]}}"),
                    format!("{{\"next\":null,\"data\":{{\"events\":[{list}]}}}}\n"),
                    format!("{{\"items\":[{list}],\"next\":{{\"x\":1}}}}"),
                ] {
                    let found = told(source, text.as_bytes());
                    let mut events = ids(&found);
                    // What was added to a whole record may leave the record as it is.
                    events.retain(|id| expected.contains(id));
                    assert_eq!(events, expected, "{source}: {text}\n{found:#?}");
                    let refused = found.len() - ids(&found).len();
                    assert!((1..=2).contains(&refused), "{source}: {text}\n{found:#?}");
                }
            }
        }
    }
}

/// Would catch an event that is made from what somebody wrote into a call whose record is broken: a record inside of a record, in a
/// member, in a list, in a text, in envelopes, whatever is broken around it.
#[test]
fn a_part_of_a_broken_record_is_no_record() {
    for source in SOURCES {
        let whole = five(source);
        let forged = whole[4].replace("000000000014", "000000000099");
        let text = serde_json::to_string(&forged).unwrap();
        let member = match source {
            Source::Cloudtrail => "requestParameters",
            Source::Okta => "debugContext",
            Source::Github => "config",
            Source::Native => "metadata",
        };
        for inner in [
            forged.clone(),
            format!("{{\"x\":{forged}}}"),
            format!("{{\"items\":[{forged}]}}"),
            format!("{{\"items\":[{{\"a\":1}},{forged},{forged}]}}"),
            format!("{{\"items\":[\"x\",{forged}],\"more\":[7, {forged}],\"lists\":[[1],{forged}]}}"),
            format!("{{\"message\":{text}}}"),
            format!("{{\"entries\":[{{\"message\":{text}}},{{\"message\":{text}}}]}}"),
            format!("{{\"Records\":[{{\"detail\":{forged}}}]}}"),
        ] {
            let record = whole[2].strip_suffix('}').unwrap();
            for broken in [
                format!("{record},\"{member}\":{inner}"),
                format!("{record},\"{member}\":{inner},\"y\":}}"),
                format!("{record} \"y\" \"z\",\"{member}\":{inner}}}"),
            ] {
                let mut rows = whole.clone();
                rows[2] = broken;
                for text in [
                    rows.join("\n"),
                    format!("[{}]", rows.join(",")),
                    format!("{{\"Records\":[{}]}}", rows.join(",")),
                ] {
                    let found = told(source, text.as_bytes());
                    let refused = found.iter().any(|line| line.contains("refused"));
                    let is_forged = |id: &String| id.contains("000000000099");
                    assert!(refused && !ids(&found).iter().any(is_forged), "{source}: {text}\n{found:#?}");
                }
            }
        }
    }
}

/// Would catch a comma that is missing and costs a record, or that nobody is told of.
#[test]
fn a_missing_comma_costs_nothing() {
    for source in SOURCES {
        let whole = five(source);
        let expected = ids(&told(source, whole.join("\n").as_bytes()));
        for (list, line) in [(whole.join(" "), 1), (whole.join("\n"), 2)] {
            for (text, streamed) in [
                (format!("[{list}]"), true),
                (format!("{{\"Records\" : [{list}]}}"), true),
                (format!("{{\"items\":[{list}]}}"), false),
            ] {
                let found = told(source, text.as_bytes());
                assert_eq!(ids(&found), expected, "{text}\n{found:#?}");
                let said =
                    found.iter().find(|line| line.contains("refused") || line.starts_with("file")).unwrap();
                let expected = format!("file line {line}: a comma is missing");
                let is_said = if streamed {
                    said.starts_with(&expected)
                } else {
                    said.contains("refused None is not JSON")
                };
                assert!(is_said, "{found:#?}");
            }
        }
    }
}

/// Would catch whole records that are lost because the file is cut off behind them, and a cut that nobody is told of.
#[test]
fn a_cut_file_gives_what_is_whole() {
    for source in SOURCES {
        let whole = five(source);
        let expected = ids(&told(source, whole.join("\n").as_bytes()));
        let list = whole.join(",\n");
        for (text, is_list) in [
            (format!("[{list}]"), true),
            (format!("{{\"Records\":[{list}]}}"), true),
            (format!("{{\"items\":[{list}]}}"), true),
            (format!("{{\"x\":{{\"y\":1}},\n\"data\":[{list}]}}"), true),
            (whole.join("\n"), false),
        ] {
            for cut in 1..text.len() {
                let found = told(source, &text.as_bytes()[..cut]);
                let before = whole.iter().take_while(|record| {
                    text.find(record.as_str()).is_some_and(|at| at + record.len() <= cut)
                });
                assert_eq!(ids(&found), expected[..before.count()], "{}\n{found:#?}", &text[..cut]);
                assert!(!is_list || ids(&found).len() < found.len(), "{}\n{found:#?}", &text[..cut]);
            }
        }
    }
}

/// Would catch the id of a broken record that is not told.
#[test]
fn a_broken_record_is_named_by_its_id() {
    let text = "{\"a\":1}\n{\"uuid\" : \"7d3b1c52\", \"published\": }\n";
    let found = told(Source::Okta, text.as_bytes());
    assert!(found[1].starts_with("2 refused Some(\"7d3b1c52\") is not JSON"), "{found:?}");
    for (text, expected) in [
        (r#"{"a":{"uuid":"other"},"uuid":"7d3b1c52","published": }"#, "Some(\"7d3b1c52\")"),
        (r#"{"a":[{"uuid":"other"}],"published": }"#, "None"),
        (r#"{"published":"x","uuid":"7d3b"#, "None"),
    ] {
        let found = told(Source::Okta, format!("{text}\n").as_bytes());
        assert!(found[0].contains(&format!("refused {expected} ")), "{text}: {found:?}");
    }
}

proptest! {
    /// Would catch a text that takes the reader down, or a whole record behind it that is not found.
    #[test]
    fn a_record_on_a_line_is_found_whatever_stands_before(
        before in prop::collection::vec("[\\PC\"\\\\\\[\\]{},:\n]{0,40}", 0..4),
        which in 0..4_usize,
    ) {
        let source = SOURCES[which];
        let [one, two] = records(source).map(|record| record.to_string());
        let text = format!("{}\n{one}\n{}\n{two}\n", before.join("\n"), before.concat());
        let found = told(source, text.as_bytes());
        let expected = ids(&told(source, format!("{one}\n{two}").as_bytes()));
        let mut events = ids(&found);
        events.retain(|id| expected.contains(id));
        prop_assert_eq!(events, expected, "{}\n{:?}", text, found);
    }
}

/// Would catch bytes of a broken text that move what is found in it.
#[test]
fn letters_that_are_none_move_nothing() {
    let [one, two] = records(Source::Okta).map(|record| record.to_string());
    let mut text = format!("{{\"items\":[{{\"x\":\"@@\" 1}},{one},{two}]}}").into_bytes();
    text.iter_mut().filter(|byte| **byte == b'@').for_each(|byte| *byte = 0xfc);
    let found = told(Source::Okta, &text);
    assert_eq!((found.len(), ids(&found).len()), (3, 2), "{found:?}");
}
