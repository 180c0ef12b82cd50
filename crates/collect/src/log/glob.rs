//! Paths with wildcards, as in `/var/log/*/app-[0-9]*.log`.
//!
//! `*` stands for any letters of one name, `?` for one letter, `[a-z]` and `[!a-z]` for one of a set, and `**`
//! as a whole part for any folders, at most [`DEPTH_MAX`] deep. A name that begins with a dot is only met by a
//! pattern that does. Links are followed to files and not to folders below `**`, so that no circle is walked.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Most files that one pattern finds; more are not seen.
pub(super) const FOUND_MAX: usize = 4_096;
/// Most names of one folder that are looked at.
const NAMES_MAX: usize = 65_536;
/// How deep `**` goes.
const DEPTH_MAX: usize = 8;
/// Longest pattern of one name; more is taken for a name.
const PATTERN_MAX: usize = 255;

/// The files that `pattern` means, as paths below `root`, sorted. Folders that cannot be read are passed over; of
/// more than some thousands of files the rest is not seen.
pub fn find(root: &Path, pattern: &str) -> Vec<PathBuf> {
    let parts: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty()).collect();
    let mut found = Vec::new();
    walk(root.to_owned(), &parts, 0, &mut found);
    found.sort();
    found.dedup();
    found
}

fn walk(folder: PathBuf, parts: &[&str], depth: usize, found: &mut Vec<PathBuf>) {
    if found.len() >= FOUND_MAX {
        return;
    }
    let Some((part, rest)) = parts.split_first() else {
        if folder.is_file() {
            found.push(folder);
        }
        return;
    };
    if *part == "**" {
        walk(folder.clone(), rest, depth, found);
        for (name, path) in names(&folder) {
            let is_folder = fs::symlink_metadata(&path).is_ok_and(|about| about.is_dir());
            if is_folder && depth < DEPTH_MAX && !name.starts_with('.') {
                walk(path, parts, depth + 1, found);
            }
        }
    } else if part.contains(['*', '?', '[']) && part.len() <= PATTERN_MAX {
        for (name, path) in names(&folder) {
            if is_match(part, &name) {
                walk(path, rest, depth, found);
            }
        }
    } else if *part != ".." {
        walk(folder.join(part), rest, depth, found);
    }
}

fn names(folder: &Path) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().take(NAMES_MAX);
    let name = |entry: &fs::DirEntry| entry.file_name().into_string().ok();
    entries.filter_map(|entry| Some((name(&entry)?, entry.path()))).collect()
}

/// Whether the whole name is as the pattern says. Takes at most the product of both lengths.
pub(super) fn is_match(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut letter) = (0, 0);
    // Where to go on if what follows the last star does not fit: the star may stand for one letter more.
    let mut again: Option<(usize, usize)> = None;
    while letter < name.len() {
        match one(&pattern, at, name[letter]) {
            Some(next) => (at, letter) = (next, letter + 1),
            None if pattern.get(at) == Some(&'*') => {
                again = Some((at + 1, letter));
                at += 1;
            }
            None => {
                let Some((star, from)) = again else { return false };
                again = Some((star, from + 1));
                (at, letter) = (star, from + 1);
            }
        }
    }
    pattern.iter().skip(at).all(|rest| *rest == '*')
}

/// The place behind what stands for this one letter.
fn one(pattern: &[char], at: usize, letter: char) -> Option<usize> {
    match pattern.get(at)? {
        '*' => None,
        '?' => Some(at + 1),
        '[' => match set(pattern, at + 1, letter) {
            Some((is_in, next)) => is_in.then_some(next),
            // A bracket that is not closed stands for itself.
            None => (letter == '[').then_some(at + 1),
        },
        other => (*other == letter).then_some(at + 1),
    }
}

/// Whether a letter is in the set that begins at `at`, and the place behind the set.
fn set(pattern: &[char], at: usize, letter: char) -> Option<(bool, usize)> {
    let is_negated = matches!(pattern.get(at)?, '!' | '^');
    let first = at + usize::from(is_negated);
    // A closing bracket in the first place is a member.
    let end = (first + 1..pattern.len()).find(|place| pattern.get(*place) == Some(&']'))?;
    let (mut place, mut is_in) = (first, false);
    while place < end {
        let low = *pattern.get(place)?;
        let is_range = place + 2 < end && pattern.get(place + 1) == Some(&'-');
        let high = if is_range { *pattern.get(place + 2)? } else { low };
        is_in |= (low..=high).contains(&letter);
        place += if is_range { 3 } else { 1 };
    }
    Some((is_in != is_negated, end + 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_and_patterns() {
        let check = |pattern: &str, name: &str, expected: bool| {
            assert_eq!(is_match(pattern, name), expected, "{pattern} {name}");
        };
        check("*.log", "a.log", true);
        check("*.log", "a.log.1", false);
        check("*.log", ".log", false);
        check(".*", ".hidden", true);
        check("a*b*c", "a-b-b-c", true);
        check("a*b*c", "a-b-b", false);
        check("app-[0-9]?.log", "app-1x.log", true);
        check("app-[!0-9].log", "app-1.log", false);
        check("app-[!0-9].log", "app-x.log", true);
        check("[]a]", "]", true);
        check("[a", "[a", true);
        check("[a-]", "-", true);
        check("日*", "日志", true);
        check("**", "x", true);
        check("", "", true);
        check("", "x", false);
    }

    #[test]
    fn files_below_a_root() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for path in ["var/log/a.log", "var/log/x/b.log", "var/log/x/y/c.log", "var/log/x/.d.log"] {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        std::os::unix::fs::symlink("..", root.join("var/log/x/up")).unwrap();
        let check = |pattern: &str, expected: &[&str]| {
            let found = find(root, pattern);
            let found: Vec<_> = found
                .iter()
                .map(|path| path.strip_prefix(root).unwrap().to_str().unwrap())
                .collect();
            assert_eq!(found, expected, "{pattern}");
        };
        check("/var/log/*.log", &["var/log/a.log"]);
        check("/var/log/a.log", &["var/log/a.log"]);
        check("/var/log/*/*.log", &["var/log/x/b.log"]);
        check("/var/log/**/*.log", &["var/log/a.log", "var/log/x/b.log", "var/log/x/y/c.log"]);
        check("/var/log/x/.d*", &["var/log/x/.d.log"]);
        check("/var/log/../log/a.log", &[]);
        check("/nowhere/*", &[]);
        check("", &[]);
    }

    proptest! {
        #[test]
        fn anything_matches_itself_or_not_without_a_panic(pattern in "[*?\\[\\]!a-c^.-]{0,12}", name in "[a-c\\[\\].-]{0,12}") {
            is_match(&pattern, &name);
            if !name.contains(['*', '?', '[']) {
                prop_assert!(is_match(&name, &name));
            }
        }
    }
}
