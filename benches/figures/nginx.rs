//! The baseline: nginx with one worker, a static file, a unix socket.

use crate::{Failure, load};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

pub(crate) struct Nginx {
    child: Child,
    socket: PathBuf,
}

impl Nginx {
    pub(crate) fn start(folder: &Path, body: &[u8]) -> Result<Self, Failure> {
        let root = folder.join("nginx");
        fs::create_dir_all(root.join("www"))?;
        fs::write(root.join("www/status.json"), body)?;
        let socket = root.join("nginx.sock");
        let (root, listen) = (root.display(), socket.display());
        let user = if rustix::process::getuid().is_root() { "user root;" } else { "" };
        let settings = format!(
            "{user} worker_processes 1; daemon off; pid {root}/pid; error_log {root}/error.log;
             events {{ worker_connections 1024; }}
             http {{ access_log off; open_file_cache max=100; keepalive_requests 1000000000;
                     default_type application/json;
                     client_body_temp_path {root}/b; proxy_temp_path {root}/p; fastcgi_temp_path {root}/f;
                     uwsgi_temp_path {root}/u; scgi_temp_path {root}/s;
                     server {{ listen unix:{listen}; root {root}/www; }} }}"
        );
        let file = folder.join("nginx/nginx.conf");
        fs::write(&file, settings)?;
        let child = Command::new("nginx")
            .arg("-c")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("nginx can't be started ({error}): install nginx-light"))?;
        let nginx = Self { child, socket };
        let start = Instant::now();
        while load::fetch(&nginx.socket, "/status.json").is_err() {
            if start.elapsed() > Duration::from_secs(10) {
                return Err("nginx does not answer".into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(nginx)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.socket.clone()
    }

    /// The process that answers; the other one only minds it.
    pub(crate) fn worker(&self) -> u32 {
        let master = self.child.id();
        let children = fs::read_to_string(format!("/proc/{master}/task/{master}/children"));
        children.ok().and_then(|c| c.split_whitespace().next()?.parse().ok()).unwrap_or(master)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its worker ends with it.
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        let told = pid.map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::TERM));
        if !matches!(told, Some(Ok(()))) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}
