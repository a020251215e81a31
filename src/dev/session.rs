//! One session of `entitled dev`, from the directory to the signal that ends it.

use super::{
    sample::{Scenario, terms},
    steps::Steps,
};
use crate::{
    agent::{Daemon, DaemonError, DaemonSettings, SocketPaths, stop_signal},
    api::{AgentHandle, Command, Problem, Published, ServerOptions, serve},
    cli::summary,
    entitlement::State,
    health::ServiceManager,
    identity::{Hardware, Machine, MintError},
    license::Purpose,
    portal::{self, Portal, PortalError, Vendor, domain::Subscription},
    store::write_durably,
    upstream::PortalSettings,
};
use jiff::{SignedDuration, Timestamp};
use std::{
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
const PATIENCE: Duration = Duration::from_secs(90);
/// What is left of grace while the license that runs out is fetched, in seconds; longer on a slow machine.
const MARGINS: [i64; 3] = [3, 15, 60];

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
    let steps = Steps;
    let directory = absolute(&options.dir)?;
    steps.show("directory", options.dir.display());
    let portal = open_portal(&directory)?;
    let subscription = sample_subscription(&portal, &steps)?;
    let (stopper, stopping) = watch::channel(false);
    let (address, serving) = serve_portal(&portal, options.portal_listen, stopping.clone()).await?;
    steps.show(
        "portal",
        format_args!("http://{address}, SQLite file {}", relative(&options.dir, "portal")),
    );

    let daemon = prepare_agent(&directory, &options.dir, address, &portal, &steps)?;
    let agent = daemon.handle();
    let mut agent_stop = stopping;
    let running = tokio::spawn(daemon.run(async move {
        // An error means that the session is over, which is a stop as well.
        let _ = agent_stop.wait_for(|stop| *stop).await;
    }));
    let session = Session { steps, portal, subscription, agent, scenario: options.scenario };
    tokio::pin!(stop);
    let outcome = tokio::select! {
        outcome = session.bring_about() => outcome,
        () = &mut stop => Err(DevError::Refused("stopped before the agent was ready".to_owned())),
    };
    let outcome = match outcome {
        Ok(published) => {
            session.present(&published, &options.dir);
            session.follow(stop).await;
            Ok(())
        }
        Err(error) => Err(error),
    };
    session.steps.show("stopping", "the agent, then the portal");
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
fn sample_subscription(portal: &Portal, steps: &Steps) -> Result<Subscription, DevError> {
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
    steps.show(
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
    steps: &Steps,
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
            steps.show("hardware", from);
            None
        }
        Err(error) => Some(override_for(directory, shown, &error, steps)?),
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
    };
    let clock = Arc::new(crate::agent::SystemClock);
    let daemon = Daemon::prepare(settings, Arc::new(hardware), clock, ServiceManager::none())?;
    Ok(daemon)
}

/// The override, on a machine without credible hardware evidence: a random text, kept for the next session.
fn override_for(
    directory: &Path,
    shown: &Path,
    error: &MintError,
    steps: &Steps,
) -> Result<String, DevError> {
    steps.show("hardware", error);
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
    steps.show("instead", from);
    Ok(text)
}

struct Session {
    steps: Steps,
    portal: Portal,
    subscription: Subscription,
    agent: AgentHandle,
    scenario: Scenario,
}

impl Session {
    /// Brings the agent to the state of the scenario.
    async fn bring_about(&self) -> Result<Arc<Published>, DevError> {
        let published = self.wait("ready", |_| true).await?;
        let serial = published.status.serial_number.map_or("none".to_owned(), |s| s.to_string());
        self.steps.show("Serial Number", serial);
        if self.scenario == Scenario::Unlicensed {
            if published.status.license.is_some() {
                let message = self.call(Command::Release).await?;
                self.steps.show("release", message);
            }
            return self.wait("unlicensed", |p| p.status.state == State::Unlicensed).await;
        }
        if published.status.license.is_none() {
            // In good standing first: nobody activates what has ended.
            self.set_term(Scenario::Active, 0)?;
            let code = Some(self.subscription.activation_code.clone());
            let message = self.call(Command::Activate { code, name: None, purpose: None }).await?;
            self.steps.show("activation", message);
        }
        self.bring_term_about().await
    }

    async fn bring_term_about(&self) -> Result<Arc<Published>, DevError> {
        let wanted = match self.scenario {
            Scenario::Expiring => State::Expiring,
            Scenario::Grace => State::Grace,
            Scenario::Restricted => State::Restricted,
            Scenario::Active | Scenario::Unlicensed => State::Active,
        };
        for margin in MARGINS {
            if self.set_term(self.scenario, margin)? || self.agent.current()?.status.state != wanted
            {
                let message = self.call(Command::Refresh).await?;
                self.steps.show("license", message);
            }
            let patience = if self.scenario == Scenario::Restricted {
                Duration::from_secs(margin.unsigned_abs() + 2)
            } else {
                PATIENCE
            };
            let reached = self.wait_for(patience, |p| p.status.state == wanted).await;
            if let Some(published) = reached {
                return Ok(published);
            }
        }
        let found = self.agent.current()?.status.state.to_string();
        Err(DevError::Late { wanted: wanted.as_str(), found })
    }

