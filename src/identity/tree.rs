//! Bounded reading below a root directory laid out as /sys and /proc are.
//!
//! Links are followed inside the root only: a captured tree must never answer with the files of the machine that looks
//! at it. Every read has a cap, and nothing but a regular file is ever opened, so a pipe or a device put in a file's
//! place cannot hold a probe.

use rustix::io::Errno;
use std::{
    ffi::OsString,
    fs, io,
    io::Read as _,
    path::{Component, Path, PathBuf},
};

/// The largest is mountinfo on a host of thousands of containers.
const LARGEST_FILE: u64 = 8 << 20;
/// As the kernel: more links than this are a loop.
const MOST_LINKS: u32 = 40;
/// More interfaces or disks than this are not looked at.
const MOST_ENTRIES: usize = 4096;

const DOES_NOT_HAVE_IT: [Errno; 4] = [Errno::NODEV, Errno::NXIO, Errno::OPNOTSUPP, Errno::INVAL];

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found<T> {
    Some(T),
    Missing,
    /// It may be there: no permission, an I/O error, not a file, too large.
    Unreadable(String),
}

impl<T> Found<T> {
    pub(super) fn some(self) -> Option<T> {
        match self {
            Self::Some(value) => Some(value),
            Self::Missing | Self::Unreadable(_) => None,
        }
    }

    fn of_error(error: &io::Error) -> Self {
        use io::ErrorKind::{NotADirectory, NotFound};
        match error.kind() {
            NotFound | NotADirectory => Self::Missing,
            _ => match error.raw_os_error() {
                // So sysfs answers a read of what the device does not have.
                Some(code) if DOES_NOT_HAVE_IT.iter().any(|e| e.raw_os_error() == code) => {
                    Self::Missing
                }
                _ => Self::Unreadable(error.to_string()),
            },
        }
    }
}

/// A root directory.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    root: PathBuf,
}

impl Tree {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The bytes of a file below the root.
    pub(super) fn bytes(&self, path: &str) -> Found<Vec<u8>> {
        self.try_bytes(path).unwrap_or_else(|error| Found::of_error(&error))
    }

    /// The text of a file below the root; bytes that are no text are replaced.
    pub(super) fn text(&self, path: &str) -> Found<String> {
        match self.bytes(path) {
            Found::Some(bytes) => Found::Some(String::from_utf8_lossy(&bytes).into_owned()),
            Found::Missing => Found::Missing,
            Found::Unreadable(why) => Found::Unreadable(why),
        }
    }

    /// The first bytes of a file as text, where it can be read.
    pub(super) fn beginning(&self, path: &str, bytes: u64) -> Option<String> {
        let path = self.resolve(path).ok()?;
        let is_file = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file());
        let mut beginning = Vec::new();
        let file = is_file.then(|| fs::File::open(&path))?.ok()?;
        file.take(bytes).read_to_end(&mut beginning).ok()?;
        Some(String::from_utf8_lossy(&beginning).into_owned())
    }

    /// The first line of a file, trimmed, where it can be read and is not blank.
    pub(super) fn line(&self, path: &str) -> Option<String> {
        let text = self.text(path).some()?;
        let line = text.lines().next()?.trim_matches(|c: char| c.is_whitespace() || c == '\0');
        (!line.is_empty()).then(|| line.to_owned())
    }

    /// The names in a directory, sorted.
    pub(super) fn names(&self, path: &str) -> Found<Vec<String>> {
        self.try_names(path).unwrap_or_else(|error| Found::of_error(&error))
    }

    pub(super) fn exists(&self, path: &str) -> bool {
        self.resolve(path).is_ok_and(|path| path.symlink_metadata().is_ok())
    }

    /// Where a path leads after every link, as an absolute path below the root.
    pub(super) fn real_path(&self, path: &str) -> Option<String> {
        let real = self.resolve(path).ok()?;
        real.symlink_metadata().ok()?;
        Some(format!("/{}", real.strip_prefix(&self.root).ok()?.to_str()?))
    }

    /// Whether there is anything of this name, be it a link that leads nowhere.
    pub(super) fn has_entry(&self, path: &str) -> bool {
        self.entry(path).is_some_and(|entry| entry.symlink_metadata().is_ok())
    }

    /// The last name of where a link points, without asking whether it is there.
    pub(super) fn link_name(&self, path: &str) -> Option<String> {
        let target = fs::read_link(self.entry(path)?).ok()?;
        Some(target.file_name()?.to_str()?.to_owned())
    }

    /// A path whose last part is not followed.
    fn entry(&self, path: &str) -> Option<PathBuf> {
        let parent = self.resolve(Path::new(path).parent()?.to_str()?).ok()?;
        Some(parent.join(Path::new(path).file_name()?))
    }

    fn try_bytes(&self, path: &str) -> io::Result<Found<Vec<u8>>> {
        let path = self.resolve(path)?;
        let metadata = fs::symlink_metadata(&path)?;
        if !metadata.is_file() {
            return Ok(Found::Unreadable("expected a file, found something else".to_owned()));
        }
        let mut bytes = Vec::new();
        fs::File::open(&path)?.take(LARGEST_FILE + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > LARGEST_FILE {
            return Ok(Found::Unreadable(format!("larger than {LARGEST_FILE} bytes")));
        }
        Ok(Found::Some(bytes))
    }

    fn try_names(&self, path: &str) -> io::Result<Found<Vec<String>>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.resolve(path)?)?.take(MOST_ENTRIES) {
            names.extend(entry?.file_name().into_string());
        }
        names.sort();
        Ok(Found::Some(names))
    }

    /// Follows every link of `path`, an absolute link from the root of the tree, and `..` never above it.
    fn resolve(&self, path: &str) -> io::Result<PathBuf> {
        let mut real = PathBuf::new();
        let mut links = 0;
        let mut rest: Vec<OsString> = parts(Path::new(path));
        while let Some(part) = rest.pop() {
            if part == ".." {
                real.pop();
                continue;
            }
            let next = real.join(&part);
            match fs::read_link(self.root.join(&next)) {
                Ok(target) => {
                    links += 1;
                    if links > MOST_LINKS {
                        return Err(io::Error::other("more than 40 links"));
                    }
                    if target.is_absolute() {
                        real = PathBuf::new();
                    }
                    rest.extend(parts(&target));
                }
                // No link, or nothing there: whoever opens it will see which.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => real = next,
                Err(error) => return Err(error),
            }
        }
        Ok(self.root.join(real))
    }
}

/// The names of a path, last first.
fn parts(path: &Path) -> Vec<OsString> {
    let names = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    let mut names: Vec<_> = names.collect();
    names.reverse();
    names
}
