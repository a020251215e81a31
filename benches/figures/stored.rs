//! The portal with few and with many environments stored, on SQLite and, where `ENTITLED_TEST_POSTGRES` is the URL of a server's admin, on
//! PostgreSQL: what was stored must not make what is asked slower. `FIGURES_STORED` and `FIGURES_AGENTS` change the sizes.

use crate::{
    Failure, ROUNDS,
    fleet::{Agent, evidence, says_nothing_new},
    portal::{Server, agents, median, sell},
    posting::{Posted, post_all, request},
};
use entitled::{
    codes::{ActivationCode, SerialNumber},
    license::{KeyPair, Purpose, RequestId, Roots, Sequence},
    portal::{
        Directory,
        domain::{Chain, CurrentDocument, Environment, Revision, Standing, Subscription, facts},
        store::{AnsweredRequest, Change, Event, Store, StoreError, WriterKind},
    },
};
use jiff::Timestamp;
use std::{env, fs, path::Path};
use uuid::Uuid;

const STORED: [usize; 2] = [1_000, 100_000];
/// Agents that ask; each has an environment of its own beside those that are stored.
const AGENTS: usize = 2_000;
const CONNECTIONS: usize = 64;
/// Environments that are stored in one transaction.
const BATCH: usize = 2_000;
/// Machines of those that are stored have other numbers than those that ask.
const FIRST: usize = 10_000_000;

/// Prints the table.
pub(crate) fn print(folder: &Path) -> Result<(), Failure> {
    let stored = match env::var("FIGURES_STORED") {
        Ok(sizes) => sizes.split(',').map(str::parse).collect::<Result<_, _>>()?,
        Err(_) => STORED.to_vec(),
    };
    let agents = env::var("FIGURES_AGENTS").map_or(Ok(AGENTS), |agents| agents.parse())?;
    println!(
        "| the portal, durable, {CONNECTIONS} connections | environments stored | activations a second | median | p99 | \
         refreshes a second | median | p99 |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for &stored in &stored {
        let directory = folder.join(format!("stored-{stored}"));
        measure("SQLite", &directory, stored, agents)?;
    }
    let Ok(admin) = env::var("ENTITLED_TEST_POSTGRES") else {
        println!("| PostgreSQL | not measured: ENTITLED_TEST_POSTGRES is not set | | | | | | |");
        return Ok(());
    };
    for &stored in &stored {
        let database = Database::new(&admin)?;
        let directory = folder.join(format!("stored-on-server-{stored}"));
        fs::create_dir_all(&directory)?;
        Directory::new(&directory).use_server(&database.url)?;
        measure("PostgreSQL", &directory, stored, agents)?;
    }
    Ok(())
}

fn measure(name: &str, directory: &Path, stored: usize, asking: usize) -> Result<(), Failure> {
    let sold = sell(directory, asking.div_ceil(Purpose::ALL.len()))?;
    let mut agents = agents(&sold)?;
    let mut roots = Roots::none();
    roots.add_key_set(&fs::read_to_string(directory.join("roots.jwks"))?)?;
    let trust = fs::read_to_string(directory.join("trust.jwt"))?;
    seed(&Directory::new(directory).open_store(WriterKind::Thread)?, stored, &sold[0])?;
    let server = Server::start(directory)?;
    let post =
        |requests: &[Vec<u8>]| post_all(server.address, server.process(), CONNECTIONS, requests);
    let (mut activations, mut refreshes) = (Vec::new(), Vec::new());
    let lot = agents.len().div_ceil(ROUNDS);
    for agents in agents.chunks_mut(lot) {
        let wired = wire(agents, Agent::activation)?;
        let posted = post(&wired)?;
        for (agent, answer) in agents.iter_mut().zip(&posted.answers) {
            agent.settle(answer, &roots)?;
        }
        activations.push(posted);
    }
    for _ in 0..ROUNDS {
        let wired = wire(&mut agents, Agent::refresh)?;
        let posted = post(&wired)?;
        if !says_nothing_new(&posted.answers[0], &trust, &roots)? {
            return Err("a refresh was answered otherwise than expected".into());
        }
        refreshes.push(posted);
    }
    let figures = |rounds: &[Posted]| {
        let of = |value: fn(&Posted) -> f64| median(rounds.iter().map(value).collect());
        format!(
            "{:.0} | {:.1} ms | {:.1} ms",
            of(|p| p.per_second),
            of(|p| p.median_milliseconds),
            of(|p| p.p99_milliseconds)
        )
    };
    println!("| {name} | {stored} | {} | {} |", figures(&activations), figures(&refreshes));
    Ok(())
}

