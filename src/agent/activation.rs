//! Activation, release, and the Activation Code that they need.

use super::{Agent, exchange::Asking};
use crate::{
    api::{Problem, Reply, RequestByHand},
    codes::ActivationCode,
    license::{Purpose, RequestKind, RequestedEnvironment},
    store::{StateDirectory, StoreError},
};
use axum::http::StatusCode;

impl Agent {
    /// Asks the portal for a slot of the subscription.
    pub(super) fn activate(
        &mut self,
        code: Option<ActivationCode>,
        name: Option<String>,
        purpose: Option<Purpose>,
        actor: &str,
    ) -> Result<(), Problem> {
        self.need_portal(RequestKind::Activate)?;
        self.refuse_arrival()?;
        self.refuse_other_hardware()?;
        let environment = self.prepare_activation(code, name, purpose)?;
        self.part(actor)?;
        self.ask(&Asking::new(RequestKind::Activate, environment), actor)
    }

    /// That this is the hardware which was enrolled: its Serial Number is of no other.
    fn refuse_other_hardware(&self) -> Result<(), Problem> {
        let state = self.parts.keeper.state();
        let (Some(enrolled), Some(hardware)) = (&state.enrolled, state.hardware) else {
            return Ok(());
        };
        let found = match self.other_hardware(state) {
            Ok(None) => return Ok(()),
            Ok(Some(minted)) if minted.serial_number != enrolled.serial_number => {
                format!("the hardware of {}", minted.serial_number)
            }
            Ok(Some(_)) => format!("hardware of which {} % agrees", hardware.score),
            Err(error) => format!("other hardware ({error})"),
        };
        let detail = format!(
            "expected the hardware of Serial Number {}, which was enrolled, found {found}: `entitlectl rebind` takes the environment along to this hardware; to make this machine another environment, move the state directory away first; `entitlectl hardware` shows what differs",
            enrolled.serial_number
        );
        Err(refused(StatusCode::CONFLICT, "hardware-changed", &detail))
    }

    /// Takes the Activation Code, and says which environment it is for.
    pub(super) fn prepare_activation(
        &mut self,
        code: Option<ActivationCode>,
        name: Option<String>,
        purpose: Option<Purpose>,
    ) -> Result<RequestedEnvironment, Problem> {
        let kept = [&self.asked_code, &self.code, &self.parts.configured_code];
        let code = code.or_else(|| kept.into_iter().flatten().next().cloned());
        let Some(code) = code else {
            let detail = "expected an Activation Code, found none kept or configured: give it to `entitlectl activate` on standard input";
            return Err(refused(StatusCode::BAD_REQUEST, "no-activation-code", detail));
        };
        let environment = RequestedEnvironment {
            id: None,
            name: name.unwrap_or_else(|| self.parts.environment_name.clone()),
            purpose: purpose.unwrap_or(self.parts.purpose),
        };
        self.ask_with(code);
        Ok(environment)
    }

    /// Makes a request for a courier; what it asks for is done when its answer is installed.
    pub(super) fn request_by_hand(
        &mut self,
        request: RequestByHand,
        actor: &str,
    ) -> Result<Reply, Problem> {
        let RequestByHand { kind, code, name, purpose, rebind_code } = request;
        let environment = match kind {
            RequestKind::Activate => {
                self.refuse_arrival()?;
                self.refuse_other_hardware()?;
                let environment = self.prepare_activation(code, name, purpose)?;
                self.part(actor)?;
                environment
            }
            RequestKind::Refresh | RequestKind::Release => self.activated_environment()?,
            RequestKind::Rebind => {
                let made = self.rebind_by_hand(code, rebind_code.as_ref(), actor);
                return made.map(Reply::Document);
            }
            RequestKind::Move => {
                let detail = "a move needs the word of the machine that is moved from: `entitlectl move offer` here, `entitlectl move consent` there, `entitlectl move accept --by-hand` here; where the old machine's state is here already, `entitlectl request rebind`";
                return Err(refused(StatusCode::BAD_REQUEST, "no-move", detail));
            }
        };
        let asking = Asking { by_hand: true, ..Asking::new(kind, environment) };
        self.make_request(&asking, actor).map(Reply::Document)
    }

