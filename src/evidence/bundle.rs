//! What a customer keeps of one event: the event, its place, and what proves that it is there.
//!
//! In: an event in its API form, an inclusion proof, a checkpoint. Out: one JSON document, and whether it holds. Guaranteed:
//! checking needs the verifier key and nothing else: no server, no store.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    checkpoint::Checkpoint,
    hash::Hash,
    key::Verifier,
    proof::{self, PROOF_HASHES_MAX},
};
use crate::{
    error::{Error, ErrorKind, Result},
    event::{decode, sealed},
};

/// How a document of today says what it is.
pub const FORMAT: &str = "auditlake/proof/v1";

/// The document.
#[derive(Debug, Serialize, Deserialize)]
pub struct Bundle {
    /// [`FORMAT`].
    pub format: String,
    /// The event as the API shows it.
    pub event: Box<RawValue>,
    /// The event's number: its leaf's place in the tree.
    pub seq: u64,
    /// The leaf's hash.
    pub leaf_hash: Hash,
    /// The inclusion proof: hashes from the leaf's sibling up.
    pub inclusion: Vec<Hash>,
    /// The checkpoint that the proof leads to: a signed note.
    pub checkpoint: String,
}

/// What a bundle that holds has proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// The event's number.
    pub seq: u64,
    /// The leaf's hash.
    pub leaf: Hash,
    /// The log it is in.
    pub checkpoint: Checkpoint,
}

impl Bundle {
    /// Reads a document.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if it is none.
    pub fn parse(text: &[u8]) -> Result<Self> {
        let bundle: Self = serde_json::from_slice(text)
            .map_err(|error| Error::with_source(ErrorKind::Invalid, "this is not a proof", error))?;
        if bundle.format != FORMAT {
            let message = format!("a proof of format {:?} is not known here, only {FORMAT:?}", bundle.format);
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        Ok(bundle)
    }

    /// Checks all of it against the verifier keys.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] with what does not fit.
    pub fn check(&self, verifiers: &[Verifier]) -> Result<Proven> {
        let wrong = |what: String| Err(Error::new(ErrorKind::Corrupt, what));
        let checkpoint = match Checkpoint::open(&self.checkpoint, verifiers) {
            Ok(checkpoint) => checkpoint,
            Err(error) => return wrong(format!("the checkpoint is not to be believed: {error}")),
        };
        let leaf = leaf_of_json(self.event.get(), Some(self.seq))?;
        if leaf != self.leaf_hash {
            return wrong(format!(
                "the event is not the one that was proven: its leaf is {leaf}, not {}",
                self.leaf_hash
            ));
        }
        let fits = self.inclusion.len() <= PROOF_HASHES_MAX;
        let root = fits
            .then(|| proof::root_by_inclusion(leaf, self.seq, checkpoint.size, &self.inclusion))
            .flatten();
        match root {
            Some(root) if root == checkpoint.root => Ok(Proven { seq: self.seq, leaf, checkpoint }),
            _ => wrong(format!(
                "the proof does not lead from event {} to the root of the checkpoint of {} events",
                self.seq, checkpoint.size
            )),
        }
    }
}

/// The leaf of an event in its API form; `seq`, if it is given, must be the event's own.
///
/// # Errors
/// [`ErrorKind::Corrupt`] if it is no event, or has another number.
pub fn leaf_of_json(event: &str, seq: Option<u64>) -> Result<Hash> {
    let (bytes, own) = decode::without_seq(event)?;
    if let (Some(seq), Some(own)) = (seq, own)
        && own != seq
    {
        let message = format!("the event says that it is number {own}, and the proof that it is {seq}");
        return Err(Error::new(ErrorKind::Corrupt, message));
    }
    Ok(Hash::leaf(sealed::committed(&bytes).unwrap_or(bytes).as_bytes()))
}
