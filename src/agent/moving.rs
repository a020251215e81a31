//! A planned move of the controller: an offer of the new machine, the consent of the old one's key, and one request of both.
//! No secret travels: each key stays on its machine.

use super::{
    Agent,
    activation::refused,
    exchange::Asking,
    succession::{CarriedWord, Heir, Word},
};
use crate::{
    api::{Problem, Reply},
    license::{
        ConsentClaims, Document, DocumentError, LicenseClaims, OfferClaims, RequestClaims,
        RequestId, RequestKind, TrustClaims, Unverified, VerifiedLicense, open_offer, sign,
        sign_offer, verify_license,
    },
    store::{Action, Offer, PendingRequest},
    upstream::new_request_id,
};
use axum::http::StatusCode;

/// What a consent's file holds, each once, with white space between.
pub(super) struct Carried<'a> {
    pub(super) license: VerifiedLicense,
    consent: &'a str,
}

impl Agent {
    /// On the new machine: offers it to the environment of another. The same offer again, as long as it is open.
    pub(super) fn offer_move(&mut self, actor: &str) -> Result<Reply, Problem> {
        self.refuse_environment()?;
        self.refuse_arrival()?;
        let mut state = self.draft();
        let Some(enrolled) = &state.enrolled else { return Err(self.no_serial_number()) };
        let serial_number = enrolled.serial_number;
        let key = self.successor()?;
        let now = self.now();
        let open = state.offer.take();
        let offer =
            open.unwrap_or_else(|| Offer { id: new_request_id(), made_at: now, request: None });
        let product = self.parts.product.clone();
        let claims = OfferClaims { aud: product, jti: offer.id, iat: now, sub: serial_number };
        let text = sign_offer(&claims, &key).map_err(|error| unsound(&error))?;
        let detail = format!(
            "request {}, Serial Number {serial_number}, key {}",
            offer.id,
            key.thumbprint()
        );
        state.offer = Some(offer);
        let event = self.event_by(actor, Action::MoveOffered, detail);
        self.conclude(state, vec![event]);
        Ok(Reply::Document(text))
    }

    /// On the old machine: the environment key's consent to an offer, with what the new machine verifies it by.
    pub(super) fn consent_to_move(&mut self, text: &str, actor: &str) -> Result<Reply, Problem> {
        let environment = self.activated_environment()?;
        let offered = open_offer(text, &self.parts.product);
        let (offer, key) = offered.map_err(|error| unsound(&error))?;
        let held = self.holdings.license.as_ref().zip(self.holdings.trust.as_ref());
        let Some((license, trust)) = held.filter(|_| self.has_bound_key()) else {
            let detail = "expected the key that the license is bound to, found another: `entitlectl rebind` gets this machine's environment back first";
            return Err(refused(StatusCode::CONFLICT, "no-bound-key", detail));
        };
        let own = self.parts.keeper.state().enrolled.as_ref().map(|own| own.serial_number);
        if own == Some(offer.sub) {
            let detail = format!(
                "expected the offer of another machine, found one of Serial Number {}, which is this machine's: `entitlectl move offer` is run on the machine that takes over",
                offer.sub
            );
            return Err(refused(StatusCode::CONFLICT, "own-offer", &detail));
        }
        let (license, trust) = (license.text().to_owned(), trust.text().to_owned());
        let Some(environment_id) = environment.id else { return Err(self.no_serial_number()) };
        let consent = ConsentClaims {
            aud: self.parts.product.clone(),
            iat: self.now(),
            request: RequestKind::Move,
            request_id: offer.jti,
            environment_id,
            key: key.thumbprint(),
            exp: None,
        };
        let consent = sign(&consent, &self.parts.key).map_err(|error| unsound(&error))?;
        let detail = format!(
            "of {} to Serial Number {} and key {}, request {}",
            environment.name,
            offer.sub,
            key.thumbprint(),
            offer.jti
        );
        let event = self.event_by(actor, Action::MoveConsented, detail);
        let state = self.draft();
        self.conclude(state, vec![event]);
        Ok(Reply::Document(format!("{trust}\n{license}\n{consent}")))
    }

