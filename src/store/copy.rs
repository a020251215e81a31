//! The state without its history, beside the database: what a database that is gone is started again from.

use super::{AgentState, Event, StoreError, files, roster::Removed, write_durably};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What a copy holds.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct CopyContents {
    pub(super) state: AgentState,
    /// Audit entries that the database could not take, with the state that belongs to them.
    pub(super) waiting: Vec<Event>,
    /// Members whose certificates a roster that is lost with the database must not take in again.
    pub(super) removed: Removed,
}

/// The file that holds it.
#[derive(Debug)]
pub(super) struct CopyFile {
    path: PathBuf,
    /// What it is known to hold: a revision and so many waiting entries.
    written: Option<(u64, usize)>,
    /// Why it is older than the state, where it is.
    complaint: Option<String>,
}

impl CopyFile {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self { path, written: None, complaint: None }
    }

    /// What it holds; nothing where there is none.
    pub(super) fn read(&self) -> Result<Option<CopyContents>, StoreError> {
        let Some(text) = files::read(&self.path)? else { return Ok(None) };
        let contents = serde_json::from_str(&text).map_err(|_| StoreError::Contents {
            path: self.path.clone(),
            expected: "a copy of the state",
        })?;
        Ok(Some(contents))
    }

    /// Brings it up to the state; a failure is kept for [`complaint`](Self::complaint).
    pub(super) fn write(&mut self, state: &AgentState, waiting: &[Event], removed: &Removed) {
        let holds = (state.revision, waiting.len());
        // A database that refuses is tried again every few seconds, with the same state.
        if self.written == Some(holds) {
            return;
        }
        let (state, waiting, removed) = (state.clone(), waiting.to_vec(), removed.clone());
        let contents = CopyContents { state, waiting, removed };
        let text = serde_json::to_vec_pretty(&contents).unwrap_or_default();
        let written = write_durably(&self.path, &text);
        self.written = written.is_ok().then_some(holds);
        self.complaint = written.err().map(|error| error.to_string());
    }

    pub(super) fn complaint(&self) -> Option<&str> {
        self.complaint.as_deref()
    }
}
