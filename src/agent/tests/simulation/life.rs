//! One environment from its activation on: what happens to it next is drawn by chance, and told as a story.

use super::{
    super::stage::*,
    chance::{Chance, Tally},
    invariants::Highest,
    model::Hardware,
    network::{Network, Weather},
};
use crate::{
    api::{Command, Problem},
    store::{AgentState, MemoryStore},
};
use std::{path::PathBuf, sync::Arc, time::Duration};
use tempfile::TempDir;

const STEPS: u32 = 32;

/// A machine's state as it was, to be restored.
pub(super) struct Snapshot {
    pub store: MemoryStore,
    pub files: Vec<(PathBuf, Vec<u8>)>,
    pub may_be_released: bool,
    pub state_was_lost: bool,
}

#[expect(clippy::struct_excessive_bools, reason = "each is an accident of its own")]
pub(super) struct Life {
    pub chance: Chance,
    pub stage: Stage,
    pub network: Arc<Network>,
    pub hardware: Hardware,
    pub highest: Highest,
    pub tally: Tally,
    pub disk_fails: bool,
    pub snapshot: Option<Snapshot>,
    pub backup: Option<TempDir>,
    /// Every license that was ever held.
    pub drawer: Vec<String>,
    /// Whether somebody released it, and nobody has activated it since.
    pub may_be_released: bool,
    /// Whether the state was lost, and nobody has activated it since.
    pub state_was_lost: bool,
    /// Whether the portal may see two lives: a snapshot was restored, or the portal was, or the state was lost.
    pub may_be_forked: bool,
    pub story: Vec<String>,
}

impl Life {
    pub(super) async fn begin(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let mut stage = Stage::new();
        let check_in = chance.one_in(2).then_some(40);
        let id = stage.subscription.id;
        stage.portal.update_subscription(id, move |terms| terms.check_in_days = check_in).unwrap();
        let network = Network::new(stage.portal.clone(), Arc::clone(&stage.peril), !seed);
        let network = Arc::new(network);
        stage.other_way = Some(Arc::clone(&network) as Arc<dyn crate::upstream::Portal>);
        stage.seed = seed;
        stage.start().await;
        stage.activate().await.unwrap();
        Self {
            chance,
            stage,
            network,
            hardware: Hardware::new(),
            highest: Highest::default(),
            tally: Tally::default(),
            disk_fails: false,
            snapshot: None,
            backup: None,
            drawer: Vec::new(),
            may_be_released: false,
            state_was_lost: false,
            may_be_forked: false,
            story: Vec::new(),
        }
    }

    /// Lives it to its end, at which everything is mended.
    pub(super) async fn live(&mut self) {
        for _ in 0..STEPS {
            self.step().await;
            self.tell_how_it_stands();
            self.check();
        }
        self.mend().await;
        self.tally.add(&self.network.tally());
        self.stage.stop().await;
    }

    async fn step(&mut self) {
        match self.chance.below(100) {
            _ if self.is_without_license() && self.chance.one_in(2) => self.activate().await,
            0..20 => self.pass_time().await,
            20..26 => self.partition().await,
            26..31 => self.weather(),
            31..36 => self.clear_weather(),
            36..42 => self.refresh().await,
            42..57 => self.die().await,
            57..60 => self.restart().await,
            60..65 => self.renew(),
            65..68 => self.set_clock_wrong().await,
            68 => self.set_clock_ahead_for_long().await,
            69..73 => self.disk().await,
            73..79 => self.change_hardware(),
            79..82 => self.courier().await,
            82 | 83 => self.look_into_the_drawer().await,
            84..87 => self.take_snapshot(),
            87..90 => self.restore_snapshot().await,
            90..92 => self.back_up_the_portal(),
            92..94 => self.restore_the_portal(),
            94 => self.release().await,
            95 => self.set_portal_clock_behind().await,
            96 => self.revoke(),
            97 => self.suspend(),
            98 => self.replace_the_signing_key(),
            _ => self.lose_the_state().await,
        }
        // Long enough for what follows at once, and at no round time.
        let moment = Duration::from_millis(62_000 + self.chance.below(997));
        self.stage.pass(moment).await;
    }

    /// Tells what happens, and counts it.
    pub(super) fn tell(&mut self, what: &str, how: &str) {
        self.tally.count(what);
        self.story.extend(self.network.notes());
        let now = self.stage.world.truth();
        self.story.push(format!("{now:.0} {what} {how}"));
    }

    fn tell_how_it_stands(&mut self) {
        let status = self.stage.status();
        let conditions: Vec<_> = status.conditions.iter().map(|c| c.kind.as_str()).collect();
        let AgentState { chain, license: held, .. } = self.stage.state();
        let text = held.map(|held| held.text);
        self.drawer.extend(text.filter(|text| !self.drawer.contains(text)));
        let sequence = status.license.as_ref().map(|license| license.sequence.0);
        let entries = self.stage.events().len();
        self.story.extend(self.network.notes());
        self.story.push(format!(
            "    {} {sequence:?} generation {} with {conditions:?}, {} open, {entries} entries",
            status.state,
            status.generation,
            chain.unsettled.len()
        ));
    }

    /// What an operator asks, and what comes of it.
    pub(super) async fn ask(&mut self, what: &str, command: Command) -> Result<(), Problem> {
        let asked = self.stage.call(command).await;
        let code =
            asked.as_ref().map_or_else(|problem| problem.code().to_owned(), |_| "done".to_owned());
        self.tally.count(&format!("answer {code}"));
        self.tell(what, &code);
        assert!(is_no_lock(&code), "{what} is locked: {asked:?}");
        asked.map(drop)
    }

    pub(super) fn is_without_license(&self) -> bool {
        self.stage.status().license.is_none()
    }

    /// Everything is mended: the agent must come to the newest license by itself, unless it was given back.
    async fn mend(&mut self) {
        self.network.be(Weather::default());
        self.become_itself();
        self.stage.world.mend_clock();
        self.mend_disk().await;
        self.stand_by_the_subscription();
        self.renew_for_long();
        self.stage.leap(DAY).await;
        self.stage.pass(MINUTE).await;
        if self.is_without_license() && self.may_be_released {
            self.activate().await;
        }
        // A restored snapshot is closed as such once the other branch was silent for two weeks.
        for _ in 0..if self.may_be_forked { 20 } else { 2 } {
            self.stage.leap(DAY).await;
            self.stage.pass(MINUTE).await;
        }
        self.renew_for_long();
        self.stage.leap(DAY * 2).await;
        self.stage.pass(MINUTE * 2).await;
        self.tell_how_it_stands();
        self.check();
        let status = self.stage.status();
        assert_eq!(status.state, crate::entitlement::State::Active, "{status:#?}");
        let license = status.license.as_ref().unwrap();
        assert_eq!(license.sequence, self.stage.environment().sequence);
        assert_eq!(status.conditions, []);
        let chain = self.stage.state().chain;
        assert_eq!((chain.unsettled, chain.pending), (Vec::new(), None), "all was answered");
        assert!(!self.stage.environment().chain.is_forked());
    }
}

/// Whether a problem is one of the way, of the portal's word or of an old document: none of them is a lock.
fn is_no_lock(code: &str) -> bool {
    let known = [
        "done",
        "agent-busy",
        "exchange-under-way",
        "portal-unreachable",
        "portal-busy",
        "not-activated",
        "not-ready",
        "serial-number-unreadable",
        "subscription-ended",
        "subscription-suspended",
        "subscription-revoked",
    ];
    known.contains(&code) || code.starts_with("document-")
}
