//! The store in one SQLite file, with a copy of the state beside it. Either is enough to go on from.

mod database;

use super::{
    AgentState, Event, Roster, RosterChange, StateDirectory, Store, StoreError, StoredEvent,
    copy::{CopyContents, CopyFile},
    roster::Removed,
};
use crate::usage::DayPeak;
use database::{Database, set_aside};
pub(super) use database::{Looked, events_of as read_events, look_into};
use jiff::civil::Date;
use std::{
    borrow::Cow,
    path::{Path, PathBuf},
};

pub(super) const DATABASE: &str = "entitled.db";
const COPY: &str = "state.json";

/// A store in a state directory.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    /// The database; nothing while it can't be opened.
    database: Option<Database>,
    copy: CopyFile,
    /// Members that were removed, as the copy has them.
    removed: Removed,
    /// What the database does not have yet: the state of the copy, with its audit entries.
    ahead: Option<(AgentState, Vec<Event>)>,
    /// Why not.
    refusal: Option<String>,
    /// What was done about a database that was found damaged or missing while it was in use.
    recovered: Option<String>,
}

/// A store, and what had to be done to open it.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: SqliteStore,
    /// What the operator should know: the database was damaged or missing, and was started again from the copy.
    pub recovered: Option<String>,
}

/// The revision and the number of waiting audit entries of the copy in a directory, where that can be read.
pub(super) fn read_copy(directory: &Path) -> Option<(u64, usize)> {
    let contents = CopyFile::new(directory.join(COPY)).read().ok().flatten()?;
    Some((contents.state.revision, contents.waiting.len()))
}

/// How the database was found.
enum Found {
    Missing,
    Empty,
    Sound,
    /// Damaged in this way; it is there now.
    Damaged(String, PathBuf),
}

impl SqliteStore {
    /// Opens the store of a state directory. A damaged database is set aside, never deleted, and a new one is started
    /// from the copy beside it. One that can't be opened at all is tried again at every commit; the state is the copy's
    /// meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Newer`]; where there is no copy to go on from, [`StoreError::Database`] and [`StoreError::File`].
    pub fn open(directory: &StateDirectory) -> Result<Opened, StoreError> {
        let path = directory.path().join(DATABASE);
        let copy = CopyFile::new(directory.path().join(COPY));
        let kept =
            copy.read().inspect_err(|error| tracing::error!(%error, "the copy is of no use"));
        // A state that can't be read may be a newer agent's: it is left alone where nothing could take its place.
        let replaceable = matches!(kept, Ok(Some(_)));
        match (open_sound(&path, replaceable), kept) {
            (Ok((database, state, found)), kept) => {
                let mut store = Self::new(path, Some(database), copy);
                store.removed = Removed::of(&store.roster().unwrap_or_default());
                Ok(store.opened(&state, &found, kept))
            }
            (Err(error @ StoreError::Newer { .. }), _) => Err(error),
            (Err(error), Ok(Some(CopyContents { state, waiting, removed }))) => {
                tracing::error!(%error, "the database can't be opened: the copy of its state is used");
                let refusal = Some(error.to_string());
                let ahead = Some((state, waiting));
                let store = Self { removed, ahead, refusal, ..Self::new(path, None, copy) };
                Ok(Opened { store, recovered: None })
            }
            (Err(error), _) => Err(error),
        }
    }

    const fn new(path: PathBuf, database: Option<Database>, copy: CopyFile) -> Self {
        let removed = Removed::none();
        Self { path, database, copy, removed, ahead: None, refusal: None, recovered: None }
    }

    /// Brings database and copy to the newer of their states.
    fn opened(
        mut self,
        state: &AgentState,
        found: &Found,
        kept: Result<Option<CopyContents>, StoreError>,
    ) -> Opened {
        let unreadable = kept.as_ref().err().map(ToString::to_string);
        match kept {
            Ok(Some(CopyContents { state: newer, waiting, removed }))
                if newer.revision > state.revision =>
            {
                let recovered = found.describe(Some("the copy beside it"), None);
                let removals = removed.missing_in(&self.roster().unwrap_or_default());
                self.removed.apply(&removals);
                match self.write(&newer, &waiting, &removals) {
                    Ok(_) => Opened { store: self, recovered },
                    Err(error) => {
                        self.refusal = Some(error.to_string());
                        self.ahead = Some((newer, waiting));
                        let recovered = recovered.filter(|_| !matches!(found, Found::Sound));
                        Opened { store: self, recovered }
                    }
                }
            }
            kept => {
                let is_old =
                    !matches!(kept, Ok(Some(copy)) if copy.state.revision == state.revision);
                // After a crash between the two, or where somebody has removed or spoilt it.
                if is_old && state.revision > 0 {
                    self.copy.write(state, &[], &self.removed);
                }
                let recovered = found.describe(None, unreadable.as_deref());
                Opened { store: self, recovered }
            }
        }
    }

