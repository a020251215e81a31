//! An activated controller whose store is read beside it: what hostile input leaves unchanged is looked for on the disk.

use super::impostor::Impostor;
use crate::stage::{Controller, Running, Server, Vendor};
use entitled::license::{KeyPair, LicenseClaims, Sequence, Unverified, sign};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) struct Activated {
    pub(super) vendor: Vendor,
    pub(super) server: Server,
    pub(super) impostor: Impostor,
    pub(super) controller: Controller,
    pub(super) daemon: Running,
}

/// What is on the disk.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stored {
    /// The state but for its revision, which counts commits, and the chain.
    pub(super) state: BTreeMap<String, Value>,
    pub(super) chain: Value,
    /// The audit as `action`s, oldest first.
    pub(super) actions: Vec<String>,
}

impl Activated {
    pub(super) fn new() -> Self {
        let vendor = Vendor::new();
        let server = vendor.serve();
        let impostor = Impostor::before(&server);
        let (_, code) = vendor.sell();
        let override_ = "[identity]\noverride = 'asset 4711'\n";
        let controller = Controller::at(&vendor, &impostor.url, override_);
        let daemon = controller.start();
        assert_eq!(controller.ctl.run_with(&["activate"], &code.expose()).code, 0);
        Self { vendor, server, impostor, controller, daemon }
    }

    pub(super) fn stored(&self) -> Stored {
        let path = self.controller.path("state/entitled.db");
        let store = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let mut rows = store.prepare("SELECT name, value FROM state").unwrap();
        let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        let mut state: BTreeMap<String, Value> = rows
            .map(|row| row.unwrap())
            .map(|(name, text): (String, String)| (name, serde_json::from_str(&text).unwrap()))
            .collect();
        state.remove("revision").unwrap();
        let chain = state.remove("chain").unwrap();
        let mut rows = store.prepare("SELECT action FROM events ORDER BY id").unwrap();
        let rows = rows.query_map([], |row| row.get(0)).unwrap();
        Stored { state, chain, actions: rows.map(Result::unwrap).collect() }
    }

    /// The key that the portal signs with.
    pub(super) fn portal_key(&self) -> KeyPair {
        let key = std::fs::read_dir(self.vendor.path("keys")).unwrap().next().unwrap().unwrap();
        KeyPair::from_pem(&std::fs::read_to_string(key.path()).unwrap()).unwrap()
    }

    /// The trust document and the license that are held.
    pub(super) fn held(&self) -> (String, String) {
        let raw = self.controller.ctl.out(&["license", "show", "--raw"]);
        let (trust, license) = raw.trim().split_once('\n').unwrap();
        (trust.to_owned(), license.to_owned())
    }

    /// A license of the next sequence, as the portal would sign it but for `change`.
    pub(super) fn license(&self, change: impl FnOnce(&mut LicenseClaims)) -> String {
        self.license_by(&self.portal_key(), change)
    }

    pub(super) fn license_by(
        &self,
        key: &KeyPair,
        change: impl FnOnce(&mut LicenseClaims),
    ) -> String {
        let (_, held) = self.held();
        let mut claims: LicenseClaims = Unverified::parse(&held).unwrap().peek().unwrap();
        claims.seq = Sequence(claims.seq.0 + 1);
        change(&mut claims);
        sign(&claims, key).unwrap()
    }

    /// Memory that the daemon had at the most, KiB.
    pub(super) fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.daemon.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// That all is well: the license is in force, changes go through, the portal sees one agent.
    #[track_caller]
    pub(super) fn assert_well(&self) {
        self.impostor.be(super::impostor::Manners::Honest);
        // A request that is under way ends first.
        let refreshed = self.controller.ctl.run(&["refresh"]);
        assert_eq!(refreshed.code, 0, "{refreshed:?}");
        let status = self.controller.socket.status();
        assert_eq!(
            (&status["state"], &status["conditions"][0]["type"]),
            (&json!("active"), &json!("IdentityOverride"))
        );
        let chain = self.stored().chain;
        assert_eq!((&chain["unsettled"], &chain["pending"]), (&json!([]), &Value::Null));
        let audit = self.vendor.json(&["audit"]).to_string();
        assert!(!audit.contains("\"chain-"), "{audit}");
    }
}
