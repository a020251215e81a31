//! The machines, as their facts are written; what they are read as is the work of the code under test.

use super::{kind::Kind, random::Random, rates::Rates, smbios::Smbios};
use crate::identity::{
    Canonical, Fact, Reading, Source, Survey, canonical,
    placeholders::{disk_reading, mac_reading, serial_reading, uuid_reading},
};

/// The name of a disk: serial and WWID.
pub(super) type Disk = (Option<String>, Option<String>);

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
    /// Whether the last of them is on a card that can be taken out.
    pub(super) has_card: bool,
    pub(super) disk: Option<Disk>,
    pub(super) processor: u64,
    /// What can not be read for now.
    pub(super) hidden: Vec<Source>,
    /// Whether what the Serial Number would be made from is in other machines as well, and no table knows it.
    pub(super) is_copied: bool,
    /// Whether the hypervisor draws a new UUID at each start.
    pub(super) is_drawn_anew: bool,
}

impl Model {
    pub(super) fn draw(rates: &Rates, random: &mut Random) -> Self {
        let kind = Kind::draw(rates, random);
        Self::of(kind, rates, random)
    }

    pub(super) fn of(kind: Kind, rates: &Rates, random: &mut Random) -> Self {
        match kind {
            Kind::Server | Kind::Blade | Kind::Desktop => Self::bare_metal(kind, rates, random),
            Kind::Board => Self::board(rates, random),
            Kind::Container => {
                let host = random.one_of(&Kind::ALL[..13]).0;
                Self { kind, ..Self::of(host, rates, random) }
            }
            _ => Self::guest(kind, rates, random),
        }
    }

    fn bare(kind: Kind, random: &mut Random) -> Self {
        Self {
            kind,
            uuid: None,
            instance: None,
            device_tree: None,
            tpm: None,
            system_serial: None,
            board_serial: None,
            macs: Vec::new(),
            has_card: false,
            disk: None,
            processor: random.below(4),
            hidden: Vec::new(),
            is_copied: false,
            is_drawn_anew: false,
        }
    }

    fn bare_metal(kind: Kind, rates: &Rates, random: &mut Random) -> Self {
        let is_desktop = kind == Kind::Desktop;
        let on_board = if is_desktop { 1 } else { 2 };
        let has_card = !is_desktop && rates.is("server_card", random);
        let macs: Vec<_> = (0..on_board + usize::from(has_card)).map(|_| random.mac()).collect();
        let smbios = Smbios::draw(kind, rates, random, &macs[0]);
        let has_key = if is_desktop { "desktop_tpm_key" } else { "server_tpm_key" };
        let tpm = rates.is(has_key, random).then(|| random.digits(32));
        let disk = Some(named_disk(random));
        let is_nameless = !is_desktop && rates.is("server_disk_nameless", random);
        Self {
            uuid: smbios.uuid,
            system_serial: smbios.system_serial,
            board_serial: smbios.board_serial,
            is_copied: smbios.is_of_the_model,
            tpm,
            macs,
            has_card,
            disk: disk.filter(|_| !is_nameless),
            ..Self::bare(kind, random)
        }
    }

    fn board(rates: &Rates, random: &mut Random) -> Self {
        let is_zero = rates.is("board_serial_zero", random);
        let is_copied = !is_zero && rates.is("board_serial_of_the_model", random);
        let serial = match (is_zero, is_copied) {
            (true, _) => "0000000000000000".to_owned(),
            (_, true) => format!("5e51a1000000{:04x}", random.below(200)),
            _ => random.digits(16),
        };
        let is_random = rates.is("board_mac_random", random);
        let is_on_card = rates.is("board_on_card", random);
        Self {
            device_tree: Some(serial),
            macs: if is_random { Vec::new() } else { vec![random.mac()] },
            disk: (!is_on_card).then(|| (Some(random.digits(32)), None)),
            is_copied,
            ..Self::bare(Kind::Board, random)
        }
    }

    fn guest(kind: Kind, rates: &Rates, random: &mut Random) -> Self {
        let without =
            kind == Kind::MicroVm || (kind == Kind::Xen && rates.is("xen_without_smbios", random));
        let can_be_copied = matches!(kind, Kind::Vmware | Kind::Kvm | Kind::Xen);
        let is_copied = can_be_copied && !without && rates.is("guest_uuid_copied", random);
        let own = match kind {
            Kind::Ec2Nitro | Kind::Ec2Xen => format!("ec2{}", random.digits(29)),
            _ => random.uuid(),
        };
        let template = format!("7e3b1a7e{:024x}", random.below(50));
        let uuid = (!without).then_some(if is_copied { template } else { own });
        let draws = matches!(kind, Kind::Kvm | Kind::Xen) && !is_copied && !without;
        let has_network = !rates.is("guest_without_network", random);
        Self {
            system_serial: uuid.as_deref().and_then(|uuid| guest_serial(kind, uuid, random)),
            board_serial: (kind == Kind::HyperV).then(|| host_shaped(random)),
            instance: (kind == Kind::Ec2Nitro).then(|| format!("i-{}", random.digits(17))),
            tpm: (!without && rates.is("guest_tpm_key", random)).then(|| random.digits(32)),
            macs: if has_network { vec![kind.mac(random)] } else { Vec::new() },
            disk: guest_disk(kind, rates, random),
            is_copied,
            is_drawn_anew: draws && rates.is("guest_uuid_drawn_at_start", random),
            uuid,
            ..Self::bare(kind, random)
        }
    }

