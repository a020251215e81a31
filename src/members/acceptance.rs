//! Whether a member takes a statement: the rules, as one pure function.

use super::connection::controller_address;
use crate::{
    entitlement::Status,
    license::{
        DocumentError, LicenseClaims, PublicKey, Roots, Sequence, Thumbprint, VerifiedLicense,
        VerifiedStatement, verify_signpost, verify_statement,
    },
};
use jiff::Timestamp;
use std::cmp::Ordering;

/// Addresses of a signpost or a statement that are taken.
pub const MOST_ADDRESSES: usize = 16;

/// Why a statement is refused. A refused one changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Somebody else made it, or it was changed.
    #[error("the statement is not what the environment signed: {0}")]
    Forged(#[from] DocumentError),
    /// It is another environment's.
    #[error(
        "expected a statement of the environment that this server has joined, found {found}: check the controllers' addresses, or join again with a token of that environment (`entitlectl join`)"
    )]
    Foreign {
        /// What it is instead.
        found: String,
    },
    /// A newer one is held.
    #[error(
        "expected license sequence {held_sequence} and generation {held_generation} or higher, found {sequence} and {generation}: the controller was restored from a snapshot, or the statement is a replay; what is held is shown to the controller, which follows it"
    )]
    Older {
        /// What is held.
        held_sequence: Sequence,
        /// What is held.
        held_generation: u64,
        /// What came.
        sequence: Sequence,
        /// What came.
        generation: u64,
    },
    /// The license in it is over.
    #[error(
        "the license in the statement ended for good at {ended}, it is {now} here: renew the subscription, or set this machine's clock if that is wrong (`timedatectl`)"
    )]
    Expired {
        /// When.
        ended: Timestamp,
        /// The member's effective time.
        now: Timestamp,
    },
    /// A signpost is not the environment's, or leads back.
    #[error(
        "the signpost is not followed ({reason}): find out who answers at the controller's address, and correct the addresses if it is the wrong one"
    )]
    Misleading {
        /// What is wrong with it.
        reason: String,
    },
}

impl Refusal {
    /// A stable code for programs and metrics.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Forged(_) => "statement-forged",
            Self::Foreign { .. } => "statement-foreign",
            Self::Older { .. } => "statement-older",
            Self::Expired { .. } => "statement-expired",
            Self::Misleading { .. } => "signpost-refused",
        }
    }
}

/// What a member knows of its environment.
#[derive(Debug, Clone, Copy)]
pub struct Pinned<'a> {
    /// The product.
    pub product: &'a str,
    /// The vendor's root keys.
    pub roots: &'a Roots,
    /// The thumbprint of the environment's certificate authority, from the join token.
    pub ca: &'a Thumbprint,
    /// The environment key, from the joining.
    pub environment_key: &'a PublicKey,
}

/// A statement that was accepted, with the status in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    /// The statement.
    pub statement: VerifiedStatement,
    /// The controller's status.
    pub status: Status,
}

impl Accepted {
    /// The highest sequence among the portal's documents in it.
    pub fn sequence(&self) -> Sequence {
        sequence_of(&self.statement)
    }

    /// Its generation.
    pub const fn generation(&self) -> u64 {
        self.statement.claims().generation
    }

    /// The license in it.
    pub const fn license(&self) -> &VerifiedLicense {
        self.statement.license()
    }
}

/// Judges a statement against the one that is held. Of one environment the higher sequence wins, then the higher
/// generation; the very same one again is taken, for it is news that the controller lives.
///
/// The environment is the joined one where the license names its certificate authority, or its key signed, or where the
/// portal bound the environment that is held already to a new key. The controller's clock is not asked.
///
/// # Errors
/// The first reason against it.
pub fn judge(
    text: &str,
    pinned: &Pinned<'_>,
    held: Option<&Accepted>,
    now: Timestamp,
) -> Result<Accepted, Refusal> {
    let held_trust = held.map(|held| held.statement.trust());
    let unbound = held.map_or(pinned.environment_key, |held| held.statement.key());
    let statement =
        verify_statement(text, pinned.product, pinned.roots, held_trust, Some(unbound))?;
    check_environment(&statement, pinned, held)?;
    if let Some(held) = held {
        check_order(&statement, held)?;
    }
    let license = statement.license();
    let is_news = held.is_none_or(|held| held.license().text() != license.text());
    let ended = license.claims().exp;
    if is_news && ended <= now {
        return Err(Refusal::Expired { ended, now });
    }
    let status = serde_json::from_value(statement.claims().status.clone()).map_err(|error| {
        DocumentError::Malformed { part: "payload", reason: format!("its status: {error}") }
    })?;
    Ok(Accepted { statement, status })
}

