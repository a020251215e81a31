//! The portal's keys, and replacing them.

use super::stage::{Agent, PRODUCT, Stage, at};
use crate::{
    license::{KeyPair, PublicKey, Purpose, Roots, Sequence, Signer, SignerError},
    portal::{Directory, KeyRing, Options, Portal, TrustChange, Vendor, directory::read_key},
};
use std::{
    collections::BTreeSet,
    os::unix::fs::PermissionsExt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

fn root_key(stage: &Stage) -> KeyPair {
    read_key(&stage.path("root-key.pem")).unwrap()
}

/// Signs the trust document with `change` and puts it in use.
fn install(stage: &Stage, change: &TrustChange) {
    let current = stage.portal.keys().trust().text().to_owned();
    let next = change.sign(&current, &root_key(stage), stage.portal.now()).unwrap();
    stage.portal.install_trust(&next).unwrap();
}

#[test]
fn private_keys_are_for_their_owner_alone() {
    let stage = Stage::new();
    let key = std::fs::read_dir(stage.path("keys")).unwrap().next().unwrap().unwrap().path();
    for path in [stage.path("root-key.pem"), key, stage.path("portal.db")] {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    }
}

#[test]
fn the_portal_runs_without_the_root_key() {
    let stage = Stage::new();
    std::fs::remove_file(stage.path("root-key.pem")).unwrap();
    stage.portal.reload_keys().unwrap();
    let sold = stage.sell();
    Agent::new("a", Purpose::Production).activate(&stage, &sold.activation_code).unwrap();
}

#[test]
fn init_goes_on_where_it_was_cut_short_and_never_starts_over() {
    let folder = tempfile::tempdir().unwrap();
    let vendor = Vendor { product: PRODUCT.to_owned(), issuer: "Example Vendor".to_owned() };
    let clock = || at("2026-03-01T00:00:00Z");
    Portal::init(folder.path(), &vendor, &clock).unwrap();
    let again = Portal::init(folder.path(), &vendor, &clock).unwrap_err();
    assert_eq!(again.code(), "already-initialized");
    let directory = Directory::new(folder.path());
    let signing = KeyRing::load(&directory).unwrap().signing().thumbprint();
    std::fs::remove_file(directory.trust()).unwrap();
    let missing = KeyRing::load(&directory).map(drop).unwrap_err();
    assert_eq!(missing.code(), "not-initialized");
    Portal::init(folder.path(), &vendor, &clock).unwrap();
    assert_eq!(KeyRing::load(&directory).unwrap().signing().thumbprint(), signing);
    let nameless = Vendor { product: " ".to_owned(), ..vendor };
    assert_eq!(Portal::init(folder.path(), &nameless, &clock).unwrap_err().code(), "name");
}

#[test]
fn a_new_signing_key_reaches_the_agents_with_an_answer() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut agent = Agent::new("a", Purpose::Production);
    agent.activate(&stage, &sold.activation_code).unwrap();
    let old = stage.portal.keys().signing().thumbprint();
    let new = stage.portal.directory().create_signing_key().unwrap();
    let retire = vec![old.to_string()];
    install(&stage, &TrustChange { add: vec![new.public()], retire, ..Default::default() });
    assert_eq!(stage.portal.keys().signing().thumbprint(), new.thumbprint());
    stage.portal.update_subscription(sold.id, |t| t.edition = "large".to_owned()).unwrap();
    let answer = agent.refresh(&stage).unwrap();
    assert_eq!(answer.trust.unwrap().claims().version, 2);
    assert_eq!(answer.license.unwrap().claims().seq, Sequence(2));
}

#[test]
fn what_a_revoked_key_signed_is_made_anew() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut agent = Agent::new("a", Purpose::Production);
    agent.activate(&stage, &sold.activation_code).unwrap();
    let old = stage.portal.keys().signing().thumbprint();
    let new = stage.portal.directory().create_signing_key().unwrap();
    let revoke = vec![old.to_string()];
    install(&stage, &TrustChange { add: vec![new.public()], revoke, ..Default::default() });
    let answer = agent.refresh(&stage).unwrap();
    assert_eq!(answer.license.unwrap().claims().seq, Sequence(2));
    assert!(!stage.portal.keys().key_set().unwrap().contains(old.as_str()));
}

