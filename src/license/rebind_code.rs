//! The one-time code by which a machine that lost its key gets its environment back.

use super::{DocumentError, KeyPair, PublicKey, RequestId};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use std::{fmt, str::FromStr};
use zeroize::{Zeroize, Zeroizing};

/// Symbols; the last is the check symbol, 75 random bits are left.
const LENGTH: usize = 16;
/// Crockford's, as in the two other codes: no I, L, O, U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const KEY_DOMAIN: &[u8] = b"entitled rebind code key\0";

/// A one-time code, `7KD4-…`, read to the customer by whoever may use the portal.
///
/// It is the seed of a key pair. The portal keeps the public half, a request is signed with the private half
/// ([`proof`](Self::proof)): neither the portal's database nor a request that is read on its way is enough to use it, and
/// checking a proof compares no secrets. `Debug` shows nothing of it, there is no `Display`, and it is wiped when dropped.
#[derive(Clone)]
pub struct RebindCode(Zeroizing<[u8; LENGTH]>);

impl RebindCode {
    /// A new code from the operating system's random numbers.
    ///
    /// # Errors
    /// Only where the operating system has no random numbers.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut symbols = Zeroizing::new([0; LENGTH]);
        getrandom::fill(symbols.as_mut())?;
        // 256 is a multiple of 32: every symbol is equally likely.
        symbols.iter_mut().for_each(|symbol| *symbol %= 32);
        symbols[LENGTH - 1] = check_symbol(&symbols);
        Ok(Self(symbols))
    }

    /// The canonical text. The only way to it; every caller is a place to review.
    pub fn expose(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(LENGTH + 3));
        for (place, symbol) in self.0.iter().enumerate() {
            if place > 0 && place % 4 == 0 {
                text.push('-');
            }
            text.push(char::from(ALPHABET[usize::from(*symbol)]));
        }
        text
    }

    /// What the portal keeps of it.
    pub fn verifier(&self) -> PublicKey {
        self.key().public()
    }

    /// Shows that the asker of request `jti`, signed by `key`, holds the code: a signature in base64url.
    pub fn proof(&self, jti: RequestId, key: &PublicKey) -> String {
        URL_SAFE_NO_PAD.encode(self.key().sign(message(jti, key).as_bytes()))
    }

    /// Whether `proof` shows that the asker of request `jti`, signed by `key`, holds the code of `verifier`.
    pub fn proves(verifier: &PublicKey, proof: &str, jti: RequestId, key: &PublicKey) -> bool {
        URL_SAFE_NO_PAD.decode(proof).is_ok_and(|signature| {
            verifier.verify(message(jti, key).as_bytes(), &signature).is_ok()
        })
    }

    fn key(&self) -> KeyPair {
        let digest = Sha256::new().chain_update(KEY_DOMAIN).chain_update(*self.0).finalize();
        let mut seed: Zeroizing<[u8; 32]> = Zeroizing::new([0; 32]);
        seed.copy_from_slice(&digest);
        KeyPair::from_seed(&seed)
    }
}

impl fmt::Debug for RebindCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RebindCode(****)")
    }
}

fn message(jti: RequestId, key: &PublicKey) -> String {
    format!("entitled rebind proof\0{jti}\0{}", key.thumbprint())
}

/// Luhn's check symbol in base 32: any wrong symbol and nearly any swap of neighbours is a typing error before it is a
/// wrong code, of which few are forgiven.
fn check_symbol(symbols: &[u8; LENGTH]) -> u8 {
    let weighted = symbols[..LENGTH - 1].iter().rev().enumerate().map(|(place, symbol)| {
        let times = if place % 2 == 0 { 2 * symbol } else { *symbol };
        times / 32 + times % 32
    });
    let sum = weighted.fold(0, |sum, value| (sum + value) % 32);
    (32 - sum) % 32
}

impl FromStr for RebindCode {
    type Err = DocumentError;

    /// Reading is forgiving: case, O for 0, I or L for 1, missing or other separators.
    fn from_str(text: &str) -> Result<Self, DocumentError> {
        let wrong = |found: String| DocumentError::RebindCode { found };
        let separator = |c: &char| c.is_whitespace() || matches!(c, '-' | '.' | '_');
        let mut symbols = Vec::with_capacity(LENGTH);
        for (place, c) in text.chars().filter(|c| !separator(c)).take(LENGTH + 1).enumerate() {
            let symbol = value(c).ok_or_else(|| {
                wrong(format!("a character in place {} that no code has", place + 1))
            })?;
            symbols.push(symbol);
        }
        let read = <[u8; LENGTH]>::try_from(symbols.as_slice()).map(Zeroizing::new);
        symbols.zeroize();
        let read = read.map_err(|_| wrong("more or fewer".to_owned()))?;
        if check_symbol(&read) != read[LENGTH - 1] {
            return Err(wrong("a code with a typing error in it".to_owned()));
        }
        Ok(Self(read))
    }
}

fn value(c: char) -> Option<u8> {
    let c = match c.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        c => c,
    };
    let place = ALPHABET.iter().position(|symbol| char::from(*symbol) == c)?;
    u8::try_from(place).ok()
}