    fn facts(&self) -> Vec<Fact> {
        let plain = |text: &str| Reading::Value(Canonical::new(canonical::serial(text)));
        let or_absent = |text: &Option<String>, of: &dyn Fn(&str) -> Reading| {
            text.as_deref().map_or(Reading::Absent, of)
        };
        let disk = |text: Option<&String>| {
            text.map_or(Reading::Absent, |text| disk_reading(canonical::serial(text)))
        };
        let name = self.disk.as_ref();
        let mut readings = vec![
            (Source::SmbiosUuid, or_absent(&self.uuid, &uuid_reading)),
            (Source::CloudInstanceId, or_absent(&self.instance, &plain)),
            (Source::DeviceTreeSerial, or_absent(&self.device_tree, &serial_reading)),
            (Source::TpmEndorsementKey, or_absent(&self.tpm, &plain)),
            (Source::SystemSerial, or_absent(&self.system_serial, &serial_reading)),
            (Source::BoardSerial, or_absent(&self.board_serial, &serial_reading)),
            (Source::DiskSerial, disk(name.and_then(|(serial, _)| serial.as_ref()))),
            (Source::DiskWwid, disk(name.and_then(|(_, wwid)| wwid.as_ref()))),
            (Source::Processor, plain(&self.processor.to_string())),
        ];
        // VMware and Google write the UUID into the serial too.
        let in_serial = self.system_serial.as_deref().and_then(canonical::uuid_in_serial);
        readings.extend(in_serial.map(|uuid| (Source::SmbiosUuid, uuid_reading(&uuid))));
        let macs = self.macs.iter().map(|mac| mac_reading(canonical::mac(mac)));
        readings.extend(macs.map(|reading| (Source::PermanentMac, reading)));
        if self.macs.is_empty() {
            readings.push((Source::PermanentMac, Reading::Absent));
        }
        let hide = |(source, reading): (Source, Reading)| {
            let hidden = self.hidden.contains(&source) && reading != Reading::Absent;
            Fact::new(source, "", if hidden { Reading::unreadable("hidden") } else { reading })
        };
        readings.into_iter().map(hide).collect()
    }

    pub(super) fn survey(&self) -> Survey {
        Survey::new(self.kind.machine(), None, self.facts())
    }
}

pub(super) fn named_disk(random: &mut Random) -> Disk {
    (Some(random.serial()), Some(format!("naa.5{}", random.digits(15))))
}

/// What each hypervisor and cloud writes into the serial.
fn guest_serial(kind: Kind, uuid: &str, random: &mut Random) -> Option<String> {
    let digits: String = uuid.chars().filter(|c| *c != '-').collect();
    match kind {
        Kind::Vmware => {
            let pairs: Vec<_> = (0..16).map(|i| &digits[2 * i..2 * i + 2]).collect();
            Some(format!("VMware-{}-{}", pairs[..8].join(" "), pairs[8..].join(" ")))
        }
        Kind::Gcp => Some(format!("GoogleCloud-{digits}")),
        // OpenStack and others show their host's; libvirt by itself none.
        Kind::Kvm => Some(if random.chance(500_000) {
            "Not Specified".to_owned()
        } else {
            format!("host-{:04x}", random.below(10_000))
        }),
        Kind::HyperV | Kind::Azure => Some(host_shaped(random)),
        Kind::Oci | Kind::MicroVm => None,
        _ => Some(uuid.to_owned()),
    }
}

/// Groups of four digits, as Hyper-V has them; nothing in them says whether they are the guest's own.
fn host_shaped(random: &mut Random) -> String {
    let groups: Vec<_> = (0..6).map(|_| format!("{:04}", random.below(10_000))).collect();
    format!("{}-{:02}", groups.join("-"), random.below(100))
}

fn guest_disk(kind: Kind, rates: &Rates, random: &mut Random) -> Option<Disk> {
    let microsoft =
        |random: &mut Random| Some((None, Some(format!("naa.60022480{}", random.digits(24)))));
    match kind {
        Kind::Vmware => rates
            .is("vmware_disk_named", random)
            .then(|| (None, Some(format!("naa.6000c29{}", random.digits(25))))),
        Kind::Kvm if rates.is("kvm_disk_named", random) => Some((Some(random.digits(20)), None)),
        Kind::Kvm => Some((Some("drive-scsi0".to_owned()), None)),
        Kind::HyperV | Kind::Azure => microsoft(random),
        Kind::Ec2Nitro => Some((Some(format!("vol0{}", random.digits(16))), None)),
        Kind::Gcp if rates.is("gcp_nvme", random) => {
            let wwid = "nvme.1ae0-6e766d655f636172642d7064-6e766d655f636172642d7064-00000001";
            Some((Some("nvme_card-pd".to_owned()), Some(wwid.to_owned())))
        }
        Kind::Gcp => Some((Some("persistent-disk-0".to_owned()), None)),
        Kind::Oci => Some((None, Some(format!("naa.60{}", random.digits(30))))),
        _ => None,
    }
}
