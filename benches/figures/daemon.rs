//! The agent under measurement: real processes, started as README says.

use crate::{Failure, load};
use entitled::identity::{Hardware, Machine};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

pub(crate) const RUNS: usize = 11;

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
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A member of proc(5) `status` in KiB, such as `VmRSS`, in MiB.
pub(crate) fn memory_mib(process: u32, name: &str) -> Result<f64, Failure> {
    let kib = field(&format!("/proc/{process}/status"), &format!("{name}:"))?;
    Ok(f64::from(u32::try_from(kib)?) / 1_024.0)
}

/// Voluntary context switches of all threads in a time without requests: each is a wake-up.
pub(crate) fn wakeups(process: u32, time: Duration) -> Result<u64, Failure> {
    let before = switches(process)?;
    std::thread::sleep(time);
    Ok(switches(process)?.saturating_sub(before))
}

fn switches(process: u32) -> Result<u64, Failure> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let status = task?.path().join("status");
        sum += field(&status.display().to_string(), "voluntary_ctxt_switches:")?;
    }
    Ok(sum)
}

fn field(path: &str, name: &str) -> Result<u64, Failure> {
    let text = fs::read_to_string(path)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let value = line.and_then(|line| line.split_whitespace().next());
    Ok(value.ok_or("a field is missing in /proc")?.parse()?)
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

pub(crate) fn median_and_worst(mut times: Vec<f64>) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], times[times.len() - 1])
}
