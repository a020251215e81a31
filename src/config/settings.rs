//! Settings that are sound.

use super::{ConfigError, Fragment, LOG_DIRECTIVES, LogFormat, log_directives};
use crate::{codes::ActivationCode, entitlement::Role, identity::mint_override, license::Purpose};
use std::{
    env, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// Folders of root keys: the vendor's package's, and the operator's.
pub const ROOT_FOLDERS: [&str; 2] = ["/usr/share/entitled/roots.d", "/etc/entitled/roots.d"];

/// Where systemd puts the service's credentials, and what they are called there.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";
const ACTIVATION_CODE: &str = "activation-code";
const JOIN_TOKEN: &str = "join-token";
const WEBHOOK_SECRET: &str = "webhook-secret";
/// Longest name of an environment, characters.
const LONGEST_NAME: usize = 100;

/// The daemon's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The product whose licenses count.
    pub product: String,
    /// What this server is in its environment.
    pub role: Role,
    /// Where the agent's state is kept.
    pub state_directory: PathBuf,
    /// Where the sockets are.
    pub runtime_directory: PathBuf,
    /// Folders of the vendor's root keys.
    pub root_directories: Vec<PathBuf>,
    /// The portal's address; none where licenses are carried by hand.
    pub portal_url: Option<String>,
    /// Certificate authorities beside the system's.
    pub portal_ca_file: Option<PathBuf>,
    /// The proxy.
    pub portal_proxy: Option<String>,
    /// The environment's name.
    pub environment_name: String,
    /// What the environment is for.
    pub purpose: Purpose,
    /// The Activation Code from its file or credential.
    pub activation_code: Option<ActivationCode>,
    /// The operator's text in the place of hardware.
    pub identity_override: Option<String>,
    /// On a controller: where members are served; none where they are not.
    pub members_listen: Option<SocketAddr>,
    /// On a member: addresses of the controller.
    pub controllers: Vec<String>,
    /// On a member: the file that holds a join token.
    pub token_file: Option<PathBuf>,
    /// On a controller: whether the portal is told what is used.
    pub reports_usage: bool,
    /// Where monitors are served over TCP; none where they are not.
    pub health_listen: Option<SocketAddr>,
    /// The address of a receiver that is told of changes.
    pub webhook_url: Option<String>,
    /// The file of the secret that it verifies them by.
    pub webhook_secret_file: Option<PathBuf>,
    /// Certificate authorities for it beside the system's.
    pub webhook_ca_file: Option<PathBuf>,
    /// Directives of the log.
    pub log_level: String,
    /// How the log is written.
    pub log_format: LogFormat,
}

impl Settings {
    /// Checks a fragment and fills in what it leaves out.
    ///
    /// # Errors
    /// The first setting that is missing or wrong.
    pub fn from_fragment(fragment: Fragment) -> Result<Self, ConfigError> {
        let Fragment { portal, environment, activation, identity, members, member, .. } = fragment;
        let (health, webhook, log) = (fragment.health, fragment.webhook, fragment.log);
        let webhook_secret_file = webhook.secret_file.or_else(|| credential(WEBHOOK_SECRET));
        if webhook.url.is_some() && webhook_secret_file.is_none() {
            let mend = "messages of the webhook are signed: write a secret, `(printf whsec_; openssl rand -base64 32) > FILE`, and name the file";
            return Err(ConfigError::Missing { name: "webhook.secret_file", mend });
        }
        let product = fragment.product.ok_or(ConfigError::Missing {
            name: "product",
            mend: "set it to the name that the vendor gave, `product = \"…\"`",
        })?;
        let purpose = environment.purpose.unwrap_or(Purpose::Production);
        Ok(Self {
            product: not_empty("product", product)?,
            role: role(fragment.role.as_deref())?,
            state_directory: absolute(
                "state_directory",
                fragment.state_directory.unwrap_or_else(|| "/var/lib/entitled".into()),
            )?,
            runtime_directory: absolute(
                "runtime_directory",
                fragment.runtime_directory.unwrap_or_else(|| "/run/entitled".into()),
            )?,
            root_directories: fragment
                .root_directories
                .unwrap_or_else(|| ROOT_FOLDERS.map(PathBuf::from).into()),
            portal_url: portal.url.map(|url| not_empty("portal.url", url)).transpose()?,
            portal_ca_file: portal.ca_file,
            portal_proxy: portal.proxy,
            environment_name: name(environment.name.unwrap_or_else(|| title(purpose)))?,
            purpose,
            activation_code: activation_code(activation.code_file.as_deref())?,
            identity_override: identity.r#override.map(unique).transpose()?,
            members_listen: listen("members.listen", members.listen)?,
            controllers: member.controllers.unwrap_or_default(),
            token_file: member.token_file.or_else(|| credential(JOIN_TOKEN)),
            reports_usage: fragment.usage.report_to_portal.unwrap_or(false),
            health_listen: listen("health.listen", health.listen)?,
            webhook_url: webhook.url,
            webhook_secret_file,
            webhook_ca_file: webhook.ca_file,
            log_level: level(log.level)?,
            log_format: LogFormat::read(log.format.as_deref())?,
        })
    }
}

