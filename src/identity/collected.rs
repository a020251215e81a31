//! Facts that only root may read, collected by a root process of a moment for an agent that runs without root.
//!
//! The agent serves sockets and a network port, so it should not be root; SMBIOS's UUID and serials and the TPM are
//! root's. A one-shot unit runs `entitlectl hardware collect`, which leaves this file for the agent's group. It holds
//! raw identifiers and must not be readable by anyone else. Facts of an earlier boot are not believed, because parts
//! are changed while a machine is off; neither is a file that anyone but root could have written.

use super::{Canonical, Fact, FactState, Group, Reading, Source, Survey, probe::TPMS};
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    io::Read as _,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};
use zeroize::{Zeroize, Zeroizing};

/// Where the unit leaves the facts.
pub const COLLECTED_FACTS: &str = "/run/entitled-hardware/facts.json";
/// Where the kernel names this boot.
pub(super) const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

const LARGEST_FILE: u64 = 1 << 20;
const WRITABLE_BY_OTHERS: u32 = 0o022;
/// What only root may read. Interfaces and disks the agent sees by itself, and the unit that collects is kept from the
/// network and would see none.
const OF_ROOT: [Group; 3] = [Group::U, Group::T, Group::S];
const BY_ROOT: &str = "as root found it";

/// What root read, for the agent. It has no `Debug`: it holds raw identifiers.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CollectedFacts {
    boot_id: String,
    facts: Vec<CollectedFact>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CollectedFact {
    source: Source,
    place: String,
    state: FactState,
    value: Option<String>,
}

impl Drop for CollectedFact {
    fn drop(&mut self) {
        self.value.zeroize();
    }
}

/// Why collected facts are not used.
#[derive(Debug, thiserror::Error)]
pub enum CollectedError {
    /// The file could not be read.
    #[error(
        "expected the hardware facts that root collected in {path}, found {source}: start entitled-hardware.service"
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// Someone other than root could have written it.
    #[error(
        "expected {path} to be root's and writable by root only, found owner {owner} and mode {mode:o}: remove it and start entitled-hardware.service"
    )]
    NotRoots {
        /// The file.
        path: PathBuf,
        /// Its owner's user id.
        owner: u32,
        /// Its permission bits.
        mode: u32,
    },
    /// It is not what the unit writes.
    #[error(
        "expected collected hardware facts in {path}, found {why}: start entitled-hardware.service"
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// It was written before this boot.
    #[error(
        "expected facts of this boot in {path}, found those of another: start entitled-hardware.service"
    )]
    OtherBoot {
        /// The file.
        path: PathBuf,
    },
}

impl CollectedError {
    /// Whether root has left nothing at all, as where the unit is not installed.
    pub(super) fn is_missing(&self) -> bool {
        matches!(self, Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// A stable code for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "identity-collected-read",
            Self::NotRoots { .. } => "identity-collected-owner",
            Self::Format { .. } => "identity-collected-format",
            Self::OtherBoot { .. } => "identity-collected-boot",
        }
    }
}

impl CollectedFacts {
    /// What a survey found, marked with the boot that it was found in.
    pub(super) fn new(survey: &Survey, boot_id: String) -> Self {
        // That there is no TPM is seen by the agent too, and only means that its driver was not up yet where the agent
        // sees one; a TPM that has no key has said so itself.
        let seen_by_all = |fact: &Fact| fact.reading == Reading::Absent && fact.place == TPMS;
        let roots = |fact: &&Fact| OF_ROOT.contains(&fact.group()) && !seen_by_all(fact);
        let facts = survey.facts().iter().filter(roots).map(|fact| CollectedFact {
            source: fact.source,
            place: fact.place.clone(),
            state: fact.reading.state(),
            value: fact.value().map(|value| value.expose_raw().to_owned()),
        });
        Self { boot_id, facts: facts.collect() }
    }

    /// The file's content. Write it whole, for root and the agent's group only.
    ///
    /// # Errors
    /// None that is known: every value has a form in JSON.
    pub fn to_json(&self) -> Result<Zeroizing<String>, serde_json::Error> {
        serde_json::to_string(self).map(Zeroizing::new)
    }

    /// Reads the file, if root alone can have written it in this boot.
    pub(super) fn read(path: &Path, boot_id: &str) -> Result<Self, CollectedError> {
        let path_buf = || path.to_owned();
        let read = |source| CollectedError::Read { path: path_buf(), source };
        let file = fs::File::open(path).map_err(read)?;
        let metadata = file.metadata().map_err(read)?;
        if !is_roots(metadata.uid(), metadata.mode()) {
            let mode = metadata.mode() & 0o7777;
            return Err(CollectedError::NotRoots { path: path_buf(), owner: metadata.uid(), mode });
        }
        let mut text = Zeroizing::new(String::new());
        file.take(LARGEST_FILE).read_to_string(&mut text).map_err(read)?;
        let facts: Self = serde_json::from_str(&text)
            .map_err(|error| CollectedError::Format { path: path_buf(), why: error.to_string() })?;
        if facts.boot_id != boot_id {
            return Err(CollectedError::OtherBoot { path: path_buf() });
        }
        Ok(facts)
    }

