//! Whether a member takes a statement: the rules, as one pure function.

use crate::{
    entitlement::Status,
    license::{
        DocumentError, PublicKey, Roots, Sequence, Thumbprint, VerifiedLicense, VerifiedStatement,
        verify_statement,
    },
};
use jiff::Timestamp;
use std::cmp::Ordering;

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
}

impl Refusal {
    /// A stable code for programs and metrics.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Forged(_) => "statement-forged",
            Self::Foreign { .. } => "statement-foreign",
            Self::Older { .. } => "statement-older",
            Self::Expired { .. } => "statement-expired",
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

fn check_environment(
    statement: &VerifiedStatement,
    pinned: &Pinned<'_>,
    held: Option<&Accepted>,
) -> Result<(), Refusal> {
    let license = statement.license().claims();
    let known_key = held.map_or(pinned.environment_key, |held| held.statement.key());
    let belongs = if let Some(ca) = &license.ca {
        ca == pinned.ca
    } else {
        let held_environment = held.map(|held| held.license().claims().environment.id);
        statement.key() == known_key || held_environment == Some(license.environment.id)
    };
    if belongs {
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
