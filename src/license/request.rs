//! What an environment asks its portal, signed by the environment key.

use super::{
    Document, DocumentError, Environment, KeyPair, PublicKey, Purpose, Sequence, Thumbprint,
    ToldUsage, Unverified, consent::Consent, jws::sign_with, told_usage::readable,
};
use crate::codes::{ActivationCode, ActivationId, SerialNumber};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{Timestamp, fmt::serde::timestamp::second::required as numeric_date};
use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

/// The id of a request, a UUID of version 7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(pub Uuid);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RequestKind {
    /// A slot of the subscription, and its license.
    Activate,
    /// The newest license.
    Refresh,
    /// To give the slot back.
    Release,
    /// To put a new key in the place of the one that is bound, on the same hardware.
    Rebind,
    /// To put a new key and other hardware in the place of those that are bound, in one step.
    Move,
}

impl RequestKind {
    /// The word in documents and in the audit.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Activate => "activate",
            Self::Refresh => "refresh",
            Self::Release => "release",
            Self::Rebind => "rebind",
            Self::Move => "move",
        }
    }

    /// Whether it brings a key that the portal does not know yet. The header carries that key (`jwk`), and signs by it:
    /// a reader that believes the key in the header comes to the same end as one that does not.
    pub const fn brings_key(self) -> bool {
        matches!(self, Self::Activate | Self::Rebind | Self::Move)
    }
}

/// The claims of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestClaims {
    /// The product whose portal is asked.
    pub aud: String,
    /// The id of the request.
    pub jti: RequestId,
    /// Made at, by the asker's clock: for people; nothing depends on it.
    #[serde(with = "numeric_date")]
    pub iat: Timestamp,
    /// What is asked for.
    pub request: RequestKind,
    /// The Serial Number that the environment has, or would mint.
    pub sub: SerialNumber,
    /// Which subscription, and that the asker holds its Activation Code; in `activate`, and in a `rebind` whose old key
    /// is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation: Option<Activation>,
    /// That the asker holds the one-time code for a rebind, as [`RebindCode::proof`](super::RebindCode::proof) makes it;
    /// beside `activation` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebind_proof: Option<String>,
    /// The word of the key that is bound so far, as [`sign_consent`](super::sign_consent) makes it; in `move`, and in a
    /// `rebind` whose old key is at hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<String>,
    /// Which environment.
    pub environment: RequestedEnvironment,
    /// Every Serial Number that could be minted from this hardware, for the portal to know an environment again.
    #[serde(default)]
    pub candidates: Vec<Candidate>,
    /// The hardware in digests, keyed from the Activation Code.
    #[serde(default)]
    pub evidence: Vec<EvidenceDigest>,
    /// What kind of machine asks.
    pub machine: MachineFacts,
    /// The last request whose answer was stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<RequestId>,
    /// Requests sent since, whose answers were not stored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unsettled: Vec<RequestId>,
    /// Requests that may have been sent as well, without anybody here knowing: nothing could be stored, and then the agent
    /// was started again. None of them counts as overtaken: most were never made, and may be yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reserved: Vec<RequestId>,
    /// The license that is held, so that a portal restored from a backup adopts what it signed itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
    /// The highest sequence of any document that was accepted, a release or a revocation among them, so that a portal restored
    /// from a backup counts on from there: nothing lower is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<Sequence>,
    /// The version of the trust document that is held; 0 for none.
    #[serde(default)]
    pub trust_version: u64,
    /// The thumbprint of the environment's certificate authority, for the license to name; absent: it has no members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<Thumbprint>,
    /// What is used of the license's limits, where the operator lets the portal be told.
    #[serde(default, deserialize_with = "readable", skip_serializing_if = "Option::is_none")]
    pub usage: Option<ToldUsage>,
}

impl Document for RequestClaims {
    const TYPE: &'static str = "entitled-request+jwt";
}

/// Names a subscription and proves that the asker holds its Activation Code, without telling it: a request file that
/// is read on its way activates nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activation {
    /// Finds the subscription.
    pub id: ActivationId,
    /// [`ActivationCode::proof`] over the request's id and the environment key's thumbprint, base64url.
    pub proof: String,
}

impl Activation {
    /// The activation part of request `jti`, which `key` signs.
    pub fn new(code: &ActivationCode, jti: RequestId, key: &PublicKey) -> Self {
        let proof = code.proof(proof_message(jti, &key.thumbprint()).as_bytes());
        Self { id: code.id(), proof: URL_SAFE_NO_PAD.encode(proof) }
    }

