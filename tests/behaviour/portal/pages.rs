//! The pages of customers, as a browser without scripts uses them, and a controller that no network reaches.

use crate::stage::{Controller, Server, Vendor};
use entitled::codes::ActivationCode;
use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Write},
    net::TcpStream,
};

/// A browser: it keeps cookies, and follows nothing by itself.
pub(super) struct Browser<'a> {
    server: &'a Server,
    client: reqwest::Client,
    cookies: BTreeMap<String, String>,
    runtime: tokio::runtime::Runtime,
}

pub(super) struct Page {
    pub(super) status: u16,
    pub(super) location: String,
    pub(super) text: String,
}

impl<'a> Browser<'a> {
    pub(super) fn new(server: &'a Server) -> Self {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { server, client: client.build().unwrap(), cookies: BTreeMap::new(), runtime }
    }

    pub(super) fn sign_in(&mut self, code: &ActivationCode) {
        let form = format!("code={}", code.expose());
        let page = self.post("/", "/sign-in", &form);
        assert_eq!((page.status, page.location.as_str()), (303, "/subscription"), "{}", page.text);
    }

    pub(super) fn get(&mut self, path: &str) -> Page {
        let request = self.client.get(format!("{}{path}", self.server.url));
        self.send(request)
    }

    fn token(&mut self, page: &str) -> String {
        let text = self.get(page).text;
        let (_, rest) = text.split_once("name=\"token\" value=\"").expect(&text);
        rest.split_once('"').unwrap().0.to_owned()
    }

    /// Sends a form of `page`.
    fn post(&mut self, page: &str, path: &str, form: &str) -> Page {
        let body = format!("token={}&{form}", self.token(page));
        let request = self.client.post(format!("{}{path}", self.server.url));
        self.send(request.header("content-type", "application/x-www-form-urlencoded").body(body))
    }

    fn upload(&mut self, path: &str, file: &str) -> Page {
        let token = self.token(path);
        let part = "\r\n--edge\r\nContent-Disposition: form-data; name=";
        let body = format!(
            "{part}\"token\"\r\n\r\n{token}{part}\"file\"; filename=\"request.jws\"\r\n\r\n{file}\r\n--edge--\r\n"
        );
        let request = self.client.post(format!("{}{path}", self.server.url));
        self.send(request.header("content-type", "multipart/form-data; boundary=edge").body(body))
    }

    fn send(&mut self, request: reqwest::RequestBuilder) -> Page {
        let cookies: Vec<_> = self.cookies.iter().map(|(n, v)| format!("{n}={v}")).collect();
        let request = request.header("cookie", cookies.join("; "));
        let request = request.header("sec-fetch-site", "same-origin");
        let answer = self.runtime.block_on(request.send()).unwrap();
        let text = |name: &str| answer.headers().get(name).map(|v| v.to_str().unwrap().to_owned());
        let location = text("location").unwrap_or_default();
        for cookie in answer.headers().get_all("set-cookie") {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        let status = answer.status().as_u16();
        Page { status, location, text: self.runtime.block_on(answer.text()).unwrap() }
    }

    /// Carries a request here and its answer back.
    pub(super) fn carry(&mut self, controller: &Controller, arguments: &[&str]) {
        let request = controller.ctl.out(&[&["request"], arguments].concat());
        let page = self.upload("/requests", &request);
        assert_eq!(page.status, 303, "{}", page.text);
        let answer = self.get(&format!("{}/answer.jwt", page.location));
        let file = controller.write("answer.jws", &answer.text);
        controller.ctl.out(&["license", "install", file.to_str().unwrap()]);
    }
}

#[test]
fn a_controller_without_a_network_lives_by_the_pages() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let (id, code) = vendor.sell();
    let controller =
        Controller::at(&vendor, "http://127.0.0.1:9", "[identity]\noverride = 'asset 4711'\n");
    let _daemon = controller.start();
    let file = controller.write("code", &code.expose());
    let activate = ["activate", "--code-file", file.to_str().unwrap()];

    let mut browser = Browser::new(&server);
    assert_eq!(browser.get("/subscription").location, "/");
    browser.sign_in(&code);
    browser.carry(&controller, &activate);
    let status = controller.socket.status();
    assert_eq!(
        (&status["state"], &status["entitled"]),
        (&"active".into(), &true.into()),
        "{status}"
    );

    let page = browser.get("/subscription").text;
    let (_, rest) = page.split_once("href=\"/environments/").expect(&page);
    let environment = format!("/environments/{}", rest.split_once('"').unwrap().0);
    assert!(page.contains(status["serial_number"].as_str().unwrap()), "{page}");
    assert!(browser.get(&environment).text.contains("Not confirmed yet"));
    browser.carry(&controller, &["refresh"]);
    assert!(browser.get(&environment).text.contains("Installed: the controller had it"));

