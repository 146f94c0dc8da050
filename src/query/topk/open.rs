//! Files that are open, few at a time.
//!
//! In: files as they are opened. Out: the same, for who reads them next. Guaranteed: so few are kept that their memory is bounded: of
//! a small file far away, all of it is in memory.

use std::collections::VecDeque;

use crate::query::needle::Opened;

const FILES_MAX: usize = 16;

/// The last files that were opened.
#[derive(Default)]
pub(super) struct OpenFiles(VecDeque<(usize, Opened)>);

impl OpenFiles {
    pub(super) fn take(&mut self, file: usize) -> Option<Opened> {
        let place = self.0.iter().position(|(other, _)| *other == file)?;
        self.0.remove(place).map(|(_, opened)| opened)
    }

    pub(super) fn put(&mut self, file: usize, opened: Option<Opened>) {
        let Some(opened) = opened else { return };
        if self.0.len() == FILES_MAX {
            self.0.pop_front();
        }
        self.0.push_back((file, opened));
    }
}
