//! Who calls, by its token.

use super::{answer::Answer, keyed::Keyed, refusal::Refused};
use crate::portal::{
    Act, Portal, PortalError,
    access::{ApiToken, Right},
    http::{Access, requests::no_place},
    store::KeptAnswer,
};
use axum::{
    extract::{FromRequestParts, Request, State},
    http::{header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use jiff::{SignedDuration, Timestamp};

/// For how long an answer is repeated.
const REPEATED: SignedDuration = SignedDuration::from_hours(24);

/// A program with a good token: the portal as that may use it.
#[derive(Clone)]
pub(super) struct Caller {
    portal: Portal,
    token: String,
}

/// Lets no call through without a good token.
pub(super) async fn with_token(
    State(access): State<Access>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    let place = match access.places.take(&parts) {
        Ok(place) => place,
        Err(full) => return Refused::from(no_place(full)).into_response(),
    };
    // A body is waited for of the vendor's own programs alone.
    let _at_work = place.at_work();
    let mut request = Request::from_parts(parts, body);
    match token_of(&access.portal, request.headers()).await {
        Ok(Some(token)) => {
            let caller = Caller { portal: access.portal.as_token(&token), token: token.name };
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Ok(None) => Refused::unknown().into_response(),
        Err(error) => Refused::from(error).into_response(),
    }
}

async fn token_of(
    portal: &Portal,
    headers: &axum::http::HeaderMap,
) -> Result<Option<ApiToken>, PortalError> {
    let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let sent = sent.and_then(|text| text.split_once(' '));
    let Some((_, sent)) = sent.filter(|(kind, _)| kind.eq_ignore_ascii_case("bearer")) else {
        return Ok(None);
    };
    let (own, sent) = (portal.clone(), zeroize::Zeroizing::new(sent.trim().to_owned()));
    portal.off_the_runtime(move || own.token_sent(&sent)).await
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        parts.extensions.get::<Self>().cloned().ok_or_else(Refused::unknown)
    }
}

impl Caller {
    /// Reads what needs that right.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        right: Right,
        work: impl FnOnce(&Portal) -> Result<T, PortalError> + Send + 'static,
    ) -> Result<T, Refused> {
        self.portal.needs(right).map_err(PortalError::from)?;
        let portal = self.portal.clone();
        Ok(self.portal.off_the_runtime(move || work(&portal)).await?)
    }

    /// Does a change, once for each `Idempotency-Key`: the answer is stored with the change or not at all. What was refused has changed nothing,
    /// and is tried anew when it is sent again.
    pub(super) async fn change(
        &self,
        keyed: Keyed,
        work: impl FnOnce(&Act<'_>) -> Result<Answer, PortalError> + Send + 'static,
    ) -> Result<Answer, Refused> {
        self.change_telling(keyed, work, |_, _| Ok(())).await
    }

    /// The same, where `repeat` tells the audit that the answer was given once more.
    pub(super) async fn change_telling(
        &self,
        keyed: Keyed,
        work: impl FnOnce(&Act<'_>) -> Result<Answer, PortalError> + Send + 'static,
        repeat: fn(&Act<'_>, &Answer) -> Result<(), PortalError>,
    ) -> Result<Answer, Refused> {
        let (portal, token) = (self.portal.clone(), self.token.clone());
        let once = move |act: &Act<'_>| {
            let Some(key) = keyed.key() else { return work(act) };
            let forgotten = act.now().checked_sub(REPEATED).unwrap_or(Timestamp::MIN);
            let kept = act.change().kept_answer(&token, key)?;
            if let Some(kept) = kept.filter(|kept| forgotten < kept.at) {
                let answer = repeated(kept, keyed.digest())?;
                repeat(act, &answer)?;
                return Ok(answer);
            }
            let answer = work(act)?;
            let kept = answer.kept(keyed.digest(), act.now());
            act.change().keep_answer(&token, key, &kept, forgotten)?;
            Ok(answer)
        };
        Ok(self.portal.off_the_runtime(move || portal.act(once)).await?)
    }
}

fn repeated(kept: KeptAnswer, request: &str) -> Result<Answer, PortalError> {
    if kept.request != request {
        return Err(PortalError::KeyReused);
    }
    Answer::repeated(kept)
}
