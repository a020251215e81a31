//! The environment's certificate authority: one key, made on the controller, by which its members know it and it knows them.

use super::{MemberIdentity, MembersError, policy::CERTIFICATE_LIFE};
use crate::license::{KeyPair, PublicKey, Thumbprint};
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyUsagePurpose, PKCS_ED25519, SanType,
    SerialNumber, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject};
use std::{net::IpAddr, time::Duration};
use uuid::Uuid;
use x509_parser::prelude::{FromDer, X509Certificate};

/// What a controller's certificate names, wherever it is reached: members know it by its authority, and an address may
/// change.
pub const CONTROLLER_NAME: &str = "controller.entitled.internal";
/// Longest signing request that is read, bytes; one for an Ed25519 key has 400.
const LONGEST_REQUEST: usize = 8_192;
/// How far back a member's certificate begins: other verifiers than this one look at it, by clocks of their own.
const BACKDATED: Duration = Duration::from_hours(24);

/// The authority. No `Debug`: it holds the private key.
pub struct Authority {
    issuer: Issuer<'static, rcgen::KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
    thumbprint: Thumbprint,
}

/// A member's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certified {
    /// The certificate and the authority's, PEM.
    pub pem: String,
    /// When it expires, by the controller's effective time.
    pub expires_at: Timestamp,
}

/// A certificate with the authority's behind it, and its key: what a TLS end shows.
pub(super) type Shown = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

impl Authority {
    /// The authority of that key. Its certificate is always the same, so the key is all that is kept. It has no end: its key
    /// lies beside the controller's own, and a clock set wrong must not part an environment.
    ///
    /// # Errors
    /// [`MembersError::Authority`].
    pub fn of(key: &KeyPair) -> Result<Self, MembersError> {
        let thumbprint = key.thumbprint();
        let mut params = CertificateParams::default();
        params.not_before = date_time_ymd(1970, 1, 1);
        params.not_after = date_time_ymd(9999, 12, 31);
        params.serial_number = Some(SerialNumber::from(1));
        params.distinguished_name =
            common_name(&format!("entitled environment {}", &thumbprint.as_str()[..16]));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = signing_key(key)?;
        let certificate = params.self_signed(&key).map_err(|e| wrong(&e))?;
        let pem = certificate.pem();
        let certificate = certificate.der().clone();
        Ok(Self { issuer: Issuer::new(params, key), certificate, pem, thumbprint })
    }

    /// The RFC 7638 thumbprint of its key: what tokens and licenses pin.
    pub const fn thumbprint(&self) -> &Thumbprint {
        &self.thumbprint
    }

    /// Its certificate.
    pub(super) const fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// A certificate for the key of a member's signing request. What else that asks for (names, usages, a life of its own,
    /// to be an authority) is left out: the controller says what its members are.
    ///
    /// # Errors
    /// [`MembersError::SigningRequest`] for what is no signing request of an Ed25519 key, signed by that.
    pub fn certify_member(
        &self,
        request: &str,
        id: Uuid,
        now: Timestamp,
    ) -> Result<Certified, MembersError> {
        let refused = |reason: String| MembersError::SigningRequest { reason };
        if request.len() > LONGEST_REQUEST {
            return Err(refused(format!("{} bytes", request.len())));
        }
        let asked = CertificateSigningRequestParams::from_pem(request)
            .map_err(|error| refused(error.to_string()))?;
        if *asked.public_key.algorithm() != PKCS_ED25519 {
            return Err(refused("a key of another kind".to_owned()));
        }
        let mut params = CertificateParams::default();
        // Before 1970 only by a wrong clock, and certificates have no such dates.
        let now = now.max(Timestamp::UNIX_EPOCH);
        let begin = now.checked_sub(BACKDATED).unwrap_or(now);
        let expires_at = now.checked_add(CERTIFICATE_LIFE).unwrap_or(Timestamp::MAX);
        let time = |at: Timestamp| {
            let seconds = u64::try_from(at.as_second()).unwrap_or_default();
            date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds)
        };
        params.not_before = time(begin);
        params.not_after = time(expires_at);
        params.distinguished_name = common_name(&id.to_string());
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let made = params.signed_by(&asked.public_key, &self.issuer).map_err(|e| wrong(&e))?;
        Ok(Certified { pem: made.pem() + &self.pem, expires_at })
    }

    /// A new key with a certificate of this authority: what a controller shows that looks at another as its members do.
    ///
    /// # Errors
    /// [`MembersError::Random`] and [`MembersError::Authority`].
    pub fn certify_new_member(
        &self,
        id: Uuid,
        now: Timestamp,
    ) -> Result<MemberIdentity, MembersError> {
        let key = KeyPair::generate()?;
        let made = self.certify_member(&signing_request(&key)?, id, now)?;
        MemberIdentity::of(&key, &made.pem)
    }

    /// A certificate for the controller's own end, and its key, made anew whenever the listener starts.
    pub(super) fn certify_controller(&self, addresses: &[IpAddr]) -> Result<Shown, MembersError> {
        let key = KeyPair::generate()?;
        let mut params =
            CertificateParams::new(vec![CONTROLLER_NAME.to_owned()]).map_err(|e| wrong(&e))?;
        params.not_before = date_time_ymd(1970, 1, 1);
        params.not_after = date_time_ymd(9999, 12, 31);
        params.subject_alt_names.extend(addresses.iter().copied().map(SanType::IpAddress));
        params.distinguished_name = common_name(CONTROLLER_NAME);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let made =
            params.signed_by(&signing_key(&key)?, &self.issuer).map_err(|error| wrong(&error))?;
        Ok((vec![made.der().clone(), self.certificate.clone()], private_key(&key)?))
    }
}

