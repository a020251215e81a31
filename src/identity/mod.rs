//! Who this machine is: hardware evidence, the Serial Number made from it, and whether it is still the same machine.
//!
//! `probe -> survey -> mint | judge -> verdict`. [`Machine`] reads the live system or a captured tree and is all the
//! I/O there is; everything after a [`Survey`] is pure. Raw identifiers stay inside a survey: what is stored, sent and
//! shown are digests. The agent, the command line and the portal call this; this calls `codes` and `terms` only.

mod canonical;
mod collected;
mod digest;
mod enrolled;
mod evidence;
mod judgement;
mod machine;
mod matching;
mod mint;
mod placeholders;
mod probe;
mod report;
mod site;
mod survey;
mod tree;

pub use crate::terms::Verdict;
pub use collected::{COLLECTED_FACTS, CollectedError, CollectedFacts};
pub use digest::{FactDigest, LocalSecret, SecretError};
pub use enrolled::{Enrolled, EnrolledFact};
pub use evidence::{Canonical, Fact, FactState, Group, Reading, Source};
pub use judgement::{Judgement, Reason, judge, judge_digested};
pub use machine::Machine;
pub use matching::{FactComparison, Outcome, Recognition, recognise};
pub use mint::{MintError, Minted, mint_override};
pub use report::{HardwareReport, ReportedFact};
pub use survey::{DigestedFact, DigestedSurvey, MachineKind, Survey};

#[cfg(test)]
mod tests;

/// The hardware as the agent sees it: the seam for the simulation and for tests.
///
/// The real one is [`Machine`].
pub trait Hardware: Send + Sync {
    /// Reads every fact now. It never fails: what could not be read is in the survey as such.
    ///
    /// It may block for as long as the slowest probe's time limit; call it where blocking is allowed.
    fn survey(&self) -> Survey;

    /// Whether a survey would now find what root left after the last one. It is asked at every turn of the loop and
    /// must not block.
    fn has_news(&self) -> bool {
        false
    }
}
