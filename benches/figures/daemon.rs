//! The agent under measurement: real processes, started as README says.

use crate::{Failure, load};
use entitled::identity::{Hardware, Machine};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const RUNS: usize = 11;

/// `entitled dev` in a directory.
pub(crate) struct Dev {
    child: Child,
    directory: PathBuf,
}

impl Dev {
    /// Starts a session and waits until it is entitled.
    pub(crate) fn start(directory: &Path) -> Result<Self, Failure> {
        let child = Command::new(env!("CARGO_BIN_EXE_entitled"))
            .args(["dev", "--dir"])
            .arg(directory)
            .stdout(Stdio::null())
            .spawn()?;
        let dev = Self { child, directory: directory.to_owned() };
        let start = Instant::now();
        loop {
            let answer = load::fetch(&dev.socket(), "/v1/status");
            let entitled = answer.is_ok_and(|answer| {
                String::from_utf8_lossy(&answer.body).contains(r#""entitled":true"#)
            });
            if entitled {
                return Ok(dev);
            }
            if start.elapsed() > Duration::from_mins(1) {
                return Err("entitled dev does not become entitled".into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.join("entitled.sock")
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory, proc(5) `VmRSS`.
    pub(crate) fn resident_mib(&self) -> Result<f64, Failure> {
        let kib = field(&format!("/proc/{}/status", self.process()), "VmRSS:")?;
        Ok(f64::from(u32::try_from(kib)?) / 1_024.0)
    }

    /// Voluntary context switches of all threads in a time without requests: each is a wake-up.
    pub(crate) fn wakeups(&self, time: Duration) -> Result<f64, Failure> {
        let before = self.switches()?;
        std::thread::sleep(time);
        let woken = self.switches()?.saturating_sub(before);
        Ok(f64::from(u32::try_from(woken)?) / time.as_secs_f64())
    }

    fn switches(&self) -> Result<u64, Failure> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.process()))?;
        let mut sum = 0;
        for task in tasks {
            let status = task?.path().join("status");
            sum += field(&status.display().to_string(), "voluntary_ctxt_switches:")?;
        }
        Ok(sum)
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn field(path: &str, name: &str) -> Result<u64, Failure> {
    let text = fs::read_to_string(path)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let value = line.and_then(|line| line.split_whitespace().next());
    Ok(value.ok_or("a field is missing in /proc")?.parse()?)
}

/// `entitled run` on the state of a session that ended: from the start of the process to its first answer, milliseconds.
pub(crate) fn start_to_ready(folder: &Path) -> Result<(f64, f64), Failure> {
    let session = folder.join("stored");
    drop(Dev::start(&session)?);
    let text = fs::read_to_string(session.join("override")).unwrap_or_default();
    let (state, run, roots) = (session.join("agent"), folder.join("run"), session.join("roots.d"));
    let settings = folder.join("entitled.toml");
    fs::write(
        &settings,
        format!(
            "product = 'example-product'\nstate_directory = '{}'\nruntime_directory = '{}'\nroot_directories = ['{}']\n[identity]\noverride = '{}'\n",
            state.display(),
            run.display(),
            roots.display(),
            text.trim()
        ),
    )?;
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let start = Instant::now();
        let child = Command::new(env!("CARGO_BIN_EXE_entitled"))
            .args(["run", "--config"])
            .arg(&settings)
            .env("ENTITLED_LOG", "error")
            .spawn()?;
        let dev = Dev { child, directory: run.clone() };
        while load::fetch(&dev.socket(), "/v1/status").is_err() {
            if start.elapsed() > Duration::from_secs(10) {
                return Err("entitled run does not answer".into());
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(median_and_worst(times))
}

/// All probes and the mint, milliseconds.
pub(crate) fn fingerprint() -> (f64, f64) {
    let machine = Machine::live("/var/lib/entitled");
    let times = (0..RUNS).map(|_| {
        let start = Instant::now();
        // A machine without credible evidence takes as long.
        let _ = machine.survey().mint();
        start.elapsed().as_secs_f64() * 1e3
    });
    median_and_worst(times.collect())
}

pub(crate) fn binary_mib() -> Result<f64, Failure> {
    let bytes = fs::metadata(env!("CARGO_BIN_EXE_entitled"))?.len();
    Ok(f64::from(u32::try_from(bytes)?) / f64::from(1u32 << 20))
}

fn median_and_worst(mut times: Vec<f64>) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], times[times.len() - 1])
}