    vendor.json(&["subscription", "set", &id, "--ends-at", "2199-01-01"]);
    browser.carry(&controller, &["refresh"]);
    assert_eq!(controller.socket.status()["license"]["sequence"], 2);
    let license = browser.get(&format!("{environment}/license.jwt")).text;
    let file = controller.write("license.jwt", &license);
    controller.ctl.out(&["license", "install", file.to_str().unwrap()]);

    browser.carry(&controller, &["release"]);
    assert_eq!(controller.socket.status()["state"], "unlicensed");
    let history = browser.get("/history").text;
    assert!(history.contains("An environment was released"), "{history}");
    let signed_out = browser.post("/subscription", "/sign-out", "");
    assert_eq!((signed_out.status, signed_out.location.as_str()), (303, "/"));
    assert_eq!(browser.get("/subscription").location, "/");
    let log = fs::read_to_string(vendor.path("serve.log")).unwrap();
    let token = browser.cookies.values().find(|value| value.len() > 20);
    assert!(!log.contains(&code.expose()) && !token.is_some_and(|token| log.contains(token)));
}

#[test]
fn a_hundred_uploads_that_never_end_keep_nobody_waiting() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let (_, code) = vendor.sell();
    let mut browser = Browser::new(&server);
    browser.sign_in(&code);
    let (name, value) =
        browser.cookies.iter().find(|(name, _)| name.ends_with("customer")).unwrap();
    let address = server.url.strip_prefix("http://").unwrap();
    let mut slow = Vec::new();
    for _ in 0..100 {
        let mut stream = TcpStream::connect(address).unwrap();
        let head = format!(
            "POST /requests HTTP/1.1\r\nHost: {address}\r\nCookie: {name}={value}\r\n\
             Content-Type: multipart/form-data; boundary=edge\r\nContent-Length: 1000000\r\n\r\n--edge"
        );
        stream.write_all(head.as_bytes()).unwrap();
        slow.push(stream);
    }
    assert_eq!(browser.get("/subscription").status, 200);
    let refused = browser.upload("/requests", "garbage");
    assert_eq!(refused.status, 400, "{}", refused.text);
}

/// Sends all of an upload, the way browsers do, and only then reads: the head and the beginning of what came.
fn upload_whole(stream: &mut TcpStream, cookie: &str, size: usize) -> String {
    const PIECE: usize = 1 << 20;
    let head = format!(
        "POST /requests HTTP/1.1\r\nHost: {}\r\nCookie: {cookie}\r\nSec-Fetch-Site: same-origin\r\n\
         Content-Type: multipart/form-data; boundary=edge\r\nContent-Length: {size}\r\n\r\n",
        stream.peer_addr().unwrap()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let piece = vec![b'a'; PIECE];
    for _ in 0..size / PIECE {
        stream.write_all(&piece).unwrap();
    }
    read_answer(stream)
}

/// One answer, which says how long it is.
fn read_answer(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let mut piece = [0; 4_096];
        let length = stream.read(&mut piece).unwrap();
        assert!(length > 0, "{}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&piece[..length]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head
            .to_lowercase()
            .split("content-length: ")
            .nth(1)
            .map(|rest| rest.lines().next().unwrap().trim().parse::<usize>().unwrap());
        if body.len() >= length.unwrap_or(0) {
            return text;
        }
    }
}

#[test]
fn whoever_sends_a_hundred_mebibytes_before_it_reads_is_answered_by_a_page() {
    const SIZE: usize = 100 << 20;
    let vendor = Vendor::new();
    let server = vendor.serve();
    let (_, code) = vendor.sell();
    let mut browser = Browser::new(&server);
    browser.sign_in(&code);
    let cookies: Vec<_> = browser.cookies.iter().map(|(n, v)| format!("{n}={v}")).collect();
    let address = server.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let page = upload_whole(&mut stream, &cookies.join("; "), SIZE);
    assert!(page.starts_with("HTTP/1.1 413 "), "{page}");
    assert!(page.contains("The file is too large"), "{page}");
    assert!(page.contains("type=\"file\""), "{page}");
    // Somebody whose session is over meanwhile is led to where one signs in; the connection goes on.
    let led = upload_whole(&mut stream, "none=1", SIZE);
    assert!(led.starts_with("HTTP/1.1 303 "), "{led}");
    let head = format!("GET / HTTP/1.1\r\nHost: {address}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    assert!(read_answer(&mut stream).contains("Activation Code"));
}