/// Where a signpost leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// To these addresses.
    To(Vec<String>),
    /// To where the held statement comes from.
    Here,
}

/// Judges a signpost against what is held. It must be of this environment, and of a license that is as new as the held one: a
/// key that was left is never bound again, so one from before leads back to where nobody is any more.
///
/// It leads, and proves nothing: what is found there is judged as any statement is.
///
/// # Errors
/// [`Refusal::Misleading`].
pub fn judge_signpost(
    text: &str,
    pinned: &Pinned<'_>,
    held: Option<&Accepted>,
) -> Result<Way, Refusal> {
    let misleading = |reason: String| Refusal::Misleading { reason };
    let held_trust = held.map(|held| held.statement.trust());
    let signpost = verify_signpost(text, pinned.product, pinned.roots, held_trust)
        .map_err(|error| misleading(error.to_string()))?;
    let (claims, license) = (signpost.claims(), signpost.license().claims());
    let known = held.map_or(pinned.environment_key, |held| held.statement.key());
    if !belongs(license, signpost.key(), known, pinned, held) {
        return Err(misleading(format!(
            "it is of {}, another environment",
            license.environment.id
        )));
    }
    if claims.key == known.thumbprint() {
        return Ok(Way::Here);
    }
    let held_license = held.map(|held| held.license().claims());
    let is_older = held_license.is_some_and(|held| {
        let is_same = held.environment.id == license.environment.id;
        if is_same { license.seq < held.seq } else { license.iat < held.iat }
    });
    if is_older {
        return Err(misleading(format!(
            "it is of license sequence {}, which was left before the held one came",
            license.seq
        )));
    }
    let controllers = claims.controllers.iter().filter_map(|at| controller_address(at).ok());
    let controllers: Vec<_> = controllers.take(MOST_ADDRESSES).collect();
    if controllers.is_empty() {
        return Err(misleading("it names no address".to_owned()));
    }
    Ok(Way::To(controllers))
}

/// Whether a license, or the key that signed, is of the joined environment.
fn belongs(
    license: &LicenseClaims,
    key: &PublicKey,
    known_key: &PublicKey,
    pinned: &Pinned<'_>,
    held: Option<&Accepted>,
) -> bool {
    let held = held.map(|held| held.license().claims());
    let is_held_environment =
        held.is_some_and(|held| held.environment.id == license.environment.id);
    match &license.ca {
        None => key == known_key || is_held_environment,
        Some(ca) if ca == pinned.ca => true,
        // The key of the pinned authority was lost: the portal says which one took its place, in a license of the environment
        // that was heard of before, and later than what was heard.
        Some(ca) => {
            let is_later = held.is_some_and(|held| {
                license.seq > held.seq || held.ca.as_ref() == Some(ca) && license.seq == held.seq
            });
            is_held_environment && is_later && license.former_ca.contains(pinned.ca)
        }
    }
}

fn check_environment(
    statement: &VerifiedStatement,
    pinned: &Pinned<'_>,
    held: Option<&Accepted>,
) -> Result<(), Refusal> {
    let license = statement.license().claims();
    let known_key = held.map_or(pinned.environment_key, |held| held.statement.key());
    if belongs(license, statement.key(), known_key, pinned, held) {
        return Ok(());
    }
    let found = format!(
        "one of {} ({}), whose certificate authority or key is another",
        license.environment.id, license.environment.purpose
    );
    Err(Refusal::Foreign { found })
}

fn check_order(statement: &VerifiedStatement, held: &Accepted) -> Result<(), Refusal> {
    let (sequence, generation) = (sequence_of(statement), statement.claims().generation);
    let (new, old) = (statement.license().claims(), held.license().claims());
    // Released and activated again, the environment is another one, which counts from the start: what the portal issued
    // later is the later.
    let order = if new.environment.id == old.environment.id {
        sequence.cmp(&held.sequence()).then(generation.cmp(&held.generation()))
    } else {
        new.iat.cmp(&old.iat).then(Ordering::Less)
    };
    if order == Ordering::Less {
        return Err(Refusal::Older {
            held_sequence: held.sequence(),
            held_generation: held.generation(),
            sequence,
            generation,
        });
    }
    Ok(())
}

fn sequence_of(statement: &VerifiedStatement) -> Sequence {
    let license = statement.license().claims().seq;
    statement.revocation().map_or(license, |revocation| license.max(revocation.seq))
}
