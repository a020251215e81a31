//! The portal under load: a real process over loopback HTTP, real requests, each answer durable before it is sent.

use crate::{
    Failure, ROUNDS,
    commits::Rows,
    fleet::{Agent, PRODUCT, says_nothing_new},
    posting::{Posted, post_all, request},
};
use entitled::{
    license::{Enforcement, Limit, Purpose, Roots},
    portal::{
        Options, Portal, SystemClock, Vendor,
        domain::{Subscription, Terms},
    },
};
use jiff::{SignedDuration, Timestamp};
use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
};

const CONNECTIONS: usize = 64;
const SUBSCRIPTIONS: usize = 2_000;
/// Refreshes of each environment in a round.
const REFRESHES: usize = 1;
/// Transactions of the baseline in a round.
const COMMITS: u32 = 300;

/// `entitle-portal serve` on a directory.
pub(crate) struct Server {
    child: Child,
    directory: PathBuf,
    pub(crate) address: SocketAddr,
}

impl Server {
    pub(crate) fn start(directory: &Path) -> Result<Self, Failure> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_entitle-portal"))
            .args(["serve", "--listen", "127.0.0.1:0", "--log", "warn"])
            .env("ENTITLE_PORTAL_DIR", directory)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        let address = line.trim().rsplit('/').next().unwrap_or_default().parse();
        Ok(Self { child, directory: directory.to_owned(), address: address? })
    }

    /// Its process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Sells a subscription's customer another edition.
    pub(crate) fn sell_edition(&self, subscription: &str, edition: &str) -> Result<(), Failure> {
        let done = Command::new(env!("CARGO_BIN_EXE_entitle-portal"))
            .args(["--json", "subscription", "set", subscription, "--edition", edition])
            .env("ENTITLE_PORTAL_DIR", &self.directory)
            .output()?;
        if done.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&done.stderr).into())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Prints the portal's table.
pub(crate) fn print(folder: &Path) -> Result<(), Failure> {
    let directory = folder.join("portal");
    let mut agents = agents(&sell(&directory, SUBSCRIPTIONS)?)?;
    let mut roots = Roots::none();
    roots.add_key_set(&fs::read_to_string(directory.join("roots.jwks"))?)?;
    let trust = fs::read_to_string(directory.join("trust.jwt"))?;
    let server = Server::start(&directory)?;
    let post =
        |requests: &[Vec<u8>]| post_all(server.address, server.child.id(), CONNECTIONS, requests);
    let lot = agents.len() / ROUNDS;
    let mut activations = Vec::new();
    for agents in agents.chunks_mut(lot) {
        let requests: Result<Vec<_>, _> =
            agents.iter_mut().map(|a| Ok::<_, Failure>(request(&a.activation()?))).collect();
        let posted = post(&requests?)?;
        for (agent, answer) in agents.iter_mut().zip(&posted.answers) {
            agent.settle(answer, &roots)?;
        }
        activations.push(posted);
    }
    let rows = Rows::open(&folder.join("rows.db"))?;
    let (mut refreshes, mut single, mut grouped) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let mut requests = Vec::new();
        for _ in 0..REFRESHES {
            for agent in &mut agents {
                requests.push(agent.refresh()?);
            }
        }
        let wired: Vec<_> = requests.iter().map(|body| request(body)).collect();
        let posted = post(&wired)?;
        if !says_nothing_new(&posted.answers[0], &trust, &roots)? {
            return Err("a refresh was answered otherwise than expected".into());
        }
        single.push(rows.refreshes(COMMITS, 1, &requests[0], &posted.answers[0])?);
        grouped.push(64.0 * rows.refreshes(COMMITS / 16, 64, &requests[0], &posted.answers[0])?);
        refreshes.push(posted);
    }
    println!(
        "| the portal, SQLite, durable, {CONNECTIONS} connections | a second | median | p99 | its CPU a request |"
    );
    println!("| --- | --- | --- | --- | --- |");
    row("activations", &activations);
    row("refreshes", &refreshes);
    println!("| SQLite alone, the rows of a refresh, one a commit | {:.0} | | | |", median(single));
    println!("| the same, 64 a commit | {:.0} | | | |", median(grouped));
    Ok(())
}

fn row(name: &str, rounds: &[Posted]) {
    let of = |value: fn(&Posted) -> f64| median(rounds.iter().map(value).collect());
    println!(
        "| {name} | {:.0} | {:.1} ms | {:.1} ms | {:.0} us |",
        of(|p| p.per_second),
        of(|p| p.median_milliseconds),
        of(|p| p.p99_milliseconds),
        of(|p| p.cpu_microseconds)
    );
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A new portal that has sold subscriptions.
pub(crate) fn sell(directory: &Path, count: usize) -> Result<Vec<Subscription>, Failure> {
    let vendor = Vendor { product: PRODUCT.to_owned(), issuer: "Example Vendor".to_owned() };
    Portal::init(directory, &vendor, &SystemClock)?;
    let portal = Portal::open(directory, Options::default(), Arc::new(SystemClock))?;
    let now = Timestamp::now();
    let mut terms = Terms::new("standard", "gold", now, now + SignedDuration::from_hours(24 * 365));
    terms.features.insert("sso".to_owned(), true.into());
    let users = Limit { limit: Some(1_000), enforcement: Enforcement::Soft };
    terms.limits.insert("users".to_owned(), users);
    // Many at once, as they would wait for the disk one by one.
    let numbers: Vec<usize> = (0..count).collect();
    std::thread::scope(|scope| {
        let shares = numbers.chunks(count.div_ceil(32)).map(|share| {
            let (portal, terms) = (portal.clone(), terms.clone());
            scope.spawn(move || {
                let sold = share.iter().map(|_| portal.create_subscription("ACME", terms.clone()));
                sold.collect::<Result<Vec<_>, _>>()
            })
        });
        let mut sold = Vec::new();
        for share in shares.collect::<Vec<_>>() {
            sold.extend(share.join().map_err(|_| "a thread has failed")??);
        }
        Ok(sold)
    })
}

/// An agent for each environment that was sold.
pub(crate) fn agents(sold: &[Subscription]) -> Result<Vec<Agent>, Failure> {
    let slots = sold.iter().flat_map(|sold| Purpose::ALL.map(|purpose| (sold, purpose)));
    slots
        .enumerate()
        .map(|(number, (sold, purpose))| Agent::new(number, &sold.activation_code, purpose))
        .collect()
}
