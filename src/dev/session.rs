//! One session of `entitled dev`, from the directory to the signal that ends it.

use super::{
    sample::{Scenario, terms},
    scenario::{Session, present},
    steps::show,
};
use crate::{
    agent::{Daemon, DaemonError, DaemonSettings, SocketPaths, stop_signal},
    api::{Problem, ServerOptions, serve},
    health::ServiceManager,
    identity::{Hardware, Machine, MintError},
    license::Purpose,
    portal::{self, Portal, PortalError, Vendor, domain::Subscription},
    store::write_durably,
    upstream::PortalSettings,
};
use std::{
    fmt::Display,
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::sync::watch;
use uuid::Uuid;

const PRODUCT: &str = "example-product";
/// How long a change of the status is waited for.
pub(super) const PATIENCE: Duration = Duration::from_secs(90);

/// How a session is started.
#[derive(Debug, Clone, clap::Args)]
pub struct DevOptions {
    /// The directory that everything is kept in
    #[arg(long, default_value = "./.entitled-dev", value_name = "DIR")]
    pub dir: PathBuf,
    /// The state to bring the agent to
    #[arg(long, value_enum, default_value_t = Scenario::Active)]
    pub scenario: Scenario,
    /// Where the embedded portal listens; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    pub portal_listen: SocketAddr,
}

/// Why a session can't go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DevError {
    /// The agent.
    #[error(transparent)]
    Daemon(#[from] DaemonError),
    /// The portal.
    #[error(transparent)]
    Portal(#[from] PortalError),
    /// A file or a socket.
    #[error("could not {operation} {path}: {source}")]
    File {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: String,
        /// Why not.
        source: io::Error,
    },
    /// The embedded portal is for this machine alone.
    #[error(
        "expected an address of this machine for the embedded portal, found {found}: it issues licenses to whoever asks, so it listens on 127.0.0.1 or ::1 alone"
    )]
    Address {
        /// What was asked for.
        found: SocketAddr,
    },
    /// The agent or the portal refused.
    #[error("{0}")]
    Refused(String),
    /// The status did not come about.
    #[error("the agent did not become {wanted} within {} seconds, it is {found}: run it again with ENTITLED_LOG=debug to see why", PATIENCE.as_secs())]
    Late {
        /// What was waited for.
        wanted: &'static str,
        /// What it is.
        found: String,
    },
}

impl From<Problem> for DevError {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem.detail)
    }
}

/// Runs a session until SIGTERM or Ctrl-C.
///
/// # Errors
/// What keeps it from going on, with its mend.
pub async fn run(options: DevOptions) -> Result<(), DevError> {
    let stop = stop_signal().map_err(failed("wait for", "signals"))?;
    let directory = absolute(&options.dir)?;
    show("directory", options.dir.display());
    let portal = open_portal(&directory)?;
    let subscription = sample_subscription(&portal)?;
    let (stopper, stopping) = watch::channel(false);
    let (address, serving) = serve_portal(&portal, options.portal_listen, stopping.clone()).await?;
    show(
        "portal",
        format_args!("http://{address}, SQLite file {}", relative(&options.dir, "portal")),
    );

    let daemon = prepare_agent(&directory, &options.dir, address, &portal)?;
    let agent = daemon.handle();
    let mut agent_stop = stopping;
    let running = tokio::spawn(daemon.run(async move {
        // An error means that the session is over, which is a stop as well.
        let _ = agent_stop.wait_for(|stop| *stop).await;
    }));
    let session = Session { portal, subscription, agent, scenario: options.scenario };
    tokio::pin!(stop);
    let outcome = tokio::select! {
        outcome = session.bring_about() => outcome,
        () = &mut stop => Err(DevError::Refused("stopped before the agent was ready".to_owned())),
    };
    let outcome = match outcome {
        Ok(published) => {
            present(&published, &options.dir);
            session.follow(stop).await;
            Ok(())
        }
        Err(error) => Err(error),
    };
    show("stopping", "the agent, then the portal");
    drop(session);
    // Both end when they are told, or have ended already.
    let _ = stopper.send(true);
    let _ = running.await;
    let _ = serving.await;
    outcome
}

