//! The machines. Shares and rates are assumptions, written here so that they can be argued with; what is known of
//! placeholders comes from the lists in the wild that `placeholders.toml` is made of.

use super::container;
use crate::identity::{
    Canonical, Fact, MachineKind, Reading, Source, Survey, canonical, placeholders,
};

/// `splitmix64`: the same population on every run and machine.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// True so many times in a thousand.
    pub(super) fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }

    pub(super) fn uuid(&mut self) -> String {
        let (a, b) = (self.next(), self.next());
        canonical::uuid(&format!("{a:016x}{b:016x}")).unwrap()
    }

    pub(super) fn serial(&mut self) -> String {
        format!("SN{:012X}", self.below(1 << 48))
    }

    /// Of one of a few hundred makers, as universal addresses are.
    pub(super) fn mac(&mut self) -> String {
        let (maker, station) = (self.below(300), self.below(1 << 24));
        canonical::mac(&format!(
            "3c:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}",
            maker / 256,
            maker % 256,
            station >> 16,
            station >> 8 & 255,
            station & 255
        ))
        .unwrap()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Server,
    Desktop,
    Board,
    Guest,
    Cloud,
}

/// A machine as its facts are written; what they are read as is the work of the code under test.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Model {
    pub(super) kind: Kind,
    pub(super) uuid: Option<String>,
    pub(super) instance: Option<String>,
    pub(super) device_tree: Option<String>,
    pub(super) tpm: Option<String>,
    pub(super) system_serial: Option<String>,
    pub(super) board_serial: Option<String>,
    pub(super) macs: Vec<String>,
    pub(super) disk: Option<(String, String)>,
    pub(super) processor: u64,
    pub(super) hidden: Vec<Source>,
}

/// The one stranger that cannot be told apart here: a guest copied with its UUID but without its interface is, where no
/// disk has a serial, what the row 'all interfaces replaced' promises to keep. The chain of requests sees the copy.
pub(super) const COPIED_GUEST: &str = "guest copied with its UUID";

const PLACEHOLDER_UUID: &str = "03000200-0400-0500-0006-000700080009";
const PLACEHOLDER_SERIAL: &str = "To Be Filled By O.E.M.";

impl Model {
    pub(super) fn draw(random: &mut Random) -> Self {
        let kind = match random.below(100) {
            0..30 => Kind::Server,
            30..45 => Kind::Desktop,
            45..48 => Kind::Board,
            48..80 => Kind::Guest,
            _ => Kind::Cloud,
        };
        let is_guest = matches!(kind, Kind::Guest | Kind::Cloud);
        // Desktop boards in machines without a brand are sold without UUID and serials.
        let (uuid_blank, serial_blank, keys) = match kind {
            Kind::Server => (3, 20, 200),
            Kind::Desktop => (30, 400, 500),
            Kind::Board => (1000, 1000, 0),
            Kind::Guest | Kind::Cloud => (0, 0, 50),
        };
        let serial = |random: &mut Random| {
            let blank = random.chance(serial_blank);
            Some(if blank { PLACEHOLDER_SERIAL.to_owned() } else { random.serial() })
        };
        let uuid =
            if random.chance(uuid_blank) { PLACEHOLDER_UUID.to_owned() } else { random.uuid() };
        // One server in ten is a blade, and sixteen of them share what its chassis is called.
        let in_chassis = kind == Kind::Server && random.chance(100);
        let system_serial = if in_chassis {
            Some(format!("CHASSIS{}", random.below(1000)))
        } else {
            serial(random)
        };
        // Micro-VMs have no SMBIOS, and a few guests no network.
        let is_micro = kind == Kind::Guest && random.chance(20);
        let interfaces = match kind {
            Kind::Server => 2,
            Kind::Guest if random.chance(5) => 0,
            _ => 1,
        };
        // Many guests have a disk without a serial.
        let has_disk = !is_guest || random.chance(400);
        Self {
            kind,
            uuid: (kind != Kind::Board && !is_micro).then_some(uuid),
            instance: (kind == Kind::Cloud && random.chance(500))
                .then(|| format!("i-{:016x}", random.next())),
            device_tree: (kind == Kind::Board).then(|| format!("{:016x}", random.next())),
            tpm: random.chance(keys).then(|| format!("{:016x}", random.next())),
            system_serial: (kind != Kind::Board).then_some(system_serial).flatten(),
            board_serial: (kind != Kind::Board).then(|| serial(random)).flatten(),
            macs: (0..interfaces).map(|_| random.mac()).collect(),
            disk: has_disk.then(|| (random.serial(), format!("naa.5{:015x}", random.next() >> 4))),
            processor: random.below(4),
            hidden: Vec::new(),
        }
    }

