//! The agent alone: `entitled run` with settings of its own, activated at a portal in another process.

use crate::{
    Failure,
    daemon::{RUNS, median_and_worst, memory_mib, wakeups},
    portal::{Server, sell},
};
use std::{
    env, fs,
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// For wake-ups.
const IDLE: Duration = Duration::from_mins(1);

/// The binary under measurement: that of this build, or the one that a package ships.
fn binary() -> PathBuf {
    env::var_os("FIGURES_ENTITLED")
        .map_or_else(|| env!("CARGO_BIN_EXE_entitled").into(), PathBuf::from)
}

/// `entitled run`.
pub(crate) struct Agent(pub(crate) Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Settings, and the socket on which the agent says that it is ready.
pub(crate) struct Site {
    folder: PathBuf,
    ready: UnixDatagram,
}

impl Site {
    /// With further settings.
    pub(crate) fn new(
        folder: &Path,
        portal: &Path,
        url: &str,
        more: &str,
    ) -> Result<Self, Failure> {
        fs::create_dir_all(folder.join("roots.d"))?;
        fs::copy(portal.join("roots.jwks"), folder.join("roots.d/vendor.jwks"))?;
        let at = |name: &str| folder.join(name).display().to_string();
        let settings = format!(
            "product = 'example-product'\nstate_directory = '{}'\nruntime_directory = '{}'\nroot_directories = ['{}']\n\
             [portal]\nurl = '{url}'\n[identity]\noverride = 'asset 4711'\n{more}",
            at("state"),
            at("run"),
            at("roots.d")
        );
        fs::write(folder.join("entitled.toml"), settings)?;
        let ready = UnixDatagram::bind(folder.join("notify"))?;
        ready.set_read_timeout(Some(Duration::from_secs(10)))?;
        Ok(Self { folder: folder.to_owned(), ready })
    }

    /// Starts the agent, and returns how long it took to be ready, milliseconds.
    pub(crate) fn start(&self) -> Result<(Agent, f64), Failure> {
        // What an agent before this one said, which may say so again whenever it reads its settings or gets a license.
        self.ready.set_nonblocking(true)?;
        while self.ready.recv(&mut [0; 64]).is_ok() {}
        self.ready.set_nonblocking(false)?;
        let start = Instant::now();
        let child = Command::new(binary())
            .args(["run", "--config"])
            .arg(self.folder.join("entitled.toml"))
            .env("NOTIFY_SOCKET", self.folder.join("notify"))
            .env("ENTITLED_LOG", "error")
            .stderr(Stdio::null())
            .spawn()?;
        let agent = Agent(child);
        let mut message = [0; 4_096];
        loop {
            let length = self.ready.recv(&mut message)?;
            if message[..length].split(|byte| *byte == b'\n').any(|line| line == b"READY=1") {
                return Ok((agent, start.elapsed().as_secs_f64() * 1e3));
            }
        }
    }

    pub(crate) fn activate(&self, code: &str) -> Result<(), Failure> {
        let file = self.folder.join("code");
        fs::write(&file, code)?;
        self.order(&["activate", "--code-file", &file.display().to_string()]).map(drop)
    }

    pub(crate) fn order(&self, arguments: &[&str]) -> Result<String, Failure> {
        order(&self.socket(), arguments)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join("run/entitled.sock")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.join("state")
    }
}

/// What `entitlectl` prints.
pub(crate) fn order(socket: &Path, arguments: &[&str]) -> Result<String, Failure> {
    let done = Command::new(env!("CARGO_BIN_EXE_entitlectl"))
        .arg("--socket")
        .arg(socket)
        .args(arguments)
        .output()?;
    if done.status.success() {
        return Ok(String::from_utf8(done.stdout)?);
    }
    Err(String::from_utf8_lossy(&done.stderr).into())
}

/// The CPU time of all threads, which other load on the machine changes little: the first field of `schedstat`, nanoseconds.
fn cpu_milliseconds(process: u32) -> Result<f64, Failure> {
    let mut sum = Duration::ZERO;
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let text = fs::read_to_string(task?.path().join("schedstat"))?;
        let spent = text.split_whitespace().next().ok_or("an empty schedstat")?;
        sum += Duration::from_nanos(spent.parse()?);
    }
    Ok(sum.as_secs_f64() * 1e3)
}

/// Prints rows of the agent alone.
pub(crate) fn print(folder: &Path) -> Result<(), Failure> {
    let portal = folder.join("vendor");
    let sold = sell(&portal, 1)?;
    let code = sold.first().ok_or("nothing was sold")?.activation_code.expose();
    let server = Server::start(&portal)?;
    let site = Site::new(&folder.join("site"), &portal, &format!("http://{}", server.address), "")?;
    let (agent, _) = site.start()?;
    site.activate(&code)?;
    let process = agent.0.id();
    let woken = wakeups(process, IDLE)?;
    let (resident, own) = (memory_mib(process, "VmRSS")?, memory_mib(process, "RssAnon")?);
    println!(
        "| resident memory, `entitled run`, activated, idle | {resident:.1} MiB, {own:.1} MiB of them its own |"
    );
    println!("| idle wake-ups | {woken} in {} seconds |", IDLE.as_secs());
    drop(agent);
    let (mut times, mut cpu) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let (agent, time) = site.start()?;
        times.push(time);
        cpu.push(cpu_milliseconds(agent.0.id())?);
    }
    let (median, worst) = median_and_worst(times);
    println!(
        "| from the start with a stored license to READY | {median:.1} ms (worst of {RUNS}: {worst:.1} ms) |"
    );
    let (median, worst) = median_and_worst(cpu);
    println!("| its CPU until then | {median:.1} ms (worst {worst:.1} ms) |");
    let bytes = fs::metadata(binary())?.len();
    let size = f64::from(u32::try_from(bytes)?) / f64::from(1u32 << 20);
    println!("| binary `entitled`, stripped | {size:.1} MiB |");
    Ok(())
}
