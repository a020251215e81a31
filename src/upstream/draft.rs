//! From what the agent knows to the claims of a request.

use crate::{
    codes::{ActivationCode, SerialNumber},
    identity::Survey,
    license::{
        Activation, Candidate, EvidenceDigest, MachineFacts, PublicKey, RebindCode, RequestClaims,
        RequestId, RequestKind, RequestedEnvironment, Sequence, Thumbprint, ToldUsage,
    },
    store::Chain,
};
use jiff::Timestamp;

use std::time::{SystemTime, UNIX_EPOCH};
use uuid::{NoContext, Uuid};

/// What goes into a request.
pub struct Draft<'a> {
    /// Its id.
    pub id: RequestId,
    /// What is asked for.
    pub kind: RequestKind,
    /// The product.
    pub product: &'a str,
    /// The Serial Number.
    pub serial_number: SerialNumber,
    /// Whether that comes from the override.
    pub overridden: bool,
    /// The environment.
    pub environment: RequestedEnvironment,
    /// The Activation Code: needed to activate, and to key the digests of the hardware.
    pub code: Option<&'a ActivationCode>,
    /// Whether it is shown by the code, and not by the bound key's consent, whose environment it is.
    pub shows_code: bool,
    /// The one-time code for a rebind.
    pub rebind_code: Option<&'a RebindCode>,
    /// The hardware.
    pub survey: &'a Survey,
    /// The place in the chain.
    pub chain: &'a Chain,
    /// The license that is held.
    pub held: Option<&'a str>,
    /// The version of the trust document that is held; 0 for none.
    pub trust_version: u64,
    /// The thumbprint of the environment's certificate authority, where it has one.
    pub ca: Option<Thumbprint>,
    /// The highest sequence of any document that was accepted.
    pub floor: Option<Sequence>,
    /// What is used of the limits, where the portal is told.
    pub usage: Option<ToldUsage>,
    /// Effective time.
    pub now: Timestamp,
}

impl Draft<'_> {
    /// The claims of the request, for `key` to sign. Where the bound key consents, its word is still to be put in.
    pub fn claims(self, key: &PublicKey) -> RequestClaims {
        let activation =
            self.code.filter(|_| self.shows_code).map(|code| Activation::new(code, self.id, key));
        let candidates = self
            .survey
            .candidates()
            .into_iter()
            .map(|minted| Candidate {
                serial_number: minted.serial_number,
                source: minted.source.name().to_owned(),
            })
            .collect();
        let made = (self.id, self.now);
        RequestClaims {
            activation,
            rebind_proof: self.rebind_code.map(|code| code.proof(self.id, key)),
            candidates,
            evidence: self.code.map(|code| evidence(self.survey, code)).unwrap_or_default(),
            machine: MachineFacts {
                overridden: self.overridden,
                virtual_machine: self.survey.machine().is_virtual(),
                ..MachineFacts::new(&self.survey.machine().to_string())
            },
            previous: self.chain.previous,
            unsettled: self.chain.unsettled.clone(),
            reserved: self.chain.reserve.doubted().to_vec(),
            held: self.held.map(ToOwned::to_owned),
            floor: self.floor,
            trust_version: self.trust_version,
            ca: self.ca,
            usage: self.usage,
            ..RequestClaims::new(
                self.kind,
                self.serial_number,
                self.environment,
                self.product,
                made,
            )
        }
    }
}

fn evidence(survey: &Survey, code: &ActivationCode) -> Vec<EvidenceDigest> {
    let facts = survey.portal_facts(code).into_iter();
    facts
        .map(|fact| EvidenceDigest {
            group: fact.group.name().to_owned(),
            source: fact.source.name().to_owned(),
            digest: fact.digest.to_string(),
            weight: fact.weight,
        })
        .collect()
}

/// A new id, of version 7: ordered by time, and unique by 74 random bits.
pub fn new_request_id() -> RequestId {
    // A clock before 1970 is no reason to ask for nothing: `now_v7` panics at one.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let time = uuid::Timestamp::from_unix(NoContext, since.as_secs(), since.subsec_nanos());
    RequestId(Uuid::new_v7(time))
}
