//! Which signposts a member follows.

use super::stated::*;
use crate::{
    license::{
        Confirmation, KeyStatus, LicenseClaims, PortalKey, Sequence, SignpostClaims, TrustClaims,
        sign,
    },
    members::{Accepted, Pinned, Refusal, Way, judge, judge_signpost},
};
use uuid::Uuid;

/// A signpost in the making, of the environment's key to another.
struct Post {
    license: LicenseClaims,
    /// Who signs what.
    signer: u8,
    portal: u8,
    to: u8,
    controllers: Vec<String>,
}

impl Default for Post {
    fn default() -> Self {
        Self {
            license: Stated::default().license,
            signer: ENVIRONMENT,
            portal: PORTAL,
            to: 21,
            controllers: vec!["new.example".to_owned()],
        }
    }
}

impl Post {
    fn with(change: impl FnOnce(&mut Self)) -> Self {
        let mut post = Self::default();
        change(&mut post);
        post
    }

    fn sign(&self) -> String {
        let trust = TrustClaims {
            iss: "Acme".to_owned(),
            aud: PRODUCT.to_owned(),
            iat: at("2026-01-01T00:00:00Z"),
            version: 5,
            keys: vec![PortalKey { key: key(PORTAL).public(), status: KeyStatus::Active }],
        };
        let claims = SignpostClaims {
            iss: self.license.sub,
            aud: PRODUCT.to_owned(),
            iat: at("2026-03-01T00:00:00Z"),
            exp: at("2026-03-15T00:00:00Z"),
            environment_id: self.license.environment.id,
            key: key(self.to).thumbprint(),
            controllers: self.controllers.clone(),
            license: sign(&self.license, &key(self.portal)).unwrap(),
            trust: sign(&trust, &key(ROOT)).unwrap(),
        };
        sign(&claims, &key(self.signer)).unwrap()
    }
}

fn with_pinned<T>(judged: impl FnOnce(&Pinned<'_>) -> T) -> T {
    let (roots, ca, environment_key) = (roots(), authority(), key(ENVIRONMENT).public());
    judged(&Pinned { product: PRODUCT, roots: &roots, ca: &ca, environment_key: &environment_key })
}

fn judged(text: &str, held: Option<&Accepted>) -> Result<Way, Refusal> {
    with_pinned(|pinned| judge_signpost(text, pinned, held))
}

fn held(stated: &Stated) -> Accepted {
    let now = at("2026-03-02T00:00:00Z");
    with_pinned(|pinned| judge(&stated.sign(), pinned, None, now)).unwrap()
}

/// After a move to the key 21, with the next license.
fn moved() -> Stated {
    Stated::with(|stated| {
        stated.environment = 21;
        stated.license.cnf = Some(Confirmation { jwk: key(21).public() });
        stated.license.ca = Some(authority());
        stated.license.seq = Sequence(4);
    })
}

#[test]
fn the_environments_own_leads_to_its_addresses() {
    let to = Ok(Way::To(vec!["new.example:7443".to_owned()]));
    let text = Post::default().sign();
    assert_eq!(judged(&text, Some(&held(&Stated::default()))), to);
    // One that has joined, and heard nothing yet.
    assert_eq!(judged(&text, None), to);
    // One that was away for two moves finds its way from post to post.
    let second = Post::with(|post| {
        post.license = moved().license;
        (post.signer, post.to) = (21, 22);
    });
    assert_eq!(judged(&second.sign(), Some(&held(&Stated::default()))), to);
}

#[test]
fn a_forged_or_foreign_one_leads_nowhere() {
    let own = held(&Stated::default());
    let foreign = Stated::foreign();
    for (what, post) in [
        ("another's key", Post::with(|post| post.signer = 11)),
        ("another portal", Post::with(|post| post.portal = 11)),
        (
            "another environment",
            Post::with(|post| {
                (post.license, post.signer) = (foreign.license, foreign.environment);
            }),
        ),
        ("another authority", Post::with(|post| post.license.ca = Some(key(14).thumbprint()))),
        ("no key", Post::with(|post| post.license.cnf = None)),
        ("no address", Post::with(|post| post.controllers = vec!["https://x".to_owned()])),
    ] {
        for held in [None, Some(&own)] {
            let refusal = judged(&post.sign(), held).expect_err(what);
            assert_eq!(refusal.code(), "signpost-refused", "{what}");
        }
    }
    let text = Post::default().sign();
    let statement = Stated::default().sign();
    for text in ["", "garbage", &text[..text.len() - 4], &statement] {
        assert_eq!(judged(text, Some(&own)).unwrap_err().code(), "signpost-refused");
    }
}

#[test]
fn one_that_was_followed_leads_nowhere_again() {
    let text = Post::default().sign();
    assert_eq!(judged(&text, Some(&held(&moved()))), Ok(Way::Here));
    // The environment has moved back since, under a new key: a replay would lead to where nobody is.
    let back = Stated::with(|stated| {
        stated.environment = 23;
        stated.license.cnf = Some(Confirmation { jwk: key(23).public() });
        stated.license.ca = Some(authority());
        stated.license.seq = Sequence(5);
    });
    let refusal = judged(&text, Some(&held(&back))).unwrap_err();
    assert_eq!(refusal.code(), "signpost-refused");
    assert!(refusal.to_string().contains("sequence 3"), "{refusal}");
}

/// The key of the authority was lost, and the portal says which one took its place.
#[test]
fn another_authority_is_believed_by_the_portals_later_word_alone() {
    let own = held(&Stated::default());
    let after_loss = |change: fn(&mut Stated)| {
        let mut stated = Stated::with(|stated| {
            stated.license.ca = Some(key(14).thumbprint());
            stated.license.former_ca = vec![authority()];
            stated.license.seq = Sequence(4);
        });
        change(&mut stated);
        let text = stated.sign();
        let now = at("2026-03-02T00:00:00Z");
        move |held: Option<&Accepted>| with_pinned(|pinned| judge(&text, pinned, held, now))
    };
    let accepted = after_loss(|_| {})(Some(&own)).unwrap();
    // The same again, by one that goes on under the old pin.
    assert!(after_loss(|_| {})(Some(&accepted)).is_ok());
    for (what, stated) in [
        ("not later", after_loss(|s| s.license.seq = Sequence(3))),
        ("another former", after_loss(|s| s.license.former_ca = vec![key(15).thumbprint()])),
        ("none former", after_loss(|s| s.license.former_ca = Vec::new())),
        ("another environment", after_loss(|s| s.license.environment.id = Uuid::from_u128(99))),
    ] {
        let refusal = stated(Some(&own)).expect_err(what);
        assert_eq!(refusal.code(), "statement-foreign", "{what}");
    }
    // Who has heard of no environment yet believes its token alone.
    assert_eq!(after_loss(|_| {})(None).unwrap_err().code(), "statement-foreign");
}
