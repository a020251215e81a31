//! The entitlement agent.

use anyhow::Context;
use clap::{Parser, Subcommand};
use entitled::{
    agent::{Daemon, DaemonSettings, Reloader, SocketPaths, SystemClock, stop_signal},
    config::{Fragment, Loaded, LogFormat, Settings, Sources},
    entitlement::{ConditionType, Finding},
    health::ServiceManager,
    identity::Machine,
    upstream::PortalSettings,
};
use std::{path::PathBuf, process::ExitCode, sync::Arc};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// The entitlement agent: fetches, keeps and serves the license of this environment
#[derive(Debug, Parser)]
#[command(name = "entitled", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the agent of this server
    Run(RunOptions),
    /// Run an embedded portal, a sample subscription and an activated agent in one directory
    #[cfg(feature = "dev")]
    Dev(entitled::dev::DevOptions),
}

#[derive(Debug, clap::Args)]
struct RunOptions {
    /// The settings; conf.d/*.toml beside the file go over it
    #[arg(long, default_value = "/etc/entitled/entitled.toml", value_name = "FILE")]
    config: PathBuf,
    /// Where the agent's state is kept, over what the settings say
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Where the sockets are, over what the settings say
    #[arg(long, value_name = "DIR")]
    runtime_dir: Option<PathBuf>,
    /// Check the settings and do nothing else
    #[arg(long)]
    check_config: bool,
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Run(options) => run(&options),
        #[cfg(feature = "dev")]
        Command::Dev(options) => dev(options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("entitled: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &RunOptions) -> anyhow::Result<()> {
    let flags = Fragment {
        state_directory: options.state_dir.clone(),
        runtime_directory: options.runtime_dir.clone(),
        ..Fragment::default()
    };
    let sources = Sources { file: options.config.clone(), flags };
    if options.check_config {
        sources.current()?;
        println!("the settings are sound");
        return Ok(());
    }
    // What is made from here on is for this user alone, until it is opened to others on purpose.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let Loaded { settings, complaint } = sources.current_or_last_good()?;
    log(&settings.log_level, settings.log_format);
    let standing: Vec<_> = complaint
        .map(|complaint| {
            let message = format!("the last good settings are used: {complaint}");
            tracing::error!("{message}");
            Finding::new(ConditionType::ConfigInvalid, "LastGoodUsed", message)
        })
        .into_iter()
        .collect();
    let hardware = Arc::new(Machine::live(&settings.state_directory));
    let settings = DaemonSettings { standing, ..daemon_settings(settings) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let stop = stop_signal().context("signals can't be waited for")?;
        let service_manager = ServiceManager::from_environment();
        let daemon = Daemon::prepare(settings, hardware, Arc::new(SystemClock), service_manager)?;
        tokio::spawn(reload_on_hangup(sources, daemon.reloader()));
        Ok(daemon.run(stop).await?)
    })
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
        let settings = sources.current().map(daemon_settings);
        reloader.reload(settings.map_err(|error| error.to_string())).await;
    }
}

fn daemon_settings(settings: Settings) -> DaemonSettings {
    let Settings { portal_ca_file: ca_file, portal_proxy: proxy, .. } = settings;
    DaemonSettings {
        product: settings.product,
        environment_name: settings.environment_name,
        purpose: settings.purpose,
        identity_override: settings.identity_override,
        activation_code: settings.activation_code,
        portal: settings.portal_url.map(|url| PortalSettings { url, ca_file, proxy }),
        root_folders: settings.root_directories,
        state_directory: settings.state_directory,
        sockets: SocketPaths::in_directory(&settings.runtime_directory),
        standing: Vec::new(),
    }
}

#[cfg(feature = "dev")]
fn dev(options: entitled::dev::DevOptions) -> anyhow::Result<()> {
    log("error", LogFormat::Text);
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    Ok(runtime.block_on(entitled::dev::run(options))?)
}

/// Logs to standard error, where the journal reads it; `ENTITLED_LOG` goes over the settings.
fn log(level: &str, format: LogFormat) {
    let filter = EnvFilter::try_from_env("ENTITLED_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.with_target(false).init(),
        LogFormat::Json => log.json().init(),
    }
}
