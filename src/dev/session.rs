//! One session of `entitled dev`, from the directory to the signal that ends it.

use super::{
    DevError,
    error::failed,
    hardware::override_for,
    sample::{Scenario, terms},
    scenario::{Session, present},
    steps::{relative, show},
};
use crate::{
    agent::{Daemon, DaemonError, DaemonSettings, SocketPaths, stop_signal},
    api::{ServerOptions, serve},
    entitlement::Role,
    health::ServiceManager,
    identity::{Hardware, Machine},
    license::Purpose,
    portal::{self, Portal, Vendor, domain::Subscription},
    store::{DirectoryLock, StateDirectory, StoreError, write_durably},
    upstream::PortalSettings,
};
use std::{
    fs, io,
    net::SocketAddr,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::sync::watch;

const PRODUCT: &str = "example-product";
/// Longest path of a socket, bytes: `sun_path` holds 108 with the zero at its end (unix(7)).
const LONGEST_SOCKET: usize = 107;

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

/// Runs a session until SIGTERM or Ctrl-C.
///
/// # Errors
/// What keeps it from going on, with its mend.
pub async fn run(options: DevOptions) -> Result<(), DevError> {
    let stop = stop_signal().map_err(failed("wait for", "signals"))?;
    if !options.portal_listen.ip().is_loopback() {
        return Err(DevError::Address { found: options.portal_listen });
    }
    let directory = absolute(&options.dir)?;
    let _lock = lock(&directory, &options.dir)?;
    show("directory", options.dir.display());
    let portal = open_portal(&directory)?;
    let subscription = sample_subscription(&portal)?;
    let (stopper, stopping) = watch::channel(false);
    let (address, serving) = serve_portal(&portal, options.portal_listen, stopping.clone()).await?;
    show(
        "portal",
        format_args!("http://{address}, its database in {}", relative(&options.dir, "portal")),
    );

    let code = directory.join("activation-code");
    write_durably(&code, format!("{}\n", subscription.activation_code.expose()).as_bytes())
        .map_err(DaemonError::from)?;
    let shown = relative(&options.dir, "activation-code");
    show("pages", format_args!("http://{address}, sign in with the Activation Code in {shown}"));

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
        outcome = session.bring_about() => outcome.map(Some),
        () = &mut stop => Ok(None),
    };
    let outcome = match outcome {
        Ok(Some(published)) => {
            present(&published, &options.dir);
            session.follow(stop).await;
            Ok(())
        }
        Ok(None) => Ok(()),
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
    let listener =
        tokio::net::TcpListener::bind(listen).await.map_err(failed("listen on", listen))?;
    let address = listener.local_addr().map_err(failed("ask for the address of", listen))?;
    let stop = async move {
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    let serving = serve(listener, portal.router(), ServerOptions::within_limits(), stop);
    Ok((address, tokio::spawn(async move { drop(serving.await) })))
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
    let identity_override = override_for(directory, shown, &hardware.survey())?;
    let settings = DaemonSettings {
        product: PRODUCT.to_owned(),
        role: Role::Controller,
        members_listen: None,
        controllers: Vec::new(),
        token_file: None,
        health_listen: None,
        webhook: None,
        environment_name: "Development".to_owned(),
        purpose: Purpose::Development,
        identity_override,
        activation_code: None,
        portal: Some(PortalSettings {
            url: format!("http://{portal_address}"),
            ..Default::default()
        }),
        reports_usage: true,
        root_folders: vec![roots],
        state_directory,
        sockets: SocketPaths::in_directory(directory),
        standing: Vec::new(),
    };
    let clock = Arc::new(crate::agent::SystemClock);
    let daemon = Daemon::prepare(settings, Arc::new(hardware), clock, ServiceManager::none())?;
    Ok(daemon)
}

/// The directory, made where it is missing. Its sockets must fit into an address of theirs.
fn absolute(directory: &Path) -> Result<PathBuf, DevError> {
    let unusable = |source| DevError::Directory { path: directory.display().to_string(), source };
    let absolute = std::path::absolute(directory).map_err(unusable)?;
    let socket = absolute.join("entitled.sock");
    let found = socket.as_os_str().as_bytes().len();
    if found > LONGEST_SOCKET {
        let path = socket.display().to_string();
        return Err(DevError::TooLong { path, found, most: LONGEST_SOCKET });
    }
    // Existing but no directory: told as that, and not as 'File exists'.
    fs::create_dir_all(&absolute).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => unusable(io::ErrorKind::NotADirectory.into()),
        _ => unusable(source),
    })?;
    Ok(absolute)
}

/// One session a directory: the second is told before it changes anything.
fn lock(directory: &Path, shown: &Path) -> Result<DirectoryLock, DevError> {
    let path = shown.display().to_string();
    let taken = StateDirectory::open(directory).and_then(|directory| directory.lock());
    taken.map_err(|error| match error {
        StoreError::Locked { holder, .. } => DevError::InUse { path, holder },
        StoreError::File { source, .. } => DevError::Directory { path, source },
        error => DaemonError::from(error).into(),
    })
}
