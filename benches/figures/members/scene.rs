//! A portal, a controller that is activated there, and its members.

use super::{
    people::{Person, enrol},
    watchers::Board,
};
use crate::{
    Failure,
    controller::{Agent, Site},
    load::fetch,
    portal::{Server, sell},
};
use entitled::members::{JoinToken, join};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
    thread,
    time::{Duration, Instant},
};
use tokio::task::{JoinSet, spawn_blocking};

const JOINS: usize = 200;
const JOINS_AT_ONCE: usize = 16;
/// Long enough for a question to arrive.
const MOMENT: Duration = Duration::from_millis(30);

/// All of it but the running controller.
pub(super) struct Scene {
    pub(super) site: Site,
    /// Where members come.
    pub(super) address: SocketAddr,
    pub(super) people: Vec<Person>,
    portal: Server,
    subscription: String,
    editions: u32,
    /// How large an event is that members are sent, bytes.
    pub(super) event: usize,
}

impl Scene {
    /// Activated; the controller does not run.
    pub(super) fn set(folder: &Path) -> Result<Self, Failure> {
        let directory = folder.join("vendor");
        let sold = sell(&directory, 1)?;
        let sold = sold.first().ok_or("nothing was sold")?;
        let portal = Server::start(&directory)?;
        // The same one after a restart.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let url = format!("http://{}", portal.address);
        let members = format!("[members]\nlisten = '{address}'\n");
        let site = Site::new(&folder.join("site"), &directory, &url, &members)?;
        let (agent, _) = site.start()?;
        site.activate(&sold.activation_code.expose())?;
        // With what stands around a statement on the way.
        let event = fetch(&site.socket(), "/v1/statement")?.body.len() + 60;
        drop(agent);
        let (subscription, people) = (sold.id.to_string(), Vec::new());
        Ok(Self { site, address, people, portal, subscription, editions: 0, event })
    }

    /// Makes members, as many as that.
    pub(super) fn enrol(&mut self, count: usize) -> Result<(), Failure> {
        enrol(&mut self.people, count, &self.site.state())
    }

    /// How many servers join a second, each with a request of its own that is stored before it is answered.
    pub(super) async fn joins(&self) -> Result<f64, Failure> {
        let _agent = self.site.start()?;
        let uses = JOINS.to_string();
        let token = self.site.order(&["member", "token", "--uses", &uses])?;
        let token: JoinToken = token.trim().parse().map_err(|_| "no token")?;
        let address = self.address.to_string();
        let start = Instant::now();
        let mut tasks = JoinSet::new();
        for share in 0..JOINS_AT_ONCE {
            let (address, token) = (address.clone(), token.clone());
            tasks.spawn_local(async move {
                for number in (share..JOINS).step_by(JOINS_AT_ONCE) {
                    join(&address, &token, &format!("joined-{number}")).await?;
                }
                Ok(())
            });
        }
        while let Some(done) = tasks.join_next().await {
            done?.map_err(|error: entitled::members::MembersError| error.to_string())?;
        }
        Ok(f64::from(u32::try_from(JOINS)?) / start.elapsed().as_secs_f64())
    }

    /// Sells another edition, has the controller fetch it, and waits until so many watches have heard. For each of them the
    /// milliseconds since the controller's own socket told of it.
    pub(super) async fn change(
        &mut self,
        board: &Board,
        count: usize,
    ) -> Result<Vec<f64>, Failure> {
        self.editions += 1;
        let edition = format!("edition-{}", self.editions);
        self.portal.sell_edition(&self.subscription, &edition)?;
        let socket = self.site.socket();
        let status: serde_json::Value =
            serde_json::from_slice(&fetch(&socket, "/v1/status")?.body)?;
        let generation = status["generation"].as_u64().ok_or("a status without generation")?;
        board.expect(generation);
        let told = spawn_blocking(move || {
            let told = fetch(&socket, &format!("/v1/status?after={generation}&wait=9s"));
            told.map(|_| Instant::now()).map_err(|error| error.to_string())
        });
        let socket = self.site.socket();
        let ordered = spawn_blocking(move || {
            thread::sleep(MOMENT);
            crate::controller::order(&socket, &["refresh"]).map_err(|error| error.to_string())
        });
        let told = told.await??;
        let heard = board.all_heard(count).await?;
        ordered.await??;
        let since = |at: Instant| milliseconds(at.saturating_duration_since(told));
        Ok(heard.into_iter().map(since).collect())
    }
}

/// Stops a controller as a service manager does, and returns how long that takes, milliseconds.
pub(super) fn stop(mut agent: Agent) -> Result<f64, Failure> {
    let start = Instant::now();
    let process = i32::try_from(agent.0.id())?;
    kill_process(Pid::from_raw(process).ok_or("no process")?, Signal::TERM)?;
    agent.0.wait()?;
    Ok(milliseconds(start.elapsed()))
}

pub(super) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