    fn machine(&self) -> MachineKind {
        match self.kind {
            Kind::Guest | Kind::Cloud => {
                MachineKind::VirtualMachine { hypervisor: "kvm".to_owned() }
            }
            _ => MachineKind::BareMetal,
        }
    }

    fn facts(&self) -> Vec<Fact> {
        let plain = |text: &str| Reading::Value(Canonical::new(canonical::serial(text)));
        let or_absent = |text: &Option<String>, of: &dyn Fn(&str) -> Reading| {
            text.as_deref().map_or(Reading::Absent, of)
        };
        let disk = |text: Option<&String>| {
            text.map_or(Reading::Absent, |text| placeholders::disk_reading(canonical::serial(text)))
        };
        let mut readings = vec![
            (Source::SmbiosUuid, or_absent(&self.uuid, &placeholders::uuid_reading)),
            (Source::CloudInstanceId, or_absent(&self.instance, &plain)),
            (Source::DeviceTreeSerial, or_absent(&self.device_tree, &placeholders::serial_reading)),
            (Source::TpmEndorsementKey, or_absent(&self.tpm, &plain)),
            (Source::SystemSerial, or_absent(&self.system_serial, &placeholders::serial_reading)),
            (Source::BoardSerial, or_absent(&self.board_serial, &placeholders::serial_reading)),
            (Source::DiskSerial, disk(self.disk.as_ref().map(|(serial, _)| serial))),
            (Source::DiskWwid, disk(self.disk.as_ref().map(|(_, wwid)| wwid))),
            (Source::Processor, plain(&self.processor.to_string())),
        ];
        let macs = self.macs.iter().map(|mac| placeholders::mac_reading(canonical::mac(mac)));
        readings.extend(macs.map(|reading| (Source::PermanentMac, reading)));
        if self.macs.is_empty() {
            readings.push((Source::PermanentMac, Reading::Absent));
        }
        let hide = |(source, reading): (Source, Reading)| {
            let hidden = self.hidden.contains(&source) && reading != Reading::Absent;
            Fact::new(source, "model", if hidden { Reading::unreadable("hidden") } else { reading })
        };
        readings.into_iter().map(hide).collect()
    }

    pub(super) fn survey(&self) -> Survey {
        Survey::new(self.machine(), None, self.facts())
    }

    /// Machines that are not this one, most alike first, with this one's state directory copied to them.
    pub(super) fn strangers(&self, random: &mut Random) -> Vec<(&'static str, Survey)> {
        let other = Self::draw(random);
        let mut strangers = vec![
            ("any other machine", other.survey()),
            ("container on the licensed host", Survey::new(container(), None, self.facts())),
            ("another with its disk", Self { disk: self.disk.clone(), ..other.clone() }.survey()),
        ];
        if self.kind == Kind::Server {
            let beside = Self { system_serial: self.system_serial.clone(), ..other.clone() };
            strangers.push(("same chassis", beside.survey()));
        }
        if matches!(self.kind, Kind::Guest | Kind::Cloud) {
            let instance = self.instance.as_ref().map(|_| format!("i-{:016x}", random.next()));
            let clone = Self {
                uuid: Some(random.uuid()),
                instance,
                macs: vec![random.mac()],
                // Hypervisors that give no UUID keep no TPM of a guest either, and make the clone a new one.
                tpm: self.uuid.as_ref().and(self.tpm.clone()),
                ..self.clone()
            };
            strangers.push(("clone of the same template", clone.survey()));
        }
        if self.uuid.is_some() {
            let (uuid, kind) = (self.uuid.clone(), self.kind);
            let twin = Self { uuid, kind, instance: None, device_tree: None, ..other };
            let is_guest = matches!(kind, Kind::Guest | Kind::Cloud);
            let name = if is_guest { COPIED_GUEST } else { "duplicate UUID, bare metal" };
            strangers.push((name, twin.survey()));
        }
        strangers
    }
}
