//! An event in its API form, from anywhere, back to the canonical bytes that were proven.
//!
//! In: one JSON object, spaced and ordered as may be. Out: its canonical text without `seq`, and the `seq`. Guaranteed: no two
//! readings of a text: keys given twice and numbers that readers disagree on are refused.

use super::{
    json::{Canonicalizer, Members},
    problems::{Path, Problems},
    reader::{Kind, Reader},
};
use crate::{
    error::{Error, ErrorKind, Result},
    event::{
        members::{self, Taken},
        schema::SEQ,
    },
    limits::IMPORTED_JSON_DEPTH_MAX,
};

/// The canonical text (RFC 8785) of a JSON object without its member `seq`; and that member, if it has one.
///
/// # Errors
/// [`ErrorKind::Invalid`] if the text is not one JSON object that all readers understand alike.
pub fn without_seq(text: &str) -> Result<(String, Option<u64>)> {
    let canonical = canonical_object(text)?;
    let refused = |error| Error::with_source(ErrorKind::Invalid, "an event is not a JSON object", error);
    let Some(Taken { value: seq, rest }) = members::take(&canonical, &[SEQ]) else {
        return Ok((canonical, None));
    };
    let seq: Option<u64> = serde_json::from_str(&seq).map_err(refused)?;
    Ok((rest.unwrap_or_else(|| "{}".to_owned()), seq))
}

fn canonical_object(text: &str) -> Result<String> {
    let refused =
        |detail: String| Error::new(ErrorKind::Invalid, format!("an event is not readable: {detail}"));
    let (mut reader, mut problems) = (Reader::new(text), Problems::default());
    let mut out = String::with_capacity(text.len());
    if reader.peek().map_err(|error| refused(error.detail))? != Kind::Object {
        return Err(refused("it is not a JSON object".into()));
    }
    // Whatever was accepted is read, imported records included.
    let mut canonicalizer = Canonicalizer::new(IMPORTED_JSON_DEPTH_MAX);
    let read = canonicalizer.object(&mut reader, &mut out, Members::Any, (&Path::Root, 1), &mut problems);
    read.and_then(|()| reader.finish()).map_err(|error| refused(error.detail))?;
    match problems.take().first() {
        None => Ok(out),
        Some(problem) => Err(refused(format!("{} {}", problem.pointer, problem.detail))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch an event that no longer fits its proof because a tool has spaced or ordered it otherwise.
    #[test]
    fn spaces_and_order_do_not_matter() {
        let text = " { \"seq\" : 7, \"b\":[1.0, {\"y\":null,\"x\":\"\\u00e9\"}],\n \"a\":1e2 } ";
        assert_eq!(without_seq(text).unwrap(), (r#"{"a":100,"b":[1,{"x":"é","y":null}]}"#.into(), Some(7)));
        assert_eq!(without_seq("{\"seq\":null}").unwrap(), ("{}".into(), None));
        assert_eq!(without_seq("{}").unwrap(), ("{}".into(), None));
    }

    /// Would catch a text that one reader takes for the proven event and another for something else.
    #[test]
    fn ambiguous_texts_are_refused() {
        for text in [
            "",
            "[]",
            "{\"a\":1,\"a\":2}",
            "{\"a\":1} x",
            "{\"seq\":-1}",
            "{\"seq\":1.5}",
            "{\"a\":9007199254740993}",
        ] {
            assert_eq!(without_seq(text).unwrap_err().kind(), ErrorKind::Invalid, "{text}");
        }
    }
}