    /// Writes to the database, which is opened where it could not be before.
    fn write(
        &mut self,
        state: &AgentState,
        events: &[Event],
        changes: &[RosterChange],
    ) -> Result<bool, StoreError> {
        let mut changes = Cow::Borrowed(changes);
        let database = match &mut self.database {
            Some(database) => database,
            none => {
                let (database, _, found) = open_sound(&self.path, true)?;
                // One that only could not be opened for a while has lost nothing.
                let recovered = found.describe(Some("what the agent held"), None);
                self.recovered = recovered.filter(|_| !matches!(found, Found::Sound));
                let removals = self.removed.missing_in(&database.roster().unwrap_or_default());
                changes.to_mut().extend(removals);
                none.insert(database)
            }
        };
        let written = database.write(state, events, &changes);
        if written.as_ref().is_err_and(StoreError::is_damage) {
            // The next try sets it aside.
            self.database = None;
        }
        written
    }
}

impl Store for SqliteStore {
    fn load(&mut self) -> Result<AgentState, StoreError> {
        match (&self.ahead, &self.database) {
            (Some((state, _)), _) => Ok(state.clone()),
            (None, Some(database)) => database.state(),
            (None, None) => Ok(open_sound(&self.path, false)?.1),
        }
    }

    fn roster(&mut self) -> Result<Roster, StoreError> {
        // Without it nobody is known but those that are to be kept out.
        self.database.as_ref().map_or_else(|| Ok(self.removed.roster()), Database::roster)
    }

    fn commit_with(
        &mut self,
        state: &AgentState,
        events: &[Event],
        changes: &[RosterChange],
    ) -> Result<(), StoreError> {
        self.removed.apply(changes);
        let ahead = self.ahead.iter().flat_map(|(_, waiting)| waiting);
        let events: Vec<Event> = ahead.chain(events).cloned().collect();
        match self.write(state, &events, changes) {
            Ok(changed) => {
                self.ahead = None;
                self.refusal = None;
                if changed || self.copy.complaint().is_some() {
                    self.copy.write(state, &[], &self.removed);
                }
                Ok(())
            }
            Err(error) => {
                // The next start takes from there what the database did not.
                self.copy.write(state, &events, &self.removed);
                Err(error)
            }
        }
    }

    fn keep_peaks(&mut self, peaks: &[DayPeak]) -> Result<(), StoreError> {
        match &mut self.database {
            Some(database) => database.keep_peaks(peaks),
            // The next commit opens it.
            None => Ok(open_sound(&self.path, false)?.0.keep_peaks(peaks)?),
        }
    }

    fn peaks(&mut self, from: Date, to: Date) -> Result<Vec<DayPeak>, StoreError> {
        match &self.database {
            Some(database) => database.peaks(from, to),
            None => open_sound(&self.path, false)?.0.peaks(from, to),
        }
    }

    fn recovered(&mut self) -> Option<String> {
        self.recovered.take()
    }

    fn complaint(&self) -> Option<String> {
        self.refusal.clone().or_else(|| self.copy.complaint().map(ToOwned::to_owned))
    }

    fn events(&mut self, limit: u32) -> Result<Vec<StoredEvent>, StoreError> {
        match &self.database {
            Some(database) => database.events(limit),
            None => open_sound(&self.path, false)?.0.events(limit),
        }
    }
}

/// Opens the database. A damaged one is set aside and a new one made; one whose file is sound and whose state can't be
/// read only where that state is `replaceable`.
fn open_sound(path: &Path, replaceable: bool) -> Result<(Database, AgentState, Found), StoreError> {
    let found = match path.metadata() {
        Ok(file) if file.len() == 0 => Found::Empty,
        Ok(_) => Found::Sound,
        Err(_) => Found::Missing,
    };
    match Database::open(path) {
        Ok((database, state)) => Ok((database, state, found)),
        Err(error)
            if error.is_damage() || replaceable && matches!(error, StoreError::Contents { .. }) =>
        {
            let aside = set_aside(path)?;
            tracing::error!(%error, aside = %aside.display(), "the database is set aside");
            let (database, state) = Database::open(path)?;
            Ok((database, state, Found::Damaged(error.to_string(), aside)))
        }
        Err(error) => Err(error),
    }
}

impl Found {
    /// What the operator should know; nothing where the database was sound and newest.
    fn describe(&self, from: Option<&str>, unreadable: Option<&str>) -> Option<String> {
        let nothing = || match unreadable {
            Some(why) => format!("nothing, for its copy was of no use either ({why})"),
            None => "nothing, for there was no copy".to_owned(),
        };
        let start = from.map_or_else(nothing, ToOwned::to_owned);
        match self {
            Self::Damaged(how, aside) => Some(format!(
                "the database was damaged ({how}): it was set aside as {}, where the audit before is, and a new one started from {start}",
                aside.display()
            )),
            // The first start of all.
            Self::Missing | Self::Empty | Self::Sound if from.is_none() && unreadable.is_none() => {
                None
            }
            Self::Missing => Some(format!(
                "the database was missing: a new one was started from {start}; the audit before is lost"
            )),
            Self::Empty => Some(format!(
                "the database was empty: it was started again from {start}; the audit before is lost"
            )),
            Self::Sound => from.map(|from| {
                format!("the database had refused the last changes: they were taken from {from}")
            }),
        }
    }
}
