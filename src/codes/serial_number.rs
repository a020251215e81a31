//! The hardware-based id of an environment.

use super::symbols::{CodeError, CodeKind, Symbols};
use serde::{Deserialize, Serialize};
#[cfg(feature = "server")]
use sha2::{Digest, Sha256};
use std::{fmt, str::FromStr};

/// The newest version of the algorithm, and the only one yet.
const VERSION: u8 = 0;
/// Keeps these digests apart from every other use of SHA-256.
#[cfg(feature = "server")]
const DOMAIN: &[u8] = b"entitled serial number\0";

/// The id of an environment, made once from its controller's hardware: `0AB-…`, eight triplets joined by `-`.
///
/// Not a secret. In JSON it is its canonical text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct SerialNumber(Symbols);

impl SerialNumber {
    /// The Serial Number of a source of identity: `source` names its kind (`smbios-uuid`, …), `canonical` is its value
    /// in canonical form. 22 symbols (110 bits) of SHA-256 over the domain, the source and the value.
    #[cfg(feature = "server")]
    pub fn mint(source: &str, canonical: &str) -> Self {
        let digest = Sha256::new()
            .chain_update(DOMAIN)
            .chain_update([VERSION])
            .chain_update((source.len() as u64).to_be_bytes())
            .chain_update(source)
            .chain_update(canonical)
            .finalize();
        let mut content = [0; 16];
        content.copy_from_slice(&digest[..16]);
        Self(Symbols::from_content(CodeKind::SerialNumber, VERSION, &content))
    }

    /// The version of the algorithm that made it, from its first symbol.
    pub const fn version(&self) -> u8 {
        self.0.version()
    }
}

impl FromStr for SerialNumber {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, CodeError> {
        let symbols = Symbols::parse(CodeKind::SerialNumber, text)?;
        if symbols.version() > VERSION {
            let version = symbols.version();
            return Err(CodeError::Version { expected: CodeKind::SerialNumber, version });
        }
        Ok(Self(symbols))
    }
}

impl fmt::Display for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.write(CodeKind::SerialNumber))
    }
}

impl fmt::Debug for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SerialNumber({self})")
    }
}

impl From<SerialNumber> for String {
    fn from(serial: SerialNumber) -> Self {
        serial.to_string()
    }
}

impl TryFrom<String> for SerialNumber {
    type Error = CodeError;

    fn try_from(text: String) -> Result<Self, CodeError> {
        text.parse()
    }
}
