//! A portal in a temporary folder whose clock is moved by hand, and agents that ask it.

use crate::{
    api::Problem,
    codes::{ActivationCode, SerialNumber},
    license::{
        Activation, Candidate, EvidenceDigest, KeyPair, MachineFacts, OpenedAnswer, Purpose,
        RebindCode, RequestClaims, RequestId, RequestKind, RequestedEnvironment, Roots,
        open_answer, sign_consent, sign_request,
    },
    portal::{
        Options, Portal, Vendor,
        domain::{Environment, RebindPolicy, Subscription, Terms},
    },
};
use jiff::{SignedDuration, Timestamp};
use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};
use tempfile::TempDir;
use uuid::Uuid;

pub(in crate::portal) const PRODUCT: &str = "example-product";

pub(in crate::portal) struct Stage {
    pub folder: TempDir,
    pub portal: Portal,
    pub time: Arc<Mutex<Timestamp>>,
}

impl Stage {
    pub(in crate::portal) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let time = Arc::new(Mutex::new(at("2026-03-01T00:00:00Z")));
        let vendor = Vendor { product: PRODUCT.to_owned(), issuer: "Example Vendor".to_owned() };
        let clock = clock(&time);
        Portal::init(folder.path(), &vendor, &*clock).unwrap();
        let portal = Portal::open(folder.path(), Options::default(), clock).unwrap();
        Self { folder, portal, time }
    }

    pub(in crate::portal) fn later(&self, duration: SignedDuration) {
        *self.time.lock().unwrap() += duration;
    }

    pub(in crate::portal) fn days_later(&self, days: i64) {
        self.later(SignedDuration::from_hours(24 * days));
    }

    pub(in crate::portal) fn sell(&self) -> Subscription {
        let terms =
            Terms::new("standard", "gold", at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
        self.portal.create_subscription("ACME", terms).unwrap()
    }

    /// A subscription that is rebound by that policy.
    pub(in crate::portal) fn sell_with(&self, policy: RebindPolicy) -> Subscription {
        let id = self.sell().id;
        self.portal.update_subscription(id, move |terms| terms.rebind = policy).unwrap()
    }

    /// A one-time code for an environment.
    pub(in crate::portal) fn one_time_code(&self, environment: Option<Uuid>) -> RebindCode {
        let a_day = SignedDuration::from_hours(24);
        self.portal.make_rebind_code(environment.unwrap(), a_day).unwrap().code
    }

    /// The environment of an agent.
    pub(in crate::portal) fn environment_of(&self, agent: &Agent) -> Environment {
        let mut all = self.portal.environments(None).unwrap();
        all.retain(|environment| Some(environment.id) == agent.id);
        all.remove(0)
    }

    /// The one environment that there is.
    pub(in crate::portal) fn environment(&self) -> Environment {
        let mut all = self.portal.environments(None).unwrap();
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    pub(in crate::portal) fn roots(&self) -> Roots {
        let mut roots = Roots::none();
        let text = std::fs::read_to_string(self.path("roots.jwks")).unwrap();
        roots.add_key_set(&text).unwrap();
        roots
    }

    pub(in crate::portal) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Sends what an agent asks and opens the answer as the agent would.
    pub(in crate::portal) fn ask(
        &self,
        claims: &RequestClaims,
        key: &KeyPair,
    ) -> Result<OpenedAnswer, Problem> {
        let request = sign_request(claims, key).unwrap();
        let answer = self.portal.handle_request(request.as_bytes())?;
        Ok(open_answer(&answer, PRODUCT, &self.roots(), None).unwrap())
    }

    /// Lets the database refuse to change rows of that table, as a full disk does.
    pub(in crate::portal) fn refuse_changes_of(&self, table: &str) {
        let connection = rusqlite::Connection::open(self.path("portal.db")).unwrap();
        let refuse = format!(
            "CREATE TRIGGER full_{table} BEFORE UPDATE ON {table} BEGIN \
             SELECT RAISE(ABORT, 'database or disk is full'); END"
        );
        connection.execute_batch(&refuse).unwrap();
    }

    pub(in crate::portal) fn events(&self) -> Vec<String> {
        self.portal.audit(None, 1_000).unwrap().into_iter().map(|entry| entry.event).collect()
    }
}

pub(in crate::portal) fn clock(time: &Arc<Mutex<Timestamp>>) -> Arc<dyn crate::portal::Clock> {
    let time = time.clone();
    Arc::new(move || *time.lock().unwrap())
}

/// The digest of a fact that weighs as much as its kind may.
pub(in crate::portal) fn fact(source: &str, value: u8) -> EvidenceDigest {
    let digest = format!("{value:032x}");
    EvidenceDigest { group: "?".to_owned(), source: source.to_owned(), digest, weight: 255 }
}

pub(in crate::portal) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// An agent as far as the portal sees it.
pub(in crate::portal) struct Agent {
    pub key: KeyPair,
    pub serial: SerialNumber,
    pub purpose: Purpose,
    pub name: String,
    pub id: Option<Uuid>,
    pub held: Option<String>,
    pub previous: Option<RequestId>,
    pub candidates: Vec<SerialNumber>,
    pub evidence: Vec<EvidenceDigest>,
    pub virtual_machine: bool,
}

impl Agent {
    pub(in crate::portal) fn new(hardware: &str, purpose: Purpose) -> Self {
        Self {
            key: KeyPair::generate().unwrap(),
            serial: SerialNumber::mint("smbios-uuid", hardware),
            purpose,
            name: format!("Site {hardware}"),
            id: None,
            held: None,
            previous: None,
            candidates: Vec::new(),
            evidence: Vec::new(),
            virtual_machine: false,
        }
    }

    /// The same machine after its state was lost: another key, and no memory.
    pub(in crate::portal) fn installed_anew(&self) -> Self {
        Self {
            key: KeyPair::generate().unwrap(),
            id: None,
            held: None,
            previous: None,
            name: self.name.clone(),
            candidates: self.candidates.clone(),
            evidence: self.evidence.clone(),
            ..*self
        }
    }

    /// A copy of all that it has, or a snapshot of it.
    pub(in crate::portal) fn copy(&self) -> Self {
        let mut copy = self.installed_anew();
        copy.key = self.key.clone();
        (copy.id, copy.held, copy.previous) = (self.id, self.held.clone(), self.previous);
        copy
    }

    pub(in crate::portal) fn activation(&self, code: &ActivationCode) -> RequestClaims {
        let jti = RequestId(Uuid::now_v7());
        let activation = Activation::new(code, jti, &self.key.public());
        RequestClaims { activation: Some(activation), jti, ..self.request(RequestKind::Activate) }
    }

    pub(in crate::portal) fn request(&self, request: RequestKind) -> RequestClaims {
        let candidate = |serial_number| Candidate { serial_number, source: "board".to_owned() };
        let environment =
            RequestedEnvironment { id: self.id, name: self.name.clone(), purpose: self.purpose };
        let made = (RequestId(Uuid::now_v7()), at("2026-03-01T00:00:00Z"));
        RequestClaims {
            candidates: self.candidates.iter().copied().map(candidate).collect(),
            evidence: self.evidence.clone(),
            machine: MachineFacts {
                virtual_machine: self.virtual_machine,
                ..MachineFacts::new("bare-metal")
            },
            previous: self.previous,
            held: self.held.clone(),
            ..RequestClaims::new(request, self.serial, environment, PRODUCT, made)
        }
    }

    /// A rebind of the Activation Code, and of the one-time code where there is one.
    pub(in crate::portal) fn rebind(
        &self,
        code: &ActivationCode,
        one_time: Option<&RebindCode>,
    ) -> RequestClaims {
        let mut claims = self.request(RequestKind::Rebind);
        let key = self.key.public();
        claims.activation = Some(Activation::new(code, claims.jti, &key));
        claims.rebind_proof = one_time.map(|one_time| one_time.proof(claims.jti, &key));
        claims
    }

    /// A rebind or a move to which the key of `old` consents.
    pub(in crate::portal) fn succeed(&self, kind: RequestKind, old: &KeyPair) -> RequestClaims {
        let mut claims = self.request(kind);
        claims.consent = Some(sign_consent(&claims, &self.key.public(), old).unwrap());
        claims
    }

    /// Sends a request of its own, and takes the answer up.
    pub(in crate::portal) fn send(
        &mut self,
        stage: &Stage,
        claims: &RequestClaims,
    ) -> Result<OpenedAnswer, Problem> {
        let answer = stage.ask(claims, &self.key)?;
        self.settle(&answer);
        Ok(answer)
    }

    /// Takes an answer up as an agent would.
    pub(in crate::portal) fn settle(&mut self, answer: &OpenedAnswer) {
        self.previous = Some(answer.in_reply_to);
        if let Some(license) = &answer.license {
            self.held = Some(license.text().to_owned());
            self.id = Some(license.claims().environment.id);
            self.serial = license.claims().sub;
        }
    }

    pub(in crate::portal) fn activate(
        &mut self,
        stage: &Stage,
        code: &ActivationCode,
    ) -> Result<OpenedAnswer, Problem> {
        let answer = stage.ask(&self.activation(code), &self.key)?;
        self.settle(&answer);
        Ok(answer)
    }

    pub(in crate::portal) fn refresh(&mut self, stage: &Stage) -> Result<OpenedAnswer, Problem> {
        let answer = stage.ask(&self.request(RequestKind::Refresh), &self.key)?;
        self.settle(&answer);
        Ok(answer)
    }
}
