//! The fenced blocks of the README, in the order of the document.
//!
//! In: Markdown. Out: what stands in each block, its language, and the line it begins at. Guaranteed: a block after the comment
//! [`NOT_REPLAYED`] is marked, and readers of the page see nothing of that.

/// Stands before a block that no test can replay, as it needs what a test does not have.
const NOT_REPLAYED: &str = "<!-- not replayed: ";

/// One block.
#[derive(Debug)]
pub(super) struct Fence {
    pub(super) language: String,
    pub(super) text: String,
    /// The number of its first line, from 1.
    pub(super) line: usize,
    pub(super) is_replayed: bool,
}

/// All of them.
pub(super) fn fences(markdown: &str) -> Vec<Fence> {
    let (mut all, mut open, mut before) = (Vec::new(), None::<Fence>, "");
    for (number, line) in markdown.lines().enumerate() {
        match (line.strip_prefix("```"), open.as_mut()) {
            (Some(_), Some(_)) => all.extend(open.take()),
            (Some(language), None) => {
                let is_replayed = !before.starts_with(NOT_REPLAYED);
                let (language, text) = (language.to_owned(), String::new());
                open = Some(Fence { language, text, line: number + 2, is_replayed });
            }
            (None, Some(fence)) => fence.text += &format!("{line}\n"),
            (None, None) => before = line,
        }
    }
    assert!(open.is_none(), "a block is not closed: {open:?}");
    all
}
