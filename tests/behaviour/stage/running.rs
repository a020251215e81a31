//! A process that runs until it is told to stop.

use super::PATIENCE;
use rustix::process::{Pid, Signal, kill_process};
use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, Sender, channel},
    time::Instant,
};

/// A process with what it says; killed when dropped.
pub(crate) struct Running {
    process: Child,
    lines: Receiver<String>,
    said: String,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let (sender, lines) = channel();
        listen(process.stdout.take().unwrap(), sender.clone());
        listen(process.stderr.take().unwrap(), sender);
        Self { process, lines, said: String::new() }
    }

    /// Waits for a line that has `part` in it. Panics with what was said where the process ends without it.
    pub(crate) fn await_line(&mut self, part: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.said.push_str(&line);
                    if line.contains(part) {
                        return line;
                    }
                }
                Err(error) => panic!("no line with {part:?} ({error}) in:\n{}", self.said),
            }
        }
    }

    /// All that was said up to the last line that was waited for.
    pub(crate) fn said(&self) -> &str {
        &self.said
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    /// Waits for the end of the process: how it ended, and all that it said.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        let deadline = Instant::now() + PATIENCE;
        // Both ends of its output are closed when it is gone.
        while let Ok(line) =
            self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            self.said.push_str(&line);
        }
        assert!(Instant::now() < deadline, "it did not end:\n{}", self.said);
        (self.process.wait().unwrap(), std::mem::take(&mut self.said))
    }

    /// Tells it to stop, which it must do well: all that it said.
    pub(crate) fn stop(self) -> String {
        self.signal(Signal::TERM);
        let (status, said) = self.end();
        assert!(status.success(), "{status}:\n{said}");
        said
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) -> String {
        self.process.kill().unwrap();
        self.end().1
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn listen(output: impl Read + Send + 'static, lines: Sender<String>) {
    std::thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while output.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            if lines.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
            line.clear();
        }
    });
}
