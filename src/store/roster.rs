//! What is known of the environment's members, and of the tokens that they join with.
//!
//! Kept apart from [`AgentState`](super::AgentState), an entry each: an environment has any number of members, and the
//! state is written whole. Stored in the same transactions.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};
use uuid::Uuid;

const MEMBER: &str = "member";
const TOKEN: &str = "token";

/// Names a join token; no secret.
pub type TokenId = String;

/// A server that has joined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRecord {
    /// Its id, which its certificate carries.
    pub id: Uuid,
    /// What it calls itself.
    pub name: String,
    /// From where it joined.
    pub address: IpAddr,
    /// When, by effective time.
    pub joined_at: Timestamp,
    /// When its newest certificate expires.
    pub certificate_expires_at: Timestamp,
    /// The token that it joined with; none where it was taken in by its certificate.
    pub token: Option<TokenId>,
    /// When it was removed, where it was. Kept until its last certificate can't be renewed any more.
    #[serde(default)]
    pub removed_at: Option<Timestamp>,
}

/// A join token. The secret in it is stored as a digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// Its id.
    pub id: TokenId,
    /// The digest of its secret, hexadecimal.
    pub digest: String,
    /// Until when, by effective time.
    pub expires_at: Timestamp,
    /// How often it may be used.
    pub uses: u32,
    /// How often it was.
    pub used: u32,
    /// From which addresses; none: from all.
    pub from: Option<String>,
    /// Who made it.
    pub made_by: String,
}

/// Members and tokens, by id.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Roster {
    members: BTreeMap<Uuid, MemberRecord>,
    tokens: BTreeMap<TokenId, TokenRecord>,
}

/// Removed members, as far as a roster that is started anew must know of them: who shows a certificate of the environment and
/// is not known is taken in. Never shrinks but where a member is forgotten, so an old one does no harm.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Removed(BTreeMap<Uuid, Removal>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Removal {
    at: Timestamp,
    certificate_expires_at: Timestamp,
}

impl Removed {
    /// It is written with each change of the state; those removed first go first.
    const MOST: usize = 1_000;

    /// Nobody.
    pub(super) const fn none() -> Self {
        Self(BTreeMap::new())
    }

    /// Those of a roster.
    pub(super) fn of(roster: &Roster) -> Self {
        let mut removed = Self::default();
        roster.members().for_each(|member| removed.take(member));
        removed
    }

    /// Takes changes of the roster.
    pub(super) fn apply(&mut self, changes: &[RosterChange]) {
        for change in changes {
            match change {
                RosterChange::Member(member) => self.take(member),
                RosterChange::ForgetMember(id) => drop(self.0.remove(id)),
                RosterChange::Token(_) | RosterChange::ForgetToken(_) => {}
            }
        }
    }

    fn take(&mut self, member: &MemberRecord) {
        let Some(at) = member.removed_at else { return };
        let certificate_expires_at = member.certificate_expires_at;
        self.0.insert(member.id, Removal { at, certificate_expires_at });
        if self.0.len() > Self::MOST
            && let Some(first) = self.0.iter().min_by_key(|(_, removal)| removal.at)
        {
            let id = *first.0;
            self.0.remove(&id);
        }
    }

    /// What a roster lacks that was started anew, or went back to an earlier one.
    pub(super) fn missing_in(&self, roster: &Roster) -> Vec<RosterChange> {
        let missing = self
            .0
            .iter()
            .filter(|(id, _)| roster.member(**id).is_none_or(|member| member.removed_at.is_none()));
        let record = |(id, removal): (&Uuid, &Removal)| {
            let known = roster.member(*id).cloned();
            let record = known.unwrap_or_else(|| MemberRecord {
                id: *id,
                name: "unnamed".to_owned(),
                address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                joined_at: removal.at,
                certificate_expires_at: removal.certificate_expires_at,
                token: None,
                removed_at: None,
            });
            RosterChange::Member(MemberRecord { removed_at: Some(removal.at), ..record })
        };
        missing.map(record).collect()
    }

    /// A roster that knows of them and of nobody else.
    pub(super) fn roster(&self) -> Roster {
        let mut roster = Roster::default();
        self.missing_in(&Roster::default()).into_iter().for_each(|change| roster.apply(change));
        roster
    }
}

/// What changes in a roster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RosterChange {
    /// A member as it is from now on.
    Member(MemberRecord),
    /// A removed member that need not be remembered any more.
    ForgetMember(Uuid),
    /// A token as it is from now on.
    Token(TokenRecord),
    /// A token that is of no use any more.
    ForgetToken(TokenId),
}

impl Roster {
    /// Every member, those removed among them.
    pub fn members(&self) -> impl Iterator<Item = &MemberRecord> {
        self.members.values()
    }

    /// The member of that id.
    pub fn member(&self, id: Uuid) -> Option<&MemberRecord> {
        self.members.get(&id)
    }

    /// Every token.
    pub fn tokens(&self) -> impl Iterator<Item = &TokenRecord> {
        self.tokens.values()
    }

    /// The token of that id.
    pub fn token(&self, id: &str) -> Option<&TokenRecord> {
        self.tokens.get(id)
    }

    /// Takes a change.
    pub fn apply(&mut self, change: RosterChange) {
        match change {
            RosterChange::Member(member) => {
                self.members.insert(member.id, member);
            }
            RosterChange::ForgetMember(id) => {
                self.members.remove(&id);
            }
            RosterChange::Token(token) => {
                self.tokens.insert(token.id.clone(), token);
            }
            RosterChange::ForgetToken(id) => {
                self.tokens.remove(&id);
            }
        }
    }
}

impl RosterChange {
    /// What kind of entry it changes.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Member(_) | Self::ForgetMember(_) => MEMBER,
            Self::Token(_) | Self::ForgetToken(_) => TOKEN,
        }
    }

    /// Which.
    pub(super) fn id(&self) -> String {
        match self {
            Self::Member(MemberRecord { id, .. }) | Self::ForgetMember(id) => id.to_string(),
            Self::Token(TokenRecord { id, .. }) | Self::ForgetToken(id) => id.clone(),
        }
    }

    /// What is stored; nothing where the entry goes.
    pub(super) fn value(&self) -> Option<String> {
        match self {
            Self::Member(member) => serde_json::to_string(member).ok(),
            Self::Token(token) => serde_json::to_string(token).ok(),
            Self::ForgetMember(_) | Self::ForgetToken(_) => None,
        }
    }

    /// An entry as it was stored.
    pub(super) fn read(kind: &str, value: &str) -> Option<Self> {
        match kind {
            MEMBER => serde_json::from_str(value).map(Self::Member).ok(),
            TOKEN => serde_json::from_str(value).map(Self::Token).ok(),
            _ => None,
        }
    }
}
