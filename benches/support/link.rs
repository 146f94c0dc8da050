//! A store that stays as it is, for whoever would change it.

use std::{fs, path::Path};

/// The same files under another folder.
pub(crate) fn link(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("the store's folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        match entry.file_type().expect("its type").is_dir() {
            true => {
                fs::create_dir(&target).expect("a folder");
                link(&entry.path(), &target);
            }
            false => fs::hard_link(entry.path(), &target).expect("a link"),
        }
    }
}
