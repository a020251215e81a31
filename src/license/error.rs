//! Why a document is refused: what was expected, what was found, what mends it.

use super::{KeyStatus, Purpose, Sequence, Thumbprint};
use crate::codes::SerialNumber;
use jiff::Timestamp;
use std::fmt;
use uuid::Uuid;

/// Why a document is refused. A refused document changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum DocumentError {
    #[error(
        "the document is larger than {limit} bytes ({found}): choose the file that the portal gave, `entitlectl license inspect FILE` shows what one is"
    )]
    TooLarge { limit: usize, found: usize },
    #[error(
        "expected a signed document (three parts of letters, digits, '-' and '_' joined by '.'), found {found}: choose the file that the portal gave; it is carried as it is, unchanged"
    )]
    NotCompact { found: String },
    #[error("the {part} of the document is damaged ({reason}): carry or download it again")]
    Malformed { part: &'static str, reason: String },
    #[error(
        "expected the algorithm EdDSA, found {found:?}: the document was not made by a Licensing Portal; download it again"
    )]
    Algorithm { found: String },
    #[error(
        "expected a document of type {expected}, found {found:?}: choose the right file, `entitlectl license inspect FILE` names a file's type"
    )]
    Type { expected: &'static str, found: String },
    #[error(
        "the document demands extensions that this program does not know (crit: {names}): install a newer entitled"
    )]
    Critical { names: String },
    #[error(
        "the page says something else than the usage report that is signed in it: it was changed; ask for it again as `entitlectl usage report` wrote it"
    )]
    UsagePage,
    #[error(
        "expected a sound Ed25519 public key, found {found}: the document was not made by a Licensing Portal; download it again"
    )]
    Key { found: &'static str },
    #[error(
        "no signature was made ({reason}): look after what keeps the signing key, then try again"
    )]
    Signer { reason: String },
    #[error(
        "expected a JWK set of sound Ed25519 public keys, found {reason}: install the vendor's package again, or take the file out of roots.d"
    )]
    KeySet { reason: String },
    #[error(
        "signed by a key that the trust document does not name ({kid}): compare the vendor of the file with the product installed here, then `entitlectl refresh`, which fetches a newer trust document"
    )]
    UnknownKey { kid: Thumbprint },
    #[error(
        "signed by a portal key that the vendor has declared {status} ({kid}): fetch a new one with `entitlectl refresh`"
    )]
    KeyNotBelieved { kid: Thumbprint, status: KeyStatus },
    #[error(
        "no trust document is held and none came with this one, so no portal key is known: `entitlectl activate`, or install the whole answer of the portal instead of the license in it"
    )]
    NoTrust,
    #[error(
        "the trust document is signed by {kid}, which is none of the vendor's root keys here ({known}): check /usr/share/entitled/roots.d and that the portal is the right vendor's"
    )]
    UnknownRoot { kid: Thumbprint, known: String },
    #[error(
        "expected a trust document of version {held} or higher, found {found}: an older one is never taken back; fetch the current one with `entitlectl refresh`"
    )]
    TrustVersion { held: u64, found: u64 },
    #[error(
        "a trust document of version {version} is held already with other contents: fetch the current one with `entitlectl refresh`; if that fails the same way, tell the vendor, whose next one needs a higher version"
    )]
    TrustVersionReused { version: u64 },
    #[error(
        "the signature does not match: the document was changed or damaged on its way; carry or download it again"
    )]
    Signature,
    #[error(
        "expected a document for the product {expected:?}, found one for {found:?}: choose this product's license"
    )]
    Audience { expected: String, found: String },
    #[error(
        "expected a license for Serial Number {expected}, found one for {found}: choose this environment's license, or `entitlectl activate` to get one"
    )]
    Serial { expected: SerialNumber, found: SerialNumber },
    #[error(
        "the license is bound to another environment key (expected {expected}, found {found}): it was made for another installation; `entitlectl activate` to get one for this"
    )]
    Binding { expected: Thumbprint, found: Thumbprint },
    #[error("the dates contradict each other ({reason}): ask the vendor for a new license")]
    Dates { reason: String },
    #[error(
        "the license ended for good at {ended}, it is {now} now: renew the subscription, then `entitlectl refresh`"
    )]
    Expired { ended: Timestamp, now: Timestamp },
    #[error(
        "expected a license of sequence {held} or higher, found {found}: a newer one is held already; `entitlectl license show` shows it"
    )]
    Sequence { held: Sequence, found: Sequence },
    #[error(
        "sequence {sequence} is held already with other contents: `entitlectl refresh` fetches the current one"
    )]
    SequenceReused { sequence: Sequence },
    #[error(
        "expected a license for environment {expected}, found one for {found} ({purpose}): choose this environment's license"
    )]
    Environment { expected: String, found: String, purpose: Purpose },
    #[error(
        "expected the portal's word on environment {expected}, found it on {found}: choose this environment's answer, or `entitlectl refresh`"
    )]
    OtherEnvironment { expected: Uuid, found: Uuid },
    #[error(
        "expected the answer to {expected}, found the answer to request {found}: install the answer to the newest request, or `entitlectl refresh`"
    )]
    Reply { expected: String, found: String },
    #[error(
        "{member} is missing or wrong in the request ({reason}): make a new one with the current entitled"
    )]
    Request { member: &'static str, reason: String },
    // It never repeats the text: the code is a secret.
    #[error(
        "expected a one-time code of 16 letters and digits in four groups of four, found {found}: compare it with what the portal printed and type it again"
    )]
    RebindCode { found: String },
}

