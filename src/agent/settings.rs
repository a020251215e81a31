//! What a daemon is started with, and may be given anew while it runs.

use super::SocketPaths;
use crate::{
    codes::ActivationCode,
    entitlement::{Finding, Role},
    license::Purpose,
    upstream::{PortalSettings, WebhookSettings},
};
use std::{net::SocketAddr, path::PathBuf};

/// What a daemon is started with.
#[derive(Debug, Clone)]
pub struct DaemonSettings {
    /// The product.
    pub product: String,
    /// What this server is in its environment.
    pub role: Role,
    /// On a controller: where members are served; none where they are not.
    pub members_listen: Option<SocketAddr>,
    /// On a member: addresses of the controller.
    pub controllers: Vec<String>,
    /// On a member: the file that holds a join token.
    pub token_file: Option<PathBuf>,
    /// The environment's name.
    pub environment_name: String,
    /// What the environment is for.
    pub purpose: Purpose,
    /// The operator's text in the place of hardware.
    pub identity_override: Option<String>,
    /// The Activation Code.
    pub activation_code: Option<ActivationCode>,
    /// The way to the portal; none where licenses are carried by hand.
    pub portal: Option<PortalSettings>,
    /// Whether the portal is told what is used.
    pub reports_usage: bool,
    /// Folders of root keys.
    pub root_folders: Vec<PathBuf>,
    /// The state directory.
    pub state_directory: PathBuf,
    /// The sockets.
    pub sockets: SocketPaths,
    /// Where monitors are served over TCP; none where they are not.
    pub health_listen: Option<SocketAddr>,
    /// Who is told of changes.
    pub webhook: Option<WebhookSettings>,
    /// Conditions that hold since the start, such as settings that can't be used.
    pub standing: Vec<Finding>,
}
