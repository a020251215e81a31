//! What is written into the SMBIOS of bare metal: some of it by nobody.

use super::{kind::Kind, random::Random, rates::Rates};

pub(super) const UNSET_UUID: &str = "03000200-0400-0500-0006-000700080009";
pub(super) const UNSET_SERIAL: &str = "To Be Filled By O.E.M.";

/// Models of which every unit has the same texts. A twin of a machine is most probable among few.
const MODELS: u64 = 200;
const CHASSIS: u64 = 4_000;

pub(super) struct Smbios {
    pub(super) uuid: Option<String>,
    pub(super) system_serial: Option<String>,
    pub(super) board_serial: Option<String>,
    /// Whether what comes first in the mint is that of every unit.
    pub(super) is_of_the_model: bool,
}

impl Smbios {
    pub(super) fn draw(kind: Kind, rates: &Rates, random: &mut Random, first_mac: &str) -> Self {
        let maker = if kind == Kind::Desktop { "desktop" } else { "server" };
        let mut is = |fact: &str| rates.is(&format!("{maker}_{fact}"), random);
        let nothing_set = is("nothing_set");
        let unset = ["uuid_unset", "system_serial_unset", "board_serial_unset"]
            .map(|fact| nothing_set || is(fact));
        let from_mac = is("uuid_from_mac");
        let uuid_of_model = !unset[0] && rates.is("uuid_of_the_model", random);
        let uuid = if unset[0] {
            UNSET_UUID.to_owned()
        } else if uuid_of_model {
            format!("0de1{:028x}", random.below(MODELS))
        } else if from_mac {
            format!("{}{}", random.digits(20), first_mac.replace(':', ""))
        } else {
            random.uuid()
        };
        let mut serial = |unset: bool, name: &str| {
            let of_model = rates.is("serial_of_the_model", random);
            let text = if unset {
                UNSET_SERIAL.to_owned()
            } else if of_model {
                format!("{name} OF MODEL {}", random.below(MODELS))
            } else {
                random.serial()
            };
            (Some(text), of_model && !unset)
        };
        let (board_serial, board_of_model) = serial(unset[2], "BOARD");
        let (own_serial, system_of_model) = serial(unset[1], "SYSTEM");
        let in_chassis = kind == Kind::Blade;
        let chassis = format!("CHASSIS{:06}", random.below(CHASSIS));
        // In the order of the mint: UUID, board, system.
        let first = [(unset[0], uuid_of_model), (unset[2], board_of_model)];
        let of_first = first.into_iter().find(|(unset, _)| !unset).map(|(_, of_model)| of_model);
        let is_of_the_model = of_first.unwrap_or(in_chassis || (!unset[1] && system_of_model));
        Self {
            uuid: Some(uuid),
            system_serial: if in_chassis { Some(chassis) } else { own_serial },
            board_serial,
            is_of_the_model,
        }
    }
}
