//! The public endorsement key of a TPM 2.0, if it has one stored: optional, and asked without any TPM software.
//!
//! One command, `TPM2_ReadPublic` (TPM 2.0 Library Part 3, section 12.4), for the two places that the TCG EK
//! Credential Profile (section 2.2.1.5) gives the key. It needs no authorization and changes nothing.

use crate::identity::{Canonical, Fact, Reading, Source, canonical, site::Site, tree::Found};
use sha2::{Digest, Sha256};
use std::{
    fs, io,
    io::{Read as _, Write as _},
};

pub(super) const SOURCES: &[Source] = &[Source::TpmEndorsementKey];

/// Where the kernel lists its TPMs, for everyone to see.
pub(in crate::identity) const TPMS: &str = "/sys/class/tpm";
/// Through the kernel's resource manager, so that other users of the TPM are not disturbed.
const DEVICE: &str = "/dev/tpmrm0";
/// Where an RSA 2048 and a P-256 endorsement key are kept.
const HANDLES: [u32; 2] = [0x8101_0001, 0x8101_0016];

const NO_SESSIONS: u16 = 0x8001;
const READ_PUBLIC: u32 = 0x0000_0173;
/// `TPM_RC_HANDLE` for the first handle: nothing is kept there.
const NOTHING_THERE: u32 = 0x0000_018b;
const LARGEST_RESPONSE: usize = 4096;

pub(super) fn read(site: &Site) -> Vec<Fact> {
    let fact = |place: &str, reading| Fact::new(Source::TpmEndorsementKey, place, reading);
    match site.tree.names(TPMS) {
        Found::Missing => return vec![fact(TPMS, Reading::Absent)],
        Found::Unreadable(why) => return vec![fact(TPMS, Reading::unreadable(why))],
        Found::Some(names) if !names.iter().any(|name| is_tpm2(site, name)) => {
            return vec![fact(TPMS, Reading::Absent)];
        }
        Found::Some(_) => {}
    }
    if !site.live {
        let why = "there is a TPM, and a captured tree does not hold its key";
        return vec![fact(TPMS, Reading::unreadable(why))];
    }
    let keys: Vec<Fact> = HANDLES
        .into_iter()
        .map(|handle| fact(&format!("{DEVICE} {handle:#x}"), key_at(handle)))
        .filter(|fact| fact.reading != Reading::Absent)
        .collect();
    if keys.is_empty() { vec![fact(DEVICE, Reading::Absent)] } else { keys }
}

fn is_tpm2(site: &Site, name: &str) -> bool {
    // Kernels before 5.6 do not say; those that speak 1.2 answer the command with an error.
    let version = site.tree.line(&format!("{TPMS}/{name}/tpm_version_major"));
    name.starts_with("tpm") && version.is_none_or(|version| version == "2")
}

fn key_at(handle: u32) -> Reading {
    let response = match ask(&command(handle)) {
        Ok(response) => response,
        Err(error) => return Reading::unreadable(format!("{DEVICE}: {error}")),
    };
    match parse(&response) {
        Some(Ok(public_area)) => {
            let digest = canonical::hexadecimal(&Sha256::digest(public_area));
            Reading::Value(Canonical::new(digest))
        }
        Some(Err(NOTHING_THERE)) => Reading::Absent,
        Some(Err(code)) => Reading::unreadable(format!("{DEVICE}: the TPM answered {code:#x}")),
        None => Reading::unreadable(format!("{DEVICE}: the TPM's answer is cut short")),
    }
}

fn command(handle: u32) -> Vec<u8> {
    const LENGTH: u32 = 14;
    let parts: [&[u8]; 4] = [
        &NO_SESSIONS.to_be_bytes(),
        &LENGTH.to_be_bytes(),
        &READ_PUBLIC.to_be_bytes(),
        &handle.to_be_bytes(),
    ];
    parts.concat()
}

fn ask(command: &[u8]) -> io::Result<Vec<u8>> {
    let mut device = fs::OpenOptions::new().read(true).write(true).open(DEVICE)?;
    device.write_all(command)?;
    let mut response = vec![0; LARGEST_RESPONSE];
    let length = device.read(&mut response)?;
    response.truncate(length);
    Ok(response)
}

/// The public area of the key, or the TPM's response code; none where the answer is no answer.
fn parse(response: &[u8]) -> Option<Result<&[u8], u32>> {
    let code = u32::from_be_bytes(response.get(6..10)?.try_into().ok()?);
    if code != 0 {
        return Some(Err(code));
    }
    let length = u16::from_be_bytes(response.get(10..12)?.try_into().ok()?);
    let public_area = response.get(12..12 + usize::from(length))?;
    (!public_area.is_empty()).then_some(Ok(public_area))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_as_the_library_says() {
        let expected = [0x80, 1, 0, 0, 0, 14, 0, 0, 1, 0x73, 0x81, 1, 0, 1];
        assert_eq!(command(HANDLES[0]), expected);
    }

    #[test]
    fn answers_are_read_or_refused() {
        let answer = [0x80, 1, 0, 0, 0, 15, 0, 0, 0, 0, 0, 3, 7, 8, 9, 0, 0];
        assert_eq!(parse(&answer), Some(Ok(&[7, 8, 9][..])));
        assert_eq!(parse(&[0x80, 1, 0, 0, 0, 10, 0, 0, 1, 0x8b]), Some(Err(NOTHING_THERE)));
        for length in 0..answer.len() - 2 {
            assert_eq!(parse(&answer[..length]), None, "{length}");
        }
    }
}
