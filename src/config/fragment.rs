//! One file of settings, as it is written.

use super::ConfigError;
use crate::license::Purpose;
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// One file of settings. Everything is optional, nothing unknown is let pass.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fragment {
    /// The product whose licenses count.
    pub product: Option<String>,
    /// `controller` or `member`.
    pub role: Option<String>,
    /// Where the agent's state is kept.
    pub state_directory: Option<PathBuf>,
    /// Where the sockets are.
    pub runtime_directory: Option<PathBuf>,
    /// Folders of the vendor's root keys.
    pub root_directories: Option<Vec<PathBuf>>,
    /// The way to the portal.
    pub portal: PortalFragment,
    /// The environment.
    pub environment: EnvironmentFragment,
    /// The Activation Code.
    pub activation: ActivationFragment,
    /// The identity.
    pub identity: IdentityFragment,
    /// On a controller: its members.
    pub members: MembersFragment,
    /// On a member: its controller.
    pub member: MemberFragment,
    /// What is used.
    pub usage: UsageFragment,
    /// What monitors may ask over TCP.
    pub health: HealthFragment,
    /// A receiver that is told of changes.
    pub webhook: WebhookFragment,
    /// The log.
    pub log: LogFragment,
}

/// `[health]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HealthFragment {
    /// The address and port for `/livez`, `/readyz` and `/metrics`; without one they are on the sockets alone.
    pub listen: Option<String>,
}

/// `[webhook]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookFragment {
    /// Its address; without one nobody is told.
    pub url: Option<String>,
    /// The file of the secret that messages are signed by.
    pub secret_file: Option<PathBuf>,
    /// Certificate authorities beside the system's, a PEM file.
    pub ca_file: Option<PathBuf>,
}

/// `[members]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MembersFragment {
    /// The address and port on which members are served; without one they are not.
    pub listen: Option<String>,
}

/// `[member]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MemberFragment {
    /// Addresses of the controller, tried in this order.
    pub controllers: Option<Vec<String>>,
    /// A file that holds a join token and nothing else.
    pub token_file: Option<PathBuf>,
}

/// `[usage]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UsageFragment {
    /// Whether the portal is told what is used, with each request.
    pub report_to_portal: Option<bool>,
}

/// `[portal]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PortalFragment {
    /// Its address; without one licenses are carried by hand.
    pub url: Option<String>,
    /// Certificate authorities beside the system's, a PEM file.
    pub ca_file: Option<PathBuf>,
    /// The proxy; without one the environment's.
    pub proxy: Option<String>,
}

/// `[environment]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EnvironmentFragment {
    /// Its name.
    pub name: Option<String>,
    /// What it is for.
    pub purpose: Option<Purpose>,
}

/// `[activation]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ActivationFragment {
    /// A file that holds the Activation Code and nothing else.
    pub code_file: Option<PathBuf>,
}

/// `[identity]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IdentityFragment {
    /// A text unique to this machine, in the place of hardware.
    pub r#override: Option<String>,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogFragment {
    /// `error`, `warn`, `info`, `debug`, `trace`, or directives as in `info,entitled=debug`.
    pub level: Option<String>,
    /// `text` or `json`.
    pub format: Option<String>,
}

