//! Mutual TLS 1.3. Each end knows the other by the environment's certificate authority, and by nothing else.
//!
//! Neither end asks its clock: a controller's certificate has no end, and whether a member's has expired is judged by the
//! controller's effective time after the handshake, because one that is over may still renew itself.

use super::{
    Authority, JoinToken, MembersError,
    authority::{Shown, begin_of, thumbprint_of},
};
use crate::license::Thumbprint;
use rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, ServerConfig,
    SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    version::TLS13,
};
use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

/// The one protocol that is spoken.
const HTTP: &[u8] = b"http/1.1";

/// The cryptography: AES-128-GCM first, which is enough and the cheapest for many members.
fn provider() -> Arc<CryptoProvider> {
    use aws_lc_rs::cipher_suite::{
        TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
    };
    let cipher_suites =
        vec![TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256];
    Arc::new(CryptoProvider { cipher_suites, ..aws_lc_rs::default_provider() })
}

/// The controller's end.
pub(super) fn server_config(
    authority: &Authority,
    former: &Former,
    addresses: &[IpAddr],
) -> Result<ServerConfig, MembersError> {
    let wrong = |error: Error| MembersError::Authority { reason: error.to_string() };
    let (chain, key) = authority.certify_controller(addresses)?;
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate().clone()).map_err(wrong)?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map_err(|error| MembersError::Authority { reason: error.to_string() })?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(wrong)?
        .with_client_cert_verifier(Arc::new(MemberVerifier(verifier, former.clone())))
        .with_single_cert(chain, key)
        .map_err(wrong)?;
    config.alpn_protocols = vec![HTTP.to_vec()];
    config.ignore_client_order = true;
    // A ticket would outlive the removal of its member, and costs memory.
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// The member's end; without an identity yet where it is to join.
pub(super) fn client_config(
    pin: Pin,
    identity: Option<Shown>,
) -> Result<ClientConfig, MembersError> {
    let wrong = |error: Error| MembersError::Identity { reason: error.to_string() };
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(wrong)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(ControllerVerifier(pin)));
    let mut config = match identity {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(wrong)?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![HTTP.to_vec()];
    Ok(config)
}

/// What a member knows the authority by.
#[derive(Clone)]
pub(super) enum Pin {
    /// The token that it joins with.
    Token(JoinToken),
    /// The thumbprint that it has kept since.
    Authority(Thumbprint),
    /// None: what is read is believed for its own signatures, and no secret is told.
    Nobody,
}

impl Pin {
    fn is_of(&self, authority: &Thumbprint) -> bool {
        match self {
            Self::Token(token) => token.pins(authority),
            Self::Authority(pinned) => pinned == authority,
            Self::Nobody => true,
        }
    }
}

/// Lets everyone in without a certificate (to join) and with one of the environment's, whatever its dates say.
struct MemberVerifier(Arc<dyn ClientCertVerifier>, Former);

/// Authorities that the environment had before, as its license names them: their members may have themselves certified anew.
#[derive(Clone, Default)]
pub(super) struct Former(Arc<RwLock<Vec<Thumbprint>>>);

impl Former {
    /// Believes these from now on.
    pub(super) fn set(&self, former: &[Thumbprint]) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.as_slice() != former {
            *known = former.to_vec();
        }
    }

    /// The one among them that a chain ends in.
    pub(super) fn find<'a>(
        &self,
        chain: &'a [CertificateDer<'a>],
    ) -> Option<&'a CertificateDer<'a>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let is_known = |authority: &&CertificateDer<'_>| {
            !known.is_empty()
                && thumbprint_of(authority).is_some_and(|found| known.contains(&found))
        };
        chain.iter().find(is_known)
    }
}

impl fmt::Debug for MemberVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemberVerifier")
    }
}

impl ClientCertVerifier for MemberVerifier {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let now = in_its_dates(end_entity);
        let verified = self.0.verify_client_cert(end_entity, intermediates, now);
        let Some(authority) = self.1.find(intermediates).filter(|_| verified.is_err()) else {
            return verified;
        };
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone().into_owned())?;
        let former = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
        let former = former.build().map_err(|error| Error::General(error.to_string()))?;
        former.verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// Believes whoever shows a controller's certificate of the pinned authority.
struct ControllerVerifier(Pin);

impl fmt::Debug for ControllerVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ControllerVerifier")
    }
}

impl ServerCertVerifier for ControllerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let pinned = |certificate: &&CertificateDer<'_>| {
            thumbprint_of(certificate).is_some_and(|thumbprint| self.0.is_of(&thumbprint))
        };
        let authority = intermediates.iter().find(pinned).ok_or_else(|| {
            Error::General("its certificate authority is not the pinned one".to_owned())
        })?;
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone().into_owned())?;
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
            .build()
            .map_err(|error| Error::General(error.to_string()))?;
        let now = in_its_dates(end_entity);
        verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not spoken".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = provider().signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

/// A time at which a certificate's dates are right.
fn in_its_dates(certificate: &CertificateDer<'_>) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(begin_of(certificate).unwrap_or_default()))
}
