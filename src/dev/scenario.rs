//! Brings the agent to the state of a scenario, by what a vendor and an operator would do.

use super::{
    DevError,
    error::PATIENCE,
    sample::Scenario,
    steps::{line, relative, show},
};
use crate::{
    api::{AgentHandle, Command, Published, Reply},
    cli::summary,
    entitlement::State,
    portal::{Portal, domain::Subscription},
};
use jiff::{SignedDuration, Timestamp};
use std::{future::Future, path::Path, sync::Arc, time::Duration};

/// What is left of grace while the license that runs out is fetched, in seconds; longer on a slow machine.
const MARGINS: [i64; 3] = [3, 15, 60];

/// A portal with its subscription and the agent that is activated there.
pub(super) struct Session {
    pub(super) portal: Portal,
    pub(super) subscription: Subscription,
    pub(super) agent: AgentHandle,
    pub(super) scenario: Scenario,
}

impl Session {
    /// Brings the agent to the state of the scenario.
    pub(super) async fn bring_about(&self) -> Result<Arc<Published>, DevError> {
        let published = self.wait("ready", |_| true).await?;
        let serial = published.status.serial_number.map_or("none".to_owned(), |s| s.to_string());
        show("Serial Number", serial);
        if self.scenario == Scenario::Unlicensed {
            if published.status.license.is_some() {
                let message = self.call(Command::Release).await?;
                show("release", message);
            }
            return self.wait("unlicensed", |p| p.status.state == State::Unlicensed).await;
        }
        if published.status.license.is_none() {
            // In good standing first: nobody activates what has ended.
            self.set_term(Scenario::Active, 0)?;
            let code = Some(self.subscription.activation_code.clone());
            let message = self.call(Command::Activate { code, name: None, purpose: None }).await?;
            show("activation", message);
        }
        self.bring_term_about().await
    }

    async fn bring_term_about(&self) -> Result<Arc<Published>, DevError> {
        let wanted = match self.scenario {
            Scenario::Expiring => State::Expiring,
            Scenario::Grace => State::Grace,
            Scenario::Restricted => State::Restricted,
            Scenario::Active | Scenario::Unlicensed => State::Active,
        };
        for margin in MARGINS {
            if self.set_term(self.scenario, margin)? || self.agent.current()?.status.state != wanted
            {
                let message = self.call(Command::Refresh).await?;
                show("license", message);
            }
            let patience = if self.scenario == Scenario::Restricted {
                Duration::from_secs(margin.unsigned_abs() + 2)
            } else {
                PATIENCE
            };
            let reached = self.wait_for(patience, |p| p.status.state == wanted).await;
            if let Some(published) = reached {
                return Ok(published);
            }
        }
        let found = self.agent.current()?.status.state.to_string();
        Err(DevError::Late { wanted: wanted.as_str(), found })
    }

    /// Lets the term end as the scenario has it; true where that changed something.
    fn set_term(&self, scenario: Scenario, margin: i64) -> Result<bool, DevError> {
        let now = self.portal.now();
        let current = self.portal.subscription(self.subscription.id)?;
        if scenario.fits(current.terms.ends_at, now) && self.is_held(current.terms.ends_at) {
            return Ok(false);
        }
        let ends_at = scenario.ends_at(now, SignedDuration::from_secs(margin));
        self.portal.update_subscription(self.subscription.id, move |terms| {
            terms.ends_at = ends_at;
            terms.starts_at =
                ends_at.checked_sub(SignedDuration::from_hours(365 * 24)).unwrap_or(Timestamp::MIN);
        })?;
        Ok(true)
    }

    fn is_held(&self, ends_at: Timestamp) -> bool {
        let published = self.agent.published.borrow().clone();
        let license = published.as_ref().and_then(|p| p.status.license.as_ref());
        license.is_none_or(|license| license.ends_at == ends_at)
    }

    async fn call(&self, command: Command) -> Result<String, DevError> {
        match self.agent.call("entitled dev".to_owned(), command).await? {
            Reply::Done(done) => Ok(done.message),
            _ => Ok(String::new()),
        }
    }

    async fn wait(
        &self,
        wanted: &'static str,
        is: impl Fn(&Published) -> bool,
    ) -> Result<Arc<Published>, DevError> {
        let reached = self.wait_for(PATIENCE, is).await;
        reached.ok_or_else(|| {
            let found = self.agent.current().map_or_else(
                |problem| problem.detail,
                |published| published.status.state.to_string(),
            );
            DevError::Late { wanted, found }
        })
    }

    async fn wait_for(
        &self,
        patience: Duration,
        is: impl Fn(&Published) -> bool,
    ) -> Option<Arc<Published>> {
        let mut published = self.agent.published.clone();
        let reached = published.wait_for(|p| p.as_ref().is_some_and(|p| is(p)));
        let reached = tokio::time::timeout(patience, reached).await.ok()?.ok()?;
        reached.clone()
    }

    /// Shows changes as they happen, until the signal.
    pub(super) async fn follow(&self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let mut published = self.agent.published.clone();
        let mut generation = published.borrow_and_update().as_ref().map(|p| p.status.generation);
        loop {
            tokio::select! {
                () = &mut stop => return,
                changed = published.changed() => if changed.is_err() { return },
            }
            let next = published.borrow_and_update().clone();
            let Some(next) = next.filter(|p| Some(p.status.generation) != generation) else {
                continue;
            };
            generation = Some(next.status.generation);
            let status = &next.status;
            let change = format_args!("{}: {}", status.state, status.message).to_string();
            show("status", change);
        }
    }
}

/// What there is now, and three commands to try.
pub(super) fn present(published: &Published, shown: &Path) {
    line("");
    line(summary(&published.status, Timestamp::now()));
    let socket = quoted(&relative(shown, "entitled.sock"));
    let entitlectl = entitlectl();
    line("Try, from another terminal:");
    line(format_args!("  {entitlectl} --socket {socket} status"));
    line(format_args!("  curl -sS --unix-socket {socket} http://localhost/v1/features/reports"));
    line(format_args!("  {entitlectl} --socket {socket} watch"));
    line("Ctrl-C stops it; the same command goes on with the same Serial Number and license.");
}

/// How `entitlectl` is called: the one beside this program, or through cargo where only this one was built.
fn entitlectl() -> String {
    let beside = std::env::current_exe().ok().map(|exe| exe.with_file_name("entitlectl"));
    let Some(beside) = beside.filter(|path| path.is_file()) else {
        let release = std::env::current_exe()
            .is_ok_and(|exe| exe.parent().is_some_and(|folder| folder.ends_with("release")));
        let profile = if release { "--release " } else { "" };
        return format!("cargo run --quiet {profile}--bin entitlectl --");
    };
    let here = std::env::current_dir().ok();
    let near = here.and_then(|here| beside.strip_prefix(here).map(Path::to_owned).ok());
    quoted(&near.unwrap_or(beside).display().to_string())
}

/// A path as a shell reads it.
fn quoted(path: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    if path.chars().all(plain) {
        path.to_owned()
    } else {
        format!("'{}'", path.replace('\'', r"'\''"))
    }
}
