//! Agents as far as a portal sees them: each with a key and hardware of its own, and requests that are signed beforehand.

use crate::Failure;
use entitled::{
    codes::{ActivationCode, SerialNumber},
    license::{
        Activation, Candidate, EvidenceDigest, KeyPair, Outcome, Purpose, RequestClaims, RequestId,
        RequestKind, RequestedEnvironment, Roots, open_answer, sign_request,
    },
};
use jiff::Timestamp;
use uuid::Uuid;

pub(crate) const PRODUCT: &str = "example-product";
/// What a machine of bare metal tells: source and vote.
const FACTS: [(&str, u8); 5] = [
    ("smbios-uuid", 40),
    ("system-serial", 25),
    ("board-serial", 25),
    ("permanent-mac", 25),
    ("disk-wwid", 15),
];

/// One agent.
pub(crate) struct Agent {
    key: KeyPair,
    code: ActivationCode,
    purpose: Purpose,
    serial: SerialNumber,
    evidence: Vec<EvidenceDigest>,
    environment: Option<Uuid>,
    held: Option<String>,
    previous: Option<RequestId>,
}

impl Agent {
    /// The `number`th machine of all.
    pub(crate) fn new(
        number: usize,
        code: &ActivationCode,
        purpose: Purpose,
    ) -> Result<Self, Failure> {
        Ok(Self {
            key: KeyPair::generate()?,
            code: code.clone(),
            purpose,
            serial: SerialNumber::mint("smbios-uuid", &number.to_string()),
            evidence: evidence(number),
            environment: None,
            held: None,
            previous: None,
        })
    }

    /// Its activation.
    pub(crate) fn activation(&mut self) -> Result<String, Failure> {
        self.sign(RequestKind::Activate, 0)
    }

    /// Its next refresh, which takes the one before it as answered.
    pub(crate) fn refresh(&mut self) -> Result<String, Failure> {
        self.sign(RequestKind::Refresh, 1)
    }

    /// Takes the license of its activation up.
    pub(crate) fn settle(&mut self, answer: &str, roots: &Roots) -> Result<(), Failure> {
        let opened = open_answer(answer, PRODUCT, roots, None)?;
        let license = opened.license.ok_or("an activation was answered without a license")?;
        self.environment = Some(license.claims().environment.id);
        self.held = Some(license.text().to_owned());
        Ok(())
    }

    fn sign(&mut self, request: RequestKind, trust_version: u64) -> Result<String, Failure> {
        let jti = RequestId(Uuid::now_v7());
        let key = self.key.public();
        let activates = request == RequestKind::Activate;
        let environment = RequestedEnvironment {
            id: self.environment,
            name: "Main site".to_owned(),
            purpose: self.purpose,
        };
        let made = (jti, Timestamp::now());
        let claims = RequestClaims {
            activation: activates.then(|| Activation::new(&self.code, jti, &key)),
            candidates: vec![Candidate {
                serial_number: self.serial,
                source: "smbios-uuid".to_owned(),
            }],
            evidence: self.evidence.clone(),
            previous: self.previous.replace(jti),
            held: self.held.clone(),
            trust_version,
            ..RequestClaims::new(request, self.serial, environment, PRODUCT, made)
        };
        Ok(sign_request(&claims, &self.key)?)
    }
}

/// The hardware of the `number`th machine.
pub(crate) fn evidence(number: usize) -> Vec<EvidenceDigest> {
    let facts = FACTS.into_iter().enumerate().map(|(n, (source, weight))| EvidenceDigest {
        group: "?".to_owned(),
        source: source.to_owned(),
        digest: format!("{:032x}", number * FACTS.len() + n),
        weight,
    });
    facts.collect()
}

/// Whether an answer says that the license that is held is the newest.
pub(crate) fn says_nothing_new(answer: &str, trust: &str, roots: &Roots) -> Result<bool, Failure> {
    let trust = roots.verify_trust(trust, PRODUCT, None)?;
    let opened = open_answer(answer, PRODUCT, roots, Some(&trust))?;
    Ok(matches!(opened.outcome, Outcome::NothingNew { .. }))
}
