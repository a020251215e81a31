//! How monitors see the agent: metrics, liveness and readiness, and the service manager.
//!
//! `agent` tells it what changes, `portal` that it is ready, `api` shows it. This calls `entitlement`.

mod heartbeat;
mod inherited;
mod metrics;
mod service_manager;

pub use heartbeat::Heartbeat;
pub use inherited::Inherited;
pub use metrics::{ExchangeResult, METRICS_MEDIA_TYPE, Metrics};
pub use service_manager::ServiceManager;
