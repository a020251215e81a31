//! The rows of the documents' table, as changes of the model; and changes of which the table promises nothing.

use super::{kind::Kind, machines::Model, machines::named_disk, random::Random, smbios};
use crate::identity::{Enrolled, Group, Source};

pub(super) struct Row {
    pub(super) name: &'static str,
    /// Its line in the table of rates.
    pub(super) rate: &'static str,
    /// Whether the machine stays so; what can not be read comes back.
    pub(super) lasts: bool,
    promise: Promise,
    change: fn(&mut Model, &mut Random),
}

/// What the documents' table promises of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Promise {
    Always,
    /// Where two groups beside this one remain, or U in a guest; and where a fact of this one remains.
    WhereEnoughRemains(Group),
    Nothing,
}

impl Row {
    /// The machine after the change, where the change can happen to it.
    pub(super) fn on(&self, model: &Model, random: &mut Random) -> Option<Model> {
        let mut changed = model.clone();
        (self.change)(&mut changed, random);
        (changed != *model).then_some(changed)
    }

    /// Whether the table says that this machine is kept.
    pub(super) fn promises(&self, model: &Model, enrolled: &Enrolled) -> bool {
        let facts = |group| enrolled.facts.iter().filter(move |f| f.group == group && f.weight > 0);
        match self.promise {
            Promise::Always => true,
            Promise::Nothing => false,
            Promise::WhereEnoughRemains(changed) => {
                let others = Group::ALL.into_iter().filter(|group| *group != changed);
                let beside = others.filter(|group| facts(*group).next().is_some()).count();
                let is_one_of_several = facts(changed).count() > 1 && self.leaves_others();
                let has_system_id = changed != Group::U && facts(Group::U).next().is_some();
                beside >= 2 || is_one_of_several || (model.kind.is_guest() && has_system_id)
            }
        }
    }

    fn leaves_others(&self) -> bool {
        matches!(self.rate, "one_interface_replaced" | "serial_blanked")
    }

    pub(super) fn is_promised(&self) -> bool {
        self.promise != Promise::Nothing
    }
}

fn swap_byte_order(model: &mut Model, _: &mut Random) {
    let Some(uuid) = &model.uuid else { return };
    let d: Vec<char> = uuid.chars().filter(|c| *c != '-').collect();
    let order = [6, 7, 4, 5, 2, 3, 0, 1, 10, 11, 8, 9, 14, 15, 12, 13];
    model.uuid = Some(order.into_iter().chain(16..32).map(|i| d[i]).collect());
}

fn blank(model: &mut Model, _: &mut Random) {
    let serials = [&mut model.board_serial, &mut model.system_serial];
    let set = |serial: &&mut Option<String>| {
        serial.as_deref().is_some_and(|s| s != smbios::UNSET_SERIAL && !s.contains("Cloud-"))
    };
    if model.kind.is_guest() {
        return;
    }
    if let Some(serial) = serials.into_iter().find(set) {
        *serial = Some("Default string".to_owned());
    }
}

fn replace_board(model: &mut Model, random: &mut Random) {
    let is_unset = |text: &Option<String>, unset| text.as_deref() == Some(unset);
    match model.kind {
        Kind::Server | Kind::Blade | Kind::Desktop => {}
        Kind::Board => {
            model.device_tree = Some(random.digits(16));
            model.macs.iter_mut().for_each(|mac| *mac = random.mac());
            return;
        }
        _ => return,
    }
    if !is_unset(&model.uuid, smbios::UNSET_UUID) {
        model.uuid = Some(random.uuid());
    }
    if !is_unset(&model.board_serial, smbios::UNSET_SERIAL) {
        model.board_serial = Some(random.serial());
    }
    // A chassis keeps its serial; a service technician writes a server's into the new board as often as not.
    if model.kind != Kind::Blade && random.chance(500_000) {
        model.system_serial = Some(random.serial());
    }
    model.tpm = model.tpm.as_ref().map(|_| random.digits(32));
    let kept = usize::from(model.has_card);
    let on_board = model.macs.len() - kept;
    model.macs.iter_mut().take(on_board).for_each(|mac| *mac = random.mac());
}

