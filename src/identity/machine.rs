//! The real hardware: every probe, each in a thread of its own with a time limit.

use super::{
    CollectedFacts, Fact, Hardware, Reading, Survey,
    collected::{BOOT_ID, Writing},
    probe::{self, Probe},
    site::Site,
    tree::Tree,
};
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

/// A probe that takes longer has met a driver that hangs. Its facts are unreadable, not changed.
const TIME_LIMIT: Duration = Duration::from_secs(5);
const STACK_BYTES: usize = 512 * 1024;

/// The hardware of the live system or of a captured tree.
#[derive(Debug)]
pub struct Machine {
    site: Site,
    collected: Option<PathBuf>,
    /// What root had left at the last survey; none before the first.
    seen: Mutex<Option<Writing>>,
    /// A second survey waits for the first: it would take the probes that run for ones that hang.
    one_at_a_time: Mutex<()>,
    /// Whether the probe of this place still hangs in an earlier survey; it is not started again beside itself.
    hanging: [Arc<AtomicBool>; probe::ALL.len()],
}

impl Machine {
    /// The machine that this runs on. `state_dir` need not exist yet: the disk below it is one of the facts.
    pub fn live(state_dir: impl Into<PathBuf>) -> Self {
        Self::new(Path::new("/"), true, state_dir.into())
    }

    /// The machine whose /sys and /proc were captured under `root`. Nothing of the machine that this runs on is asked.
    /// A `root` of `/` is the live system.
    pub fn at(root: &Path, state_dir: impl Into<PathBuf>) -> Self {
        let live = root.canonicalize().is_ok_and(|root| root == Path::new("/"));
        Self::new(root, live, state_dir.into())
    }

    /// Takes what this process may not read from the file that root left. Only of the live system: a captured tree
    /// answers for itself.
    #[must_use]
    pub fn with_collected(mut self, path: impl Into<PathBuf>) -> Self {
        self.collected = self.site.live.then(|| path.into());
        self
    }

    /// What this process, as root, can read for the agent.
    pub fn collect(&self) -> CollectedFacts {
        CollectedFacts::new(&self.survey(), self.boot_id())
    }

    fn boot_id(&self) -> String {
        self.site.tree.line(BOOT_ID).unwrap_or_default()
    }

    /// Notes what root has left by now; true where it is not what was there at the last survey.
    fn look_for_collected(&self) -> bool {
        let Some(path) = &self.collected else { return false };
        let now = Writing::of(path);
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).replace(now) != Some(now)
    }

    fn fill_in(&self, facts: &mut Vec<Fact>, is_news: bool) {
        let Some(path) = &self.collected else { return };
        if !facts.iter().any(|fact| matches!(fact.reading, Reading::Unreadable { .. })) {
            return;
        }
        match CollectedFacts::read(path, &self.boot_id()) {
            Ok(collected) => collected.fill(facts),
            // The facts stay unreadable, and this is why; the next surveys have nothing to add.
            Err(_) if !is_news => {}
            Err(error) if error.is_missing() => tracing::info!(code = error.code(), "{error}"),
            Err(error) => tracing::warn!(code = error.code(), "{error}"),
        }
    }

    fn new(root: &Path, live: bool, state_dir: PathBuf) -> Self {
        let site = Site { tree: Tree::new(root.to_owned()), live, state_dir };
        let seen = Mutex::default();
        Self {
            site,
            collected: None,
            seen,
            one_at_a_time: Mutex::default(),
            hanging: Default::default(),
        }
    }
}

impl Hardware for Machine {
    fn survey(&self) -> Survey {
        let _one = self.one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner);
        // Before it is read: what is written meanwhile is news.
        let is_news = self.look_for_collected();
        let deadline = Instant::now() + TIME_LIMIT;
        // All are started before the first is waited for: together they take as long as the slowest.
        let running: Vec<_> = (probe::ALL.iter().zip(&self.hanging))
            .map(|(probe, hanging)| (probe, start(probe, &self.site, hanging)))
            .collect();
        // What is virtual and how long ago it booted is told by a handful of files of /proc and never waits.
        let machine = probe::machine_kind(&self.site);
        let uptime = probe::uptime(&self.site);
        let facts = running.into_iter().flat_map(|(probe, answer)| finish(probe, answer, deadline));
        let mut facts: Vec<_> = facts.collect();
        self.fill_in(&mut facts, is_news);
        Survey::new(machine, uptime, facts)
    }

    fn has_news(&self) -> bool {
        let Some(path) = &self.collected else { return false };
        let seen = *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.is_some_and(|seen| seen != Writing::of(path))
    }
}

