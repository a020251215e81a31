//! The kinds of machines, and how the names of a kind are made there.

use super::{random::Random, rates::Rates};
use crate::identity::MachineKind;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Server,
    /// A server in a chassis that several share, and whose serial each shows as its own.
    Blade,
    Desktop,
    /// A board with a device tree.
    Board,
    Vmware,
    Kvm,
    HyperV,
    Xen,
    Ec2Nitro,
    Ec2Xen,
    Azure,
    Gcp,
    Oci,
    MicroVm,
    /// On any host, and it sees the host's facts.
    Container,
}

impl Kind {
    pub(super) const ALL: [(Self, &'static str); 15] = [
        (Self::Server, "server"),
        (Self::Blade, "blade"),
        (Self::Desktop, "desktop"),
        (Self::Board, "board"),
        (Self::Vmware, "vmware"),
        (Self::Kvm, "kvm"),
        (Self::HyperV, "hyper_v"),
        (Self::Xen, "xen"),
        (Self::Ec2Nitro, "ec2_nitro"),
        (Self::Ec2Xen, "ec2_xen"),
        (Self::Azure, "azure"),
        (Self::Gcp, "gcp"),
        (Self::Oci, "oci"),
        (Self::MicroVm, "micro_vm"),
        (Self::Container, "container"),
    ];

    pub(super) fn draw(rates: &Rates, random: &mut Random) -> Self {
        let mut left = random.below(super::random::MILLION);
        for (kind, name) in Self::ALL {
            let share = rates.shares[name].per_million;
            if left < share {
                return kind;
            }
            left -= share;
        }
        unreachable!("shares add up to a million")
    }

    pub(super) const fn is_guest(self) -> bool {
        !matches!(self, Self::Server | Self::Blade | Self::Desktop | Self::Board | Self::Container)
    }

    pub(super) fn machine(self) -> MachineKind {
        match self {
            Self::Container => MachineKind::Container { engine: "docker".to_owned() },
            kind if kind.is_guest() => {
                MachineKind::VirtualMachine { hypervisor: format!("{kind:?}") }
            }
            _ => MachineKind::BareMetal,
        }
    }

    /// A permanent address as this kind's interfaces have it.
    pub(super) fn mac(self, random: &mut Random) -> String {
        match self {
            Self::Vmware => random.mac_of("00:50:56"),
            Self::Kvm => random.mac_of("52:54:00"),
            // From the last two octets of the host's own address and a number below 256: sites repeat each other.
            Self::HyperV => {
                let (site, host, number) = (random.below(4), random.below(50), random.below(40));
                format!("00:15:5d:{site:02x}:{host:02x}:{number:02x}")
            }
            Self::Xen => random.mac_of("00:16:3e"),
            Self::Ec2Nitro | Self::Ec2Xen => {
                let beginning =
                    format!("0{}:{}", random.one_of(&["2", "6", "a"]), random.digits(2));
                format!("{beginning}:{}", &random.mac_of("00:00")[6..])
            }
            Self::Azure => random.mac_of("00:0d:3a"),
            // From the address of the instance, which the default networks of all customers repeat.
            Self::Gcp => format!("42:01:0a:80:00:{:02x}", 2 + random.below(200)),
            Self::Oci => random.mac_of("02:00:17"),
            Self::MicroVm => "02:fc:00:00:00:05".to_owned(),
            _ => random.mac(),
        }
    }
}