impl Fragment {
    /// Reads a file of settings.
    ///
    /// # Errors
    /// [`ConfigError::Read`], and [`ConfigError::Syntax`] with line and column.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        toml::from_str(&text).map_err(|source: toml::de::Error| ConfigError::Syntax {
            path: path.to_owned(),
            nearest: nearest(source.message()),
            source: source.into(),
        })
    }

    /// Reads a file and the `conf.d/*.toml` beside it, each over those before it in the order of their names.
    ///
    /// # Errors
    /// As [`read`](Self::read), for the first file that can't be used.
    pub fn read_with_drop_ins(path: &Path) -> Result<Self, ConfigError> {
        let mut sum = Self::read(path)?;
        for path in drop_ins(path)? {
            sum = Self::read(&path)?.over(sum);
        }
        Ok(sum)
    }

    /// The state directory that a file and its drop-ins name, where they can't be used as a whole: the last good settings
    /// are in it. Nothing else of them counts.
    pub(super) fn state_directory_in_spite(path: &Path) -> Self {
        let mut paths = vec![path.to_owned()];
        paths.extend(drop_ins(path).unwrap_or_default());
        let named = |path: &PathBuf| state_directory(&fs::read_to_string(path).ok()?);
        let state_directory = paths.iter().rev().find_map(named);
        Self { state_directory, ..Self::default() }
    }

    /// This fragment where it says something, `lower` where it does not.
    #[must_use]
    pub fn over(self, lower: Self) -> Self {
        Self {
            product: self.product.or(lower.product),
            role: self.role.or(lower.role),
            state_directory: self.state_directory.or(lower.state_directory),
            runtime_directory: self.runtime_directory.or(lower.runtime_directory),
            root_directories: self.root_directories.or(lower.root_directories),
            portal: PortalFragment {
                url: self.portal.url.or(lower.portal.url),
                ca_file: self.portal.ca_file.or(lower.portal.ca_file),
                proxy: self.portal.proxy.or(lower.portal.proxy),
            },
            environment: EnvironmentFragment {
                name: self.environment.name.or(lower.environment.name),
                purpose: self.environment.purpose.or(lower.environment.purpose),
            },
            activation: ActivationFragment {
                code_file: self.activation.code_file.or(lower.activation.code_file),
            },
            identity: IdentityFragment {
                r#override: self.identity.r#override.or(lower.identity.r#override),
            },
            members: MembersFragment { listen: self.members.listen.or(lower.members.listen) },
            member: MemberFragment {
                controllers: self.member.controllers.or(lower.member.controllers),
                token_file: self.member.token_file.or(lower.member.token_file),
            },
            usage: UsageFragment {
                report_to_portal: self.usage.report_to_portal.or(lower.usage.report_to_portal),
            },
            health: HealthFragment { listen: self.health.listen.or(lower.health.listen) },
            webhook: WebhookFragment {
                url: self.webhook.url.or(lower.webhook.url),
                secret_file: self.webhook.secret_file.or(lower.webhook.secret_file),
                ca_file: self.webhook.ca_file.or(lower.webhook.ca_file),
            },
            log: LogFragment {
                level: self.log.level.or(lower.log.level),
                format: self.log.format.or(lower.log.format),
            },
        }
    }
}

/// The `conf.d/*.toml` beside a file, in the order of their names.
fn drop_ins(path: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    let folder = path.with_file_name("conf.d");
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(ConfigError::Read { path: folder, source }),
    };
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    Ok(paths)
}

/// What a text of settings says of the state directory: where the text is no TOML as a whole, a line of it may be.
fn state_directory(text: &str) -> Option<PathBuf> {
    let in_table = |text: &str| {
        let path =
            toml::from_str::<toml::Table>(text).ok()?.get("state_directory")?.as_str()?.into();
        Some(path).filter(|path: &PathBuf| path.is_absolute())
    };
    let of_no_section = |line: &&str| !line.trim_start().starts_with('[');
    in_table(text).or_else(|| text.lines().take_while(of_no_section).find_map(in_table))
}

/// The name that was probably meant, from the message about an unknown one: "unknown field `a`, expected one of `b`, `c`".
fn nearest(message: &str) -> Option<String> {
    let mut names = message.split('`').skip(1).step_by(2);
    let unknown = message.starts_with("unknown field").then(|| names.next()).flatten()?;
    names
        .map(|name| (strsim::damerau_levenshtein(unknown, name), name))
        .min()
        .filter(|(distance, name)| *distance <= name.len().div_ceil(2))
        .map(|(_, name)| name.to_owned())
}
