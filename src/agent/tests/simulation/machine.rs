//! What happens to the machine and to the agent on it.

use super::{
    super::{peril::Place, stage::*},
    life::{Life, Snapshot},
    model::Kind,
    network::Weather,
};
use crate::{
    api::{Command, Reply, RequestByHand},
    license::RequestKind,
};
use jiff::SignedDuration;
use std::time::Duration;

impl Life {
    pub(super) async fn pass_time(&mut self) {
        let hours = self.chance.of(&[1, 6, 30, 24 * 8, 24 * 20]);
        let steps = u32::try_from(self.chance.below(6) + 1).unwrap();
        self.tell("time passes", &format!("{hours} h in {steps}"));
        for _ in 0..steps {
            self.stage.leap(HOUR * hours / steps).await;
        }
    }

    /// No way to the portal for several refreshes.
    pub(super) async fn partition(&mut self) {
        let days = self.chance.below(12) + 3;
        self.tell("partition", &format!("{days} days"));
        self.network.change(|weather| weather.cut = true);
        for _ in 0..days * 2 {
            self.stage.leap(HOUR * 12).await;
        }
        if self.chance.one_in(2) {
            self.network.change(|weather| weather.cut = false);
        }
    }

    pub(super) fn weather(&mut self) {
        let weather = Weather {
            cut: self.chance.one_in(6),
            loses: self.chance.of(&[0, 30, 100]),
            busy: self.chance.one_in(6).then_some(MINUTE * 2),
            slow: self.chance.of(&[1, 500, 30_000]),
            repeats: self.chance.of(&[0, 50]),
            stale: self.chance.of(&[0, 0, 40]),
        };
        self.tell("weather", &format!("{weather:?}"));
        self.network.be(weather);
    }

    pub(super) fn clear_weather(&mut self) {
        self.tell("clear weather", "");
        self.network.be(Weather::default());
    }

    pub(super) async fn refresh(&mut self) {
        // Whether it is refused or not, what it may change is looked for afterwards.
        let _ = self.ask("refresh", Command::Refresh).await;
    }

    pub(super) async fn activate(&mut self) {
        if !self.is_itself() {
            return self.pass_time().await;
        }
        let code = Some(self.stage.subscription.activation_code.clone());
        let asked =
            self.ask("activate", Command::Activate { code, name: None, purpose: None }).await;
        if asked.is_ok() && !self.is_without_license() {
            (self.may_be_released, self.state_was_lost) = (false, false);
        }
    }

    pub(super) async fn release(&mut self) {
        // It may be granted long after it was asked for.
        self.may_be_released = true;
        let _ = self.ask("release", Command::Release).await;
    }

    /// Dies somewhere within what it does, as of a power cut; again perhaps while it starts.
    pub(super) async fn die(&mut self) {
        self.mend_disk().await;
        let place = self.chance.of(&Place::ALL);
        let most = match place {
            Place::AtTheClock => 80,
            Place::BeforeCommit | Place::AfterCommit => 4,
            Place::BeforeSending | Place::AfterPortal | Place::BeforeReceipt => 2,
        };
        let after = self.chance.below(most);
        self.tell("peril", &format!("{place:?} after {after}"));
        self.stage.peril.await_at(place, after);
        match self.chance.below(6) {
            0..3 => self.refresh().await,
            3 => {
                self.renew();
                self.refresh().await;
            }
            4 => self.courier().await,
            _ => self.pass_time().await,
        }
        let moment = Duration::from_millis(self.chance.below(40_000));
        self.stage.pass(moment).await;
        if self.stage.has_died() {
            self.tell(&format!("death at {place:?}"), "");
            self.stage.bury().await;
        } else {
            self.tell("death at rest", "");
            self.stage.peril.avert();
            self.stage.kill().await;
        }
        self.a_change_and_its_audit_entry_are_stored_together();
        self.rise().await;
    }

    async fn rise(&mut self) {
        while self.chance.one_in(3) {
            let place =
                self.chance.of(&[Place::AtTheClock, Place::BeforeCommit, Place::AfterCommit]);
            let most = if place == Place::AtTheClock { 30 } else { 3 };
            self.stage.peril.await_at(place, self.chance.below(most));
            self.stage.start().await;
            if self.stage.has_died() {
                self.tell("death at the start", &format!("{place:?}"));
                self.stage.bury().await;
            } else {
                self.stage.peril.avert();
                self.stage.kill().await;
            }
            self.a_change_and_its_audit_entry_are_stored_together();
        }
        self.stage.start().await;
    }

    pub(super) async fn restart(&mut self) {
        // What stands in memory alone is lost with the process: the disk takes it first.
        self.mend_disk().await;
        self.tell("restart", "");
        self.stage.restart().await;
    }

    /// A clock is set wrong, and mended within the day.
    pub(super) async fn set_clock_wrong(&mut self) {
        let year = SignedDuration::from_hours(24 * 365);
        let hours = self.chance.of(&[-50, -1, 0]);
        let wrong = if hours == 0 { SignedDuration::from_hours(2) } else { year * hours };
        self.tell("wrong clock", &format!("{wrong:#}"));
        self.hardware.blur();
        self.stage.world.set_clock(self.stage.world.truth() + wrong);
        self.stage.leap(HOUR * 5).await;
        self.stage.world.mend_clock();
    }

