//! The store looked at by somebody else than its agent: nothing is made, mended or brought up to date.

use super::{StoreError, StoredEvent, sqlite};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// What was found.
#[derive(Debug)]
pub struct Inspection {
    /// The database.
    pub path: PathBuf,
    /// Its layout.
    pub layout: i64,
    /// The newest layout that this program knows.
    pub known_layout: i64,
    /// Its size, bytes.
    pub bytes: u64,
    /// The revision of the state in it.
    pub revision: u64,
    /// How many audit entries it has.
    pub events: u64,
    /// The copy beside it, where there is one that can be read.
    pub copy: Option<CopySeen>,
    /// Databases that were found damaged and set aside.
    pub set_aside: Vec<PathBuf>,
}

/// The copy beside a database.
#[derive(Debug)]
pub struct CopySeen {
    /// The revision of the state in it.
    pub revision: u64,
    /// How many audit entries the database could not take yet.
    pub waiting: usize,
}

/// Looks at the store of a state directory; nothing where there is none, or where this process may not look.
///
/// # Errors
/// [`StoreError::Database`] where it is damaged or can't be read.
pub fn inspect(directory: &Path) -> Result<Option<Inspection>, StoreError> {
    let path = directory.join(sqlite::DATABASE);
    let bytes = match fs::File::open(&path).and_then(|file| file.metadata()) {
        Ok(found) => found.len(),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
            ) =>
        {
            return Ok(None);
        }
        Err(source) => return Err(StoreError::File { operation: "open", path, source }),
    };
    let found = sqlite::look_into(&path)?;
    let copy = sqlite::read_copy(directory);
    let copy = copy.map(|(revision, waiting)| CopySeen { revision, waiting });
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let is_aside = |path: &PathBuf| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| {
            name.starts_with("entitled.db.damaged-") && !name.ends_with("-journal")
        })
    };
    let set_aside = entries.map(|entry| entry.path()).filter(is_aside).collect();
    let sqlite::Looked { layout, known_layout, revision, events } = found;
    Ok(Some(Inspection { path, layout, known_layout, bytes, revision, events, copy, set_aside }))
}

/// The newest audit entries of a state directory whose agent does not answer, newest first.
///
/// # Errors
/// [`StoreError::Database`].
pub fn read_events(directory: &Path, limit: u32) -> Result<Vec<StoredEvent>, StoreError> {
    sqlite::read_events(&directory.join(sqlite::DATABASE), limit)
}
