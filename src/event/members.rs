//! One value out of a JSON text, by its path, and the rest as it was.
//!
//! In: JSON as it is stored (canonical), a path of keys and places. Out: the value's text, and the text without it. Guaranteed: what
//! is not on the path stays byte for byte, so canonical text stays canonical.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::event::jcs;

/// The members of an object in the order of the text.
pub(super) struct Members<'t>(Vec<(String, Cow<'t, str>)>);

/// A value taken out of a text.
pub(super) struct Taken {
    /// Its text.
    pub(super) value: String,
    /// What is left; `None`: nothing, since the object is empty now.
    pub(super) rest: Option<String>,
}

/// The value at `path`, if there is one.
pub(super) fn get<'t>(text: &'t str, path: &[&str]) -> Option<&'t str> {
    path.iter().try_fold(text, |text, step| match text.as_bytes().first()? {
        b'{' => {
            let Members(members) = serde_json::from_str(text).ok()?;
            members.into_iter().find(|(key, _)| key == step).and_then(|(_, value)| match value {
                Cow::Borrowed(value) => Some(value),
                Cow::Owned(_) => None,
            })
        }
        b'[' => elements(text)?.into_iter().nth(place(step)?),
        _ => None,
    })
}

/// Takes the value at `path`, a member of an object, out of `text`. Objects that are left empty go with it, but for those that are
/// elements of an array, whose places stay.
pub(super) fn take(text: &str, path: &[&str]) -> Option<Taken> {
    let (step, deeper) = path.split_first()?;
    match text.as_bytes().first()? {
        b'{' => {
            let mut members = Members::of(text)?;
            let value = members.take_from(step, deeper)?;
            let rest = (!members.0.is_empty()).then(|| members.write());
            Some(Taken { value, rest })
        }
        b'[' => {
            let mut elements: Vec<Cow<'_, str>> = elements(text)?.into_iter().map(Cow::Borrowed).collect();
            let at = place(step)?;
            let Taken { value, rest } = take(elements.get(at)?, deeper)?;
            elements[at] = Cow::Owned(rest.unwrap_or_else(|| "{}".to_owned()));
            Some(Taken { value, rest: Some(format!("[{}]", elements.join(","))) })
        }
        _ => None,
    }
}

impl<'t> Members<'t> {
    /// Those of the object that `text` is.
    pub(super) fn of(text: &'t str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The value at `path`, if there is one.
    pub(super) fn get(&self, path: &[&str]) -> Option<&str> {
        let (step, deeper) = path.split_first()?;
        let (_, value) = self.0.iter().find(|(key, _)| key == step)?;
        get(value, deeper)
    }

    /// As [`take`].
    pub(super) fn take(&mut self, path: &[&str]) -> Option<String> {
        let (step, deeper) = path.split_first()?;
        self.take_from(step, deeper)
    }

    fn take_from(&mut self, step: &str, deeper: &[&str]) -> Option<String> {
        let at = self.0.iter().position(|(key, _)| key == step)?;
        if deeper.is_empty() {
            return Some(self.0.remove(at).1.into_owned());
        }
        let Taken { value, rest } = take(&self.0[at].1, deeper)?;
        match rest {
            Some(rest) => self.0[at].1 = Cow::Owned(rest),
            None => drop(self.0.remove(at)),
        }
        Some(value)
    }

    /// Adds a member where RFC 8785 puts it.
    pub(super) fn insert(&mut self, key: &str, value: String) {
        let at = self.0.partition_point(|(other, _)| jcs::compare_keys(other, key).is_lt());
        self.0.insert(at, (key.to_owned(), Cow::Owned(value)));
    }

    /// The text of the object.
    pub(super) fn write(&self) -> String {
        let mut out = String::from("{");
        for (at, (key, value)) in self.0.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            jcs::push_text(&mut out, key);
            out.push(':');
            out.push_str(value);
        }
        out.push('}');
        out
    }
}

/// The elements of an array.
pub(super) fn elements(text: &str) -> Option<Vec<&str>> {
    let elements: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    Some(elements.into_iter().map(RawValue::get).collect())
}

fn place(step: &str) -> Option<usize> {
    let place: usize = step.parse().ok()?;
    // One way to write each.
    (place.to_string() == step).then_some(place)
}

impl<'de: 't, 't> Deserialize<'de> for Members<'t> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, &RawValue>()? {
                    members.push((key, Cow::Borrowed(value.get())));
                }
                Ok(Members(members))
            }
        }
        from.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"a":{"b":{"c":1.5}},"l":[{"n":"x"},{"n":"y","o":2}],"z":"\u0007 é"}"#;

    /// Would catch a value taken from beside its path, and a rest that is not the text as it was.
    #[test]
    fn one_value_goes_and_the_rest_stays() {
        let cases: [(&[&str], &str, &str); 4] = [
            (&["a", "b", "c"], "1.5", r#"{"l":[{"n":"x"},{"n":"y","o":2}],"z":"\u0007 é"}"#),
            (&["l", "0", "n"], "\"x\"", r#"{"a":{"b":{"c":1.5}},"l":[{},{"n":"y","o":2}],"z":"\u0007 é"}"#),
            (&["l", "1", "n"], "\"y\"", r#"{"a":{"b":{"c":1.5}},"l":[{"n":"x"},{"o":2}],"z":"\u0007 é"}"#),
            (&["z"], r#""\u0007 é""#, r#"{"a":{"b":{"c":1.5}},"l":[{"n":"x"},{"n":"y","o":2}]}"#),
        ];
        for (path, value, rest) in cases {
            assert_eq!(get(TEXT, path), Some(value), "{path:?}");
            let taken = take(TEXT, path).unwrap();
            assert_eq!((taken.value.as_str(), taken.rest.as_deref()), (value, Some(rest)), "{path:?}");
        }
        assert!(take(r#"{"a":{"b":1}}"#, &["a", "b"]).unwrap().rest.is_none());
    }

    /// Would catch a place that is guessed at.
    #[test]
    fn what_is_not_there_is_not_found() {
        for path in
            [&["b"][..], &["a", "c"], &["l", "2", "n"], &["l", "01", "n"], &["l", "0"], &["z", "x"], &[]]
        {
            assert!(take(TEXT, path).is_none(), "{path:?}");
        }
        assert_eq!(get(TEXT, &["l", "-1"]), None);
    }

    /// Would catch a member out of RFC 8785's order: the leaf would be another reader's no more.
    #[test]
    fn members_are_put_in_order() {
        let with = |text: &str, key: &str| {
            let mut members = Members::of(text).unwrap();
            members.insert(key, "0".to_owned());
            members.write()
        };
        assert_eq!(with(r#"{"a":1,"t":2}"#, "sealed"), r#"{"a":1,"sealed":0,"t":2}"#);
        assert_eq!(with("{}", "sealed"), r#"{"sealed":0}"#);
        assert_eq!(with("{\"\u{1f600}\":1}", "\u{e000}"), "{\"\u{1f600}\":1,\"\u{e000}\":0}");
    }
}
