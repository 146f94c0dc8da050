//! Sealed fields: what names a person, so that it can be erased from an event and every proof still holds.
//!
//! In: events, and the fields that their tenant seals. Out: the column `sealed`, which says for each sealed field either with which
//! *salt* its value is hashed, while the value stands in its place, or the *digest*, once it is erased. Guaranteed: the leaf of an
//! event holds the digests and not the values, so it is the same before and after an erasure; no digest can be tried against
//! guesses without its salt (128 random bits), which goes with the value; no other value than the one that was sent fits a digest.
//!
//! The construction is that of SD-JWT (RFC 9901): a digest commits to salt, name and value. There is no key for each person, as
//! there would be if values were encrypted: nothing else has to be kept, backed up or destroyed, and an erasure is one commit of
//! the table.
//!
//! ```text
//! as stored       {"actor":{"id":"u_1","name":"Ana"},…,"sealed":{"/actor/name":{"salt":"VqIE0Pz0c9pvbeRXF5mzLA"}}}
//! once erased     {"actor":{"id":"u_1"},…,"sealed":{"/actor/name":{"digest":"zQ7PD7sQ…"}}}
//! what is hashed  {"actor":{"id":"u_1"},…,"sealed":{"/actor/name":"zQ7PD7sQ…"}}
//! digest          base64url(SHA-256(["VqIE0Pz0c9pvbeRXF5mzLA","/actor/name","Ana"]))
//! ```
//!
//! All of it is canonical JSON (RFC 8785), names are JSON pointers (RFC 6901), and base64url has no padding. An object that is left
//! empty when a value is taken out goes with it.
//!
//! | part | does |
//! |---|---|
//! | `field` | which fields a tenant seals |
//! | `marks` | the column `sealed` |
//! | `leaf` | what is hashed |
//! | `sealing`, `erase` | rows with salts, rows with digests |

mod erase;
mod field;
mod leaf;
mod marks;
mod sealing;
#[cfg(test)]
mod tests;

pub use self::{
    erase::{Erased, SURVEYED, Survey, erase, survey, without_erased},
    field::{SealedField, SealedFields},
    leaf::committed,
    marks::is_erased,
    sealing::{is_erasable, seal},
};
