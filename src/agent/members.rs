//! The controller's side of the environment: what members ask and operators order, decided and stored by the loop.

mod telling;

use super::{Agent, Post};
use crate::{
    api::{MadeToken, MemberLine, Problem, Reply, TokenOrder},
    license::Thumbprint,
    members::{
        AddressRange, Asked, Authority, JoinToken, Joined, Joining, Latest, MembersError, Port,
        Presence, Renewed, Seen, digest_of, policy, shown_name,
    },
    store::{Action, Event, MemberRecord, RosterChange, TokenRecord},
};
use axum::http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use std::{net::IpAddr, sync::Arc};
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

/// The longest life of a token: who needs one for longer makes another.
const LONGEST_TOKEN_LIFE: SignedDuration = SignedDuration::from_hours(366 * 24);
/// Tokens at once.
const MOST_TOKENS: usize = 1_000;

/// What a controller has to do with members, where it is set to serve them.
pub struct Members {
    /// Signs their certificates.
    pub authority: Authority,
    /// Who they are.
    pub presence: Arc<Presence>,
    /// What they are told.
    pub latest: Arc<watch::Sender<Latest>>,
    /// What they ask.
    pub asked: mpsc::Receiver<Asked>,
    /// What their port shows.
    pub port: Arc<Port>,
    /// Where it is looked for the controller after this one.
    pub lookout: watch::Sender<Option<Post>>,
}

impl Agent {
    /// The certificate authority of this environment, where it has one.
    pub(super) fn authority(&self) -> Option<Thumbprint> {
        let served = self.parts.members.as_ref();
        let served = served.map(|members| members.authority.thumbprint().clone());
        // Its members wait where the port is not set yet.
        let carried = self.parts.keeper.state().arrival.as_ref();
        served.or_else(|| carried.and_then(|arrival| arrival.ca.clone()))
    }

    fn lease_days(&self) -> u32 {
        let license = self.holdings.license.as_ref();
        license.map_or(policy::DEFAULT_LEASE_DAYS, |license| license.claims().lease_days)
    }

    /// Answers a member.
    pub(super) fn asked(&mut self, asked: Asked) {
        // One who does not wait any more needs no answer.
        match asked {
            Asked::Join { joining, address, reply } => {
                let _ = reply.send(self.join(&joining, address));
            }
            Asked::Adopt { member, expires_at, address, reply } => {
                self.adopt_member(member, expires_at, address);
                let _ = reply.send(Ok(()));
            }
            Asked::Renew { member, signing_request, reply } => {
                let _ = reply.send(self.renew(member, &signing_request));
            }
            Asked::Usage { member, batch, reply } => {
                let _ = reply.send(self.take_batch(member, &batch));
            }
            Asked::Present { member, statement, reply } => {
                let _ = reply.send(self.follow(member, &statement));
            }
            Asked::SuccessorStated { statement } => {
                if let Err(error) = self.successor_stated(&statement) {
                    tracing::debug!(%error, "what is stated where the environment may go on");
                }
            }
        }
    }

    fn join(&mut self, joining: &Joining, address: IpAddr) -> Result<Joined, Problem> {
        let now = self.now();
        self.refuse_to_join()?;
        let mut token = self.usable_token(joining, address, now)?;
        let id = Uuid::now_v7();
        let certificate = self.certify(&joining.signing_request, id, now)?;
        token.used += 1;
        let name = shown_name(&joining.name);
        let detail = format!(
            "{name} ({id}) from {address} by token {}, use {} of {}",
            token.id, token.used, token.uses
        );
        let record = MemberRecord {
            id,
            name,
            address,
            joined_at: now,
            certificate_expires_at: certificate.expires_at,
            token: Some(token.id.clone()),
            removed_at: None,
        };
        let event = self.event_by("member", Action::MemberJoined, detail);
        self.change_roster(
            vec![event],
            vec![RosterChange::Member(record), RosterChange::Token(token)],
        );
        if let Some(members) = &self.parts.members {
            members.presence.know(id, false);
        }
        let environment_key = self.parts.key.public();
        Ok(Joined { id, environment_key, certificate: renewed(certificate.pem) })
    }

    /// That the environment is here still.
    fn refuse_to_join(&self) -> Result<(), Problem> {
        let Some(post) = &self.parts.keeper.state().signpost else { return Ok(()) };
        let detail = format!(
            "the environment of this controller went on at {}: join there, the token is the same",
            post.controllers.join(", ")
        );
        let (status, title) = (StatusCode::CONFLICT, "The environment is elsewhere");
        Err(Problem::new(status, "environment-moved", title, detail))
    }

