//! Where a PostgreSQL database is, and how it is reached: the URL, the password, TLS.

use super::{Fault, StoreError, wire::Moves};
use rustls::{
    CertificateError, ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject},
};
use std::{
    error::Error,
    fmt, io,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio_postgres::{
    Client, Config, NoTls,
    config::{Host, SslMode},
};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long what was sent may stay unacknowledged: a server that is gone without a word is not waited for. One whose machine acknowledges
/// and that answers nothing is found out by `/readyz`.
const SILENCE: Duration = Duration::from_secs(15);
/// After so long without a word its machine is asked whether it is there: an answer that is waited for has nothing unacknowledged.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(15);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// Questions without an answer after which the connection is lost.
const KEEPALIVE_RETRIES: u32 = 3;
/// What the driver waits before the first of them, unless told: two hours.
const DRIVERS_IDLE: Duration = Duration::from_hours(2);
/// Where systems keep the certificates that they believe.
const SYSTEM_ROOTS: [&str; 2] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

/// A PostgreSQL database. Its password is in no message and has no `Debug`.
#[derive(Clone)]
pub struct Server {
    config: Config,
    tls: Option<MakeRustlsConnect>,
    /// As it may be shown.
    name: String,
}

impl fmt::Debug for Server {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Server").field(&self.name).finish()
    }
}

impl fmt::Display for Server {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.name)
    }
}

impl Server {
    /// Reads `postgresql://USER[:PASSWORD]@HOST[:PORT]/DATABASE[?OPTIONS]`, with libpq's options. A server on another machine is spoken to by
    /// TLS unless `sslmode=disable` is there in so many words, one on this machine where `sslmode` or `sslrootcert` asks for it. Wherever TLS is
    /// spoken, the certificate is verified (`verify-full`).
    ///
    /// # Errors
    /// [`StoreError::Url`], and [`StoreError::Open`] for a file of certificates that can't be read.
    pub fn parse(url: &str) -> Result<Self, StoreError> {
        let refused = |reason: &str| StoreError::Url { reason: reason.to_owned() };
        if !url.starts_with("postgresql://") && !url.starts_with("postgres://") {
            return Err(refused("it does not begin with postgresql://"));
        }
        let (url, roots) = without_roots(url).map_err(refused)?;
        // What the parser says may quote what it has read, the password among it.
        let mut config: Config = url.parse().map_err(|_| refused("it can't be read"))?;
        let disables_tls = config.get_ssl_mode() == SslMode::Disable;
        let is_elsewhere = config.get_hosts().iter().any(is_elsewhere)
            || config.get_hostaddrs().iter().any(|address| !is_here(address));
        let is_tcp = config.get_hosts().iter().any(|host| matches!(host, Host::Tcp(_)));
        if (is_elsewhere || (is_tcp && roots.is_some())) && !disables_tls {
            config.ssl_mode(SslMode::Require);
        }
        let needs_tls = config.get_ssl_mode() == SslMode::Require;
        let tls = needs_tls.then(|| connector(roots.as_deref())).transpose()?;
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        notice_silence(&mut config);
        if config.get_application_name().is_none() {
            config.application_name("entitle-portal");
        }
        let name = name(&config);
        Ok(Self { config, tls, name })
    }

    /// Takes a password from elsewhere, where the URL has none.
    pub fn use_password(&mut self, password: impl FnOnce() -> Option<String>) {
        if self.config.get_password().is_none()
            && let Some(password) = password()
        {
            self.config.password(password);
        }
    }

    /// Connects: the client, and what carries its questions.
    pub(super) async fn client(&self) -> Result<(Client, Moves), tokio_postgres::Error> {
        if let Some(tls) = &self.tls {
            let (client, connection) = self.config.connect(tls.clone()).await?;
            return Ok((client, Box::pin(connection)));
        }
        let (client, connection) = self.config.connect(NoTls).await?;
        Ok((client, Box::pin(connection)))
    }
}

/// Finds out that the server's machine, or the way to it, is gone, unless the URL says how.
fn notice_silence(config: &mut Config) {
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(SILENCE);
    }
    if config.get_keepalives_idle() == DRIVERS_IDLE {
        config.keepalives_idle(KEEPALIVE_IDLE);
    }
    if config.get_keepalives_interval().is_none() {
        config.keepalives_interval(KEEPALIVE_INTERVAL);
    }
    if config.get_keepalives_retries().is_none() {
        config.keepalives_retries(KEEPALIVE_RETRIES);
    }
}

/// The URL without its `sslrootcert`, which the parser does not know, and that. Nor does it know libpq's word for what is always done here, and it has none
/// for less than that.
fn without_roots(url: &str) -> Result<(String, Option<PathBuf>), &'static str> {
    let Some((before, options)) = url.split_once('?') else { return Ok((url.to_owned(), None)) };
    let mut roots = None;
    let mut others = Vec::new();
    for option in options.split('&') {
        match option.split_once('=') {
            Some(("sslrootcert", path)) => roots = Some(PathBuf::from(path.replace("%2F", "/"))),
            Some(("sslmode", "verify-full")) => others.push("sslmode=require"),
            Some(("sslmode", "verify-ca" | "allow")) => {
                return Err(
                    "its sslmode is neither verify-full, which is what TLS always is here, nor disable",
                );
            }
            _ => others.push(option),
        }
    }
    Ok((format!("{before}?{}", others.join("&")), roots))
}