    /// Activates with the Activation Code of the settings, which nobody has to type.
    pub(super) fn activate_as_configured(&mut self) {
        if let Err(problem) = self.activate(None, None, None, "settings") {
            tracing::warn!(detail = %problem.detail, "the environment could not be activated");
            let uptime = self.uptime();
            self.schedule.failed(uptime, None);
        }
    }

    /// Gives the license back.
    pub(super) fn release(&mut self, actor: &str) -> Result<(), Problem> {
        self.need_portal(RequestKind::Release)?;
        let environment = self.activated_environment()?;
        self.ask(&Asking::new(RequestKind::Release, environment), actor)
    }

    /// The environment, for a request that needs one.
    pub(super) fn activated_environment(&self) -> Result<RequestedEnvironment, Problem> {
        let environment = self.parts.keeper.state().environment.clone();
        environment.map(Into::into).ok_or_else(|| {
            let detail =
                "no environment is activated here: `entitlectl activate` fetches a license";
            refused(StatusCode::CONFLICT, "not-activated", detail)
        })
    }

    pub(super) fn need_portal(&self, kind: RequestKind) -> Result<(), Problem> {
        if self.parts.portal.is_some() {
            return Ok(());
        }
        let by_hand = match kind {
            RequestKind::Move => "move accept --by-hand CONSENT".to_owned(),
            kind => format!("request {}", kind.as_str()),
        };
        let detail = format!(
            "no portal is set: set `url` under [portal] in the settings, or go by hand: `entitlectl {by_hand}` writes what the portal is to answer, `entitlectl license install FILE` takes its answer"
        );
        Err(refused(StatusCode::CONFLICT, "portal-not-set", &detail))
    }

    /// Takes note of the Activation Code for the activation that is asked for next.
    fn ask_with(&mut self, code: ActivationCode) {
        if self.code.as_ref() == Some(&code) {
            self.refuse_code();
            return;
        }
        let noted = self.parts.directory.as_ref().map(|d| d.ask_with_activation_code(&code));
        if let Some(Err(error)) = noted {
            // A full disk does not lock the cure; after a restart the code has to be typed again.
            tracing::warn!(%error, "the Activation Code could not be kept: after a restart it has to be given again");
        }
        self.asked_code = Some(code);
    }

    /// The activation was granted: its Activation Code is the one to keep.
    pub(super) fn grant_code(&mut self) {
        let Some(code) = self.asked_code.take() else { return };
        let kept = self.parts.directory.as_ref().map(|d| d.keep_activation_code(&code));
        if let Some(Err(error)) = kept {
            tracing::warn!(%error, "the Activation Code could not be kept: after a restart it has to be given again");
        }
        self.code = Some(code);
    }

    /// The activation was refused, or is not asked for any more.
    pub(super) fn refuse_code(&mut self) {
        self.asked_code = None;
        let directory = self.parts.directory.as_ref();
        log_forgotten(directory.map(StateDirectory::forget_asked_activation_code));
    }

    pub(super) fn forget_codes(&mut self) {
        (self.code, self.asked_code) = (None, None);
        let directory = self.parts.directory.as_ref();
        log_forgotten(directory.map(StateDirectory::forget_activation_code));
    }
}

fn log_forgotten(forgotten: Option<Result<(), StoreError>>) {
    if let Some(Err(error)) = forgotten {
        tracing::warn!(%error, "an Activation Code could not be forgotten");
    }
}

pub(super) fn refused(status: StatusCode, code: &str, detail: &str) -> Problem {
    Problem::new(status, code, "It can't be done", detail)
}