fn open_portal(directory: &Path) -> Result<Portal, DevError> {
    let path = directory.join("portal");
    let clock = Arc::new(portal::SystemClock);
    if !portal::Directory::new(&path).is_initialized() {
        let vendor =
            Vendor { product: PRODUCT.to_owned(), issuer: "entitled dev portal".to_owned() };
        Portal::init(&path, &vendor, &portal::SystemClock)?;
    }
    let options = portal::Options { actor: "entitled dev".to_owned(), ..Default::default() };
    Ok(Portal::open(&path, options, clock)?)
}

/// The newest subscription that still stands, or a new one.
fn sample_subscription(portal: &Portal) -> Result<Subscription, DevError> {
    let standing = portal
        .subscriptions()?
        .into_iter()
        .rev()
        .find(|subscription| subscription.standing == portal::domain::Standing::Active);
    let (subscription, how) = match standing {
        Some(subscription) => (subscription, "goes on"),
        None => (portal.create_subscription("Example Customer", terms(portal.now()))?, "created"),
    };
    let masked = subscription.activation_code.masked();
    show(
        "subscription",
        format_args!("{} ({how}), Activation Code {masked}", subscription.customer),
    );
    Ok(subscription)
}

async fn serve_portal(
    portal: &Portal,
    listen: SocketAddr,
    mut stopping: watch::Receiver<bool>,
) -> Result<(SocketAddr, tokio::task::JoinHandle<()>), DevError> {
    if !listen.ip().is_loopback() {
        return Err(DevError::Address { found: listen });
    }
    let listener =
        tokio::net::TcpListener::bind(listen).await.map_err(failed("listen on", listen))?;
    let address = listener.local_addr().map_err(failed("ask for the address of", listen))?;
    let stop = async move {
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    let serving = serve(listener, portal.router(), ServerOptions::default(), stop);
    Ok((address, tokio::spawn(serving)))
}

fn prepare_agent(
    directory: &Path,
    shown: &Path,
    portal_address: SocketAddr,
    portal: &Portal,
) -> Result<Daemon, DevError> {
    let state_directory = directory.join("agent");
    let roots = directory.join("roots.d");
    fs::create_dir_all(&roots).map_err(failed("create", roots.display()))?;
    let key_set = fs::read(portal.directory().roots())
        .map_err(failed("read", portal.directory().roots().display()))?;
    write_durably(&roots.join("dev.jwks"), &key_set).map_err(DaemonError::from)?;
    let hardware = Machine::live(&state_directory);
    let survey = hardware.survey();
    let identity_override = match survey.mint() {
        Ok(minted) => {
            let from = format_args!("{}, Serial Number from {}", survey.machine(), minted.source)
                .to_string();
            show("hardware", from);
            None
        }
        Err(error) => Some(override_for(directory, shown, &error)?),
    };
    let settings = DaemonSettings {
        product: PRODUCT.to_owned(),
        environment_name: "Development".to_owned(),
        purpose: Purpose::Development,
        identity_override,
        activation_code: None,
        portal: Some(PortalSettings {
            url: format!("http://{portal_address}"),
            ..Default::default()
        }),
        root_folders: vec![roots],
        state_directory,
        sockets: SocketPaths::in_directory(directory),
        standing: Vec::new(),
    };
    let clock = Arc::new(crate::agent::SystemClock);
    let daemon = Daemon::prepare(settings, Arc::new(hardware), clock, ServiceManager::none())?;
    Ok(daemon)
}

/// The override, on a machine without credible hardware evidence: a random text, kept for the next session.
fn override_for(directory: &Path, shown: &Path, error: &MintError) -> Result<String, DevError> {
    show("hardware", error);
    let path = directory.join("override");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let text = format!("entitled dev {}", Uuid::new_v4());
            write_durably(&path, text.as_bytes()).map_err(DaemonError::from)?;
            text
        }
        Err(source) => return Err(failed("read", path.display())(source)),
    };
    let from =
        format_args!("identity.override with the random text in {}", relative(shown, "override"))
            .to_string();
    show("instead", from);
    Ok(text)
}

pub(super) fn relative(directory: &Path, name: &str) -> String {
    directory.join(name).display().to_string()
}

fn absolute(directory: &Path) -> Result<PathBuf, DevError> {
    fs::create_dir_all(directory).map_err(failed("create", directory.display()))?;
    directory.canonicalize().map_err(failed("find", directory.display()))
}

fn failed(operation: &'static str, path: impl Display) -> impl FnOnce(io::Error) -> DevError {
    let path = format!("{path}");
    move |source| DevError::File { operation, path, source }
}