fn is_elsewhere(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            name != "localhost" && !name.parse().is_ok_and(|address| is_here(&address))
        }
        Host::Unix(_) => false,
    }
}

fn is_here(address: &IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Why a server is not spoken to by TLS, where that is what stands in the way.
pub(super) fn untrusted(error: &tokio_postgres::Error) -> Option<Fault> {
    use CertificateError as Certificate;
    let cause = error.source()?;
    if cause.to_string() == "server does not support TLS" {
        let mend = "switch it on there (`ssl = on` in postgresql.conf), or say ?sslmode=disable in the URL where the way to it is trusted";
        return Some(Fault::Untrusted { reason: cause.to_string(), mend });
    }
    let refused = cause.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref::<rustls::Error>()?;
    let mend = match refused {
        rustls::Error::InvalidCertificate(Certificate::UnknownIssuer) => {
            "name the certificates of the authority that issued the server's, by ?sslrootcert=/path.pem in the URL"
        }
        rustls::Error::InvalidCertificate(
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. },
        ) => "name the server in the URL as its certificate does, or give it one for this name",
        rustls::Error::InvalidCertificate(
            Certificate::Expired
            | Certificate::ExpiredContext { .. }
            | Certificate::NotValidYet
            | Certificate::NotValidYetContext { .. },
        ) => "renew the server's certificate, if the clock of this machine is right",
        _ => {
            "`openssl s_client -starttls postgres -connect HOST:5432` shows what the server has; its own log has more"
        }
    };
    Some(Fault::Untrusted { reason: refused.to_string(), mend })
}

fn name(config: &Config) -> String {
    let hosts = config.get_hosts().iter().map(|host| match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.display().to_string(),
    });
    let addresses = config.get_hostaddrs().iter().map(ToString::to_string);
    let hosts: Vec<String> = hosts.chain(addresses).collect();
    let ports: Vec<String> = config.get_ports().iter().map(ToString::to_string).collect();
    let database = config.get_dbname().or(config.get_user()).unwrap_or_default();
    format!("PostgreSQL {} port {} database {database}", hosts.join(","), ports.join(","))
}

fn connector(roots: Option<&Path>) -> Result<MakeRustlsConnect, StoreError> {
    let system = || SYSTEM_ROOTS.iter().map(Path::new).find(|path| path.exists());
    let path = roots.or_else(system).unwrap_or(Path::new(SYSTEM_ROOTS[0]));
    let failed = |reason: String| StoreError::Open {
        path: path.to_owned(),
        source: Arc::new(std::io::Error::other(reason)),
    };
    let mut store = RootCertStore::empty();
    let read = CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))?;
    for certificate in read {
        let certificate = certificate.map_err(|error| failed(error.to_string()))?;
        // A system's bundle may have one that is too old for this; it is not believed then.
        store.add_parsable_certificates([certificate]);
    }
    if store.is_empty() {
        return Err(failed("there is no certificate in it".to_owned()));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.to_string()))?
        .with_root_certificates(store)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_whose_machine_is_gone_is_not_waited_for() {
        let config = |url: &str| Server::parse(url).unwrap().config;
        let own = config("postgresql://portal@127.0.0.1/licenses");
        assert!(own.get_keepalives());
        assert_eq!(own.get_keepalives_idle(), Duration::from_secs(15));
        assert_eq!(own.get_keepalives_interval(), Some(Duration::from_secs(5)));
        assert_eq!(own.get_keepalives_retries(), Some(3));
        assert_eq!(own.get_tcp_user_timeout(), Some(&Duration::from_secs(15)));
        let told = config(
            "postgresql://portal@127.0.0.1/licenses?keepalives_idle=60&keepalives_retries=9",
        );
        assert_eq!(told.get_keepalives_idle(), Duration::from_mins(1));
        assert_eq!(told.get_keepalives_retries(), Some(9));
    }

    #[test]
    fn tls_is_asked_for_by_the_address_that_is_connected_to() {
        let needs_tls = |url: &str| match Server::parse(url) {
            Ok(server) => server.config.get_ssl_mode() == SslMode::Require,
            // A machine without certificates of its own.
            Err(error) => error.code() == "store-open",
        };
        for here in [
            "postgresql://portal@localhost/db",
            "postgresql://portal@localhost/db?hostaddr=127.0.0.1",
            "postgresql://portal@db.example/db?hostaddr=10.0.0.5&sslmode=disable",
        ] {
            assert!(!needs_tls(here), "{here}");
        }
        for elsewhere in [
            "postgresql://portal@db.example/db",
            "postgresql://portal@localhost/db?hostaddr=10.0.0.5",
            "postgresql://portal@localhost/db?hostaddr=2001:db8::5",
            "postgresql://portal@%2Frun%2Fpostgresql/db?hostaddr=10.0.0.5",
            "postgresql:///db?hostaddr=10.0.0.5",
        ] {
            assert!(needs_tls(elsewhere), "{elsewhere}");
        }
        let shown = Server::parse("postgresql://portal@localhost/db?hostaddr=127.0.0.1").unwrap();
        assert!(shown.to_string().contains("127.0.0.1"), "{shown}");
    }
}
