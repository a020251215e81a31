//! A real message of a webhook, verified by the page's Python and by its line of openssl.

use super::{PAGE, Reader};
use crate::{portal::receiver, stage::Vendor};
use std::{fs, path::Path, process::Command};

pub(super) const LINES: &[&str] = &[
    "KEY=$(printf %s \"${SECRET#whsec_}\" | openssl base64 -d -A | od -An -v -tx1 | tr -d ' \\n')",
    "(printf 'v1,'; (printf '%s.%s.' \"$ID\" \"$TIMESTAMP\"; cat body) | openssl dgst -sha256 -mac HMAC -macopt \"hexkey:$KEY\" -binary | openssl base64 -A)",
];

/// What a message's receiver has: its head by names in lower case, and its body.
struct Message<'a> {
    head: Vec<(String, &'a str)>,
    body: &'a str,
}

impl<'a> Message<'a> {
    fn read(text: &'a str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let lines = head.lines().filter_map(|line| line.split_once(": "));
        Self { head: lines.map(|(name, value)| (name.to_lowercase(), value)).collect(), body }
    }

    fn header(&self, name: &str) -> &str {
        self.head.iter().find(|(found, _)| found == name).unwrap().1
    }
}

fn python(secret: &str, message: &Message<'_>, body: &Path) -> String {
    let sample = PAGE.split("```python\n").nth(1).unwrap().split("```").next().unwrap();
    let head: serde_json::Map<_, _> =
        message.head.iter().map(|(name, value)| (name.clone(), (*value).into())).collect();
    let call = "import json, sys\nprint(verify(sys.argv[1], json.loads(sys.argv[2]), open(sys.argv[3], 'rb').read()))";
    let mut python = Command::new("python3");
    python.args([
        "-c",
        &format!("{sample}\n{call}"),
        secret,
        &serde_json::Value::Object(head).to_string(),
    ]);
    let done = python.arg(body).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

#[test]
#[ignore = "needs openssl and Python 3.9 or newer"]
fn documents_of_the_portals_webhook_verify_a_real_message_and_no_other() {
    let vendor = Vendor::new();
    let (url, told) = receiver();
    let added = vendor.json(&["webhook", "add", &url]);
    let secret = added["secret"].as_str().unwrap();
    let _server = vendor.serve();
    vendor.json(&["webhook", "test", added["id"].as_str().unwrap()]);
    let message = told.recv_timeout(crate::stage::PATIENCE).unwrap();
    let message = Message::read(&message);

    let mut reader = Reader::new(&vendor, LINES);
    let body = reader.path("body");
    fs::write(&body, message.body).unwrap();
    let words = [
        ("SECRET", secret),
        ("ID", message.header("webhook-id")),
        ("TIMESTAMP", message.header("webhook-timestamp")),
    ];
    let words = words.map(|(name, value)| format!("{name}='{value}'; ")).concat();
    let lines = [reader.line(LINES[0], &[]), reader.line(LINES[1], &[])];
    let script = format!("{words}{}\n{}", lines[0], lines[1]);
    let made = reader.desk.run(&script, Path::new("/nonexistent"), "").out;
    assert_eq!(made, message.header("webhook-signature"));

    assert_eq!(python(secret, &message, &body), "True");
    fs::write(&body, format!("{} ", message.body)).unwrap();
    assert_eq!(python(secret, &message, &body), "False", "another body");
    fs::write(&body, message.body).unwrap();
    let other = vendor.json(&["webhook", "add", &url]);
    assert_eq!(
        python(other["secret"].as_str().unwrap(), &message, &body),
        "False",
        "another secret"
    );
}