fn wire(
    agents: &mut [Agent],
    ask: fn(&mut Agent) -> Result<String, Failure>,
) -> Result<Vec<Vec<u8>>, Failure> {
    agents.iter_mut().map(|agent| Ok(request(&ask(agent)?))).collect()
}

/// Stores environments as agents leave them: with hardware, a license, a request that was answered, and the audit of it.
fn seed(store: &Store, count: usize, like: &Subscription) -> Result<(), Failure> {
    for first in (0..count).step_by(BATCH) {
        let last = count.min(first + BATCH);
        let like = like.clone();
        store.write(move |change: &Change<'_>| {
            let purposes = Purpose::ALL.len();
            let mut sold = like.clone();
            for number in first..last {
                if (number - first) % purposes == 0 {
                    sold = another(&like)?;
                    change.add_subscription(&sold)?;
                }
                put(change, &sold, number)?;
            }
            Ok::<_, StoreError>(())
        })?;
    }
    Ok(())
}

fn another(like: &Subscription) -> Result<Subscription, StoreError> {
    Ok(Subscription {
        id: Uuid::now_v7(),
        activation_code: ActivationCode::random().map_err(|_| StoreError::Failed)?,
        customer: "ACME".to_owned(),
        terms: like.terms.clone(),
        standing: Standing::Active,
        revision: Revision::FIRST,
        created_at: like.created_at,
    })
}

fn put(change: &Change<'_>, sold: &Subscription, number: usize) -> Result<(), StoreError> {
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&number.to_be_bytes());
    let key = KeyPair::from_seed(&seed).public();
    let (id, now) = (Uuid::now_v7(), Timestamp::now());
    let one = Environment {
        id,
        subscription_id: sold.id,
        serial_number: SerialNumber::mint("smbios-uuid", &(FIRST + number).to_string()),
        name: "Main site".to_owned(),
        purpose: Purpose::ALL[number % Purpose::ALL.len()],
        key: Some(key),
        sequence: Sequence(1),
        current: Some(CurrentDocument::License(text(1_400))),
        made_from: Revision::FIRST,
        chain: Chain::default(),
        activated_at: now,
        seen_at: now,
        released_at: None,
        slot_held_until: None,
    };
    change.put_environment(&one)?;
    change.put_evidence(id, &facts(&evidence(FIRST + number)))?;
    change.add_request(&AnsweredRequest {
        id: RequestId(Uuid::now_v7()),
        key: key.thumbprint(),
        kind: "activate",
        environment_id: id,
        received_at: now,
        request: text(3_000),
        answer: text(2_500),
    })?;
    change.audit_event(&Event {
        at: now,
        actor: "figures",
        event: "environment-activated",
        subscription_id: Some(sold.id),
        environment_id: Some(id),
        detail: serde_json::json!({ "sequence": 1 }),
    })
}

/// A text that no database makes shorter.
fn text(length: usize) -> String {
    let mut text = String::with_capacity(length + 32);
    while text.len() < length {
        text.push_str(&Uuid::new_v4().simple().to_string());
    }
    text
}

/// A database of its own on a server, gone with this.
struct Database<'a> {
    admin: &'a str,
    name: String,
    url: String,
}

impl<'a> Database<'a> {
    fn new(admin: &'a str) -> Result<Self, Failure> {
        let name = format!("figures_{}", Uuid::new_v4().simple());
        let (server, _) = admin.rsplit_once('/').ok_or("a URL that names no database")?;
        let url = format!("{server}/{name}");
        run(admin, &format!("CREATE DATABASE {name}"))?;
        Ok(Self { admin, name, url })
    }
}

impl Drop for Database<'_> {
    fn drop(&mut self) {
        let _ = run(self.admin, &format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

fn run(admin: &str, sql: &str) -> Result<(), Failure> {
    Ok(postgres::Client::connect(admin, postgres::NoTls)?.batch_execute(sql)?)
}
