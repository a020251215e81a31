//! The table of SMBIOS itself, where the kernel's strings are not enough: hidden, or of the first of several boards.
//!
//! DMTF DSP0134: a structure is a type, the length of its formatted part, a handle, that part, and its strings, each
//! ended by a zero byte and all by another. A string is named by its number; 0 is none.

use crate::identity::{canonical, site::Site, tree::Found};

pub(super) const TABLE: &str = "/sys/firmware/dmi/tables/DMI";

const SYSTEM: u8 = 1;
const BOARD: u8 = 2;
const END: u8 = 127;
/// Type, length and handle.
const HEADER: usize = 4;
/// Where a system's serial number and UUID are, section 7.2, and a board's serial number and kind, section 7.3.
const SYSTEM_SERIAL: usize = 0x07;
const SYSTEM_UUID: usize = 0x08;
const BOARD_SERIAL: usize = 0x07;
const BOARD_KIND: usize = 0x0d;
/// Kinds of board that are the machine: unknown, server blade, motherboard. Others are parts that move.
const MACHINE_BOARDS: [u8; 3] = [0x01, 0x03, 0x0a];

/// What the table says of identity, as texts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) uuid: Option<String>,
    pub(super) system_serial: Option<String>,
    pub(super) board_serials: Vec<String>,
}

pub(super) fn read(site: &Site) -> Found<Table> {
    match site.tree.bytes(TABLE) {
        Found::Some(bytes) => Found::Some(parse(&bytes)),
        Found::Missing => Found::Missing,
        Found::Unreadable(why) => Found::Unreadable(why),
    }
}

/// Reads as far as the table is sound.
fn parse(mut rest: &[u8]) -> Table {
    let mut table = Table::default();
    while let Some((structure, after)) = Structure::split(rest) {
        match structure.kind() {
            SYSTEM => {
                // The byte order does not matter: the canonical form takes either for the same.
                table.uuid = table.uuid.or_else(|| structure.uuid());
                table.system_serial = table.system_serial.or_else(|| structure.text(SYSTEM_SERIAL));
            }
            BOARD if structure.byte(BOARD_KIND).is_none_or(|k| MACHINE_BOARDS.contains(&k)) => {
                table.board_serials.extend(structure.text(BOARD_SERIAL));
            }
            END => break,
            _ => {}
        }
        rest = after;
    }
    table
}

struct Structure<'a> {
    formatted: &'a [u8],
    strings: &'a [u8],
}

impl<'a> Structure<'a> {
    /// The first structure and what follows it.
    fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let length = usize::from(*bytes.get(1)?);
        if length < HEADER {
            return None;
        }
        let (formatted, rest) = bytes.split_at_checked(length)?;
        let strings = rest.windows(2).position(|two| two == [0, 0])?;
        let (strings, after) = rest.split_at_checked(strings + 2)?;
        Some((Self { formatted, strings }, after))
    }

    fn kind(&self) -> u8 {
        self.byte(0).unwrap_or(END)
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.formatted.get(at).copied()
    }

    fn text(&self, at: usize) -> Option<String> {
        let number = usize::from(self.byte(at)?).checked_sub(1)?;
        let text = self.strings.split(|byte| *byte == 0).nth(number)?;
        (!text.is_empty()).then(|| String::from_utf8_lossy(text).into_owned())
    }

    fn uuid(&self) -> Option<String> {
        let bytes = self.formatted.get(SYSTEM_UUID..SYSTEM_UUID + 16)?;
        Some(canonical::hexadecimal(bytes))
    }
}

#[cfg(test)]
pub(in crate::identity) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A structure whose strings are numbered from 1.
    pub(in crate::identity) fn structure(kind: u8, formatted: &[u8], strings: &[&str]) -> Vec<u8> {
        let length = u8::try_from(HEADER + formatted.len()).unwrap();
        let mut bytes = vec![kind, length, 0, 0];
        bytes.extend(formatted);
        for string in strings {
            bytes.extend(string.bytes().chain([0]));
        }
        bytes.extend(if strings.is_empty() { &[0, 0][..] } else { &[0][..] });
        bytes
    }

    fn sample() -> Vec<u8> {
        let system = [&[1, 2, 0, 3][..], &(1..=16).collect::<Vec<u8>>(), &[6, 0, 0]].concat();
        [
            structure(0, &[1, 2], &["BIOS"]),
            structure(SYSTEM, &system, &["Maker", "Model", "SYS-1"]),
            structure(BOARD, &[1, 0, 0, 2, 0, 1, 0, 0, 0, 0x0a], &["Maker", "BOARD-1"]),
            structure(BOARD, &[1, 0, 0, 2, 0, 0, 0, 0, 0, 0x06], &["Maker", "MEMORY-RISER"]),
            structure(BOARD, &[1, 0, 0, 1], &["BOARD-2"]),
            structure(END, &[], &[]),
            structure(BOARD, &[0, 0, 0, 1], &["AFTER-THE-END"]),
        ]
        .concat()
    }

    #[test]
    fn a_table_is_read() {
        let table = parse(&sample());
        assert_eq!(table.uuid.as_deref(), Some("0102030405060708090a0b0c0d0e0f10"));
        assert_eq!(table.system_serial.as_deref(), Some("SYS-1"));
        assert_eq!(table.board_serials, ["BOARD-1", "BOARD-2"]);
    }

    #[test]
    fn a_table_that_is_cut_short_is_read_as_far_as_it_goes() {
        for length in 0..sample().len() {
            let _ = parse(&sample()[..length]);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
