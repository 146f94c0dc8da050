//! Signed notes by C2SP signed-note: a text, and lines that say who signed it.
//!
//! In: a text and keys, or a note as it was received. Out: a note, or its text once one of the keys given has been found to have
//! signed it. Guaranteed: nothing of an unverified note is believed; signatures of unknown keys are passed over, but a wrong
//! one of a known key spoils the note.

use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::key::{SigningKey, Verifier};

/// Bytes of a note, at most: who reads one need not read more.
pub const NOTE_BYTES_MAX: usize = 64 << 20;
/// Signatures that are looked at.
const SIGNATURES_MAX: usize = 16;
/// What a signature's line begins with: an em dash.
const DASH: &str = "\u{2014} ";

/// Why a note is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// It has another form.
    #[error("it is not a signed note")]
    Malformed,
    /// None of the keys given signed it.
    #[error("no key that is trusted has signed it")]
    Unknown,
    /// It bears a signature by one of the keys that is not of this text.
    #[error("its signature does not fit its text")]
    Forged,
}

/// `text`, which ends with a line feed, signed as `name` by each of `keys`.
pub fn sign(text: &str, name: &str, keys: &[&SigningKey]) -> String {
    let mut note = format!("{text}\n");
    for key in keys {
        let mut signature = key.public().named(name).id().to_vec();
        signature.extend(key.sign(text.as_bytes()));
        note.push_str(&format!("{DASH}{name} {}\n", BASE64_STANDARD.encode(signature)));
    }
    note
}

/// The text of `note`, with the verifiers that it was signed for.
///
/// # Errors
/// See [`NoteError`].
pub fn open<'n>(note: &'n str, verifiers: &[Verifier]) -> Result<(&'n str, Vec<Verifier>), NoteError> {
    if note.len() > NOTE_BYTES_MAX || note.contains(|letter: char| letter < ' ' && letter != '\n') {
        return Err(NoteError::Malformed);
    }
    let blank = note.rfind("\n\n").ok_or(NoteError::Malformed)?;
    let (text, signatures) = (&note[..=blank], &note[blank + 2..]);
    if signatures.is_empty() || !signatures.ends_with('\n') {
        return Err(NoteError::Malformed);
    }
    let mut signers = Vec::new();
    for line in signatures.lines().take(SIGNATURES_MAX) {
        let (name, signature) =
            line.strip_prefix(DASH).and_then(|line| line.split_once(' ')).ok_or(NoteError::Malformed)?;
        let signature = BASE64_STANDARD.decode(signature).map_err(|_| NoteError::Malformed)?;
        let Some((id, signature)) = signature.split_at_checked(4) else { return Err(NoteError::Malformed) };
        let of_key = |verifier: &&Verifier| verifier.name == name && verifier.id() == id;
        let Some(verifier) = verifiers.iter().find(of_key) else { continue };
        if !verifier.verifies(text.as_bytes(), signature) {
            return Err(NoteError::Forged);
        }
        signers.push(verifier.clone());
    }
    if signers.is_empty() { Err(NoteError::Unknown) } else { Ok((text, signers)) }
}