    /// Whether the asker of request `jti`, signed by `key`, holds `code`.
    pub fn proves(&self, code: &ActivationCode, jti: RequestId, key: &PublicKey) -> bool {
        self.proves_by(code, jti, &key.thumbprint())
    }

    /// The same, where of the key no more than its thumbprint is known yet.
    pub fn proves_by(&self, code: &ActivationCode, jti: RequestId, kid: &Thumbprint) -> bool {
        URL_SAFE_NO_PAD
            .decode(&self.proof)
            .is_ok_and(|proof| code.verify_proof(proof_message(jti, kid).as_bytes(), &proof))
    }
}

fn proof_message(jti: RequestId, kid: &Thumbprint) -> String {
    format!("entitled request proof\0{jti}\0{kid}")
}

/// The environment that a request is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestedEnvironment {
    /// Its id, once the portal has given one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub purpose: Purpose,
}

impl From<Environment> for RequestedEnvironment {
    fn from(Environment { id, name, purpose }: Environment) -> Self {
        Self { id: Some(id), name, purpose }
    }
}

/// A Serial Number that could be minted from this hardware.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// It.
    pub serial_number: SerialNumber,
    /// From which source.
    pub source: String,
}

/// One hardware fact, of use to this subscription's portal alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceDigest {
    /// The group that it votes in.
    pub group: String,
    /// Where it was read.
    pub source: String,
    /// HMAC-SHA-256 of it, keyed from the Activation Code.
    pub digest: String,
    /// Its vote.
    pub weight: u8,
}

/// What kind of machine asks, for the vendor's policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineFacts {
    /// `bare-metal`, a hypervisor's or a container's name.
    #[serde(deserialize_with = "short")]
    pub kind: String,
    /// Whether the Serial Number comes from the documented override instead of hardware.
    #[serde(default)]
    pub overridden: bool,
    /// Whether it is a guest of a hypervisor, where a differing system UUID tells a clone.
    #[serde(default)]
    pub virtual_machine: bool,
    /// The version of the agent.
    #[serde(deserialize_with = "short")]
    pub agent: String,
}

