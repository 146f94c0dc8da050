//! Tests of the parser of foreign records.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn value(text: &str) -> Value {
    let parsed = parse(text.as_bytes()).unwrap();
    assert_eq!(parsed.oddities, Oddities::default(), "{text}");
    parsed.value
}

/// Would catch a grammar wider or narrower than RFC 8259, and a value that another parser reads otherwise.
#[test]
fn the_grammar_is_that_of_json() {
    let deep = format!("{}{}", "[".repeat(IMPORT_DEPTH_MAX), "]".repeat(IMPORT_DEPTH_MAX));
    for good in [
        "null",
        " [1, -0.5e+7, true, false, \"\"] ",
        r#"{"a": {"b": []}, "": "\u00e9\n😀\ud83d\ude00"}"#,
        "0",
    ] {
        assert_eq!(value(good), serde_json::from_str::<Value>(good).unwrap(), "{good}");
    }
    assert!(parse(deep.as_bytes()).is_ok());
    for bad in [
        "",
        "nul",
        "[1,]",
        "[1 2]",
        "{\"a\"}",
        "{a: 1}",
        "01",
        "1.",
        "-",
        "+1",
        "1e",
        "NaN",
        "Infinity",
        "\"\\x\"",
        "\"\t\"",
        "1 2",
        "[",
        "{\"a\":1",
        "\"\\ud800",
        "\"\\u12g4\"",
        "{\"a\":1,}",
        "{,}",
        "\u{feff}{}",
        &format!("[{deep}]"),
    ] {
        assert!(parse(bad.as_bytes()).is_err(), "{bad}");
    }
}

/// Would catch a member that takes another one's place in silence, at any depth, and one that is not named.
#[test]
fn members_given_twice_are_named() {
    let parsed =
        parse(br#"{"a":1,"b":[{"c~/":1},{"c~/":1,"d":{},"c~/":1}],"a":2,"e":{"A":1,"a":1}}"#).unwrap();
    assert_eq!(parsed.oddities.twice, ["/b/1/c~0~1", "/a"]);
    let many: Vec<String> = (0..100).flat_map(|number| vec![format!("\"{number}\":0"); 2]).collect();
    let parsed = parse(format!("[{{{}}}]", many.join(",")).as_bytes()).unwrap();
    assert_eq!(parsed.oddities.twice.len(), IMPORT_PROBLEMS_MAX);
    assert!(parsed.oddities.twice.iter().all(|pointer| pointer.starts_with("/0/")));
}

/// Would catch text that costs its record, more than a letter, or nobody hears of.
#[test]
fn text_that_is_no_unicode_costs_a_letter() {
    let parsed =
        parse(br#"{"a":"x\ud83dy","b":["\ude00","\ud83d\ude00","\ud800\ud800\udc00"],"\udfff":1}"#).unwrap();
    assert_eq!(
        parsed.value,
        json!({"a": "x\u{fffd}y", "b": ["\u{fffd}", "😀", "\u{fffd}\u{10000}"], "\u{fffd}": 1})
    );
    assert_eq!(parsed.oddities.replaced, ["/a", "/b/0", "/b/2", "/\u{fffd}"]);
    let parsed = parse(b"{\"a\":\"M\xfcller\"}").unwrap();
    assert_eq!(
        (parsed.value, parsed.oddities.replaced),
        (json!({"a": "M\u{fffd}ller"}), vec![String::new()])
    );
}

/// Would catch slices that are not the values.
#[test]
fn members_and_elements_are_slices() {
    let text = r#" {"a": [1, {"b": "]"}], "\u0062": "x" } "#;
    let found = members(text).unwrap();
    let slices: Vec<(&str, &str)> = found.iter().map(|member| (&*member.name, member.value)).collect();
    assert_eq!(slices, [("a", r#"[1, {"b": "]"}]"#), ("b", "\"x\"")]);
    assert_eq!(elements(found[0].value).unwrap(), ["1", r#"{"b": "]"}"#]);
    assert_eq!(string(found[1].value).as_deref(), Some("x"));
    assert!(members("[1]").is_err() && members("{} x").is_err() && elements("{}").is_err());
    let head = r#"{"x": {"list": [{}]}, "list": ["a"], "other": [ {"#;
    assert_eq!(list_start(head, &["list", "other"]), Some(head.len() - 2));
    assert_eq!(list_start(head, &["list"]), None);
}

proptest! {
    /// Would catch a byte that ends a plain run and is passed over, or one that ends it too early, at any place in a word.
    #[test]
    fn plain_runs_end_where_they_end(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), 0x1e..0x24_u8, Just(b'\\')], 0..40)) {
        let is_stop = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
        prop_assert_eq!(plain_bytes(&bytes), bytes.iter().position(is_stop).unwrap_or(bytes.len()));
    }

    /// Would catch a string, number or bracket that is read otherwise than by the parser that everybody uses.
    #[test]
    fn values_are_those_of_serde_json(text in "[\\PC\"\\\\]{0,40}", number: i64, float in -1e15..1e15_f64) {
        let given = json!({"t": text, "n": number, "f": float, &text: [null, true, {"k": &text}]});
        let compact = given.to_string();
        prop_assert_eq!(&value(&compact), &given);
        prop_assert_eq!(&value(&serde_json::to_string_pretty(&given).unwrap()), &given);
    }

    /// Would catch a text that makes the parser panic.
    #[test]
    fn no_text_is_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..40), text in "[\\[\\]{}\",:0-9eE.\\\\u-]{0,40}") {
        let _refused = parse(&bytes);
        let _refused = parse(text.as_bytes());
        let _refused = (members(&text), elements(&text), string(&text), list_start(&text, &["a"]));
    }
}
