//! Machines that are not the enrolled one, most alike first, each with the enrolled one's state directory.

use super::{kind::Kind, machines::Model, random::Random, rates::Rates, smbios};
use crate::identity::Survey;

/// A guest with the UUID of another and an address of its own shows what the machine itself shows after all its interfaces
/// were replaced, which the table promises to keep: no vote can tell the two apart. The chain of requests sees the copy.
pub(super) const COPIES: [&str; 2] = [
    "guest copied with its UUID, all else new",
    "guest copied with its UUID and disk, new address",
];

/// A machine that nobody gave a UUID or a serial is known by its addresses and its disk alone. That it is kept when its
/// disk is replaced means that its network card, in another machine, is taken for it.
pub(super) const CARD: &str = "another with its network card";

impl Model {
    pub(super) fn strangers(
        &self,
        rates: &Rates,
        random: &mut Random,
    ) -> Vec<(&'static str, Survey)> {
        let other = Self::draw(rates, random);
        let of_kind = Self::of(self.kind, rates, random);
        let host = Self { kind: Kind::Container, ..self.clone() };
        let mut strangers = vec![
            ("any other machine", other.survey()),
            ("another of its kind", of_kind.survey()),
            ("container on the licensed host", host.survey()),
        ];
        if self.disk.is_some() {
            let moved = Self { disk: self.disk.clone(), ..of_kind.clone() };
            strangers.push(("another with its disk", moved.survey()));
        }
        if self.has_card {
            let mut macs = of_kind.macs.clone();
            macs.extend(self.macs.last().cloned());
            let moved = Self { macs, ..of_kind.clone() };
            strangers.push((CARD, moved.survey()));
        }
        if self.kind == Kind::Blade {
            let beside = Self { system_serial: self.system_serial.clone(), ..of_kind.clone() };
            strangers.push(("another in its chassis", beside.survey()));
        }
        if matches!(self.kind, Kind::HyperV | Kind::Gcp) {
            let same = Self { macs: self.macs.clone(), ..of_kind.clone() };
            strangers.push(("another with its address, drawn again", same.survey()));
        }
        if self.kind.is_guest() {
            strangers.push(("clone of its template", self.clone_of(&of_kind).survey()));
        }
        strangers.extend(self.with_its_uuid(&of_kind).into_iter().map(|(n, m)| (n, m.survey())));
        strangers
    }

    /// A guest made from the same template: what the hypervisor makes anew is new, the disk's names and the virtual TPM
    /// are copies.
    fn clone_of(&self, new: &Self) -> Self {
        Self {
            disk: self.disk.clone(),
            tpm: new.uuid.as_ref().and(self.tpm.clone()),
            ..new.clone()
        }
    }

    fn with_its_uuid(&self, of_kind: &Self) -> Vec<(&'static str, Self)> {
        let Some(uuid) = self.uuid.clone().filter(|uuid| uuid != smbios::UNSET_UUID) else {
            return Vec::new();
        };
        let twin = Self { uuid: Some(uuid.clone()), ..of_kind.clone() };
        match self.kind {
            // Made from an address that nobody else has, it is in no other machine.
            Kind::Server | Kind::Blade | Kind::Desktop if self.uuid_holds_an_address() => {
                Vec::new()
            }
            Kind::Server | Kind::Blade | Kind::Desktop => {
                vec![("duplicate UUID, bare metal", twin)]
            }
            // Clouds give a copy a name of its own.
            Kind::Vmware | Kind::Kvm | Kind::HyperV | Kind::Xen => {
                let serial = match self.kind {
                    Kind::Kvm => of_kind.system_serial.clone(),
                    _ => self.system_serial.clone(),
                };
                let twin = Self { system_serial: serial, ..twin };
                let same_disk = Self { macs: of_kind.macs.clone(), ..self.clone() };
                vec![(COPIES[0], twin), (COPIES[1], same_disk)]
            }
            _ => Vec::new(),
        }
    }

    fn uuid_holds_an_address(&self) -> bool {
        let ends_in = |mac: &String| {
            self.uuid.as_deref().is_some_and(|uuid| uuid.ends_with(&mac.replace(':', "")))
        };
        self.macs.iter().any(ends_in)
    }
}
