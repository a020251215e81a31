//! Keeps secrets out of what leaves this machine: those that are known here, in every form that they are told in, and whatever
//! looks like one.
//!
//! Every text of an archive passes here last, whatever was left out of it before. As root the secrets themselves are known;
//! another user can read neither them nor, for the most part, what they might stand in.

use super::{Patient, settings::fragments};
use crate::{codes::ActivationCode, config::Fragment};
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD},
};
use serde_json::Value;
use std::{env, fs, path::Path};
use zeroize::Zeroizing;

/// What stands in the place of a secret.
pub(super) const MASK: &str = "[masked]";
/// A shorter text is a word that stands elsewhere as well; in an address it is found by its place.
const SHORTEST: usize = 6;
/// Parts of a file of secrets that are shorter are words, such as those around a key.
const SHORTEST_PART: usize = 16;
/// Larger files are no secrets.
const LARGEST: u64 = 64 << 10;
/// Files of the state directory that hold none, by how they begin.
const PUBLIC: [&str; 5] =
    ["entitled.db", "entitled.lock", "last-good.toml", "state.json", "webhook.told"];
/// Symbols of an Activation Code.
const SYMBOLS: usize = 24;
/// Between two symbols of a code as it is typed.
const WIDEST_GAP: usize = 3;

/// The secrets that are known. No `Debug`.
#[derive(Default)]
pub(super) struct Masking {
    needles: Vec<Zeroizing<String>>,
    codes: Vec<ActivationCode>,
}

