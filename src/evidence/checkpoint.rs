//! Checkpoints by C2SP tlog-checkpoint: so many leaves, this root, said by that log.
//!
//! In: a size and a root. Out: the text of the note that says so, and back. Guaranteed: exactly one text for each checkpoint.

use super::{
    hash::Hash,
    key::{SigningKey, Verifier},
    note::{self, NoteError},
};

/// What a log says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log: the deployment and the tenant.
    pub origin: String,
    /// Leaves of its tree.
    pub size: u64,
    /// Its root.
    pub root: Hash,
}

impl Checkpoint {
    /// The text that is signed.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root)
    }

    /// The whole note.
    pub fn sign(&self, keys: &[&SigningKey]) -> String {
        note::sign(&self.text(), &self.origin, keys)
    }

    /// Reads a note that one of `verifiers` must have signed. Lines after the third are extensions, which are passed over.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn open(note: &str, verifiers: &[Verifier]) -> Result<Self, NoteError> {
        let (text, signers) = note::open(note, verifiers)?;
        let checkpoint = Self::parse(text).ok_or(NoteError::Malformed)?;
        let is_own = signers.iter().any(|signer| signer.name == checkpoint.origin);
        if is_own { Ok(checkpoint) } else { Err(NoteError::Unknown) }
    }

    /// Reads the text of a note without believing it.
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text.split('\n');
        let origin = lines.next().filter(|origin| !origin.is_empty())?.to_owned();
        let digits = lines.next()?;
        let size: u64 = digits.parse().ok()?;
        let root = Hash::from_base64(lines.next()?)?;
        // A number has one form, and the last line its end.
        (size.to_string() == digits && lines.next().is_some()).then_some(Self { origin, size, root })
    }
}
