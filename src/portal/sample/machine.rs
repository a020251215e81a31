//! A controller as far as the portal sees it: it asks as an agent does.

use super::PRODUCT;
use crate::{
    codes::{ActivationCode, SerialNumber},
    license::{
        Activation, EvidenceDigest, KeyPair, OpenedAnswer, Purpose, RequestClaims, RequestId,
        RequestKind, RequestedEnvironment, Roots, ToldLimit, ToldPeak, ToldUsage, open_answer,
        sign_request,
    },
    portal::{Portal, domain::Terms},
};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Facts of a machine, by group and source, with their votes.
const FACTS: [(&str, &str, u8); 4] = [
    ("U", "smbios-uuid", 40),
    ("S", "board-serial", 25),
    ("N", "permanent-mac", 25),
    ("D", "disk-serial", 15),
];

pub(super) struct Machine {
    key: KeyPair,
    hardware: String,
    serial: SerialNumber,
    name: String,
    purpose: Purpose,
    id: Option<Uuid>,
    held: Option<String>,
    previous: Option<RequestId>,
}

impl Machine {
    pub(super) fn new(key: KeyPair, hardware: &str, name: &str, purpose: Purpose) -> Self {
        Self {
            key,
            hardware: hardware.to_owned(),
            serial: SerialNumber::mint("smbios-uuid", hardware),
            name: name.to_owned(),
            purpose,
            id: None,
            held: None,
            previous: None,
        }
    }

    /// The environment whose license it has.
    pub(super) const fn environment(&self) -> Option<Uuid> {
        self.id
    }

    /// All that it has, on another machine.
    pub(super) fn copy(&self) -> Self {
        let mut copy = self.installed_anew(self.key.clone());
        (copy.id, copy.held, copy.previous) = (self.id, self.held.clone(), self.previous);
        copy
    }

    /// The same hardware without any memory.
    pub(super) fn installed_anew(&self, key: KeyPair) -> Self {
        Self::new(key, &self.hardware, &self.name, self.purpose)
    }

    pub(super) fn activation(&self, code: &ActivationCode, now: Timestamp) -> RequestClaims {
        self.with_code(RequestKind::Activate, code, now)
    }

    pub(super) fn rebind(&self, code: &ActivationCode, now: Timestamp) -> RequestClaims {
        self.with_code(RequestKind::Rebind, code, now)
    }

    fn with_code(&self, kind: RequestKind, code: &ActivationCode, now: Timestamp) -> RequestClaims {
        let claims = self.request(kind, now);
        let activation = Some(Activation::new(code, claims.jti, &self.key.public()));
        RequestClaims { activation, ..claims }
    }

    pub(super) fn request(&self, request: RequestKind, now: Timestamp) -> RequestClaims {
        let fact = |(group, source, weight): (&str, &str, u8)| {
            let digest = Sha256::digest(format!("{} {source}", self.hardware));
            let digest =
                digest.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
            EvidenceDigest { group: group.to_owned(), source: source.to_owned(), digest, weight }
        };
        let environment =
            RequestedEnvironment { id: self.id, name: self.name.clone(), purpose: self.purpose };
        // A machine that has no random numbers asks by an id that it had before, and is refused.
        let id = RequestId(Portal::new_id(now).unwrap_or_default());
        RequestClaims {
            evidence: FACTS.map(fact).into(),
            previous: self.previous,
            held: self.held.clone(),
            trust_version: u64::from(self.previous.is_some()),
            ..RequestClaims::new(request, self.serial, environment, PRODUCT, (id, now))
        }
    }

    /// What it tells of usage: a third of each limit up to a little more than all of it.
    pub(super) fn uses(&self, terms: &Terms, now: Timestamp) -> ToldUsage {
        let told = terms.limits.iter().map(|(name, limit)| {
            let digest = Sha256::digest(format!("{} {name} {}", self.hardware, now.as_second()));
            let part = |byte: u8, of: u8| u64::from(byte % of) * limit.limit.unwrap_or(100) / 100;
            let used = part(33, 100) + part(digest[0], 66);
            let peak = used + part(digest[1], 8);
            let peak = ToldPeak { used: peak, at: now - SignedDuration::from_hours(7) };
            (name.clone(), ToldLimit { used: Some(used), peak: Some(peak) })
        });
        ToldUsage { measured_at: now, limits: told.collect() }
    }

    /// Asks, and takes the answer up. A refusal is a part of the history.
    pub(super) fn ask(&mut self, portal: &Portal, roots: &Roots, claims: &RequestClaims) {
        let Ok(request) = sign_request(claims, &self.key) else { return };
        let Ok(answer) = portal.handle_request(request.as_bytes()) else { return };
        if let Ok(answer) = open_answer(&answer, PRODUCT, roots, Some(portal.keys().trust())) {
            self.settle(&answer);
        }
    }

    fn settle(&mut self, answer: &OpenedAnswer) {
        self.previous = Some(answer.in_reply_to);
        if let Some(license) = &answer.license {
            self.held = Some(license.text().to_owned());
            self.id = Some(license.claims().environment.id);
            self.serial = license.claims().sub;
        }
    }
}