impl Masking {
    /// Those of the settings, of the files that they name, of the state directory, and of the hardware.
    pub(super) fn of(patient: &Patient<'_>) -> Self {
        let mut masking = Self::default();
        let directory = patient.state_directory();
        let last_good = Fragment::read(&directory.join("last-good.toml")).ok();
        let written = fragments(&patient.file).into_iter().map(|(_, fragment)| fragment);
        for fragment in written.chain(last_good) {
            masking.know_settings(fragment);
        }
        if let Some(settings) = &patient.settings {
            masking.codes.extend(settings.activation_code.clone());
            masking.know(settings.identity_override.as_deref().unwrap_or_default());
            let addresses = [&settings.portal_url, &settings.portal_proxy];
            addresses.into_iter().flatten().for_each(|address| masking.know_password(address));
            settings.webhook_url.iter().for_each(|url| masking.know_receiver(url));
            let files = [&settings.token_file, &settings.webhook_secret_file];
            files.into_iter().flatten().for_each(|path| masking.know_file(path));
        }
        for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
            masking.know_password(&env::var(name).unwrap_or_default());
        }
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if !PUBLIC.iter().any(|public| name.starts_with(public)) {
                masking.know_file(&entry.path());
            }
        }
        masking.know_hardware(Path::new(crate::identity::COLLECTED_FACTS));
        // The longest first: one may be a part of another.
        masking.needles.sort_by_key(|needle| std::cmp::Reverse(needle.len()));
        masking
    }

    fn know_settings(&mut self, fragment: Fragment) {
        let Fragment { portal, activation, identity, member, webhook, .. } = fragment;
        self.know(&identity.r#override.unwrap_or_default());
        for address in [portal.url, portal.proxy].into_iter().flatten() {
            self.know_password(&address);
        }
        webhook.url.iter().for_each(|url| self.know_receiver(url));
        let files = [activation.code_file, member.token_file, webhook.secret_file];
        files.into_iter().flatten().for_each(|path| self.know_file(&path));
    }

    /// Whatever stands in a file of secrets.
    fn know_file(&mut self, path: &Path) {
        let small = fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() <= LARGEST);
        let Some(bytes) = small.then(|| fs::read(path).ok()).flatten().map(Zeroizing::new) else {
            return;
        };
        let text = Zeroizing::new(String::from_utf8_lossy(&bytes).replace("\\n", "\n"));
        if let Ok(code) = text.parse() {
            self.codes.push(code);
            return;
        }
        let is_border = |c: char| c.is_whitespace() || matches!(c, '"' | ',' | '{' | '}');
        for part in text.split(is_border).filter(|part| part.len() >= SHORTEST_PART) {
            if !part.contains("-----") {
                self.know(part);
            }
        }
        self.know(text.trim());
    }

    /// Raw identifiers of the hardware: digests of them leave the machine, and they do not.
    fn know_hardware(&mut self, path: &Path) {
        let facts = fs::read(path).ok().map(Zeroizing::new);
        let facts = facts.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
        let facts = facts.as_ref().and_then(|facts| facts.get("facts")?.as_array());
        for fact in facts.into_iter().flatten() {
            self.know(fact.get("value").and_then(Value::as_str).unwrap_or_default());
        }
    }

    /// The password in an address, and both as a proxy is told them.
    fn know_password(&mut self, address: &str) {
        let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
        let Some((user, _)) = rest.rsplit_once('@') else { return };
        let password = user.split_once(':').map_or(user, |(_, password)| password);
        self.know(&plain(user));
        self.know(user);
        self.know(&plain(password));
        self.know(password);
    }

    /// What stands behind a receiver's host is often its only secret.
    fn know_receiver(&mut self, url: &str) {
        self.know_password(url);
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        if let Some((_, path)) = rest.split_once('/') {
            self.know(path);
            path.split(['/', '?', '&', '=']).for_each(|part| self.know(part));
        }
    }

    /// A secret, as it is and as it may be written otherwise.
    fn know(&mut self, secret: &str) {
        if secret.len() < SHORTEST {
            return;
        }
        self.needles.push(Zeroizing::new(secret.to_owned()));
        self.know_bytes(secret.as_bytes());
        if let Some(bytes) = secret.strip_prefix("whsec_").or(Some(secret)).and_then(decoded) {
            self.know_bytes(&bytes);
            // The key itself in PKCS #8 (RFC 8410 section 7), behind 16 bytes that are always the same.
            if bytes.len() >= 48 {
                self.know_bytes(&bytes[16..48]);
            }
        }
    }

    fn know_bytes(&mut self, bytes: &[u8]) {
        if bytes.len() < SHORTEST {
            return;
        }
        let hex = bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        let forms = [
            // Padding is left alone, so that one form finds both.
            BASE64_STANDARD_NO_PAD.encode(bytes),
            BASE64_URL_SAFE_NO_PAD.encode(bytes),
            hex.to_uppercase(),
            hex,
        ];
        self.needles.extend(forms.map(Zeroizing::new));
    }

    /// The text without a secret in it.
    pub(super) fn mask(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for needle in &self.needles {
            if text.contains(needle.as_str()) {
                text = text.replace(needle.as_str(), MASK);
            }
        }
        for code in &self.codes {
            text = without_code(text, code);
        }
        text = without_keys(&text);
        for (marker, least) in
            [("whsec_", 1), ("entitled-join-", SHORTEST_PART), ("Basic ", 8), ("Bearer ", 8)]
        {
            text = without_behind(&text, marker, least);
        }
        without_codes(&without_passwords(&text))
    }
}

/// A text with `%40` as `@`.
fn plain(text: &str) -> String {
    let url =
        reqwest::Url::parse(&format!("x:/?a={}", text.replace('+', "%2B").replace('&', "%26")));
    let pair =
        url.ok().and_then(|url| url.query_pairs().next().map(|(_, value)| value.into_owned()));
    pair.unwrap_or_default()
}

fn decoded(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let is_hex = text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hex {
        let byte = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
        return (0..text.len())
            .step_by(2)
            .map(byte)
            .collect::<Option<Vec<_>>>()
            .map(Zeroizing::new);
    }
    BASE64_STANDARD.decode(text).ok().map(Zeroizing::new)
}

