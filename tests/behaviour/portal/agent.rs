//! An agent as far as the portal sees it.

use crate::stage::{PRODUCT, Server, Vendor};
use entitled::{
    codes::{ActivationCode, SerialNumber},
    license::{
        Activation, KeyPair, MachineFacts, OpenedAnswer, Purpose, RequestClaims, RequestId,
        RequestKind, RequestedEnvironment, open_answer, sign_request,
    },
};
use jiff::Timestamp;
use uuid::Uuid;

/// Asks as an agent does, with a key and hardware of its own.
pub(super) struct Agent {
    key: KeyPair,
    serial: SerialNumber,
    held: Option<String>,
    previous: Option<RequestId>,
}

impl Agent {
    pub(super) fn new(hardware: &str) -> Self {
        Self {
            key: KeyPair::generate().unwrap(),
            serial: SerialNumber::mint("smbios-uuid", hardware),
            held: None,
            previous: None,
        }
    }

    pub(super) fn request(&self, request: RequestKind, code: Option<&ActivationCode>) -> String {
        let jti = RequestId(Uuid::now_v7());
        let claims = RequestClaims {
            aud: PRODUCT.to_owned(),
            jti,
            iat: Timestamp::now(),
            request,
            sub: self.serial,
            activation: code.map(|code| Activation::new(code, jti, &self.key.public())),
            rebind_proof: None,
            consent: None,
            environment: RequestedEnvironment {
                id: None,
                name: "Main site".to_owned(),
                purpose: Purpose::Production,
            },
            candidates: Vec::new(),
            evidence: Vec::new(),
            machine: MachineFacts {
                kind: "bare-metal".to_owned(),
                overridden: false,
                virtual_machine: false,
                agent: "0.1.0".to_owned(),
            },
            previous: self.previous,
            unsettled: Vec::new(),
            held: self.held.clone(),
            trust_version: 0,
        };
        sign_request(&claims, &self.key).unwrap()
    }

    pub(super) fn settle(&mut self, answer: &str, vendor: &Vendor) -> OpenedAnswer {
        let opened = open_answer(answer, PRODUCT, &vendor.roots(), None).unwrap();
        self.previous = Some(opened.in_reply_to);
        if let Some(license) = &opened.license {
            license.check_binding(self.serial, &self.key.thumbprint()).unwrap();
            self.held = Some(license.text().to_owned());
        }
        opened
    }

    pub(super) async fn activate(
        &mut self,
        server: &Server,
        vendor: &Vendor,
        code: &ActivationCode,
    ) -> OpenedAnswer {
        let (status, answer) = server.post(self.request(RequestKind::Activate, Some(code))).await;
        assert_eq!(status, 200, "{answer}");
        self.settle(&answer, vendor)
    }

    pub(super) async fn refresh(&mut self, server: &Server, vendor: &Vendor) -> OpenedAnswer {
        let (status, answer) = server.post(self.request(RequestKind::Refresh, None)).await;
        assert_eq!(status, 200, "{answer}");
        self.settle(&answer, vendor)
    }
}
