//! Members as far as a controller sees them: each with a certificate of the environment's authority and a record.

use crate::Failure;
use entitled::{
    members::{Authority, CONTROLLER_NAME},
    store::{Keeper, MemberRecord, RosterChange, SqliteStore, StateDirectory},
};
use jiff::Timestamp;
use rustls::{
    ClientConfig, RootCertStore,
    client::Resumption,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, pem::PemObject},
    version::TLS13,
};
use std::{
    net::{IpAddr, Ipv4Addr},
    path::Path,
    sync::Arc,
};
use uuid::Uuid;

/// Members that come from one address.
const OF_AN_ADDRESS: usize = 250;

/// One member.
pub(super) struct Person {
    /// From where it comes: 127.0.0.2 and up.
    pub(super) address: IpAddr,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Person {
    /// A member with a key and a certificate of its own.
    fn certified(
        number: usize,
        authority: &Authority,
        id: Uuid,
    ) -> Result<(Self, Timestamp), Failure> {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519)?;
        let request = rcgen::CertificateParams::default().serialize_request(&key)?.pem()?;
        let made = authority.certify_member(&request, id, Timestamp::now())?;
        let chain =
            CertificateDer::pem_slice_iter(made.pem.as_bytes()).collect::<Result<_, _>>()?;
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        let address =
            u32::from(Ipv4Addr::new(127, 0, 0, 2)) + u32::try_from(number / OF_AN_ADDRESS)?;
        Ok((Self { address: Ipv4Addr::from(address).into(), chain, key }, made.expires_at))
    }

    /// Its end of the connection. Nothing is resumed: each connection costs a whole handshake, as members' do.
    pub(super) fn tls(&self) -> Result<Arc<ClientConfig>, Failure> {
        self.tls_as(Some(self))
    }

    /// The same for one who knows the authority from this member and shows another certificate, or none.
    pub(super) fn tls_as(&self, shown: Option<&Self>) -> Result<Arc<ClientConfig>, Failure> {
        let mut roots = RootCertStore::empty();
        roots.add(self.chain.last().ok_or("a certificate without its authority")?.clone())?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])?
            .with_root_certificates(roots);
        let mut config = match shown {
            Some(Self { chain, key, .. }) => {
                builder.with_client_auth_cert(chain.clone(), key.clone_key())?
            }
            None => builder.with_no_client_auth(),
        };
        config.resumption = Resumption::disabled();
        Ok(Arc::new(config))
    }
}

/// What each controller is called.
pub(super) fn controller_name() -> Result<ServerName<'static>, Failure> {
    Ok(ServerName::try_from(CONTROLLER_NAME)?)
}

/// Members of an authority that nobody has a record of.
pub(super) fn strangers(seed: u8, count: usize) -> Result<Vec<Person>, Failure> {
    let authority = Authority::of(&entitled::license::KeyPair::from_seed(&[seed; 32]))?;
    let made = (0..count).map(|number| Person::certified(number, &authority, Uuid::now_v7()));
    made.map(|made| made.map(|(person, _)| person)).collect()
}

/// Makes `people` as many as `count`, with a record each in the state directory of a controller that does not run.
pub(super) fn enrol(people: &mut Vec<Person>, count: usize, state: &Path) -> Result<(), Failure> {
    let directory = StateDirectory::open(state)?;
    let authority = Authority::of(&directory.authority_key()?)?;
    let mut keeper = Keeper::load(Box::new(SqliteStore::open(&directory)?.store))?;
    let mut records = Vec::new();
    for number in people.len()..count {
        let id = Uuid::now_v7();
        let (person, certificate_expires_at) = Person::certified(number, &authority, id)?;
        records.push(RosterChange::Member(MemberRecord {
            id,
            name: format!("server-{number}"),
            address: person.address,
            joined_at: Timestamp::now(),
            certificate_expires_at,
            token: None,
            removed_at: None,
        }));
        people.push(person);
    }
    if keeper.commit_with(keeper.state().clone(), [], records) {
        return Ok(());
    }
    Err("the members' records could not be stored".into())
}
