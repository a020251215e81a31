//! The vendor's root keys, from the folders that the settings name.

use crate::license::Roots;
use std::path::PathBuf;

/// Reads every `*.jwks` of the folders. A file that is no key set is named and left out: the others still count.
pub fn read_roots(folders: &[PathBuf]) -> (Roots, Vec<String>) {
    let mut roots = Roots::none();
    let mut complaints = Vec::new();
    let files = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten();
    let mut paths: Vec<_> = files.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|e| e == "jwks")) {
        let added = std::fs::read_to_string(path)
            .map_err(|error| error.to_string())
            .and_then(|text| roots.add_key_set(&text).map_err(|error| error.to_string()));
        if let Err(error) = added {
            complaints.push(format!("{}: {error}", path.display()));
        }
    }
    (roots, complaints)
}
