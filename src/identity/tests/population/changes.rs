//! The rows of the documents' table that promise to keep a machine, as changes of a model.

use super::machines::{Kind, Model, Random};
use crate::identity::{Enrolled, Group, Source};

pub(super) struct Row {
    pub(super) name: &'static str,
    /// How often it happens in a month, in a thousand machines. Assumptions.
    pub(super) per_month: u64,
    /// Whether the machine stays so; an unreadable fact comes back.
    pub(super) lasts: bool,
    pub(super) change: fn(&mut Model, &mut Random),
    /// Whether the row promises to keep this machine.
    pub(super) promised: fn(&Model, &Enrolled) -> bool,
}

/// Two groups beside the changed one, or U in a guest.
fn enough_beside(changed: Group) -> impl Fn(&Model, &Enrolled) -> bool {
    move |model, enrolled| {
        let has = |group| enrolled.facts.iter().any(|f| f.group == group && f.weight > 0);
        let beside =
            Group::ALL.into_iter().filter(|group| *group != changed && has(*group)).count();
        beside >= 2 || (matches!(model.kind, Kind::Guest | Kind::Cloud) && has(Group::U))
    }
}

fn always(_: &Model, _: &Enrolled) -> bool {
    true
}

fn replace_disk(model: &mut Model, random: &mut Random) {
    if model.disk.is_some() {
        model.disk = Some((random.serial(), format!("naa.5{:015x}", random.next() >> 4)));
    }
}

fn swap_byte_order(model: &mut Model, _: &mut Random) {
    let Some(uuid) = &model.uuid else { return };
    let d: Vec<char> = uuid.chars().filter(|c| *c != '-').collect();
    let order = [6, 7, 4, 5, 2, 3, 0, 1, 10, 11, 8, 9, 14, 15, 12, 13];
    model.uuid = Some(order.into_iter().chain(16..32).map(|i| d[i]).collect());
}

pub(super) static ROWS: [Row; 9] = [
    Row {
        name: "processor changed",
        per_month: 10,
        lasts: true,
        change: |model, random| model.processor = 4 + random.below(4),
        promised: always,
    },
    Row {
        name: "one interface replaced",
        per_month: 4,
        lasts: true,
        change: |model, random| model.macs.iter_mut().take(1).for_each(|mac| *mac = random.mac()),
        promised: |model, enrolled| {
            model.macs.len() > 1 || enough_beside(Group::N)(model, enrolled)
        },
    },
    Row {
        name: "all interfaces replaced",
        per_month: 2,
        lasts: true,
        change: |model, random| model.macs.iter_mut().for_each(|mac| *mac = random.mac()),
        promised: |model, enrolled| enough_beside(Group::N)(model, enrolled),
    },
    Row {
        name: "root disk replaced",
        per_month: 4,
        lasts: true,
        change: replace_disk,
        promised: |model, enrolled| enough_beside(Group::D)(model, enrolled),
    },
    Row {
        name: "byte order of the UUID swapped",
        per_month: 1,
        lasts: true,
        change: swap_byte_order,
        promised: always,
    },
    Row {
        name: "one serial blanked",
        per_month: 1,
        lasts: true,
        change: |model, _| {
            if let Some(serial) = &mut model.board_serial {
                *serial = "Default string".to_owned();
            }
        },
        promised: |model, enrolled| enough_beside(Group::S)(model, enrolled),
    },
    Row {
        name: "facts unreadable without root",
        per_month: 20,
        lasts: false,
        change: |model, _| {
            use Source::{BoardSerial, SmbiosUuid, SystemSerial, TpmEndorsementKey};
            model.hidden = vec![SmbiosUuid, SystemSerial, BoardSerial, TpmEndorsementKey];
        },
        promised: always,
    },
    Row {
        name: "every fact unreadable",
        per_month: 2,
        lasts: false,
        change: |model, _| {
            let facts = model.survey();
            model.hidden = facts.facts().iter().map(|fact| fact.source).collect();
        },
        promised: always,
    },
    Row {
        name: "key made in the TPM",
        per_month: 2,
        lasts: true,
        change: |model, random| {
            model.tpm.get_or_insert_with(|| format!("{:016x}", random.next()));
        },
        promised: always,
    },
];
