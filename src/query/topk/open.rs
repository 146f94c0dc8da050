//! Files that are open, few at a time.
//!
//! In: files as they are opened. Out: the same, for who reads them next. Guaranteed: so few are kept that their memory is bounded: of
//! a small file far away, all of it is in memory, and it is fetched once whoever reads it at the same time. A large file is one reader's at a time,
//! or each would wait for the others' requests.

use std::collections::VecDeque;

use crate::query::{needle::Opened, readers::SMALL_FILE_BYTES_MAX};

const FILES_MAX: usize = 16;

/// The last files that were opened.
#[derive(Default)]
pub(super) struct OpenFiles(VecDeque<(usize, Opened)>);

impl OpenFiles {
    pub(super) fn lend(&mut self, file: usize, size_bytes: u64) -> Option<Opened> {
        let place = self.0.iter().position(|(other, _)| *other == file)?;
        match size_bytes <= SMALL_FILE_BYTES_MAX {
            true => self.0.get(place).map(|(_, opened)| opened.clone()),
            false => self.0.remove(place).map(|(_, opened)| opened),
        }
    }

    pub(super) fn put(&mut self, file: usize, opened: Option<Opened>) {
        let Some(opened) = opened else { return };
        self.0.retain(|(other, _)| *other != file);
        if self.0.len() == FILES_MAX {
            self.0.pop_front();
        }
        self.0.push_back((file, opened));
    }
}