fn draw_uuid(model: &mut Model, random: &mut Random) {
    if model.is_drawn_anew {
        model.uuid = Some(random.uuid());
        if model.kind == Kind::Xen {
            model.system_serial.clone_from(&model.uuid);
        }
    }
}

fn replace_interfaces(model: &mut Model, random: &mut Random, count: usize) {
    let kind = model.kind;
    model.macs.iter_mut().rev().take(count).for_each(|mac| *mac = kind.mac(random));
}

const fn row(
    name: &'static str,
    rate: &'static str,
    promise: Promise,
    change: fn(&mut Model, &mut Random),
) -> Row {
    Row { name, rate, lasts: true, promise, change }
}

pub(super) static ROWS: [Row; 15] = [
    row(
        "interfaces renamed, reboot, upgrade",
        "interfaces_renamed",
        Promise::Always,
        |model, _| {
            model.macs.reverse();
        },
    ),
    Row {
        lasts: false,
        ..row("address overridden by software", "mac_overridden", Promise::Always, |model, _| {
            model.hidden = vec![Source::PermanentMac];
        })
    },
    row("processor changed", "processor_changed", Promise::Always, |model, random| {
        model.processor = 4 + random.below(4);
    }),
    row(
        "one interface replaced",
        "one_interface_replaced",
        Promise::WhereEnoughRemains(Group::N),
        |model, random| replace_interfaces(model, random, 1),
    ),
    row(
        "all interfaces replaced",
        "all_interfaces_replaced",
        Promise::WhereEnoughRemains(Group::N),
        |model, random| replace_interfaces(model, random, usize::MAX),
    ),
    row(
        "root disk replaced",
        "root_disk_replaced",
        Promise::WhereEnoughRemains(Group::D),
        |model, random| {
            if model.disk.is_some() && model.kind != Kind::Gcp {
                model.disk = Some(named_disk(random));
            }
        },
    ),
    row(
        "byte order of the UUID swapped",
        "uuid_byte_order_swapped",
        Promise::Always,
        swap_byte_order,
    ),
    row("one serial blanked", "serial_blanked", Promise::WhereEnoughRemains(Group::S), blank),
    Row {
        lasts: false,
        ..row("unreadable without root", "root_only_unreadable", Promise::Always, |model, _| {
            use Source::{BoardSerial, SmbiosUuid, SystemSerial, TpmEndorsementKey};
            model.hidden = vec![SmbiosUuid, SystemSerial, BoardSerial, TpmEndorsementKey];
        })
    },
    Row {
        lasts: false,
        ..row("everything unreadable", "all_unreadable", Promise::Always, |model, _| {
            let facts = model.survey();
            model.hidden = facts.facts().iter().map(|fact| fact.source).collect();
        })
    },
    row("key made in the TPM", "key_made", Promise::Always, |model, random| {
        if model.device_tree.is_none() {
            model.tpm.get_or_insert_with(|| random.digits(32));
        }
    }),
    row(
        "key in the TPM changed",
        "key_changed",
        Promise::WhereEnoughRemains(Group::T),
        |model, random| model.tpm = model.tpm.as_ref().map(|_| random.digits(32)),
    ),
    row("board replaced, card and disk kept", "board_replaced", Promise::Nothing, replace_board),
    row(
        "firmware update loses the UUID",
        "uuid_lost",
        Promise::WhereEnoughRemains(Group::U),
        |model, _| {
            if !model.kind.is_guest() && model.uuid.is_some() {
                model.uuid = Some(smbios::UNSET_UUID.to_owned());
            }
        },
    ),
    row("UUID drawn anew at a start", "uuid_drawn_at_start", Promise::Nothing, draw_uuid),
];