    /// The token that was shown, if it is good for one more member.
    fn usable_token(
        &self,
        joining: &Joining,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<TokenRecord, Problem> {
        let refused = |code: &str, detail: String| {
            Problem::new(StatusCode::FORBIDDEN, code, "The join token was refused", detail)
        };
        let mend = "make another on the controller, `entitlectl member token`";
        let known = self.parts.keeper.roster().token(&joining.token_id);
        let Some(token) = known.filter(|t| t.digest == digest_of(&joining.token_secret)) else {
            let detail = format!("the join token is not one of this environment's: {mend}");
            return Err(refused("token-unknown", detail));
        };
        if now >= token.expires_at {
            let detail =
                format!("the join token expired at {}, it is {now}: {mend}", token.expires_at);
            return Err(refused("token-expired", detail));
        }
        if token.used >= token.uses {
            let detail =
                format!("the join token was used {} times, as often as it may: {mend}", token.used);
            return Err(refused("token-used-up", detail));
        }
        let range = token.from.as_deref().and_then(|from| from.parse::<AddressRange>().ok());
        if token.from.is_some() && !range.is_some_and(|range| range.contains(address)) {
            let from = token.from.as_deref().unwrap_or_default();
            let detail = format!(
                "the join token is for servers in {from}, this one comes from {address}: {mend}"
            );
            return Err(refused("token-address", detail));
        }
        Ok(token.clone())
    }

    /// A certificate of this environment that no record is kept of: the database was lost, or restored from before its
    /// owner joined. The authority's key is apart from it, and what it signed is good.
    fn adopt_member(&mut self, id: Uuid, expires_at: Timestamp, address: IpAddr) {
        let Some(presence) = self.presence() else { return };
        presence.know(id, false);
        // While nothing can be stored the roster may be another one than the stored, in which it was removed.
        if self.parts.keeper.roster().member(id).is_some() || self.parts.keeper.failure().is_some()
        {
            return;
        }
        // A controller that looks whether its environment has arrived is no member.
        let state = self.parts.keeper.state();
        let departs = state.departure.as_ref().map(|departure| departure.request.0);
        if [state.predecessor, departs].contains(&Some(id)) {
            return;
        }
        let record = MemberRecord {
            id,
            name: "unnamed".to_owned(),
            address,
            joined_at: self.now(),
            certificate_expires_at: expires_at,
            token: None,
            removed_at: None,
        };
        let detail = format!("{id} from {address}, by its certificate: no record was kept of it");
        let event = self.event_by("member", Action::MemberAdopted, detail);
        self.change_roster(vec![event], vec![RosterChange::Member(record)]);
    }

    fn renew(&mut self, id: Uuid, signing_request: &str) -> Result<Renewed, Problem> {
        let now = self.now();
        let certificate = self.certify(signing_request, id, now)?;
        if let Some(record) = self.parts.keeper.roster().member(id).cloned() {
            let certificate_expires_at = certificate.expires_at;
            let detail = format!("{} ({id}), until {certificate_expires_at}", record.name);
            let record = MemberRecord { certificate_expires_at, ..record };
            let event = self.event_by("member", Action::CertificateRenewed, detail);
            self.change_roster(vec![event], vec![RosterChange::Member(record)]);
        }
        Ok(renewed(certificate.pem))
    }

    fn certify(
        &self,
        signing_request: &str,
        id: Uuid,
        now: Timestamp,
    ) -> Result<crate::members::Certified, Problem> {
        let members = self.parts.members.as_ref().ok_or_else(not_serving)?;
        members.authority.certify_member(signing_request, id, now).map_err(|error| {
            let status = match error {
                MembersError::SigningRequest { .. } => StatusCode::BAD_REQUEST,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            };
            Problem::new(status, error.code(), "The certificate can't be made", error.to_string())
        })
    }

    /// Does what operators order about members.
    pub(super) fn make_token(&mut self, order: &TokenOrder, actor: &str) -> Result<Reply, Problem> {
        let TokenOrder { time_to_live, uses, from } = order;
        let bad = |detail: String| {
            Problem::new(StatusCode::BAD_REQUEST, "bad-parameter", "A parameter is wrong", detail)
        };
        let authority = self.parts.members.as_ref().ok_or_else(not_serving)?;
        let authority = authority.authority.thumbprint().clone();
        let life = SignedDuration::try_from(*time_to_live).unwrap_or(SignedDuration::MAX);
        if life > LONGEST_TOKEN_LIFE || life.is_zero() || *uses == 0 {
            let detail = "expected a life of 1 second to 366 days and at least one use".to_owned();
            return Err(bad(detail));
        }
        let from = from.as_deref().map(str::parse::<AddressRange>).transpose().map_err(bad)?;
        let now = self.now();
        let mut changes = self.outdated(now);
        let left = self.parts.keeper.roster().tokens().count().saturating_sub(changes.len());
        if left >= MOST_TOKENS {
            let detail = format!("{MOST_TOKENS} tokens are good already: use one of them, or wait");
            return Err(bad(detail));
        }
        let token = JoinToken::generate(&authority).map_err(|error| {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            Problem::new(status, "random", "The token can't be made", error.to_string())
        })?;
        let expires_at = now.checked_add(life).unwrap_or(Timestamp::MAX);
        let record = TokenRecord {
            id: token.id(),
            digest: digest_of(&token.secret()),
            expires_at,
            uses: *uses,
            used: 0,
            from: from.map(|from| from.to_string()),
            made_by: actor.to_owned(),
        };
        let place = record.from.as_ref().map_or(String::new(), |from| format!(", from {from}"));
        let detail = format!("token {} for {uses} members until {expires_at}{place}", record.id);
        let made = MadeToken {
            id: record.id.clone(),
            token: token.expose(),
            expires_at,
            uses: *uses,
            from: record.from.clone(),
        };
        changes.push(RosterChange::Token(record));
        let event = self.event_by(actor, Action::TokenMade, detail);
        self.change_roster(vec![event], changes);
        Ok(Reply::Token(made))
    }

    /// Tokens that are over, and removed members whose certificates are.
    fn outdated(&self, now: Timestamp) -> Vec<RosterChange> {
        let roster = self.parts.keeper.roster();
        let tokens = roster.tokens().filter(|token| token.expires_at <= now);
        let tokens = tokens.map(|token| RosterChange::ForgetToken(token.id.clone()));
        let is_over = |member: &&MemberRecord| {
            let standing = policy::standing(
                member.certificate_expires_at,
                self.lease_days(),
                now,
                self.time.mark().proven,
            );
            member.removed_at.is_some() && standing == policy::Standing::Over
        };
        let members = roster.members().filter(is_over);
        tokens.chain(members.map(|member| RosterChange::ForgetMember(member.id))).collect()
    }

    pub(super) fn remove_member(&mut self, named: &str, actor: &str) -> Result<Reply, Problem> {
        let presence = self.presence().ok_or_else(not_serving)?;
        let found: Vec<_> = {
            let members = self.parts.keeper.roster().members().filter(|m| m.removed_at.is_none());
            let is_it = |member: &&MemberRecord| {
                let told = presence.seen(member.id).and_then(|seen| seen.report);
                member.id.to_string() == named
                    || told.map_or_else(|| member.name == named, |told| told.name == named)
            };
            members.filter(is_it).cloned().collect()
        };
        let [record] = &found[..] else {
            let detail = match found.len() {
                0 => format!("there is no member {named:?}: `entitlectl members` lists them"),
                n => format!(
                    "{n} members are called {named:?}: name one by its id, `entitlectl members` lists them"
                ),
            };
            return Err(Problem::new(
                StatusCode::NOT_FOUND,
                "no-such-member",
                "There is no such member",
                detail,
            ));
        };
        let record = MemberRecord { removed_at: Some(self.now()), ..record.clone() };
        let message = format!("{} ({}) was removed", record.name, record.id);
        let event = self.event_by(actor, Action::MemberRemoved, message.clone());
        let id = record.id;
        self.change_roster(vec![event], vec![RosterChange::Member(record)]);
        presence.know(id, true);
        self.usage.remove(id);
        if let Some(members) = &self.parts.members {
            // Every connection looks whether it is meant.
            members.latest.send_modify(|latest| latest.removals += 1);
        }
        self.done(message)
    }

    /// What a member calls itself.
    pub(super) fn member_name(&self, id: Uuid) -> String {
        let told = self.presence().and_then(|presence| presence.seen(id)?.report);
        let record = self.parts.keeper.roster().member(id);
        told.map(|told| told.name)
            .or_else(|| record.map(|record| record.name.clone()))
            .unwrap_or_else(|| "unnamed".to_owned())
    }

    /// Every member that was not removed.
    pub(super) fn member_lines(&self) -> Reply {
        let presence = self.presence();
        let seen = |id| presence.as_ref().and_then(|presence| presence.seen(id));
        let members = self.parts.keeper.roster().members().filter(|m| m.removed_at.is_none());
        Reply::Members(members.map(|member| line(member, seen(member.id))).collect())
    }

    fn presence(&self) -> Option<Arc<Presence>> {
        self.parts.members.as_ref().map(|members| Arc::clone(&members.presence))
    }

    fn change_roster(&mut self, events: Vec<Event>, changes: Vec<RosterChange>) {
        let state = self.draft();
        self.conclude_with(state, events, changes);
    }
}

fn renewed(certificate: String) -> Renewed {
    Renewed { certificate, life_seconds: policy::CERTIFICATE_LIFE.as_secs() }
}

fn line(member: &MemberRecord, seen: Option<Seen>) -> MemberLine {
    let seen = seen.unwrap_or_default();
    let report = seen.report.as_ref();
    MemberLine {
        id: member.id,
        name: report.map_or(&member.name, |report| &report.name).clone(),
        address: seen.address.unwrap_or(member.address).to_string(),
        version: report.map(|report| report.version.clone()),
        joined_at: member.joined_at,
        last_seen: seen.last_seen,
        connected: seen.watching > 0,
        generation: report.map(|report| report.generation),
        clock_offset_seconds: seen.clock_offset.map(|offset| offset.as_secs()),
        lease_ends_at: report.and_then(|report| report.lease_ends_at),
        certificate_expires_at: member.certificate_expires_at,
    }
}

fn not_serving() -> Problem {
    let detail = "this controller serves no members: set `listen` under [members] in its settings, then restart it";
    Problem::new(StatusCode::CONFLICT, "members-not-served", "Members are not served", detail)
}