    /// Lets the term end as the scenario has it; true where that changed something.
    fn set_term(&self, scenario: Scenario, margin: i64) -> Result<bool, DevError> {
        let now = self.portal.now();
        let current = self.portal.subscription(self.subscription.id)?;
        if scenario.fits(current.terms.ends_at, now) && self.is_held(current.terms.ends_at) {
            return Ok(false);
        }
        let ends_at = scenario.ends_at(now, SignedDuration::from_secs(margin));
        self.portal.update_subscription(self.subscription.id, move |terms| {
            terms.ends_at = ends_at;
            terms.starts_at =
                ends_at.checked_sub(SignedDuration::from_hours(365 * 24)).unwrap_or(Timestamp::MIN);
        })?;
        Ok(true)
    }

    fn is_held(&self, ends_at: Timestamp) -> bool {
        let published = self.agent.published.borrow().clone();
        let license = published.as_ref().and_then(|p| p.status.license.as_ref());
        license.is_none_or(|license| license.ends_at == ends_at)
    }

    async fn call(&self, command: Command) -> Result<String, DevError> {
        match self.agent.call("entitled dev".to_owned(), command).await? {
            crate::api::Reply::Done(done) => Ok(done.message),
            crate::api::Reply::Events(_) => Ok(String::new()),
        }
    }

    async fn wait(
        &self,
        wanted: &'static str,
        is: impl Fn(&Published) -> bool,
    ) -> Result<Arc<Published>, DevError> {
        let reached = self.wait_for(PATIENCE, is).await;
        reached.ok_or_else(|| {
            let found = self.agent.current().map_or_else(
                |problem| problem.detail,
                |published| published.status.state.to_string(),
            );
            DevError::Late { wanted, found }
        })
    }

    async fn wait_for(
        &self,
        patience: Duration,
        is: impl Fn(&Published) -> bool,
    ) -> Option<Arc<Published>> {
        let mut published = self.agent.published.clone();
        let reached = published.wait_for(|p| p.as_ref().is_some_and(|p| is(p)));
        let reached = tokio::time::timeout(patience, reached).await.ok()?.ok()?;
        reached.clone()
    }

    /// What there is now, and three commands to try.
    fn present(&self, published: &Published, shown: &Path) {
        self.steps.line("");
        self.steps.line(summary(&published.status, Timestamp::now()));
        let socket = relative(shown, "entitled.sock");
        let entitlectl = entitlectl();
        self.steps.line("Try, from another terminal:");
        self.steps.line(format_args!("  {entitlectl} --socket {socket} status"));
        self.steps.line(format_args!(
            "  curl --unix-socket {socket} http://localhost/v1/features/reports"
        ));
        self.steps.line(format_args!("  {entitlectl} --socket {socket} watch"));
        self.steps.line(
            "Ctrl-C stops it; the same command goes on with the same Serial Number and license.",
        );
    }

    /// Shows changes as they happen, until the signal.
    async fn follow(&self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let mut published = self.agent.published.clone();
        let mut generation = published.borrow_and_update().as_ref().map(|p| p.status.generation);
        loop {
            tokio::select! {
                () = &mut stop => return,
                changed = published.changed() => if changed.is_err() { return },
            }
            let next = published.borrow_and_update().clone();
            let Some(next) = next.filter(|p| Some(p.status.generation) != generation) else {
                continue;
            };
            generation = Some(next.status.generation);
            let status = &next.status;
            let change = format_args!("{}: {}", status.state, status.message).to_string();
            self.steps.show("status", change);
        }
    }
}

/// How `entitlectl` is called: the one beside this program, or through cargo where only this one was built.
fn entitlectl() -> String {
    let beside = std::env::current_exe().ok().map(|exe| exe.with_file_name("entitlectl"));
    let Some(beside) = beside.filter(|path| path.is_file()) else {
        return "cargo run --quiet --release --bin entitlectl --".to_owned();
    };
    let here = std::env::current_dir().ok();
    let near = here.and_then(|here| beside.strip_prefix(here).map(Path::to_owned).ok());
    near.unwrap_or(beside).display().to_string()
}

fn relative(directory: &Path, name: &str) -> String {
    directory.join(name).display().to_string()
}

fn absolute(directory: &Path) -> Result<PathBuf, DevError> {
    fs::create_dir_all(directory).map_err(failed("create", directory.display()))?;
    directory.canonicalize().map_err(failed("find", directory.display()))
}

fn failed(operation: &'static str, path: impl ToString) -> impl FnOnce(io::Error) -> DevError {
    let path = path.to_string();
    move |source| DevError::File { operation, path, source }
}