fn not_empty(name: &'static str, text: String) -> Result<String, ConfigError> {
    if text.trim().is_empty() {
        return Err(ConfigError::Value { name, expected: "a text", found: text });
    }
    Ok(text)
}

/// An override that a Serial Number can be made from.
fn unique(text: String) -> Result<String, ConfigError> {
    match mint_override(&text) {
        Ok(_) => Ok(text),
        Err(reason) => Err(ConfigError::Override { reason }),
    }
}

fn level(setting: Option<String>) -> Result<String, ConfigError> {
    let text = setting.unwrap_or_else(|| "info".to_owned());
    match log_directives(&text) {
        Ok(_) => Ok(text),
        Err(found) => {
            Err(ConfigError::Value { name: "log.level", expected: LOG_DIRECTIVES, found })
        }
    }
}

fn absolute(name: &'static str, path: PathBuf) -> Result<PathBuf, ConfigError> {
    if path.is_absolute() {
        return Ok(path);
    }
    let found = path.display().to_string();
    Err(ConfigError::Value { name, expected: "a path that begins with /", found })
}

fn name(text: String) -> Result<String, ConfigError> {
    let length = text.chars().count();
    if length == 0 || length > LONGEST_NAME || text.chars().any(char::is_control) {
        return Err(ConfigError::Value {
            name: "environment.name",
            expected: "1 to 100 characters on one line",
            found: text,
        });
    }
    Ok(text)
}

fn role(setting: Option<&str>) -> Result<Role, ConfigError> {
    match setting {
        None | Some("controller") => Ok(Role::Controller),
        Some("member") => Ok(Role::Member),
        Some(found) => Err(ConfigError::Value {
            name: "role",
            expected: "controller or member",
            found: found.to_owned(),
        }),
    }
}

fn listen(name: &'static str, text: Option<String>) -> Result<Option<SocketAddr>, ConfigError> {
    let expected = "an address and a port such as 0.0.0.0:7443 or [::]:7443";
    let Some(text) = text else { return Ok(None) };
    text.parse().map(Some).map_err(|_| ConfigError::Value { name, expected, found: text })
}

/// The file of a credential that the service manager has put there.
fn credential(name: &str) -> Option<PathBuf> {
    let path = Path::new(&env::var_os(CREDENTIALS)?).join(name);
    path.exists().then_some(path)
}

/// `Production` for `production`.
fn title(purpose: Purpose) -> String {
    let word = purpose.as_str();
    let (first, rest) = word.split_at(1);
    first.to_ascii_uppercase() + rest
}

/// The Activation Code from the file that is set, else from the service's credential.
fn activation_code(file: Option<&Path>) -> Result<Option<ActivationCode>, ConfigError> {
    let path = file.map(ToOwned::to_owned).or_else(|| credential(ACTIVATION_CODE));
    let Some(path) = path else { return Ok(None) };
    let wrong = |reason: String| ConfigError::ActivationCode { path: path.clone(), reason };
    let text = Zeroizing::new(fs::read_to_string(&path).map_err(|error| wrong(error.to_string()))?);
    text.parse().map(Some).map_err(|error: crate::codes::CodeError| wrong(error.to_string()))
}
