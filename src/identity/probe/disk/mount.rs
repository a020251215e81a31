//! What is mounted at the state directory.

use crate::identity::{site::Site, tree::Found};
use std::path::{Path, PathBuf};

/// One mounted file system.
pub(super) struct Mount {
    /// `major:minor`, as /sys/dev/block names devices; `-` where it is not known.
    pub(super) number: String,
    /// What is mounted: `/dev/sda1`, `/dev/mapper/root`, `overlay`, …
    pub(super) source: String,
}

/// The file system that the state directory is on; none where nothing says so.
pub(super) fn below(site: &Site) -> Result<Option<Mount>, String> {
    let state_dir = real_state_dir(site);
    for path in ["/proc/self/mountinfo", "/proc/1/mountinfo", "/proc/mounts"] {
        let parse = if path.ends_with("mountinfo") { parse_mountinfo } else { parse_mounts };
        match site.tree.text(path) {
            Found::Some(text) => return Ok(deepest(&state_dir, text.lines().filter_map(parse))),
            Found::Missing => {}
            Found::Unreadable(why) => return Err(format!("{path}: {why}")),
        }
    }
    Ok(None)
}

/// The state directory with its links followed, as far as it exists already.
fn real_state_dir(site: &Site) -> PathBuf {
    let mut missing = PathBuf::new();
    let mut folder = site.state_dir.as_path();
    loop {
        if let Some(real) = folder.to_str().and_then(|folder| site.tree.real_path(folder)) {
            return Path::new(&real).join(missing);
        }
        let (Some(parent), Some(name)) = (folder.parent(), folder.file_name()) else {
            return site.state_dir.clone();
        };
        missing = Path::new(name).join(missing);
        folder = parent;
    }
}

/// The longest mount point that holds the directory; of two at one place, the later lies on top.
fn deepest(dir: &Path, mounts: impl Iterator<Item = (PathBuf, Mount)>) -> Option<Mount> {
    let holding = mounts.filter(|(point, _)| dir.starts_with(point));
    let deepest = holding.max_by_key(|(point, _)| point.components().count());
    deepest.map(|(_, mount)| mount)
}

/// A line of mountinfo, `proc_pid_mountinfo(5)`: id, parent, number, root, point, options, optional fields, `-`, type,
/// source, options.
fn parse_mountinfo(line: &str) -> Option<(PathBuf, Mount)> {
    let (before, after) = line.split_once(" - ")?;
    let mut before = before.split(' ').skip(2);
    let number = before.next()?.to_owned();
    let point = unescape(before.nth(1)?);
    let source = unescape(after.split(' ').nth(1)?);
    Some((PathBuf::from(point), Mount { number, source }))
}

/// A line of /proc/mounts, fstab(5): source, point, type, options.
fn parse_mounts(line: &str) -> Option<(PathBuf, Mount)> {
    let mut fields = line.split(' ');
    let source = unescape(fields.next()?);
    let point = unescape(fields.next()?);
    Some((PathBuf::from(point), Mount { number: "-".to_owned(), source }))
}

/// The kernel writes blanks and backslashes in octal.
fn unescape(text: &str) -> String {
    let escapes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    escapes.into_iter().fold(text.to_owned(), |text, (escape, c)| text.replace(escape, c))
}
