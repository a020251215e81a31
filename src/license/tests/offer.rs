//! Offers: who made one has the key in it, and nothing of it can be exchanged on its way.

use super::samples::*;
use crate::{codes::SerialNumber, license::*};
use uuid::Uuid;

fn claims() -> OfferClaims {
    OfferClaims {
        aud: PRODUCT.to_owned(),
        jti: RequestId(Uuid::from_u128(7)),
        iat: jiff::Timestamp::UNIX_EPOCH,
        sub: SerialNumber::mint("smbios-uuid", "new machine"),
    }
}

#[test]
fn an_offer_brings_its_key() {
    let text = sign_offer(&claims(), &newcomer()).unwrap();
    assert_eq!(open_offer(&text, PRODUCT).unwrap(), (claims(), newcomer().public()));
    let other = open_offer(&text, "acme-crm").unwrap_err();
    assert_eq!(other.code(), "document-audience");
}

#[test]
fn an_offer_without_its_key_or_of_another_signer_is_refused() {
    let bare = sign(&claims(), &newcomer()).unwrap();
    assert_eq!(open_offer(&bare, PRODUCT).unwrap_err().code(), "document-request");
    let [one, other] = [newcomer(), environment()].map(|key| sign_offer(&claims(), &key).unwrap());
    let (signed, _) = one.rsplit_once('.').unwrap();
    let (_, signature) = other.rsplit_once('.').unwrap();
    let forged = format!("{signed}.{signature}");
    assert_eq!(open_offer(&forged, PRODUCT).unwrap_err().code(), "document-signature");
    let request = sign_request(&request_claims(RequestKind::Activate), &newcomer()).unwrap();
    assert_eq!(open_offer(&request, PRODUCT).unwrap_err().code(), "document-type");
}
