//! Where settings come from, and which of them counts: files, then the environment, then flags; and the last good ones
//! where the current ones can't be used.

use super::{ConfigError, Fragment, Settings};
use crate::store::write_durably;
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

/// Names the last good settings in the state directory.
const LAST_GOOD: &str = "last-good.toml";

/// The one variable that is no text.
const REPORT_TO_PORTAL: &str = "ENTITLED_USAGE_REPORT_TO_PORTAL";

/// Variables of the environment, and the setting that each stands for. `STATE_DIRECTORY` and `RUNTIME_DIRECTORY` are
/// systemd's and count as defaults: settings go over them.
pub(super) const VARIABLES: [(&str, &[&str]); 20] = [
    ("ENTITLED_PRODUCT", &["product"]),
    ("ENTITLED_ROLE", &["role"]),
    ("ENTITLED_STATE_DIRECTORY", &["state_directory"]),
    ("ENTITLED_RUNTIME_DIRECTORY", &["runtime_directory"]),
    ("ENTITLED_PORTAL_URL", &["portal", "url"]),
    ("ENTITLED_PORTAL_CA_FILE", &["portal", "ca_file"]),
    ("ENTITLED_PORTAL_PROXY", &["portal", "proxy"]),
    ("ENTITLED_ENVIRONMENT_NAME", &["environment", "name"]),
    ("ENTITLED_ENVIRONMENT_PURPOSE", &["environment", "purpose"]),
    ("ENTITLED_ACTIVATION_CODE_FILE", &["activation", "code_file"]),
    ("ENTITLED_IDENTITY_OVERRIDE", &["identity", "override"]),
    ("ENTITLED_MEMBERS_LISTEN", &["members", "listen"]),
    ("ENTITLED_MEMBER_TOKEN_FILE", &["member", "token_file"]),
    (REPORT_TO_PORTAL, &["usage", "report_to_portal"]),
    ("ENTITLED_HEALTH_LISTEN", &["health", "listen"]),
    ("ENTITLED_WEBHOOK_URL", &["webhook", "url"]),
    ("ENTITLED_WEBHOOK_SECRET_FILE", &["webhook", "secret_file"]),
    ("ENTITLED_WEBHOOK_CA_FILE", &["webhook", "ca_file"]),
    ("ENTITLED_LOG_LEVEL", &["log", "level"]),
    ("ENTITLED_LOG_FORMAT", &["log", "format"]),
];

/// Everything that settings are made from.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The file; its drop-ins stand beside it.
    pub file: PathBuf,
    /// What the flags say.
    pub flags: Fragment,
}

/// Settings, and what is wrong with the current ones where these are the last good ones.
#[derive(Debug)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// Why the current ones can't be used.
    pub complaint: Option<ConfigError>,
}

impl Sources {
    /// The current settings, where the portal can be asked with them: `portal` says why not.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn current(
        &self,
        portal: impl Fn(&Settings) -> Result<(), String>,
    ) -> Result<Settings, ConfigError> {
        let settings = self.sum().and_then(Settings::from_fragment);
        let checked = settings.and_then(|settings| {
            portal(&settings).map_err(|reason| ConfigError::Portal { reason })?;
            Ok(settings)
        });
        checked.map_err(|error| error.of(&self.file))
    }

    /// The current settings or, where they can't be used, the last good ones: a slip of the pen before an upgrade does not
    /// keep the agent from starting. Good ones are kept for the next time. Where there are no last good ones, settings
    /// that only the portal can't be asked with are better than none.
    ///
    /// # Errors
    /// What is wrong with the current ones, where there is nothing else to start with.
    pub fn current_or_last_good(
        &self,
        portal: impl Fn(&Settings) -> Result<(), String>,
    ) -> Result<Loaded, ConfigError> {
        let sum = self.sum();
        let read = sum.and_then(|sum| Ok((Settings::from_fragment(sum.clone())?, sum)));
        let (settings, sum) = match read {
            Ok(read) => read,
            Err(complaint) => {
                let complaint = complaint.of(&self.file);
                let Some(settings) = self.last_good(None) else { return Err(complaint) };
                return Ok(Loaded { settings, complaint: Some(complaint) });
            }
        };
        let Err(reason) = portal(&settings) else {
            keep(&settings.state_directory, &sum);
            return Ok(Loaded { settings, complaint: None });
        };
        let complaint = Some(ConfigError::Portal { reason }.of(&self.file));
        let last = self.last_good(Some(&settings.state_directory));
        Ok(match last.filter(|last| portal(last).is_ok()) {
            Some(last) => Loaded { settings: last, complaint },
            // The agent finds the same fault, and says so.
            None => Loaded { settings, complaint: None },
        })
    }

    fn sum(&self) -> Result<Fragment, ConfigError> {
        let files = Fragment::read_with_drop_ins(&self.file)?;
        let environment = from_environment(|name| std::env::var_os(name))?;
        let over = self.flags.clone().over(environment).over(files);
        Ok(over.over(service_directories()))
    }

    /// The state directory is itself a setting: where the settings can't be used, the flags, what can be read of the files
    /// in spite, the service manager or the default say where it is.
    fn last_good(&self, directory: Option<&Path>) -> Option<Settings> {
        let environment = from_environment(|name| std::env::var_os(name)).ok()?;
        let files = Fragment::state_directory_in_spite(&self.file);
        let known = self.flags.clone().over(environment).over(files).over(service_directories());
        let directory = directory.map(ToOwned::to_owned).or(known.state_directory);
        let directory = directory.unwrap_or_else(|| "/var/lib/entitled".into());
        let kept = Fragment::read(&directory.join(LAST_GOOD)).ok()?;
        Settings::from_fragment(self.flags.clone().over(kept)).ok()
    }
}

