//! New settings for a running agent.

use super::{Agent, DaemonSettings, holdings::Holdings};
use crate::{
    codes::ActivationCode,
    config::read_roots,
    entitlement::{ConditionType, Finding},
    license::{Purpose, Roots},
    store::Action,
    upstream::{HttpPortal, Portal},
};
use std::{path::PathBuf, sync::Arc};

/// Reasons of findings about what is made at the start alone.
const UNTIL_RESTART: [&str; 3] = ["Members", "Health", "Webhook"];

/// What a running agent is told about its settings.
pub enum Reload {
    /// New ones, which are sound.
    Settings(Box<NewSettings>),
    /// They can't be used, for this reason; the old ones go on.
    Refused(String),
}

/// Settings that a running agent can take.
pub struct NewSettings {
    environment_name: String,
    purpose: Purpose,
    identity_override: Option<String>,
    configured_code: Option<ActivationCode>,
    pub(super) roots: Roots,
    portal: Option<Arc<dyn Portal>>,
    reports_usage: bool,
    pub(super) standing: Vec<Finding>,
}

impl Reload {
    /// What new settings mean for an agent that runs with `running`.
    pub(super) fn of(settings: DaemonSettings, running: &DaemonSettings) -> Self {
        let fixed = [
            ("product", settings.product != running.product),
            ("state_directory", settings.state_directory != running.state_directory),
            ("runtime_directory", settings.sockets != running.sockets),
            ("role", settings.role != running.role),
            ("members.listen", settings.members_listen != running.members_listen),
            ("health.listen", settings.health_listen != running.health_listen),
            ("webhook", settings.webhook != running.webhook),
            ("member.controllers", settings.controllers != running.controllers),
        ];
        if let Some((name, _)) = fixed.into_iter().find(|(_, changed)| *changed) {
            let reason = format!(
                "the setting {name} takes effect at a restart only: `systemctl restart entitled`"
            );
            return Self::Refused(reason);
        }
        let portal = match settings.portal.as_ref().map(HttpPortal::new).transpose() {
            Ok(portal) => portal.map(|portal| Arc::new(portal) as Arc<dyn Portal>),
            Err(error) => return Self::Refused(error.to_string()),
        };
        let (roots, standing) = roots(&settings.root_folders);
        Self::Settings(Box::new(NewSettings {
            environment_name: settings.environment_name,
            purpose: settings.purpose,
            identity_override: settings.identity_override,
            configured_code: settings.activation_code,
            roots,
            portal,
            reports_usage: settings.reports_usage,
            standing,
        }))
    }
}

/// The root keys of the folders, and what is to be said about them.
pub(super) fn roots(folders: &[PathBuf]) -> (Roots, Vec<Finding>) {
    let (roots, complaints) = read_roots(folders);
    let mut complaint = complaints.join("; ");
    if roots.is_empty() && complaint.is_empty() {
        let folders: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
        complaint = format!(
            "expected the vendor's root keys (*.jwks) in {}, found none: what is held stays, nothing new can be verified; install the vendor's package again",
            folders.join(" or ")
        );
    }
    let standing = (!complaint.is_empty()).then(|| {
        tracing::error!("{complaint}");
        Finding::new(ConditionType::ConfigInvalid, "RootKeys", complaint)
    });
    (roots, standing.into_iter().collect())
}

impl Agent {
    /// Takes new settings, or takes note that they can't be used.
    pub(super) fn reload(&mut self, reload: Reload) {
        self.parts.service_manager.reloading();
        match reload {
            Reload::Settings(settings) => self.take_settings(*settings),
            Reload::Refused(reason) => {
                tracing::error!("the new settings were refused; the old ones go on: {reason}");
                self.parts.standing.retain(|finding| finding.kind != ConditionType::ConfigInvalid);
                let kind = ConditionType::ConfigInvalid;
                self.parts.standing.push(Finding::new(kind, "ReloadRefused", reason));
                let state = self.draft();
                self.conclude(state, Vec::new());
            }
        }
        self.parts.service_manager.ready("the settings were read");
    }

    fn take_settings(&mut self, settings: NewSettings) {
        let NewSettings { environment_name, purpose, identity_override, configured_code, .. } =
            settings;
        let other_identity = self.parts.identity_override != identity_override;
        self.parts.environment_name = environment_name;
        self.parts.purpose = purpose;
        self.parts.identity_override = identity_override;
        self.parts.configured_code = configured_code;
        self.parts.roots = settings.roots;
        self.parts.reports_usage = settings.reports_usage;
        // What was bound at the start, and what was not, stays so.
        self.parts.standing.retain(|finding| UNTIL_RESTART.contains(&finding.reason));
        self.parts.standing.extend(settings.standing);
        self.parts.portal = settings.portal;
        // An exchange that is under way goes on with the portal that it was begun with.
        let uptime = self.uptime();
        // Without a portal nothing was due there.
        let idle = self.schedule.refresh_at.is_none();
        if idle || self.parts.keeper.state().license.is_none() || self.unreachable.is_some() {
            self.schedule.refresh_at = Some(uptime);
        }
        if other_identity {
            self.schedule.survey_at = uptime;
        }
        let state = self.draft();
        self.holdings = Holdings::of(&state, &self.parts.product, &self.parts.roots);
        let event = self.event(Action::SettingsTaken, "new settings were read");
        self.conclude(state, vec![event]);
    }
}