impl MachineFacts {
    /// A machine of that kind, whose agent is this.
    pub fn new(kind: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            overridden: false,
            virtual_machine: false,
            agent: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// Longest text about a machine, characters.
const LONGEST_FACT: usize = 80;

/// As much of a text as is taken in: it stands in audits, in messages and on pages, and who asks may have written anything.
fn short<'de, D: serde::Deserializer<'de>>(text: D) -> Result<String, D::Error> {
    let text = String::deserialize(text)?;
    Ok(text.chars().filter(|letter| !letter.is_control()).take(LONGEST_FACT).collect())
}

impl RequestClaims {
    /// What every request has, of a bare machine that knows and holds nothing: all else is to be put in.
    pub fn new(
        request: RequestKind,
        sub: SerialNumber,
        environment: RequestedEnvironment,
        product: &str,
        (jti, iat): (RequestId, Timestamp),
    ) -> Self {
        Self {
            aud: product.to_owned(),
            jti,
            iat,
            request,
            sub,
            activation: None,
            rebind_proof: None,
            consent: None,
            environment,
            candidates: Vec::new(),
            evidence: Vec::new(),
            machine: MachineFacts::new("bare-metal"),
            previous: None,
            unsettled: Vec::new(),
            reserved: Vec::new(),
            held: None,
            floor: None,
            trust_version: 0,
            ca: None,
            usage: None,
        }
    }

    /// That it has the parts of its kind, and no others:
    ///
    /// | kind | `activation` | `rebind_proof` | `consent` |
    /// | --- | --- | --- | --- |
    /// | `activate` | must | never | never |
    /// | `refresh`, `release` | never | never | never |
    /// | `rebind` | either this | may, with `activation` | or this |
    /// | `move` | never | never | must |
    fn check_parts(&self) -> Result<(), DocumentError> {
        let (activation, consent) = (self.activation.is_some(), self.consent.is_some());
        let fault = match self.request {
            RequestKind::Activate if !activation || consent => {
                Some(("activation", "an activation has it, and no consent"))
            }
            RequestKind::Refresh | RequestKind::Release if activation || consent => {
                Some(("activation", "a refresh or a release has neither it nor a consent"))
            }
            RequestKind::Rebind if activation == consent => Some((
                "activation",
                "a rebind has either it or the old key's consent, whichever the asker has",
            )),
            RequestKind::Move if activation || !consent => {
                Some(("consent", "a move has that of the old key, and no activation"))
            }
            _ => None,
        };
        if let Some((member, reason)) = fault {
            return Err(wrong(member, reason));
        }
        let proves = self.request == RequestKind::Rebind && activation;
        if self.rebind_proof.is_some() && !proves {
            return Err(wrong("rebind_proof", "only a rebind by the Activation Code has it"));
        }
        Ok(())
    }
}

fn wrong(member: &'static str, reason: &str) -> DocumentError {
    DocumentError::Request { member, reason: reason.to_owned() }
}

/// Signs a request; one that brings a key carries its public half, which the portal can't know yet.
///
/// # Errors
/// As [`sign`](super::sign).
pub fn sign_request(claims: &RequestClaims, key: &KeyPair) -> Result<String, DocumentError> {
    let jwk = claims.request.brings_key().then(|| key.public());
    sign_with(claims, key, jwk)
}

/// Verifies a request and returns the key that signed it: the one that it brings, or else the one that the portal bound,
/// which `bound` finds by the claims (they are not verified yet when it is asked). A consent is verified by the bound
/// key too.
///
/// # Errors
/// What is wrong with the document or with the consent in it; [`DocumentError::UnknownKey`] where `bound` knows no key.
pub fn verify_request(
    text: &str,
    product: &str,
    bound: impl FnOnce(&RequestClaims) -> Option<PublicKey>,
) -> Result<(RequestClaims, PublicKey), DocumentError> {
    let request = UnverifiedRequest::parse(text)?;
    verify(&request.document, request.claims, product, bound)
}

/// A request taken apart, for looking up by what key it must be signed; nothing in it is believed yet.
pub struct UnverifiedRequest<'a> {
    document: Unverified<'a>,
    claims: RequestClaims,
}

impl<'a> UnverifiedRequest<'a> {
    /// Takes a request apart.
    ///
    /// # Errors
    /// What is wrong with its form.
    pub fn parse(text: &'a str) -> Result<Self, DocumentError> {
        let document = Unverified::parse(text)?;
        let claims = document.peek()?;
        Ok(Self { document, claims })
    }

    /// What it says.
    pub const fn claims(&self) -> &RequestClaims {
        &self.claims
    }

    /// The key that it says it is signed by.
    pub fn kid(&self) -> Thumbprint {
        self.document.kid()
    }

    /// As [`verify_request`], where the bound key was looked up already.
    ///
    /// # Errors
    /// As [`verify_request`].
    pub fn verify(
        self,
        product: &str,
        bound: Option<PublicKey>,
    ) -> Result<(RequestClaims, PublicKey), DocumentError> {
        verify(&self.document, self.claims, product, |_| bound)
    }
}

fn verify(
    document: &Unverified<'_>,
    claims: RequestClaims,
    product: &str,
    bound: impl FnOnce(&RequestClaims) -> Option<PublicKey>,
) -> Result<(RequestClaims, PublicKey), DocumentError> {
    let consent = claims.consent.as_deref().map(Consent::parse).transpose()?;
    let brought = match (claims.request.brings_key(), document.embedded_key()) {
        (true, None) => return Err(wrong("jwk", "a request that brings a key carries it")),
        (false, Some(_)) => {
            return Err(wrong("jwk", "only a request that brings a key carries one"));
        }
        (_, brought) => brought.copied(),
    };
    let (key, consenting) = match (brought, &consent) {
        (Some(key), None) => (key, None),
        (Some(key), Some(consent)) => {
            let unknown = || DocumentError::UnknownKey { kid: consent.kid() };
            (key, Some(bound(&claims).ok_or_else(unknown)?))
        }
        (None, _) => {
            let unknown = || DocumentError::UnknownKey { kid: document.kid() };
            (bound(&claims).ok_or_else(unknown)?, None)
        }
    };
    document.check_signature(&key)?;
    super::verify::check_audience(product, &claims.aud)?;
    claims.check_parts()?;
    if let (Some(consent), Some(consenting)) = (&consent, &consenting) {
        consent.verify(&claims, &key, consenting)?;
    }
    Ok((claims, key))
}