/// Nothing later is issued to a fork; but trust travels with every answer, and would take from both what they have.
#[test]
fn what_a_revoked_key_signed_is_made_anew_for_both_branches_of_a_fork() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut one = Agent::new("a", Purpose::Production);
    one.activate(&stage, &sold.activation_code).unwrap();
    let mut two = one.copy();
    one.refresh(&stage).unwrap();
    two.refresh(&stage).unwrap();
    assert!(stage.portal.environments(None).unwrap()[0].chain.is_forked());
    let old = stage.portal.keys().signing().thumbprint();
    let new = stage.portal.directory().create_signing_key().unwrap();
    let revoke = vec![old.to_string()];
    install(&stage, &TrustChange { add: vec![new.public()], revoke, ..Default::default() });
    for agent in [&mut one, &mut two] {
        let answer = agent.refresh(&stage).unwrap();
        assert!(answer.fork.is_some());
        assert_eq!(answer.license.unwrap().claims().seq, Sequence(2));
        // And no more than that.
        assert!(agent.refresh(&stage).unwrap().license.is_none());
    }
}

#[test]
fn a_trust_document_that_takes_something_back_is_refused() {
    let stage = Stage::new();
    let current = stage.portal.keys().trust().text().to_owned();
    let sign = |change: &TrustChange, root: &KeyPair| {
        change.sign(&current, root, stage.portal.now()).map_err(|e| e.code().to_owned())
    };
    let old = stage.portal.keys().signing().thumbprint().to_string();
    let retire = TrustChange { retire: vec![old], ..Default::default() };
    assert_eq!(sign(&retire, &root_key(&stage)), Err("no-active-key".to_owned()));
    let unknown = TrustChange { revoke: vec!["x".to_owned()], ..Default::default() };
    assert_eq!(sign(&unknown, &root_key(&stage)), Err("key-not-named".to_owned()));
    let stranger = KeyPair::generate().unwrap();
    let signed = sign(&TrustChange::default(), &stranger);
    assert_eq!(signed, Err("document-unknown-key".to_owned()));

    // Installing: the same version again, and one whose signing key is not here.
    let install = |text: &str| stage.portal.install_trust(text).map(drop).unwrap_err();
    assert_eq!(install(&current).code(), "trust-version");
    let add = vec![stranger.public()];
    let retire = retire.retire.clone();
    let next = sign(&TrustChange { add, retire, ..Default::default() }, &root_key(&stage)).unwrap();
    assert_eq!(install(&next).code(), "no-signing-key");
    assert_eq!(std::fs::read_to_string(stage.path("trust.jwt")).unwrap(), current);
}

#[test]
fn the_key_set_is_what_jwt_libraries_read() {
    let stage = Stage::new();
    let text = stage.portal.keys().key_set().unwrap();
    let set: serde_json::Value = serde_json::from_str(&text).unwrap();
    let key = &set["keys"][0];
    assert_eq!(key["kid"], stage.portal.keys().signing().thumbprint().as_str());
    assert_eq!((&key["alg"], &key["use"]), (&"EdDSA".into(), &"sig".into()));
    assert_eq!((&key["kty"], &key["crv"]), (&"OKP".into(), &"Ed25519".into()));
    let mut roots = Roots::none();
    roots.add_key_set(&text).unwrap();
    let _: jsonwebtoken::jwk::JwkSet = serde_json::from_str(&text).unwrap();
}

/// A key that its keeper does not give away, and that may be out of reach.
struct Elsewhere {
    key: KeyPair,
    reachable: AtomicBool,
}

