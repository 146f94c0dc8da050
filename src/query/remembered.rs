//! What was found in texts, remembered for those that come again.
//!
//! In: a text's view and what was found in it. Out: the same for the same view, unless another took its place. Guaranteed: never what was found
//! in another text of the same column. Names and user agents come again and again, and where they come from a dictionary they are one view.

/// How many texts of a column are remembered: a power of two.
const TEXTS: usize = 64;

/// What was found in the texts of one column.
#[derive(Debug)]
pub(crate) struct Remembered<T>([Option<(u128, T)>; TEXTS]);

impl<T: Copy> Remembered<T> {
    pub(crate) fn new() -> Self {
        Self([None; TEXTS])
    }

    pub(crate) fn get(&self, view: u128) -> Option<T> {
        self.0[place(view)].filter(|(known, _)| *known == view).map(|(_, found)| found)
    }

    pub(crate) fn put(&mut self, view: u128, found: T) {
        self.0[place(view)] = Some((view, found));
    }
}

/// Texts of one dictionary differ in where they begin, short ones in their letters.
fn place(view: u128) -> usize {
    let mixed = (view ^ (view >> 32) ^ (view >> 64) ^ (view >> 96)) as u32;
    (mixed.wrapping_mul(0x9e37_79b1) >> (u32::BITS - TEXTS.ilog2())) as usize
}