fn keep(directory: &Path, sum: &Fragment) {
    let Ok(text) = toml::to_string(sum) else { return };
    let path = directory.join(LAST_GOOD);
    if std::fs::read_to_string(&path).is_ok_and(|kept| kept == text) {
        return;
    }
    // The state directory may not be there yet; a disk that refuses is the store's to complain of.
    let written = crate::store::StateDirectory::open(directory)
        .and_then(|_| write_durably(&path, text.as_bytes()));
    if let Err(error) = written {
        tracing::debug!(%error, "the good settings could not be kept");
    }
}

/// What systemd made for the service (systemd.exec(5)); a list names the first.
fn service_directories() -> Fragment {
    let directory = |name| {
        let value = std::env::var_os(name)?;
        let first = value.to_str()?.split(':').next()?.to_owned();
        (!first.is_empty()).then(|| PathBuf::from(first))
    };
    Fragment {
        state_directory: directory("STATE_DIRECTORY"),
        runtime_directory: directory("RUNTIME_DIRECTORY"),
        ..Fragment::default()
    }
}

/// The fragment that the environment's variables amount to.
fn from_environment(variable: impl Fn(&str) -> Option<OsString>) -> Result<Fragment, ConfigError> {
    let mut table = toml::Table::new();
    for (name, setting) in VARIABLES {
        let Some(value) = variable(name) else { continue };
        let value = value.into_string().map_err(|found| ConfigError::Value {
            name,
            expected: "a text in UTF-8",
            found: found.to_string_lossy().into_owned(),
        })?;
        let value = if name == REPORT_TO_PORTAL {
            let expected = "true or false";
            let read = value.parse().map(toml::Value::Boolean);
            read.map_err(|_| ConfigError::Value { name, expected, found: value })?
        } else {
            toml::Value::String(value)
        };
        match setting {
            [name] => {
                table.insert((*name).to_owned(), value);
            }
            [section, name, ..] => {
                let section = table
                    .entry((*section).to_owned())
                    .or_insert_with(|| toml::Value::Table(toml::Table::new()));
                if let toml::Value::Table(section) = section {
                    section.insert((*name).to_owned(), value);
                }
            }
            [] => {}
        }
    }
    table.try_into().map_err(|source| ConfigError::Syntax {
        path: "of the environment's variables ENTITLED_…".into(),
        nearest: None,
        source: Box::new(source),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::license::Purpose;

    #[test]
    fn every_variable_sets_its_setting_and_nothing_unknown() {
        for (name, setting) in VARIABLES {
            let value = match name {
                "ENTITLED_ENVIRONMENT_PURPOSE" => "quality",
                REPORT_TO_PORTAL => "true",
                _ => "/x",
            };
            let one = from_environment(|asked| (asked == name).then(|| value.into()));
            let text = toml::to_string(&one.unwrap()).unwrap();
            assert!(text.contains(setting.last().unwrap()) && text.contains(value), "{name}");
        }
        let wrong = |asked: &str| (asked == "ENTITLED_ENVIRONMENT_PURPOSE").then(|| "x".into());
        assert!(from_environment(wrong).unwrap_err().to_string().contains("production"));
        let wrong = |asked: &str| (asked == REPORT_TO_PORTAL).then(|| "maybe".into());
        let error = from_environment(wrong).unwrap_err().to_string();
        assert!(error.contains("true or false") && error.contains(REPORT_TO_PORTAL), "{error}");
    }

    #[test]
    fn a_start_with_bad_settings_takes_the_last_good_ones() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("entitled.toml");
        let state = folder.path().join("state");
        let flags = Fragment { state_directory: Some(state), ..Fragment::default() };
        let sources = Sources { file: file.clone(), flags };
        std::fs::write(&file, "product = 'p'\n[environment]\npurpose = 'quality'\n").unwrap();
        let loaded = sources.current_or_last_good(|_| Ok(())).unwrap();
        assert!(loaded.complaint.is_none());
        std::fs::write(&file, "product = 'p'\n[environment]\npurpos = 'quality'\n").unwrap();
        assert!(sources.current(|_| Ok(())).is_err());
        let loaded = sources.current_or_last_good(|_| Ok(())).unwrap();
        assert_eq!(loaded.settings.purpose, Purpose::Quality);
        let complaint = loaded.complaint.unwrap().to_string();
        assert!(
            complaint.contains("line 3") && complaint.contains("did you mean purpose?"),
            "{complaint}"
        );
    }

    #[test]
    fn the_last_good_ones_are_found_where_the_files_say() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("entitled.toml");
        let drop_in = folder.path().join("conf.d/90-slip.toml");
        std::fs::create_dir(folder.path().join("conf.d")).unwrap();
        let state = folder.path().join("state");
        let good = format!("product = 'p'\nstate_directory = '{}'\n", state.display());
        let sources = Sources { file: file.clone(), flags: Fragment::default() };
        std::fs::write(&file, &good).unwrap();
        assert!(sources.current_or_last_good(|_| Ok(())).unwrap().complaint.is_none());
        let used = |main: &str, slip: &str| {
            std::fs::write(&file, main).unwrap();
            std::fs::write(&drop_in, slip).unwrap();
            let loaded = sources.current_or_last_good(|_| Ok(())).unwrap();
            let told = loaded.complaint.unwrap().to_string();
            assert!(!told.contains('\n'), "{told}");
            loaded.settings.state_directory
        };
        for (main, slip) in [
            (format!("{good}prodcut = 'p'\n"), ""),
            (format!("{good}what is this\n[portal]\n"), ""),
            (good.clone(), "what is this"),
            (good.clone(), "state_directory = 5"),
            (good.clone(), "state_directory = 'elsewhere'"),
        ] {
            assert_eq!(used(&main, slip), state, "{main} {slip}");
        }
    }

    #[test]
    fn settings_that_the_portal_can_not_be_asked_with_are_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("entitled.toml");
        let state = folder.path().join("state");
        let write = |url: &str| {
            let state = state.display();
            let text =
                format!("product = 'p'\nstate_directory = '{state}'\n[portal]\nurl = '{url}'\n");
            std::fs::write(&file, text).unwrap();
        };
        let portal = |settings: &Settings| match settings.portal_url.as_deref() {
            Some("bad") => Err("no address".to_owned()),
            _ => Ok(()),
        };
        let sources = Sources { file: file.clone(), flags: Fragment::default() };
        let url = || {
            let loaded = sources.current_or_last_good(portal).unwrap();
            (loaded.settings.portal_url.unwrap(), loaded.complaint.map(|c| c.to_string()))
        };
        // Better than none.
        write("bad");
        assert_eq!(url(), ("bad".to_owned(), None));
        assert!(!state.join(LAST_GOOD).exists());
        write("good");
        assert_eq!(url(), ("good".to_owned(), None));
        write("bad");
        for _ in 0..2 {
            let (url, complaint) = url();
            let complaint = complaint.unwrap();
            assert_eq!(url, "good");
            assert!(complaint.contains("no address"), "{complaint}");
            assert!(complaint.contains(file.to_str().unwrap()), "{complaint}");
        }
        assert!(sources.current(portal).is_err());
    }

    #[test]
    fn without_last_good_ones_bad_settings_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let flags = Fragment { state_directory: Some(folder.path().into()), ..Fragment::default() };
        let sources = Sources { file: folder.path().join("none.toml"), flags };
        assert!(sources.current_or_last_good(|_| Ok(())).is_err());
    }
}