    /// A clock is two years ahead for more than a day: what it said counts, until the portal signs the true time.
    pub(super) async fn set_clock_ahead_for_long(&mut self) {
        self.mend_disk().await;
        self.tell("clock ahead for long", "");
        self.hardware.blur();
        let truth = self.stage.world.truth();
        self.stage.world.set_clock(truth + SignedDuration::from_hours(24 * 730));
        for _ in 0..60 {
            self.stage.leap(MINUTE * 31).await;
        }
        self.stage.world.mend_clock();
    }

    pub(super) async fn disk(&mut self) {
        if self.disk_fails {
            self.mend_disk().await;
        } else {
            self.tell("disk fails", "");
            self.disk_fails = true;
            self.stage.store.fail(true);
        }
    }

    pub(super) async fn mend_disk(&mut self) {
        if self.disk_fails {
            self.tell("disk mended", "");
        }
        self.disk_fails = false;
        self.stage.store.fail(false);
        self.stage.pass(MINUTE * 2).await;
    }

    pub(super) fn change_hardware(&mut self) {
        let kind = match self.chance.below(5) {
            0 => Kind::WithAnotherDisk,
            1 => Kind::Unreadable,
            2 => Kind::Another,
            _ => Kind::Itself,
        };
        self.become_kind(kind);
    }

    pub(super) fn become_itself(&mut self) {
        self.become_kind(Kind::Itself);
    }

    fn become_kind(&mut self, kind: Kind) {
        self.tell(&format!("hardware {kind:?}"), "");
        match kind {
            Kind::Itself => self.stage.hardware.is_the_first(),
            Kind::WithAnotherDisk => self.stage.hardware.has_another_disk(),
            Kind::Unreadable => self.stage.hardware.can_not_be_read(),
            Kind::Another => self.stage.hardware.is_another(),
        }
        self.hardware.become_kind(kind, self.stage.world.truth());
    }

    fn is_itself(&self) -> bool {
        matches!(self.hardware.kind, Kind::Itself | Kind::WithAnotherDisk)
    }

    /// A request goes by hand, and its answer comes by hand, while the way may be open as well.
    pub(super) async fn courier(&mut self) {
        let kind = RequestKind::Refresh;
        let request =
            RequestByHand { kind, code: None, name: None, purpose: None, rebind_code: None };
        let asked = self.stage.call(Command::Request(request)).await;
        let Ok(Reply::Document(request)) = asked else {
            let problem = asked.unwrap_err();
            self.tell("no courier", problem.code());
            // A dead agent, one that is not activated, one that can't read its hardware: no lock.
            let known = ["agent-busy", "not-activated", "not-ready"];
            assert!(known.contains(&problem.code()), "{problem:?}");
            return;
        };
        let hours = u32::try_from(self.chance.below(30) + 1).unwrap();
        self.stage.leap(HOUR * hours).await;
        if let Ok(answer) = self.stage.portal.handle_request(request.as_bytes()) {
            // An answer that a newer one has overtaken is refused.
            let text = answer.clone();
            let _ = self.ask("courier", Command::Install { text }).await;
            if self.chance.one_in(3) {
                let _ = self.ask("courier again", Command::Install { text: answer }).await;
            }
        }
    }

    /// A license of before is installed from a drawer: one that is older than what is known changes nothing.
    pub(super) async fn look_into_the_drawer(&mut self) {
        let most = u64::try_from(self.drawer.len()).unwrap();
        let which = usize::try_from(self.chance.below(most.max(1))).unwrap();
        let Some(text) = self.drawer.get(which).cloned() else { return };
        let _ = self.ask("license from a drawer", Command::Install { text }).await;
    }

    pub(super) fn take_snapshot(&mut self) {
        self.tell("snapshot", "");
        let files = std::fs::read_dir(self.stage.directory.path()).unwrap();
        let files = files.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
        self.snapshot = Some(Snapshot {
            store: self.stage.store.snapshot(),
            files: files.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect(),
            may_be_released: self.may_be_released,
            state_was_lost: self.state_was_lost,
        });
    }

    /// The machine is put back to where it was, with all that is on its disk.
    pub(super) async fn restore_snapshot(&mut self) {
        let Some(snapshot) = self.snapshot.take() else { return };
        self.tell("snapshot restored", "");
        self.mend_disk().await;
        self.stage.kill().await;
        self.stage.store.restore(snapshot.store);
        self.remove_files();
        for (path, contents) in snapshot.files {
            std::fs::write(path, contents).unwrap();
        }
        self.may_be_released |= snapshot.may_be_released;
        self.state_was_lost |= snapshot.state_was_lost;
        self.may_be_forked = true;
        self.hardware.blur();
        self.expect_anew();
        self.stage.start().await;
    }

    fn remove_files(&self) {
        for entry in std::fs::read_dir(self.stage.directory.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                std::fs::remove_file(path).unwrap();
            }
        }
    }

    /// Database and copy are lost; the key files, which are kept apart from both, are not.
    pub(super) async fn lose_the_state(&mut self) {
        if !self.is_itself() {
            return self.pass_time().await;
        }
        self.tell("state lost", "");
        self.mend_disk().await;
        self.stage.kill().await;
        self.stage.store.restore(crate::store::MemoryStore::default());
        self.state_was_lost = true;
        self.may_be_forked = true;
        self.hardware.blur();
        self.expect_anew();
        self.stage.start().await;
    }
}
