//! Files that must be there, whole, after a power cut, and that nobody else may read.

use super::StoreError;
use atomic_write_file::{AtomicWriteFile, unix::OpenOptionsExt as _};
use std::{
    fs,
    io::{self, Read, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
};

/// Largest file of ours that is read, bytes.
const LARGEST: u64 = 16 << 20;

/// Writes a file of mode 0600 in the place of the old one: written, synced, renamed, and its directory synced.
///
/// # Errors
/// [`StoreError::File`] with the operation that failed; the old file is then still there, whole.
pub fn write_durably(path: &Path, contents: &[u8]) -> Result<(), StoreError> {
    replace(path, contents, 0o600)
}

/// The same with mode 0640, for the group of whoever writes it.
///
/// # Errors
/// As [`write_durably`].
pub fn write_durably_for_group(path: &Path, contents: &[u8]) -> Result<(), StoreError> {
    replace(path, contents, 0o640)
}

fn replace(path: &Path, contents: &[u8], mode: u32) -> Result<(), StoreError> {
    let error = |operation| move |source| StoreError::File { operation, path: path.into(), source };
    // Owner and mode are this process's, whoever wrote the old one: taking over an owner needs a privilege.
    let mut options = AtomicWriteFile::options();
    options.preserve_owner(false).preserve_mode(false);
    let mut file = options.open(path).map_err(error("open"))?;
    file.set_permissions(fs::Permissions::from_mode(mode)).map_err(error("protect"))?;
    file.write_all(contents).map_err(error("write"))?;
    file.commit().map_err(error("replace"))
}

/// The text of a file; nothing where there is no such file.
pub(super) fn read(path: &Path) -> Result<Option<String>, StoreError> {
    let error = |source: io::Error| match source.kind() {
        io::ErrorKind::InvalidData => StoreError::Contents { path: path.into(), expected: "text" },
        _ => StoreError::File { operation: "read", path: path.into(), source },
    };
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(error(e)),
    };
    let mut text = String::new();
    file.take(LARGEST).read_to_string(&mut text).map_err(error)?;
    Ok(Some(text))
}
