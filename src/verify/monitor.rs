//! A checkpoint that was kept against the newest one.
//!
//! In: the note that a customer kept, the newest note, what proves that the one goes on from the other. Out: the newest
//! checkpoint, to be kept in its turn. Guaranteed: it is only given if the log still begins with what was kept.

use crate::{
    error::{Error, ErrorKind, Result},
    evidence::{Checkpoint, Hash, Verifier, proof::is_consistent},
};

/// Opens a note by one of `verifiers`.
///
/// # Errors
/// [`ErrorKind::Corrupt`] if it is not to be believed; `what` says which note it is.
pub fn open(note: &str, verifiers: &[Verifier], what: &str) -> Result<Checkpoint> {
    let refused =
        |error| Error::with_source(ErrorKind::Corrupt, format!("{what} is not to be believed"), error);
    Checkpoint::open(note, verifiers).map_err(refused)
}

/// Whether the log of `newest` goes on from that of `kept`.
///
/// # Errors
/// [`ErrorKind::Corrupt`] with the reason if it does not.
pub fn check(kept: &Checkpoint, newest: &Checkpoint, proof: &[Hash]) -> Result<()> {
    let wrong = |what: String| Err(Error::new(ErrorKind::Corrupt, what));
    if kept.origin != newest.origin {
        return wrong(format!(
            "the kept checkpoint is of {:?}, the newest of {:?}",
            kept.origin, newest.origin
        ));
    }
    if kept.size > newest.size {
        return wrong(format!(
            "the log has lost its tail: {} events were signed for, and now it has {}",
            kept.size, newest.size
        ));
    }
    if !is_consistent(kept.size, kept.root, newest.size, newest.root, proof) {
        return wrong(format!(
            "the log was rewritten: its {} events do not begin with the {} that were signed for",
            newest.size, kept.size
        ));
    }
    Ok(())
}
