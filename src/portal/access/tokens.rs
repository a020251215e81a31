//! Making, revoking and using API tokens.

use super::{
    super::{Portal, PortalError, clock::whole_second},
    AccessError, ApiToken, Holder, Operator, Right, Rights, TokenDigest, TokenSecret,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

/// How exactly it is known when a token was used last: a busy program writes no row for each call.
const LAST_USED: SignedDuration = SignedDuration::from_secs(60);

impl Portal {
    /// Makes a token; its text is in the answer alone.
    ///
    /// # Errors
    /// [`AccessError::Name`], [`AccessError::TokenExists`], [`AccessError::TokenScope`], and what the store says.
    pub fn create_token(
        &self,
        name: &str,
        scopes: &[Right],
        expires_at: Option<Timestamp>,
    ) -> Result<(ApiToken, TokenSecret), PortalError> {
        self.needs(Right::Administer)?;
        Operator::check_name(name)?;
        if scopes.is_empty() || scopes.contains(&Right::Administer) {
            return Err(AccessError::TokenScope.into());
        }
        let secret = TokenSecret::random()?;
        let new = ApiToken {
            name: name.to_owned(),
            digest: secret.digest(),
            scopes: Rights::of(scopes.iter().copied()).iter().collect(),
            created_at: whole_second(self.now()),
            expires_at: expires_at.map(whole_second),
            revoked_at: None,
            last_used_at: None,
        };
        let new = self.act(move |act| {
            if act.change().token(&new.name)?.is_some() {
                return Err(AccessError::TokenExists { name: new.name }.into());
            }
            act.change().put_token(&new)?;
            let detail =
                json!({ "token": new.name, "scopes": new.scopes, "expires_at": new.expires_at });
            act.told("token-created", None, None, detail)?;
            Ok(new)
        })?;
        Ok((new, secret))
    }

    /// All tokens, revoked ones among them, by name.
    ///
    /// # Errors
    /// [`AccessError::NotAllowed`], and what the store says.
    pub fn tokens(&self) -> Result<Vec<ApiToken>, PortalError> {
        self.needs(Right::Administer)?;
        self.store().read(|view| Ok(view.tokens()?))
    }

    /// Refuses a token from now on.
    ///
    /// # Errors
    /// [`AccessError::NoToken`], [`AccessError::TokenRevoked`], and what the store says.
    pub fn revoke_token(&self, name: &str) -> Result<ApiToken, PortalError> {
        self.needs(Right::Administer)?;
        let name = name.to_owned();
        self.act(move |act| {
            let found = act.change().token(&name)?;
            let mut token = found.ok_or_else(|| AccessError::NoToken { name: name.clone() })?;
            if token.revoked_at.is_some() {
                return Err(AccessError::TokenRevoked { name }.into());
            }
            token.revoked_at = Some(act.now());
            act.change().put_token(&token)?;
            act.told("token-revoked", None, None, json!({ "token": name }))?;
            Ok(token)
        })
    }

    /// The token that a caller sent, where it is good.
    ///
    /// # Errors
    /// What the store says.
    pub(in crate::portal) fn token_sent(
        &self,
        sent: &str,
    ) -> Result<Option<ApiToken>, PortalError> {
        let digest = TokenDigest::of(sent);
        let found = self.store().read(|view| view.token_by_digest(&digest))?;
        let now = whole_second(self.now());
        let Some(token) = found.filter(|token| token.is_good(now)) else { return Ok(None) };
        if token.last_used_at.is_none_or(|last| now.duration_since(last) >= LAST_USED) {
            let name = token.name.clone();
            let noted = self.store().write(move |change| change.token_was_used(&name, now));
            // Whoever may read does so on a full disk too.
            if let Err(error) = noted {
                let code = error.code();
                tracing::warn!(%error, code, token = token.name, "that a token was used is not noted");
            }
        }
        Ok(Some(token))
    }

    /// The same portal, for a program that has sent that token.
    #[must_use]
    pub(in crate::portal) fn as_token(&self, token: &ApiToken) -> Self {
        self.acting_as(&token.actor())
            .with_rights(Rights::of(token.scopes.iter().copied()))
            .held_by(Holder::Token(token.name.clone()))
    }
}
