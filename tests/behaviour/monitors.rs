//! What watches an agent from outside: a port for monitors, a webhook's receiver, a command that is run for each change.

use crate::stage::{Controller, PATIENCE, Running, Vendor};
use serde_json::Value;
use std::{
    collections::HashMap,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::Command,
    sync::mpsc::{Receiver, channel},
    time::Instant,
};

/// What a server says to a request, whole.
fn ask(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The address in the line of the log that says where monitors are served.
fn port(daemon: &mut Running) -> String {
    let line = daemon.await_line("monitors are served");
    line.split("address=").nth(1).unwrap().trim().to_owned()
}

#[test]
fn monitors_are_served_on_a_port_of_their_own_and_nothing_else_is() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let more = "[identity]\noverride = 'asset 4711'\n[health]\nlisten = '127.0.0.1:0'\n";
    let controller = Controller::with(&vendor, &server, more);
    let mut daemon = Running::start(controller.command());
    let address = port(&mut daemon);
    daemon.await_line("the agent runs");
    let deadline = Instant::now() + PATIENCE;
    while !ask(&address, "/readyz").starts_with("HTTP/1.1 200 ") {
        assert!(Instant::now() < deadline, "it never became ready");
    }
    assert!(ask(&address, "/livez").ends_with("\r\n\r\nok\n"));
    let metrics = ask(&address, "/metrics");
    assert!(metrics.contains("entitled_entitled 0\n") && metrics.ends_with("# EOF\n"), "{metrics}");
    for path in ["/v1/status", "/v1/license", "/v1/events", "/v1/openapi.json", "/"] {
        assert!(ask(&address, path).starts_with("HTTP/1.1 404 "), "{path}");
    }
    let said = daemon.stop();

    // The next one finds the port taken: it is told, and the sockets are served all the same.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let more = format!("[health]\nlisten = '{}'\n", taken.local_addr().unwrap());
    controller.write("conf.d/port.toml", &more);
    let daemon = controller.start();
    let status = controller.socket.status();
    let told = status["conditions"]
        .as_array()
        .unwrap()
        .iter()
        .any(|c| c["type"] == "ConfigInvalid" && c["reason"] == "Health");
    assert!(told, "{status} after {said}");
    daemon.stop();
}

/// A message that a receiver was sent.
struct Told {
    headers: HashMap<String, String>,
    body: Value,
}

/// A receiver that answers each message with the next of `statuses`, then with 204.
fn receiver(statuses: &'static [u16]) -> (String, Receiver<Told>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/hook", listener.local_addr().unwrap());
    let (sender, told) = channel();
    std::thread::spawn(move || {
        let mut statuses = statuses.iter();
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            assert_eq!(line, "POST /hook HTTP/1.1\r\n");
            let mut headers = HashMap::new();
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                let Some((name, value)) = line.trim().split_once(": ") else { break };
                headers.insert(name.to_ascii_lowercase(), value.to_owned());
            }
            let mut body = vec![0; headers["content-length"].parse().unwrap()];
            reader.read_exact(&mut body).unwrap();
            let status = statuses.next().copied().unwrap_or(204);
            let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n");
            // It may have been given up.
            let _ = reader.get_mut().write_all(answer.as_bytes());
            let body = serde_json::from_slice(&body).unwrap();
            if sender.send(Told { headers, body }).is_err() {
                return;
            }
        }
    });
    (address, told)
}