/// Takes a known Activation Code out, however it is typed: case, separators, the letters that are read as digits.
fn without_code(text: String, code: &ActivationCode) -> String {
    let wanted: String = code.expose().chars().filter(char::is_ascii_alphanumeric).collect();
    let wanted = Zeroizing::new(wanted);
    let read = |c: char| match c.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    let symbols: Vec<(usize, char)> =
        text.char_indices().filter(|(_, c)| c.is_ascii_alphanumeric()).collect();
    let as_read = Zeroizing::new(symbols.iter().map(|(_, c)| read(*c)).collect::<String>());
    let mut masked = String::new();
    let mut done = 0;
    for (at, _) in as_read.match_indices(wanted.as_str()) {
        let places = &symbols[at..at + SYMBOLS];
        let is_one = places.windows(2).all(|pair| pair[1].0 - pair[0].0 <= WIDEST_GAP);
        if is_one && places[0].0 >= done {
            masked.push_str(&text[done..places[0].0]);
            masked.push_str(&code.masked());
            done = places[SYMBOLS - 1].0 + 1;
        }
    }
    if done == 0 {
        return text;
    }
    masked + &text[done..]
}

/// Takes out whatever else is an Activation Code.
fn without_codes(text: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '.';
    replace_runs(text, is_part, |run| {
        let bare = run.trim_matches('.');
        let separators = bare.matches('.').count();
        let fits = matches!((bare.len(), separators), (SYMBOLS, 0) | (31, 7));
        let code = fits.then(|| bare.parse::<ActivationCode>().ok()).flatten()?;
        Some(run.replace(bare, &code.masked()))
    })
}

/// Takes out what stands between `://` and `@` in an address.
fn without_passwords(text: &str) -> String {
    let mut parts = text.split("://");
    let mut masked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        masked.push_str("://");
        let is_end = |c: char| {
            c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\'' | '`' | '<' | '>' | '|')
        };
        let end = part.find(is_end).unwrap_or(part.len());
        let (authority, rest) = part.split_at(end);
        match authority.rsplit_once('@') {
            Some((_, host)) => masked.extend([MASK, "@", host]),
            None => masked.push_str(authority),
        }
        masked.push_str(rest);
    }
    masked
}

/// Takes out private keys.
fn without_keys(text: &str) -> String {
    let mut masked = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("PRIVATE KEY-----") {
        masked.extend([before, "PRIVATE KEY-----", MASK]);
        rest = behind.find("-----END").map_or("", |end| &behind[end..]);
        // Its own end is no beginning.
        if let Some(end) = rest.find("PRIVATE KEY-----") {
            let (end, behind) = rest.split_at(end + "PRIVATE KEY-----".len());
            masked.push_str(end);
            rest = behind;
        }
    }
    masked + rest
}

/// Takes out what stands right behind a marker, where it is so long.
fn without_behind(text: &str, marker: &str, least: usize) -> String {
    let mut parts = text.split(marker);
    let mut masked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        masked.push_str(marker);
        let is_part =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '_' | '-');
        let end = part.find(|c| !is_part(c)).unwrap_or(part.len());
        if end >= least {
            masked.push_str(MASK);
            masked.push_str(&part[end..]);
        } else {
            masked.push_str(part);
        }
    }
    masked
}

/// Replaces runs of characters, where there is a replacement.
fn replace_runs(
    text: &str,
    is_part: impl Fn(char) -> bool,
    replacement: impl Fn(&str) -> Option<String>,
) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let begin = rest.find(&is_part).unwrap_or(rest.len());
        replaced.push_str(&rest[..begin]);
        let run = &rest[begin..];
        let end = run.find(|c| !is_part(c)).unwrap_or(run.len());
        let (run, behind) = run.split_at(end);
        replaced.push_str(replacement(run).as_deref().unwrap_or(run));
        rest = behind;
    }
    replaced
}

#[cfg(test)]
#[path = "masking_tests.rs"]
mod tests;