    /// On the new machine: verifies the consent, and makes the request of both keys.
    pub(super) fn accept_move(
        &mut self,
        text: &str,
        by_hand: bool,
        actor: &str,
    ) -> Result<String, Problem> {
        self.refuse_environment()?;
        let Some(offer) = self.parts.keeper.state().offer.clone() else {
            let detail = "expected the consent to an offer of this machine, but there is none: `entitlectl move offer` here, and `entitlectl move consent` on the machine that is moved from";
            return Err(refused(StatusCode::CONFLICT, "no-offer", detail));
        };
        let carried = self.open_consent(text).map_err(|error| unsound(&error))?;
        if let Some(request) = offer.request.filter(|made| is_made_of(made, carried.consent)) {
            return Ok(self.request_again(request, &carried, offer.id, by_hand, actor));
        }
        let Some(bound) = carried.license.claims().cnf.map(|cnf| cnf.jwk) else {
            let detail = "expected a license that is bound to a key, found one that is bound to its Serial Number alone: `entitlectl activate` on the machine that is moved from binds it";
            return Err(refused(StatusCode::UNPROCESSABLE_ENTITY, "no-bound-key", detail));
        };
        let environment = carried.license.claims().environment.clone().into();
        let consent = carried.consent.to_owned();
        let word = CarriedWord { consent, bound, license: carried.license };
        let heir = Some(Heir {
            key: self.successor()?,
            minted: None,
            word: Some(Word::Carried(Box::new(word))),
        });
        let asking = Asking::new(RequestKind::Move, environment);
        self.make_request(&Asking { id: offer.id, heir, by_hand, ..asking }, actor)
    }

    /// The request that was made already: other contents under its id would be refused.
    fn request_again(
        &mut self,
        text: String,
        carried: &Carried<'_>,
        id: RequestId,
        by_hand: bool,
        actor: &str,
    ) -> String {
        let mut state = self.draft();
        let (made_at, kind) = (self.now(), RequestKind::Move);
        state.chain.push(PendingRequest { id, kind, text: text.clone(), made_at, by_hand });
        let name = &carried.license.claims().environment.name;
        let detail = format!("{} {id} of {name} once more", kind.as_str());
        let event = self.event_by(actor, Action::Requested, detail);
        self.conclude(state, vec![event]);
        text
    }

    /// That no environment is here: what is licensed is not taken over by another.
    pub(super) fn refuse_environment(&self) -> Result<(), Problem> {
        let Some(environment) = &self.parts.keeper.state().environment else { return Ok(()) };
        let detail = format!(
            "expected a machine without a license, found the environment {} ({}): `entitlectl release` it first, or choose another machine to move to",
            environment.name, environment.id
        );
        Err(refused(StatusCode::CONFLICT, "environment-here", &detail))
    }

    /// Takes the file of a consent apart, and verifies what is verified by the vendor's roots. The consent itself is
    /// verified with the request that it is for.
    pub(super) fn open_consent<'a>(&self, text: &'a str) -> Result<Carried<'a>, DocumentError> {
        let (mut trust, mut license, mut consent) = (None, None, None);
        for document in text.split_whitespace() {
            let kind = Unverified::parse(document)?.typ().to_owned();
            let place = match kind.as_str() {
                TrustClaims::TYPE => &mut trust,
                LicenseClaims::TYPE => &mut license,
                ConsentClaims::TYPE => &mut consent,
                _ => {
                    return Err(DocumentError::Type { expected: ConsentClaims::TYPE, found: kind });
                }
            };
            *place = Some(document);
        }
        let missing = |expected| DocumentError::Type { expected, found: "none".to_owned() };
        let consent = consent.ok_or_else(|| missing(ConsentClaims::TYPE))?;
        let license = license.ok_or_else(|| missing(LicenseClaims::TYPE))?;
        let product = &self.parts.product;
        let carried = trust.map(|text| self.parts.roots.verify_trust(text, product, None));
        let carried = carried.transpose()?;
        let held = self.holdings.trust.as_ref();
        // The newer of the two: in it a key may be revoked that the other still believes.
        let newest = carried.as_ref().into_iter().chain(held).max_by_key(|trust| trust.version());
        let license = verify_license(license, product, newest.ok_or(DocumentError::NoTrust)?)?;
        Ok(Carried { license, consent })
    }
}

fn is_made_of(request: &str, consent: &str) -> bool {
    let claims = Unverified::parse(request).and_then(|request| request.peek::<RequestClaims>());
    claims.is_ok_and(|claims| claims.consent.as_deref() == Some(consent))
}

fn unsound(error: &DocumentError) -> Problem {
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    Problem::new(status, error.code(), "The document was refused", error.to_string())
}