#[test]
fn a_receiver_is_told_of_each_change_until_it_has_taken_it() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let (url, told) = receiver(&[500]);
    let controller = Controller::with(&vendor, &server, "[identity]\noverride = 'asset 4711'\n");
    let secret = controller.write("secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n");
    let more = format!("[webhook]\nurl = '{url}'\nsecret_file = '{}'\n", secret.display());
    controller.write("conf.d/webhook.toml", &more);
    let daemon = controller.start();
    let next = || told.recv_timeout(PATIENCE).unwrap();

    let refused = next();
    let again = next();
    assert_eq!(refused.headers["webhook-id"], again.headers["webhook-id"]);
    assert_eq!(again.body, refused.body);
    assert_eq!(again.body["type"], "entitlement.status_changed");
    assert_eq!(again.body["data"]["status"]["state"], "unlicensed");
    assert!(again.headers["webhook-signature"].starts_with("v1,"));

    let (_, code) = vendor.sell();
    assert_eq!(controller.ctl.run_with(&["activate"], &code.expose()).code, 0);
    let mut change = next();
    while change.body["data"]["status"]["state"] != "active" {
        change = next();
    }
    assert_eq!(change.body["data"]["previous_state"], "unlicensed");
    // What is told is proved as well.
    let statement = change.body["data"]["statement"].as_str().unwrap();
    assert_eq!(statement, controller.socket.get("/v1/statement").body);

    // A restart tells nothing twice; that the receiver has it is stored a moment after it has said so.
    let generation = change.body["data"]["status"]["generation"].to_string();
    let deadline = Instant::now() + PATIENCE;
    while fs::read_to_string(controller.path("state/webhook.told")).ok() != Some(generation.clone())
    {
        assert!(Instant::now() < deadline, "it was never noted");
    }
    daemon.stop();
    let daemon = controller.start();
    controller.ctl.out(&["release"]);
    let change = next();
    assert_eq!(change.body["data"]["status"]["state"], "unlicensed", "{}", change.body);
    let said = daemon.stop();
    assert!(!said.contains("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
}

#[test]
fn a_webhook_without_a_sound_secret_is_refused() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let controller = Controller::new(&vendor, &server);
    controller.write("conf.d/webhook.toml", "[webhook]\nurl = 'https://receiver.example/'\n");
    let check = || controller.command().arg("--check-config").output().unwrap();
    let told = String::from_utf8(check().stderr).unwrap();
    assert!(told.contains("webhook.secret_file") && told.contains("openssl rand"), "{told}");
    let secret = controller.write("secret", "hunter2");
    let more = format!("[webhook]\nurl = 'https://h/'\nsecret_file = '{}'\n", secret.display());
    controller.write("conf.d/webhook.toml", &more);
    let output = check();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && !told.contains("hunter2"), "{told}");
    assert!(told.contains("openssl rand"), "{told}");
}

#[test]
fn a_command_is_run_for_the_status_and_for_each_change() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let controller = Controller::new(&vendor, &server);
    let daemon = controller.start();
    let log = controller.path("log");
    let script = format!(
        r#"cat > '{0}.json'; echo "$ENTITLED_STATE $ENTITLED_ENTITLED $ENTITLED_GENERATION" >> '{0}'; exit 3"#,
        log.display()
    );
    let mut command = Command::new(env!("CARGO_BIN_EXE_entitlectl"));
    command.env("ENTITLED_SOCKET", controller.path("run/entitled.sock"));
    command.args(["watch", "--exec", &script]);
    let watching = Running::start(command);
    let deadline = Instant::now() + PATIENCE;
    let await_line = |begin: &str| loop {
        let lines = fs::read_to_string(&log).unwrap_or_default();
        if lines.lines().any(|line| line.starts_with(begin)) {
            return;
        }
        assert!(Instant::now() < deadline, "no {begin:?} in {lines}");
    };
    await_line("unlicensed false ");
    let (_, code) = vendor.sell();
    assert_eq!(controller.ctl.run_with(&["activate"], &code.expose()).code, 0);
    await_line("active true ");
    let json: Value =
        serde_json::from_slice(&fs::read(log.with_extension("json")).unwrap()).unwrap();
    assert_eq!(json["state"], "active");
    // It goes on over a restart of the agent, and tells nothing twice.
    daemon.stop();
    let daemon = controller.start();
    controller.ctl.out(&["release"]);
    let count = || {
        fs::read_to_string(&log).unwrap().lines().filter(|l| l.starts_with("unlicensed")).count()
    };
    while count() < 2 {
        assert!(Instant::now() < deadline, "{}", fs::read_to_string(&log).unwrap());
    }
    assert_eq!(
        fs::read_to_string(&log).unwrap().lines().filter(|l| l.starts_with("active")).count(),
        1
    );
    watching.kill();
    daemon.stop();
}