impl Signer for Elsewhere {
    fn public(&self) -> PublicKey {
        self.key.public()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignerError> {
        if self.reachable.load(Ordering::Relaxed) {
            Signer::sign(&self.key, message)
        } else {
            Err(SignerError { reason: "the module does not answer".to_owned() })
        }
    }
}

#[test]
fn a_key_that_never_comes_near_the_portal_signs() {
    let mut stage = Stage::new();
    let sold = stage.sell();
    let key = KeyPair::generate().unwrap();
    let elsewhere = Arc::new(Elsewhere { key, reachable: true.into() });
    let clock = || at("2026-03-01T00:00:00Z");
    let signers: Vec<Arc<dyn Signer>> = vec![elsewhere.clone()];
    let open = || {
        let options = Options::default();
        Portal::open_with(stage.folder.path(), options, Arc::new(clock), signers.clone()).unwrap()
    };
    // Known to the portal, but nobody believes it yet: the one in the directory signs.
    assert_ne!(open().keys().signing().thumbprint(), elsewhere.thumbprint());
    install(&stage, &TrustChange { add: vec![elsewhere.public()], ..Default::default() });
    stage.portal = open();
    assert_eq!(stage.portal.keys().signing().thumbprint(), elsewhere.thumbprint());
    let mut agent = Agent::new("a", Purpose::Production);
    let answer = agent.activate(&stage, &sold.activation_code).unwrap();
    assert_eq!(answer.license.unwrap().claims().seq, Sequence(1));

    // While it is out of reach nothing is issued, and nothing is stored.
    elsewhere.reachable.store(false, Ordering::Relaxed);
    let mut other = Agent::new("b", Purpose::Quality);
    let refused = other.activate(&stage, &sold.activation_code).unwrap_err();
    assert_eq!(refused.status, 503, "{refused:?}");
    assert_eq!(stage.portal.environments(None).unwrap().len(), 1);
    elsewhere.reachable.store(true, Ordering::Relaxed);
    other.activate(&stage, &sold.activation_code).unwrap();
}

/// The names of the key files.
fn key_files(stage: &Stage) -> BTreeSet<String> {
    let files = std::fs::read_dir(stage.path("keys")).unwrap();
    files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn nothing_of_the_keys_changes_that_the_audit_is_not_told_of() {
    let stage = Stage::new();
    let current = stage.portal.keys().trust().text().to_owned();
    let next =
        TrustChange::default().sign(&current, &root_key(&stage), stage.portal.now()).unwrap();
    let (files, events) = (key_files(&stage), stage.events());
    let connection = rusqlite::Connection::open(stage.path("portal.db")).unwrap();
    connection.execute_batch("ALTER TABLE audit RENAME TO elsewhere").unwrap();
    assert!(stage.portal.install_trust(&next).is_err());
    assert!(stage.portal.make_signing_key().is_err());
    assert!(stage.portal.rotate_signing_key().is_err());
    connection.execute_batch("ALTER TABLE elsewhere RENAME TO audit").unwrap();
    assert_eq!(stage.portal.keys().trust().text(), current);
    assert_eq!(std::fs::read_to_string(stage.path("trust.jwt")).unwrap(), current);
    assert_eq!((key_files(&stage), stage.events()), (files, events));
    stage.portal.install_trust(&next).unwrap();
    stage.portal.rotate_signing_key().unwrap();
    assert_eq!(stage.portal.keys().trust().claims().version, 3);
    let told = ["trust-installed", "signing-key-made", "trust-installed"];
    assert_eq!(stage.events()[stage.events().len() - 3..], told);
}

#[test]
fn of_trust_documents_that_are_installed_at_once_the_newest_stays() {
    let stage = Stage::new();
    let mut text = stage.portal.keys().trust().text().to_owned();
    let mut documents = Vec::new();
    for _ in 0..6 {
        text = TrustChange::default().sign(&text, &root_key(&stage), stage.portal.now()).unwrap();
        documents.push(text.clone());
    }
    std::thread::scope(|scope| {
        for document in &documents {
            scope.spawn(|| drop(stage.portal.install_trust(document)));
        }
        for _ in 0..6 {
            scope.spawn(|| stage.portal.reload_keys().unwrap());
        }
    });
    assert_eq!(stage.portal.keys().trust().text(), text);
    assert_eq!(std::fs::read_to_string(stage.path("trust.jwt")).unwrap(), text);
}

#[test]
fn a_rotation_goes_on_from_what_a_command_has_installed() {
    let stage = Stage::new();
    let other = Portal::open(
        stage.folder.path(),
        Options::default(),
        Arc::new(|| at("2026-03-01T00:00:00Z")),
    );
    let rotated = other.unwrap().rotate_signing_key().unwrap();
    assert_eq!(rotated.claims().version, 2);
    assert_eq!(stage.portal.keys().trust().claims().version, 1, "it was not told to reload");
    let rotated = stage.portal.rotate_signing_key().unwrap();
    assert_eq!((rotated.claims().version, rotated.claims().keys.len()), (3, 3));
    assert_eq!(stage.portal.keys().signing().public(), rotated.claims().keys[2].key);
}

#[test]
fn a_trust_document_is_installed_whose_one_active_key_is_elsewhere() {
    let stage = Stage::new();
    let key = KeyPair::generate().unwrap();
    let elsewhere = Arc::new(Elsewhere { key, reachable: true.into() });
    let clock = || at("2026-03-01T00:00:00Z");
    let portal = Portal::open_with(
        stage.folder.path(),
        Options::default(),
        Arc::new(clock),
        vec![elsewhere.clone()],
    );
    let portal = portal.unwrap();
    let retire = vec![portal.keys().signing().thumbprint().to_string()];
    let change = TrustChange { add: vec![elsewhere.public()], retire, ..Default::default() };
    let sign = |change: &TrustChange| {
        let current = portal.keys().trust().text().to_owned();
        change.sign(&current, &root_key(&stage), portal.now()).unwrap()
    };
    let next = sign(&change);
    let refused = stage.portal.install_trust(&next).map(drop).unwrap_err();
    assert_eq!(refused.code(), "no-signing-key", "this one does not reach it");
    portal.install_trust(&next).unwrap();
    std::fs::remove_dir_all(stage.path("keys")).unwrap();
    std::fs::create_dir(stage.path("keys")).unwrap();
    // And the next one, where no key is in the directory.
    portal.install_trust(&sign(&TrustChange::default())).unwrap();
    assert_eq!(portal.keys().trust().claims().version, 3);
    assert_eq!(portal.keys().signing().public(), elsewhere.public());
}