    /// Puts what root read in place of what this process could not, source by source.
    pub(super) fn fill(&self, facts: &mut Vec<Fact>) {
        let unreadable = |fact: &Fact| matches!(fact.reading, Reading::Unreadable { .. });
        let mut sources: Vec<_> =
            facts.iter().filter(|f| unreadable(f)).map(|f| f.source).collect();
        sources.sort();
        sources.dedup();
        for source in sources {
            let by_root = self.facts.iter().filter(|fact| fact.source == source);
            let by_root: Vec<Fact> = by_root.filter_map(CollectedFact::fact).collect();
            if !by_root.is_empty() {
                facts.retain(|fact| fact.source != source);
                facts.extend(by_root);
            }
        }
    }
}

/// Which writing of the file is there, if any that may be seen: each puts another file in the place of the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Writing(Option<(u64, i64, i64)>);

impl Writing {
    /// What is there now.
    pub(super) fn of(path: &Path) -> Self {
        let metadata = fs::metadata(path).ok();
        Self(metadata.map(|found| (found.ino(), found.ctime(), found.ctime_nsec())))
    }
}

impl CollectedFact {
    /// The fact, unless root could not read it either.
    fn fact(&self) -> Option<Fact> {
        let reading = match (self.state, &self.value) {
            (FactState::Read, Some(value)) => Reading::Value(Canonical::new(value.clone())),
            (FactState::Absent, _) => Reading::Absent,
            (FactState::Placeholder, _) => Reading::Placeholder { rule: BY_ROOT },
            (FactState::Read, None) | (FactState::Unreadable, _) => return None,
        };
        Some(Fact::new(self.source, self.place.clone(), reading))
    }
}

const fn is_roots(owner: u32, mode: u32) -> bool {
    owner == 0 && mode & WRITABLE_BY_OTHERS == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::MachineKind;

    fn collected() -> CollectedFacts {
        let facts = [
            Fact::of(Source::SmbiosUuid, "1234"),
            Fact::of(Source::PermanentMac, "3c:ec:ef:00:00:01"),
            Fact::new(Source::BoardSerial, "b", Reading::unreadable("no")),
            Fact::new(Source::SystemSerial, "s", Reading::Placeholder { rule: "x" }),
        ];
        CollectedFacts::new(&Survey::new(MachineKind::BareMetal, None, facts), "boot".to_owned())
    }

    #[test]
    fn a_tpm_that_came_up_after_root_looked_is_unreadable_and_not_absent() {
        let seen = |place: &str| {
            let absent = Fact::new(Source::TpmEndorsementKey, place, Reading::Absent);
            let survey = Survey::new(MachineKind::BareMetal, None, [absent]);
            let hidden = Reading::unreadable("not root");
            let mut facts = vec![Fact::new(Source::TpmEndorsementKey, "here", hidden)];
            CollectedFacts::new(&survey, "boot".to_owned()).fill(&mut facts);
            facts[0].reading.state()
        };
        assert_eq!(seen(TPMS), FactState::Unreadable);
        assert_eq!(seen("/dev/tpmrm0"), FactState::Absent, "it has no key, and has said so");
    }

    #[test]
    fn only_what_could_not_be_read_is_filled_in() {
        let hidden = |source| Fact::new(source, "here", Reading::unreadable("not root"));
        let mut facts = vec![
            hidden(Source::SmbiosUuid),
            hidden(Source::SystemSerial),
            hidden(Source::BoardSerial),
            Fact::of(Source::PermanentMac, "3c:ec:ef:00:00:02"),
        ];
        collected().fill(&mut facts);
        let state = |source| facts.iter().find(|f| f.source == source).unwrap().reading.state();
        assert_eq!(state(Source::SmbiosUuid), FactState::Read);
        assert_eq!(state(Source::SystemSerial), FactState::Placeholder);
        assert_eq!(state(Source::BoardSerial), FactState::Unreadable);
        assert!(facts.contains(&Fact::of(Source::PermanentMac, "3c:ec:ef:00:00:02")));
        assert_eq!(facts.len(), 4);
    }

    #[test]
    fn nothing_is_left_that_the_agent_can_read_itself() {
        let json = collected().to_json().unwrap();
        assert!(json.contains("smbios-uuid") && json.contains("board-serial"), "{}", *json);
        assert!(!json.contains("permanent-mac") && !json.contains("3c:ec:ef"), "{}", *json);
    }

    #[test]
    fn roots_file_of_this_boot_is_believed_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("facts.json");
        let code = |boot_id: &str| CollectedFacts::read(&path, boot_id).err().map(|e| e.code());
        assert_eq!(code("boot"), Some("identity-collected-read"));
        fs::write(&path, collected().to_json().unwrap().as_bytes()).unwrap();
        if fs::metadata(&path).unwrap().uid() != 0 {
            assert_eq!(code("boot"), Some("identity-collected-owner"));
            return;
        }
        assert_eq!(code("boot"), None);
        assert_eq!(code("other"), Some("identity-collected-boot"));
        fs::write(&path, "{}").unwrap();
        assert_eq!(code("boot"), Some("identity-collected-format"));
    }

    #[test]
    fn a_file_that_others_could_write_is_not_roots() {
        assert!(is_roots(0, 0o100_640));
        assert!(!is_roots(1000, 0o100_640));
        assert!(!is_roots(0, 0o100_660));
        assert!(!is_roots(0, 0o100_602));
    }
}