type Answer = Result<mpsc::Receiver<Vec<Fact>>, &'static str>;

const HANGS: &str =
    "the probe did not answer within 5 seconds: a driver may hang, see the kernel log";

fn start(probe: &'static Probe, site: &Site, hanging: &Arc<AtomicBool>) -> Answer {
    if hanging.swap(true, Ordering::AcqRel) {
        return Err(HANGS);
    }
    let (tell, answer) = mpsc::channel();
    let (site, done) = (site.clone(), Done(Arc::clone(hanging)));
    let body = move || {
        let facts = {
            let _done = done;
            (probe.read)(&site)
        };
        // Nobody listens any more where the time limit has passed.
        let _ = tell.send(facts);
    };
    let thread =
        thread::Builder::new().name(format!("probe {}", probe.name)).stack_size(STACK_BYTES);
    thread.spawn(body).map_err(|_| "no thread could be started for the probe")?;
    Ok(answer)
}

/// What the probe found, if it answers in time.
fn finish(probe: &Probe, answer: Answer, deadline: Instant) -> Vec<Fact> {
    let left = deadline.saturating_duration_since(Instant::now());
    answer
        .and_then(|answer| answer.recv_timeout(left).map_err(why_none))
        .unwrap_or_else(|why| unreadable(probe, why))
}

/// Marks a probe as done however its thread ends.
struct Done(Arc<AtomicBool>);

impl Drop for Done {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

fn why_none(error: mpsc::RecvTimeoutError) -> &'static str {
    match error {
        mpsc::RecvTimeoutError::Timeout => HANGS,
        mpsc::RecvTimeoutError::Disconnected => {
            "the probe failed: this is a fault of entitled, please report it"
        }
    }
}

fn unreadable(probe: &Probe, why: &str) -> Vec<Fact> {
    let fact = |source: &_| Fact::new(*source, probe.name, Reading::unreadable(why));
    probe.sources.iter().map(fact).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{FactState, Source};

    fn site() -> Site {
        Site { tree: Tree::new(PathBuf::from("/nowhere")), live: false, state_dir: PathBuf::new() }
    }

    fn state(facts: &[Fact]) -> Vec<(Source, FactState)> {
        facts.iter().map(|fact| (fact.source, fact.reading.state())).collect()
    }

    #[test]
    fn what_root_leaves_is_news_until_it_was_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("facts.json");
        let write = || {
            std::fs::write(folder.path().join("new"), "{}").unwrap();
            std::fs::rename(folder.path().join("new"), &file).unwrap();
        };
        let machine = Machine::live("/var/lib/entitled").with_collected(&file);
        assert!(!machine.has_news(), "before the first survey there is nothing to be newer than");
        machine.survey();
        assert!(!machine.has_news());
        write();
        assert!(machine.has_news() && machine.has_news());
        machine.survey();
        assert!(!machine.has_news());
        // Another file of the same name and contents, which the old one is kept beside.
        std::fs::hard_link(&file, folder.path().join("old")).unwrap();
        machine.survey();
        write();
        assert!(machine.has_news());
        machine.survey();
        std::fs::remove_file(&file).unwrap();
        assert!(machine.has_news());
        assert!(!Machine::live("/var/lib/entitled").has_news());
    }

    const UNREADABLE: [(Source, FactState); 1] = [(Source::Processor, FactState::Unreadable)];

    #[test]
    fn a_probe_that_hangs_is_unreadable_and_not_started_twice() {
        static HANGING: Probe = Probe {
            name: "hanging",
            sources: &[Source::Processor],
            read: |_| loop {
                thread::park();
            },
        };
        let hanging = Arc::new(AtomicBool::new(false));
        let first = start(&HANGING, &site(), &hanging);
        assert!(first.is_ok());
        assert_eq!(state(&finish(&HANGING, first, Instant::now())), UNREADABLE);
        let second = start(&HANGING, &site(), &hanging);
        assert_eq!(second.as_ref().err(), Some(&HANGS));
        assert_eq!(state(&finish(&HANGING, second, Instant::now())), UNREADABLE);
    }

    #[test]
    fn a_probe_that_panics_is_unreadable_and_may_try_again() {
        static PANICKING: Probe = Probe {
            name: "panicking",
            sources: &[Source::Processor],
            read: |_| panic!("a fault in a probe, on purpose"),
        };
        let hanging = Arc::new(AtomicBool::new(false));
        for _ in 0..2 {
            let deadline = Instant::now() + TIME_LIMIT;
            let answer = start(&PANICKING, &site(), &hanging);
            assert_eq!(state(&finish(&PANICKING, answer, deadline)), UNREADABLE);
        }
    }
}
