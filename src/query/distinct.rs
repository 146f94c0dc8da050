//! Names of columns that are told apart: `id`, `id_2`, `id_3`.

use std::collections::HashSet;

/// `name`, or `name` with the first number behind it that makes it one that is not taken; it is taken then.
pub(super) fn distinct_name(name: &str, taken: &mut HashSet<String>) -> String {
    let mut candidate = name.to_string();
    let mut number = 2;
    while !taken.insert(candidate.clone()) {
        candidate = format!("{name}_{number}");
        number += 1;
    }
    candidate
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch a number that makes a name which somebody typed already.
    #[test]
    fn numbers_pass_over_names_that_are_taken() {
        let mut taken = HashSet::from(["id_2".to_owned()]);
        let names = ["id", "id", "id", "id_2"].map(|name| distinct_name(name, &mut taken));
        assert_eq!(names, ["id", "id_3", "id_4", "id_2_2"]);
    }
}
