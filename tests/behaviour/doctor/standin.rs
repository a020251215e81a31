//! A socket between the doctor and a real agent, which answers some questions in the agent's place: what an agent says that
//! hangs, or is of another version, without one that is.

use super::{Found, activated};
use crate::stage::{Controller, Ctl};
use std::{
    fs,
    io::{Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    thread,
};

/// What is answered to a path in the agent's place: a status line and a body.
type Instead = (&'static str, &'static str, String);

pub(crate) struct StandIn {
    socket: PathBuf,
}

impl StandIn {
    pub(crate) fn before(controller: &Controller, instead: Vec<Instead>) -> Self {
        let socket = controller.path("stand-in/entitled.sock");
        fs::create_dir_all(socket.parent().unwrap()).unwrap();
        // One of before may be there.
        let _ = fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).unwrap();
        let agent = controller.socket.path.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Who asks may be gone.
                let _ = serve(stream, &agent, &instead);
            }
        });
        Self { socket }
    }

    pub(crate) fn doctor(&self, controller: &Controller) -> Found {
        Found::by(&Ctl::new(&self.socket), &controller.settings())
    }
}

/// One question a connection.
fn serve(mut stream: UnixStream, agent: &Path, instead: &[Instead]) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte)? == 1 {
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let asked = head.split(' ').nth(1).unwrap_or_default();
    if let Some((_, status, body)) = instead.iter().find(|(path, ..)| *path == asked) {
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
        );
        return stream.write_all((head + body).as_bytes());
    }
    let mut real = UnixStream::connect(agent)?;
    let head = head.trim_end().to_owned() + "\r\nconnection: close\r\n\r\n";
    real.write_all(head.as_bytes())?;
    let mut answer = Vec::new();
    real.read_to_end(&mut answer)?;
    stream.write_all(&answer)
}

#[test]
fn an_agent_that_hangs_or_is_of_another_version_is_found() {
    let (_vendor, _server, controller, _daemon) = activated("");
    let found = StandIn::before(&controller, Vec::new()).doctor(&controller);
    found.is("loop", "ok", "");
    found.is("version", "ok", "");

    let mut described = controller.socket.json("/v1/openapi.json");
    described["info"]["version"] = "0.0.9".into();
    let instead = vec![
        ("/livez", "503 Service Unavailable", "{}".to_owned()),
        ("/v1/openapi.json", "200 OK", described.to_string()),
    ];
    let found = StandIn::before(&controller, instead).doctor(&controller);
    found.is("socket", "ok", "");
    found.is("loop", "failed", "its loop is stuck");
    found.is("version", "warning", "found 0.0.9");
    for code in ["loop", "version"] {
        let mend = found.one(code)["mend"].as_str().unwrap();
        assert!(mend.contains("`systemctl restart entitled`"), "{mend}");
    }
}

#[test]
fn a_tpm_that_can_not_be_read_is_found() {
    let (_vendor, _server, controller, _daemon) = activated("");
    let mut report = controller.socket.json("/v1/hardware");
    let facts = report["facts"].as_array_mut().unwrap();
    let tpm = facts.iter_mut().find(|fact| fact["group"] == "T").expect("a fact on the TPM");
    tpm["state"] = "unreadable".into();
    tpm["why"] = "/dev/tpmrm0: Permission denied".into();
    let instead = vec![("/v1/hardware", "200 OK", report.to_string())];
    let found = StandIn::before(&controller, instead).doctor(&controller);
    found.is("tpm", "warning", "Permission denied");
}
