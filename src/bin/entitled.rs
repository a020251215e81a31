//! The entitlement agent.

mod arguments;

use anyhow::Context;
use arguments::{Arguments, Command, RunOptions};
use clap::Parser;
use entitled::{
    agent::{Daemon, DaemonSettings, Reloader, SocketPaths, SystemClock, stop_signal},
    config::{
        ConfigError, Fragment, LOG_DIRECTIVES, Loaded, LogFormat, Settings, Sources, log_directives,
    },
    entitlement::{ConditionType, Finding},
    health::ServiceManager,
    identity::{COLLECTED_FACTS, Machine},
    upstream::{HttpPortal, PortalSettings, Webhook, WebhookSettings},
};
use std::{
    env,
    io::{self, IsTerminal},
    process::ExitCode,
    sync::Arc,
};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::{fmt, layer::SubscriberExt, util::SubscriberInitExt};

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Run(options) => run(&options),
        #[cfg(feature = "dev")]
        Command::Dev(options) => dev(options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("entitled: {}", told(&error));
            ExitCode::FAILURE
        }
    }
}

/// An error and its causes, each told once: most of ours tell theirs already.
fn told(error: &anyhow::Error) -> String {
    error.chain().skip(1).fold(error.to_string(), |told, cause| {
        let cause = cause.to_string();
        if told.contains(cause.trim()) { told } else { format!("{told}: {cause}") }
    })
}

fn run(options: &RunOptions) -> anyhow::Result<()> {
    let flags = Fragment {
        state_directory: options.state_dir.clone(),
        runtime_directory: options.runtime_dir.clone(),
        ..Fragment::default()
    };
    let sources = Sources { file: options.config.clone(), flags };
    if options.check_config {
        let settings = daemon_settings(sources.current(check_portal)?);
        settings.webhook.as_ref().map(Webhook::new).transpose()?;
        println!("the settings in {} are sound", options.config.display());
        return Ok(());
    }
    take_room();
    let Loaded { settings, complaint } = sources.current_or_last_good(check_portal)?;
    log(&settings.log_level, settings.log_format)?;
    let hardware =
        Arc::new(Machine::live(&settings.state_directory).with_collected(COLLECTED_FACTS));
    let standing = complaint.as_ref().map(last_good_used).into_iter().collect();
    let settings = DaemonSettings { standing, ..daemon_settings(settings) };
    let socket = settings.sockets.read.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let stop = stop_signal().context("signals can't be waited for")?;
        let service_manager = ServiceManager::from_environment();
        let daemon = Daemon::prepare(settings, hardware, Arc::new(SystemClock), service_manager)?;
        tokio::spawn(reload_on_hangup(sources, daemon.reloader()));
        let version = env!("CARGO_PKG_VERSION");
        tracing::info!(%version, socket = %socket.display(), "the agent runs");
        Box::pin(daemon.run(stop)).await?;
        tracing::info!("the agent stopped");
        Ok(())
    })
}

fn last_good_used(complaint: &ConfigError) -> Finding {
    let message = format!("the last good settings are used: {complaint}");
    tracing::error!("{message}");
    Finding::new(ConditionType::ConfigInvalid, "LastGoodUsed", message)
}

/// Reads the settings again at every SIGHUP, as `systemctl reload` sends it.
async fn reload_on_hangup(sources: Sources, reloader: Reloader) {
    let mut hangup = match signal(SignalKind::hangup()) {
        Ok(hangup) => hangup,
        Err(error) => {
            tracing::error!(%error, "settings can't be read again while running");
            return;
        }
    };
    while hangup.recv().await.is_some() {
        let settings = sources.current(check_portal).map(daemon_settings);
        reloader.reload(settings.map_err(|error| error.to_string())).await;
    }
}

/// Keeps what is made from here on for this user alone, until it is opened to others on purpose, and takes as many open
/// files as this process may have: each connection is one.
fn take_room() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, umask};
    umask(rustix::fs::Mode::from_raw_mode(0o077));
    let maximum = getrlimit(Resource::Nofile).maximum;
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%error, "the number of open files stays limited");
    }
}

/// Whether the portal can be asked: its address, the files and the proxy of the way to it.
fn check_portal(settings: &Settings) -> Result<(), String> {
    portal_settings(settings)
        .map_or(Ok(()), |portal| HttpPortal::new(&portal).map(drop))
        .map_err(|error| error.to_string())
}

fn portal_settings(settings: &Settings) -> Option<PortalSettings> {
    let Settings { portal_ca_file: ca_file, portal_proxy: proxy, .. } = settings.clone();
    settings.portal_url.clone().map(|url| PortalSettings { url, ca_file, proxy })
}

fn daemon_settings(settings: Settings) -> DaemonSettings {
    let portal = portal_settings(&settings);
    DaemonSettings {
        product: settings.product,
        role: settings.role,
        members_listen: settings.members_listen,
        controllers: settings.controllers,
        token_file: settings.token_file,
        environment_name: settings.environment_name,
        purpose: settings.purpose,
        identity_override: settings.identity_override,
        activation_code: settings.activation_code,
        portal,
        reports_usage: settings.reports_usage,
        health_listen: settings.health_listen,
        webhook: settings.webhook_url.zip(settings.webhook_secret_file).map(
            |(url, secret_file)| WebhookSettings {
                url,
                secret_file,
                ca_file: settings.webhook_ca_file,
            },
        ),
        root_folders: settings.root_directories,
        state_directory: settings.state_directory,
        sockets: SocketPaths::in_directory(&settings.runtime_directory),
        standing: Vec::new(),
    }
}

#[cfg(feature = "dev")]
fn dev(options: entitled::dev::DevOptions) -> anyhow::Result<()> {
    log("error", LogFormat::Text)?;
    take_room();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    Ok(runtime.block_on(entitled::dev::run(options))?)
}

/// Logs to standard error, where the journal reads it; `ENTITLED_LOG` goes over the settings.
fn log(level: &str, format: LogFormat) -> anyhow::Result<()> {
    let over = env::var("ENTITLED_LOG").ok();
    let filter = log_directives(over.as_deref().unwrap_or(level)).map_err(|found| {
        anyhow::anyhow!("$ENTITLED_LOG: expected {LOG_DIRECTIVES}, found {found:?}")
    })?;
    // The journal and files keep what they get: colours are for terminals.
    let coloured = io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none();
    let registry = tracing_subscriber::registry().with(filter);
    let log = fmt::layer().with_ansi(coloured).with_writer(io::stderr);
    match format {
        LogFormat::Text => registry.with(log.with_target(false)).init(),
        LogFormat::Json => registry.with(log.json()).init(),
        LogFormat::Journal => match journal() {
            Ok(journal) => registry.with(journal).init(),
            Err(error) => {
                registry.with(log.with_target(false)).init();
                tracing::warn!(%error, "the journal can't be written to: the log goes to standard error");
            }
        },
    }
    Ok(())
}

/// Fields of the log become fields of the journal: `journalctl ENTITLED_ACTION=license-installed`.
fn journal() -> io::Result<tracing_journald::Layer> {
    use tracing_journald::{Priority, PriorityMappings};
    let priorities = PriorityMappings {
        info: Priority::Informational,
        debug: Priority::Debug,
        ..PriorityMappings::new()
    };
    let layer = tracing_journald::layer()?.with_field_prefix(Some("ENTITLED".to_owned()));
    Ok(layer.with_priority_mappings(priorities).with_syslog_identifier("entitled".to_owned()))
}