/// A signing request for a member's key.
pub(super) fn signing_request(key: &KeyPair) -> Result<String, MembersError> {
    let unusable = |error: rcgen::Error| MembersError::Identity { reason: error.to_string() };
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name("entitled member");
    let request = params.serialize_request(&signing_key(key)?).map_err(unusable)?;
    request.pem().map_err(unusable)
}

/// The key in the form that TLS takes.
pub(super) fn private_key(key: &KeyPair) -> Result<PrivateKeyDer<'static>, MembersError> {
    let pem = key.to_pem().map_err(|error| MembersError::Identity { reason: error.to_string() })?;
    let key = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes());
    key.map(Into::into).map_err(|error| MembersError::Identity { reason: error.to_string() })
}

/// The thumbprint of the key that a certificate is for; nothing where that is no Ed25519 key.
pub(super) fn thumbprint_of(certificate: &CertificateDer<'_>) -> Option<Thumbprint> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let key = <&[u8; 32]>::try_from(certificate.public_key().subject_public_key.data.as_ref());
    PublicKey::from_bytes(key.ok()?).ok().map(|key| key.thumbprint())
}

/// Whom a member's certificate is for, and when it expires.
pub(super) fn read_member(certificate: &CertificateDer<'_>) -> Option<(Uuid, Timestamp)> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let name = certificate.subject().iter_common_name().next()?.as_str().ok()?;
    let expires_at = Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()?;
    Some((name.parse().ok()?, expires_at))
}

/// When a certificate begins, seconds after 1970.
pub(super) fn begin_of(certificate: &CertificateDer<'_>) -> Option<u64> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    u64::try_from(certificate.validity().not_before.timestamp()).ok()
}

fn signing_key(key: &KeyPair) -> Result<rcgen::KeyPair, MembersError> {
    let pem =
        key.to_pem().map_err(|error| MembersError::Authority { reason: error.to_string() })?;
    rcgen::KeyPair::from_pkcs8_pem_and_sign_algo(&pem, &PKCS_ED25519).map_err(|error| wrong(&error))
}

fn common_name(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    subject
}

fn wrong(error: &rcgen::Error) -> MembersError {
    MembersError::Authority { reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn authority() -> Authority {
        Authority::of(&KeyPair::from_seed(&[7; 32])).unwrap()
    }

    #[test]
    fn the_certificate_of_a_key_is_always_the_same_and_pinned_by_its_thumbprint() {
        let (one, other) = (authority(), authority());
        assert_eq!(one.certificate(), other.certificate());
        assert_eq!(thumbprint_of(one.certificate()), Some(one.thumbprint().clone()));
        assert_eq!(*one.thumbprint(), KeyPair::from_seed(&[7; 32]).thumbprint());
    }

    #[test]
    fn a_member_gets_the_names_and_usages_that_the_controller_chooses() {
        let id = Uuid::from_u128(5);
        // One that asks for more: to be an authority, and the controller.
        let mut greedy = CertificateParams::new(vec![CONTROLLER_NAME.to_owned()]).unwrap();
        greedy.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        greedy.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        greedy.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::from_seed(&[8; 32]);
        let request = greedy.serialize_request(&signing_key(&key).unwrap()).unwrap();
        let now = at("2026-06-01T00:00:00Z");
        let made = authority().certify_member(&request.pem().unwrap(), id, now).unwrap();
        assert_eq!(made.expires_at, at("2026-07-01T00:00:00Z"));
        let chain: Vec<_> =
            CertificateDer::pem_slice_iter(made.pem.as_bytes()).collect::<Result<_, _>>().unwrap();
        assert_eq!(chain.len(), 2);
        assert_eq!(read_member(&chain[0]), Some((id, made.expires_at)));
        assert_eq!(thumbprint_of(&chain[0]), Some(key.thumbprint()));
        let (_, read) = X509Certificate::from_der(&chain[0]).unwrap();
        assert!(!read.is_ca() && read.subject_alternative_name().unwrap().is_none());
        let usage = read.extended_key_usage().unwrap().unwrap().value;
        assert!(usage.client_auth && !usage.server_auth && !usage.any);
        assert!(!read.key_usage().unwrap().unwrap().value.key_cert_sign());
    }

    #[test]
    fn what_is_no_signing_request_is_refused() {
        let now = at("2026-06-01T00:00:00Z");
        let refused = |text: &str| {
            authority().certify_member(text, Uuid::nil(), now).err().unwrap().code().to_owned()
        };
        let sound = signing_request(&KeyPair::from_seed(&[8; 32])).unwrap();
        assert!(authority().certify_member(&sound, Uuid::nil(), now).is_ok());
        let mut other = sound.clone().into_bytes();
        let at = sound.find("BAAD").unwrap_or(sound.len() / 2);
        other[at] = if other[at] == b'B' { b'C' } else { b'B' };
        let altered = String::from_utf8(other).unwrap();
        let rsa = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let rsa = CertificateParams::default().serialize_request(&rsa).unwrap().pem().unwrap();
        for text in ["", "nonsense", &altered, &rsa, &"a".repeat(10 << 20)] {
            assert_eq!(refused(text), "bad-signing-request");
        }
    }
}
