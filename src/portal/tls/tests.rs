//! Files that are replaced, and handshakes that do not end.

use super::{Certificate, CertificateFiles, TlsListener};
use crate::api::{ServerOptions, serve};
use axum::{Router, routing::get};
use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use std::{fs, net::SocketAddr, sync::Arc};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// A certificate for `localhost` that ends in that year, with its key.
fn made(year: i32) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(year, 1, 1);
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

struct Files {
    _folder: TempDir,
    pair: CertificateFiles,
    refused: Counter,
}

impl Files {
    fn new(year: i32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let pair = CertificateFiles { certificate: at("tls.crt"), key: at("tls.key") };
        let made = Self { _folder: folder, pair, refused: Counter::default() };
        made.put(self::made(year));
        made
    }

    fn put(&self, (certificate, key): (String, String)) {
        for (path, text) in [(&self.pair.certificate, certificate), (&self.pair.key, key)] {
            let new = path.with_extension("new");
            fs::write(&new, text).unwrap();
            fs::rename(new, path).unwrap();
        }
    }

    fn load(&self) -> Arc<Certificate> {
        Certificate::load(self.pair.clone(), self.refused.clone()).unwrap()
    }
}

fn in_year(year: i32) -> Timestamp {
    format!("{year}-01-01T00:00:00Z").parse().unwrap()
}

#[test]
fn files_that_changed_are_taken_up_and_a_pair_that_does_not_fit_is_not() {
    let files = Files::new(2100);
    let certificate = files.load();
    assert_eq!(certificate.ends_at(), in_year(2100));
    assert!(!certificate.reload_if_changed().unwrap());

    files.put(made(2101));
    assert!(certificate.reload_if_changed().unwrap());
    assert_eq!(certificate.ends_at(), in_year(2101));

    // The certificate comes first, its key a moment later.
    let (new, key) = made(2102);
    fs::write(&files.pair.certificate, new).unwrap();
    assert_eq!(certificate.reload_if_changed().unwrap_err().code(), "tls-mismatch");
    assert_eq!((certificate.ends_at(), files.refused.get()), (in_year(2101), 1));
    assert!(!certificate.reload_if_changed().unwrap(), "it is told once");
    fs::write(&files.pair.key, key).unwrap();
    assert!(certificate.reload_if_changed().unwrap());
    assert_eq!(certificate.ends_at(), in_year(2102));

    fs::remove_file(&files.pair.key).unwrap();
    assert_eq!(certificate.reload_if_changed().unwrap_err().code(), "tls-key");
    assert_eq!((certificate.ends_at(), files.refused.get()), (in_year(2102), 2));
}

#[test]
fn what_is_wrong_with_a_file_is_named() {
    let files = Files::new(2100);
    let (certificate, key) = made(2100);
    for (certificate, key, code) in [
        ("", key.as_str(), "tls-certificate"),
        ("garbage", &key, "tls-certificate"),
        (&key, &key, "tls-certificate"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", &key, "tls-certificate"),
        (&certificate, "", "tls-key"),
        (&certificate, &certificate, "tls-key"),
        (&certificate, &key.replace("PRIVATE", "ENCRYPTED PRIVATE"), "tls-key"),
        (&certificate, &made(2100).1, "tls-mismatch"),
    ] {
        files.put((certificate.to_owned(), key.to_owned()));
        let error = Certificate::load(files.pair.clone(), Counter::default()).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(
            error.to_string().contains(&files.pair.key.parent().unwrap().display().to_string())
        );
    }
}

/// A server over TLS on a real socket.
struct Served {
    address: SocketAddr,
    failed: Counter,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Vec<std::os::fd::OwnedFd>>,
}

impl Served {
    async fn start(certificate: &Arc<Certificate>) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let failed = Counter::default();
        let config = certificate.server_config().unwrap();
        let listener = TlsListener::new(socket, config, failed.clone());
        let router = Router::new().route("/", get(|| async { "hello\n" }));
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            let _ = stopped.await;
        };
        let serving = tokio::spawn(serve(listener, router, ServerOptions::default(), stopped));
        Self { address, failed, stop, serving }
    }

    /// A connection by one version of TLS, believing the certificate in that file.
    async fn connect(
        &self,
        files: &Files,
        version: &'static rustls::SupportedProtocolVersion,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&files.pair.certificate).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }
}

async fn ask(stream: &mut TlsStream<TcpStream>) -> String {
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut read = Vec::new();
    while !read.ends_with(b"hello\n") {
        assert_ne!(stream.read_buf(&mut read).await.unwrap(), 0, "{read:?}");
    }
    String::from_utf8(read).unwrap()
}

#[tokio::test]
async fn both_versions_are_spoken_and_a_stop_closes_as_tls_does() {
    let files = Files::new(2100);
    let served = Served::start(&files.load()).await;
    let mut kept = Vec::new();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let mut stream = served.connect(&files, version).await.unwrap();
        assert!(ask(&mut stream).await.starts_with("HTTP/1.1 200 "));
        kept.push(stream);
    }
    // Who speaks no TLS is left, and nobody else hears of it.
    let mut plain = TcpStream::connect(served.address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let _ = plain.read_to_end(&mut Vec::new()).await;
    assert_eq!(served.failed.get(), 1);
    served.stop.send(()).unwrap();
    for mut stream in kept {
        // Without the closing alert of TLS this would be an error: an answer that was cut off looks like that.
        assert_eq!(stream.read_to_end(&mut Vec::new()).await.unwrap(), 0);
    }
    assert!(served.serving.await.unwrap().is_empty(), "nothing is handed on");
}

#[tokio::test]
async fn handshakes_that_never_end_keep_nobody_out_and_a_new_certificate_holds_for_new_ones() {
    let files = Files::new(2100);
    let certificate = files.load();
    let served = Served::start(&certificate).await;
    let mut silent = Vec::new();
    for _ in 0..80 {
        silent.push(TcpStream::connect(served.address).await.unwrap());
    }
    let tls13 = &rustls::version::TLS13;
    let mut old = served.connect(&files, tls13).await.unwrap();
    ask(&mut old).await;
    let before = files.load();
    files.put(made(2101));
    assert!(served.connect(&files, tls13).await.is_err(), "the old one is shown still");
    certificate.reload().unwrap();
    assert_ne!(certificate.ends_at(), before.ends_at());
    let mut new = served.connect(&files, tls13).await.unwrap();
    ask(&mut new).await;
    ask(&mut old).await;
}
