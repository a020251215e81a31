//! An agent as far as the portal sees it.

use crate::stage::{PRODUCT, Server, Vendor};
use entitled::{
    codes::{ActivationCode, SerialNumber},
    license::{
        Activation, KeyPair, OpenedAnswer, Purpose, RebindCode, RequestClaims, RequestId,
        RequestKind, RequestedEnvironment, open_answer, sign_consent, sign_request,
    },
};
use jiff::Timestamp;
use uuid::Uuid;

/// Asks as an agent does, with a key and hardware of its own.
pub(crate) struct Agent {
    key: KeyPair,
    serial: SerialNumber,
    held: Option<String>,
    previous: Option<RequestId>,
}

impl Agent {
    pub(crate) fn new(hardware: &str) -> Self {
        Self {
            key: KeyPair::generate().unwrap(),
            serial: SerialNumber::mint("smbios-uuid", hardware),
            held: None,
            previous: None,
        }
    }

    /// The same machine after its state was lost.
    pub(crate) fn installed_anew(&self) -> Self {
        Self { key: KeyPair::generate().unwrap(), held: None, previous: None, ..*self }
    }

    /// A copy of all that it has.
    pub(crate) fn copy(&self) -> Self {
        let (key, held) = (self.key.clone(), self.held.clone());
        Self { key, held, ..*self }
    }

    /// Its last request that was answered, as its operator sees it.
    pub(crate) fn last_request(&self) -> String {
        self.previous.unwrap().to_string()
    }

    pub(crate) fn request(&self, request: RequestKind, code: Option<&ActivationCode>) -> String {
        sign_request(&self.claims(request, code), &self.key).unwrap()
    }

    /// A rebind with the Activation Code, and with the one-time code where there is one.
    pub(crate) fn rebind(&self, code: &ActivationCode, one_time: Option<&RebindCode>) -> String {
        let mut claims = self.claims(RequestKind::Rebind, Some(code));
        let key = self.key.public();
        claims.rebind_proof = one_time.map(|one_time| one_time.proof(claims.jti, &key));
        sign_request(&claims, &self.key).unwrap()
    }

    /// A request by which it takes the place of `old`, whose key consents.
    pub(crate) fn succeed(
        &mut self,
        request: RequestKind,
        old: &Self,
        environment: &str,
    ) -> String {
        (self.held, self.previous) = (old.held.clone(), old.previous);
        let mut claims = self.claims(request, None);
        claims.environment.id = Some(environment.parse().unwrap());
        claims.consent = sign_consent(&claims, &self.key.public(), &old.key).ok();
        sign_request(&claims, &self.key).unwrap()
    }

    fn claims(&self, request: RequestKind, code: Option<&ActivationCode>) -> RequestClaims {
        let jti = RequestId(Uuid::now_v7());
        let environment = RequestedEnvironment {
            id: None,
            name: "Main site".to_owned(),
            purpose: Purpose::Production,
        };
        RequestClaims {
            activation: code.map(|code| Activation::new(code, jti, &self.key.public())),
            previous: self.previous,
            held: self.held.clone(),
            ..RequestClaims::new(
                request,
                self.serial,
                environment,
                PRODUCT,
                (jti, Timestamp::now()),
            )
        }
    }

    pub(crate) fn settle(&mut self, answer: &str, vendor: &Vendor) -> OpenedAnswer {
        let opened = open_answer(answer, PRODUCT, &vendor.roots(), None).unwrap();
        self.previous = Some(opened.in_reply_to);
        if let Some(license) = &opened.license {
            license.check_binding(self.serial, &self.key.thumbprint()).unwrap();
            self.held = Some(license.text().to_owned());
        }
        opened
    }

    pub(crate) async fn activate(
        &mut self,
        server: &Server,
        vendor: &Vendor,
        code: &ActivationCode,
    ) -> OpenedAnswer {
        let (status, answer) = server.post(self.request(RequestKind::Activate, Some(code))).await;
        assert_eq!(status, 200, "{answer}");
        self.settle(&answer, vendor)
    }

    pub(crate) async fn refresh(&mut self, server: &Server, vendor: &Vendor) -> OpenedAnswer {
        let (status, answer) = server.post(self.request(RequestKind::Refresh, None)).await;
        assert_eq!(status, 200, "{answer}");
        self.settle(&answer, vendor)
    }
}
