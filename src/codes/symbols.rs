//! 24 symbols of Crockford base32 with a check symbol over GF(32): what the two codes share.

use std::fmt;

/// Symbols in a code.
pub(super) const LENGTH: usize = 24;
/// Symbols of content between the version and the check symbol; 110 bits.
#[cfg(feature = "server")]
pub(super) const CONTENT: usize = LENGTH - 2;
/// Crockford's alphabet, <https://www.crockford.com/base32.html>.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Longest text that is looked at; a code with every separator doubled is shorter.
const LONGEST_INPUT: usize = 128;

/// Which of the two codes a text is, or was meant to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeKind {
    /// Eight triplets joined by `-`.
    SerialNumber,
    /// Eight triplets joined by `.`.
    ActivationCode,
}

impl CodeKind {
    pub(super) const fn separator(self) -> char {
        match self {
            Self::SerialNumber => '-',
            Self::ActivationCode => '.',
        }
    }

    /// What the weighted sum of all symbols must be. It differs by kind, so that a Serial Number typed where an
    /// Activation Code belongs is named as such; neither is zero, so that 24 zeros are no code.
    const fn target(self) -> u8 {
        match self {
            Self::SerialNumber => 1,
            Self::ActivationCode => 2,
        }
    }

    const fn other(self) -> Self {
        match self {
            Self::SerialNumber => Self::ActivationCode,
            Self::ActivationCode => Self::SerialNumber,
        }
    }
}

impl fmt::Display for CodeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SerialNumber => "Serial Number",
            Self::ActivationCode => "Activation Code",
        })
    }
}

/// Why a text is not a code. It never repeats the text: an Activation Code is a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// Too few or too many symbols.
    #[error(
        "{expected}: expected 24 letters and digits in eight groups of three, found {found}: compare it with the original and type it again"
    )]
    Length {
        /// What was asked for.
        expected: CodeKind,
        /// Symbols found.
        found: usize,
    },
    /// A character that no code contains and that is no separator.
    #[error(
        "{expected}: the character in place {position} is not used in codes (letters and digits without U): compare it with the original and type it again"
    )]
    Symbol {
        /// What was asked for.
        expected: CodeKind,
        /// Counted from 1, separators left out.
        position: usize,
    },
    /// The check symbol does not match: a typing error, not an unknown code.
    #[error(
        "{expected}: there is a typing error in it (its check symbol does not match): compare it with the original and type it again"
    )]
    Check {
        /// What was asked for.
        expected: CodeKind,
    },
    /// A sound code of the other kind.
    #[error(
        "expected the {expected}, found the {found}: they look alike, the Serial Number is written with '-' and the Activation Code with '.'"
    )]
    OtherKind {
        /// What was asked for.
        expected: CodeKind,
        /// What it is.
        found: CodeKind,
    },
    /// A version of the algorithm that this program does not know.
    #[error(
        "{expected}: made by version {version} of the algorithm, which this program does not know (it knows 0): install a newer one"
    )]
    Version {
        /// What was asked for.
        expected: CodeKind,
        /// The version symbol's value, 0 to 31.
        version: u8,
    },
}

impl CodeError {
    /// A stable code for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Length { .. } => "code-length",
            Self::Symbol { .. } => "code-symbol",
            Self::Check { .. } => "code-check",
            Self::OtherKind { .. } => "code-other-kind",
            Self::Version { .. } => "code-version",
        }
    }
}

/// The 24 symbols of a sound code, each 0 to 31.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Symbols([u8; LENGTH]);

impl Symbols {
    /// A code from its version and its content, of which the first 110 bits are taken.
    #[cfg(feature = "server")]
    pub(super) fn from_content(kind: CodeKind, version: u8, content: &[u8; 16]) -> Self {
        let mut symbols = [0; LENGTH];
        symbols[0] = version & 31;
        let bits = u128::from_be_bytes(*content);
        for (i, symbol) in symbols[1..=CONTENT].iter_mut().enumerate() {
            // The mask leaves five bits.
            *symbol = ((bits >> (128 - 5 * (i + 1))) & 31) as u8;
        }
        symbols[LENGTH - 1] = weighted_sum(&symbols) ^ kind.target();
        Self(symbols)
    }

    /// Reads a code as a person may have typed it: any case, O for 0, I and L for 1, any or no separators.
    pub(super) fn parse(kind: CodeKind, text: &str) -> Result<Self, CodeError> {
        let mut symbols = [0; LENGTH];
        let mut count = 0;
        for c in text.chars().take(LONGEST_INPUT).filter(|c| !is_separator(*c)) {
            let value =
                value_of(c).ok_or(CodeError::Symbol { expected: kind, position: count + 1 })?;
            if let Some(place) = symbols.get_mut(count) {
                *place = value;
            }
            count += 1;
        }
        if count != LENGTH {
            return Err(CodeError::Length { expected: kind, found: count });
        }
        let sum = weighted_sum(&symbols);
        if sum == kind.other().target() {
            return Err(CodeError::OtherKind { expected: kind, found: kind.other() });
        }
        if sum != kind.target() {
            return Err(CodeError::Check { expected: kind });
        }
        Ok(Self(symbols))
    }

    pub(super) const fn version(&self) -> u8 {
        self.0[0]
    }

    pub(super) fn triplets(&self) -> [String; 8] {
        std::array::from_fn(|i| {
            self.0[3 * i..3 * i + 3].iter().map(|s| char::from(ALPHABET[usize::from(*s)])).collect()
        })
    }

    pub(super) fn write(&self, kind: CodeKind) -> String {
        self.triplets().join(kind.separator().encode_utf8(&mut [0; 4]))
    }

    #[cfg(feature = "server")]
    pub(super) fn wipe(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}

fn is_separator(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '-' | '.' | '_' | ',' | ':' | ';' | '/' | '\u{2010}'
                ..='\u{2015}' | '\u{2212}' | '\u{b7}'
        )
}

fn value_of(c: char) -> Option<u8> {
    let c = match c.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    ALPHABET.iter().position(|a| char::from(*a) == c).and_then(|i| u8::try_from(i).ok())
}

/// The sum over GF(32) of each symbol times a power of a primitive element, by Horner's rule: the last symbol weighs
/// 1, the one before it `a`, the first `a`^23. The 24 powers differ and none is zero, so a change of one symbol and a
/// swap of two different symbols each change the sum.
fn weighted_sum(symbols: &[u8; LENGTH]) -> u8 {
    symbols.iter().fold(0, |sum, symbol| times_a(sum) ^ symbol)
}

/// Multiplies by the primitive element `a` = x of GF(2)[x] / (x^5 + x^2 + 1).
const fn times_a(value: u8) -> u8 {
    let shifted = value << 1;
    if shifted & 0b10_0000 == 0 { shifted } else { shifted ^ 0b10_0101 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_the_primitive_element_differ() {
        let mut seen = std::collections::BTreeSet::new();
        let mut power = 1;
        for _ in 0..31 {
            assert!(seen.insert(power) && power != 0);
            power = times_a(power);
        }
        assert_eq!(power, 1);
    }
}
