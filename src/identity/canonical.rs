//! Canonical forms: one text for one identity, however firmware, kernel or hypervisor write it.
//!
//! A change here changes Serial Numbers in the field. It needs a new version of the algorithm.

use std::fmt::Write as _;

/// What a UUID or a MAC address is not.
pub(super) const NOT_A_UUID: &str = "not a UUID";
pub(super) const NOT_A_MAC: &str = "not a MAC address of one station";

/// A UUID, or its byte-swapped twin where that is the smaller text.
///
/// SMBIOS 2.6 (section 7.2.1) turned the first three fields little-endian; firmware, hypervisors and kernels came to
/// it at different times, so that one machine shows either, and an update may change which.
pub(super) fn uuid(text: &str) -> Option<String> {
    let digits: String = text
        .trim()
        .chars()
        .filter(|c| !matches!(c, '-' | '{' | '}' | ' '))
        .map(|c| c.to_ascii_lowercase())
        .collect();
    if digits.len() != 32 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let twin = byte_swapped(&digits);
    let smaller = if twin < digits { twin } else { digits };
    let fields =
        [&smaller[..8], &smaller[8..12], &smaller[12..16], &smaller[16..20], &smaller[20..]];
    Some(fields.join("-"))
}

/// 32 hexadecimal digits with the bytes of the first three fields turned round.
fn byte_swapped(digits: &str) -> String {
    let byte = |i: usize| &digits[2 * i..2 * i + 2];
    let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    order.into_iter().map(byte).collect()
}

/// The UUID inside a serial that hypervisors write from it: `VMware-56 4d …`, `GoogleCloud-…`, `Parallels-…`.
pub(super) fn uuid_in_serial(text: &str) -> Option<String> {
    let text = text.trim().to_ascii_lowercase();
    let prefixes = ["vmware-", "googlecloud-", "parallels-"];
    prefixes.into_iter().find_map(|prefix| uuid(text.strip_prefix(prefix)?))
}

/// A serial: trimmed, case-folded, inner white space made one space. NUL ends it, as in a device tree.
pub(super) fn serial(text: &str) -> String {
    let text = text.split('\0').next().unwrap_or_default();
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    words.join(" ")
}

/// A MAC address of one station, as `00:1b:21:…`.
pub(super) fn mac(text: &str) -> Option<String> {
    let octet = |digits: &str| {
        let sound = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        sound.then(|| u8::from_str_radix(digits, 16).ok()).flatten()
    };
    let octets: Vec<u8> = text.trim().split([':', '-']).map(octet).collect::<Option<_>>()?;
    let octets: [u8; 6] = octets.try_into().ok()?;
    mac_octets(octets)
}

/// The same from six octets. A group address (RFC 7042 section 2.1) is nobody's.
pub(super) fn mac_octets(octets: [u8; 6]) -> Option<String> {
    let is_group = octets[0] & 1 == 1;
    (!is_group).then(|| octets.map(|octet| format!("{octet:02x}")).join(":"))
}

/// Whether a canonical MAC address was given by its maker: RFC 7042 section 2.1, the local bit is not set.
pub(super) fn is_universal_mac(mac: &str) -> bool {
    u8::from_str_radix(mac.get(..2).unwrap_or_default(), 16).is_ok_and(|octet| octet & 2 == 0)
}

/// `eui.…` from the `eui` and `nguid` attributes of `NVMe`, written there in pairs or as a UUID.
pub(super) fn eui(text: &str) -> Option<String> {
    let digits: String = text
        .chars()
        .filter(|c| !matches!(c, ' ' | '-' | ':'))
        .map(|c| c.to_ascii_lowercase())
        .filter(|c| !c.is_control())
        .collect();
    let sound = matches!(digits.len(), 16 | 32) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    sound.then(|| format!("eui.{digits}"))
}

/// Bytes as hexadecimal digits.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
