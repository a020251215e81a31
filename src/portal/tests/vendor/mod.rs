//! The vendor's HTTP API, without a network.

mod changes;
mod lists;
mod tokens;

use super::stage::{Agent, Stage, at};
use crate::portal::access::Right;
use axum::{
    body::Body,
    http::{HeaderMap, Request, header},
};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

/// A portal, and a token of all scopes.
struct Vendor {
    stage: Stage,
    token: String,
}

/// What came back.
struct Answered {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Answered {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    /// The stable code of a problem document.
    fn code(&self) -> String {
        let kind = self.json()["type"].as_str().unwrap_or_default().to_owned();
        kind.strip_prefix("urn:entitled:problem:").unwrap_or(&self.text).to_owned()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Vendor {
    fn new() -> Self {
        let stage = Stage::new();
        let scopes: Vec<Right> =
            Right::ALL.into_iter().filter(|right| *right != Right::Administer).collect();
        let token = token(&stage, "crm", &scopes);
        Self { stage, token }
    }

    fn request(&self, method: &str, path: &str) -> axum::http::request::Builder {
        Request::builder()
            .method(method)
            .uri(format!("/v1/vendor{path}"))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
    }

    async fn send(&self, request: Request<Body>) -> Answered {
        let response = self.stage.portal.router().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Answered { status: parts.status.as_u16(), headers: parts.headers, text }
    }

    async fn get(&self, path: &str) -> Answered {
        self.send(self.request("GET", path).body(Body::empty()).unwrap()).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answered {
        self.send(self.request("POST", path).body(body.to_string().into()).unwrap()).await
    }

    async fn keyed(&self, path: &str, key: &str, body: &Value) -> Answered {
        let request = self.request("POST", path).header("idempotency-key", key);
        self.send(request.body(body.to_string().into()).unwrap()).await
    }

    /// An agent that is activated, with the ids of its environment and of its subscription.
    fn activated(&self) -> (Agent, String, String) {
        let sold = self.stage.sell();
        let mut agent = Agent::new("a", crate::license::Purpose::Production);
        agent.activate(&self.stage, &sold.activation_code).unwrap();
        let id = agent.id.unwrap().to_string();
        (agent, id, sold.id.to_string())
    }
}

fn token(stage: &Stage, name: &str, scopes: &[Right]) -> String {
    let end = at("2027-01-01T00:00:00Z");
    let (_, secret) = stage.portal.create_token(name, scopes, Some(end)).unwrap();
    secret.expose().to_owned()
}