/// Longest foreign text in an error, characters: more than any sound value has.
const LONGEST_SHOWN: usize = 64;
/// Longest reason of a reader, characters.
const LONGEST_REASON: usize = 160;

/// The start of a foreign text, for a place where it is quoted and escaped when it is written.
pub(super) fn cut(text: &str) -> String {
    let mut chars = text.chars();
    let mut start: String = chars.by_ref().take(LONGEST_SHOWN).collect();
    if chars.next().is_some() {
        start.push('…');
    }
    start
}

/// The start of a foreign text, escaped: it must not write into a terminal or forge a line of a log.
pub(super) fn shown(text: &str) -> String {
    escaped(&cut(text))
}

fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut escaped, c| {
        match c {
            '"' | '\'' | '\\' => escaped.push(c),
            _ => escaped.extend(c.escape_debug()),
        }
        escaped
    })
}

/// What a reader says, without the values that it quotes: they may be secrets in the wrong file, and of any length.
pub(super) fn reason(error: &impl fmt::Display) -> String {
    let text = error.to_string();
    let text = match (text.find('"'), text.rfind('"')) {
        (Some(first), Some(last)) if first < last => {
            format!("{}\"…{}", &text[..first], &text[last..])
        }
        _ => text,
    };
    escaped(&text.chars().take(LONGEST_REASON).collect::<String>())
}

impl DocumentError {
    pub(super) fn malformed(part: &'static str, error: &impl fmt::Display) -> Self {
        Self::Malformed { part, reason: reason(error) }
    }

    pub(crate) fn audience(expected: &str, found: &str) -> Self {
        Self::Audience { expected: expected.to_owned(), found: cut(found) }
    }

    /// A stable code for programs, also the label of metrics.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "document-too-large",
            Self::NotCompact { .. } => "document-not-compact",
            Self::Malformed { .. } => "document-malformed",
            Self::Algorithm { .. } => "document-algorithm",
            Self::Type { .. } => "document-type",
            Self::Critical { .. } => "document-critical",
            Self::Key { .. } => "document-key",
            // Only a portal has a signer that fails.
            Self::Signer { .. } => "portal-unavailable",
            Self::KeySet { .. } => "document-key-set",
            Self::UnknownKey { .. } => "document-unknown-key",
            Self::KeyNotBelieved { .. } => "document-key-not-believed",
            Self::NoTrust => "document-no-trust",
            Self::UnknownRoot { .. } => "document-unknown-root",
            Self::TrustVersion { .. } => "document-trust-version",
            Self::TrustVersionReused { .. } => "document-trust-version-reused",
            Self::Signature => "document-signature",
            Self::Audience { .. } => "document-audience",
            Self::Serial { .. } => "document-serial",
            Self::Binding { .. } => "document-binding",
            Self::Dates { .. } => "document-dates",
            Self::Expired { .. } => "document-expired",
            Self::UsagePage => "document-usage-page",
            Self::Sequence { .. } => "document-sequence",
            Self::SequenceReused { .. } => "document-sequence-reused",
            Self::Environment { .. } | Self::OtherEnvironment { .. } => "document-environment",
            Self::Reply { .. } => "document-reply",
            Self::Request { .. } => "document-request",
            Self::RebindCode { .. } => "rebind-code-mistyped",
        }
    }
}

/// Every reason for which one license can't be installed; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(Vec<DocumentError>);

impl Faults {
    pub(super) fn from_found(found: Vec<DocumentError>) -> Result<(), Self> {
        if found.is_empty() { Ok(()) } else { Err(Self(found)) }
    }

    /// The faults in the order in which they were found.
    pub fn all(&self) -> &[DocumentError] {
        &self.0
    }

    /// The stable codes of all.
    pub fn codes(&self) -> String {
        self.0.iter().map(DocumentError::code).collect::<Vec<_>>().join(", ")
    }

    /// The stable code of the first.
    pub fn code(&self) -> &'static str {
        self.0.first().map_or("document", DocumentError::code)
    }
}

impl From<DocumentError> for Faults {
    fn from(error: DocumentError) -> Self {
        Self(vec![error])
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, fault) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}
