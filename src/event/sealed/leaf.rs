//! What is hashed of an event with sealed fields: digests stand for the values.
//!
//! In: an event in canonical form, with its member `sealed`. Out: the same without the sealed values. Guaranteed: the same text
//! before and after an erasure; a text that does not fit its member (a value missing, or there although it is said to be erased) has
//! none, and no leaf in any tree is the hash of it.

use super::marks::{self, Mark};
use crate::event::{jcs, members::Members, schema::SEALED};

/// What the leaf of `event` is the hash of, if that is not `event` itself.
///
/// Anyone can make it: take out `sealed`; of each of its members with a `salt` take the value out and reckon the digest; put
/// `sealed` back with the digests only.
///
/// ```
/// use auditlake::event::sealed::committed;
///
/// let stored = r#"{"actor":{"id":"u_1","name":"Ana"},"sealed":{"/actor/name":{"salt":"VqIE0Pz0c9pvbeRXF5mzLA"}}}"#;
/// let hashed = committed(stored).unwrap();
/// assert!(hashed.starts_with(r#"{"actor":{"id":"u_1"},"sealed":{"/actor/name":""#));
/// assert_eq!(committed(r#"{"actor":{"id":"u_1"}}"#), None);
/// ```
pub fn committed(event: &str) -> Option<String> {
    if !event.contains("\"sealed\":") {
        return None;
    }
    let mut members = Members::of(event)?;
    let marks = marks::parse(&members.take(&[SEALED])?)?;
    let mut digests = Vec::new();
    for (pointer, mark) in marks {
        let steps = marks::steps(&pointer)?;
        let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
        let digest = match mark {
            Mark::Salt(salt) => marks::digest(&salt, &pointer, &members.take(&steps)?),
            Mark::Digest(_) if members.get(&steps).is_some() => return None,
            Mark::Digest(digest) => digest,
        };
        let mut value = String::new();
        jcs::push_text(&mut value, &digest);
        digests.push((pointer, value));
    }
    let digests = marks::object(digests.iter().map(|(pointer, digest)| (pointer.as_str(), digest.clone())));
    members.insert(SEALED, digests);
    Some(members.write())
}
