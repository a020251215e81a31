//! The usage report: what an environment used, for a vendor whose portal it can't reach.

use super::{
    Document, DocumentError, Enforcement, Environment, PublicKey, Roots, Unverified,
    VerifiedLicense, VerifiedTrust, verify_license,
};
use crate::codes::SerialNumber;
use jiff::{Timestamp, civil::Date, fmt::serde::timestamp::second::required as numeric_date};
use serde::{Deserialize, Serialize};
use std::fmt::Write;

const BEGIN: &str = "-----BEGIN ENTITLED USAGE REPORT-----";
const END: &str = "-----END ENTITLED USAGE REPORT-----";
/// Symbols of the document a line.
const WIDTH: usize = 76;

/// What an environment used, signed by its key. The license and the trust document are inside: the license names the key
/// that must have signed the report (`cnf`). There are no users in it, not as hashes either.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageClaims {
    /// The Serial Number of the environment that reports.
    pub iss: SerialNumber,
    /// The product.
    pub aud: String,
    /// Made at, by the controller's effective time.
    #[serde(with = "numeric_date")]
    pub iat: Timestamp,
    /// The environment.
    pub environment: Environment,
    /// The first day, in UTC.
    pub from: Date,
    /// The last day.
    pub to: Date,
    /// The peaks, by day and name. A day without one had no report of that limit.
    pub peaks: Vec<UsagePeak>,
    /// The license.
    pub license: String,
    /// The trust document.
    pub trust: String,
}

/// The highest use of a limit on one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsagePeak {
    /// The day, in UTC.
    pub day: Date,
    /// The limit's name.
    pub name: String,
    /// The highest use.
    pub peak: u64,
    /// The limit then; `null` for unlimited.
    pub limit: Option<u64>,
    /// What happened at the limit then.
    pub enforcement: Enforcement,
    /// When the peak was first reached.
    #[serde(with = "numeric_date")]
    pub at: Timestamp,
}

impl Document for UsageClaims {
    const TYPE: &'static str = "entitled-usage+jwt";
}

/// A usage report and its signed form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageDocument {
    /// What it says.
    pub claims: UsageClaims,
    /// The document.
    pub text: String,
}

/// A report that was verified from the root keys down; had from [`verify_usage`] only.
#[derive(Debug, Clone, PartialEq)]
pub struct VerifiedUsage {
    claims: UsageClaims,
    license: VerifiedLicense,
}

impl VerifiedUsage {
    /// What it says.
    pub const fn claims(&self) -> &UsageClaims {
        &self.claims
    }

    /// The license in it.
    pub const fn license(&self) -> &VerifiedLicense {
        &self.license
    }
}

/// Verifies a report, as a page or as the document alone: the trust document in it by a root key, by that the license, by
/// its key the report; by `unbound` where the license is bound to the Serial Number alone. A page must say what the document
/// says, word for word. Without a product, any is taken.
///
/// # Errors
/// What is wrong with the report or with a document in it; [`DocumentError::UsagePage`] for a page that says something else.
pub fn verify_usage(
    text: &str,
    product: Option<&str>,
    roots: &Roots,
    unbound: Option<&PublicKey>,
) -> Result<VerifiedUsage, DocumentError> {
    let signed = document_of(text);
    let document = Unverified::parse(signed.as_deref().unwrap_or(text))?;
    document.check_type::<UsageClaims>()?;
    // Not believed before its signature is checked below; the documents in it have signatures of their own.
    let claims: UsageClaims = document.peek()?;
    let product = product.unwrap_or(&claims.aud);
    let trust: VerifiedTrust = roots.verify_trust(&claims.trust, product, None)?;
    let license = verify_license(&claims.license, product, &trust)?;
    let bound = license.claims().cnf.map(|cnf| cnf.jwk);
    let key = bound.as_ref().or(unbound);
    let key = *key.ok_or_else(|| DocumentError::UnknownKey { kid: document.kid() })?;
    document.check_signature(&key)?;
    license.check_issuer(product, &claims.aud, claims.iss)?;
    if let Some(signed) = signed
        && lines(text) != lines(&usage_page(&claims, &signed))
    {
        return Err(DocumentError::UsagePage);
    }
    Ok(VerifiedUsage { claims, license })
}

/// What a report says, as a page or as the document alone, believed as it is.
///
/// # Errors
/// Where it is none.
pub fn read_usage(text: &str) -> Result<UsageClaims, DocumentError> {
    let signed = document_of(text);
    let document = Unverified::parse(signed.as_deref().unwrap_or(text))?;
    document.check_type::<UsageClaims>()?;
    document.peek()
}

/// A report for people, with its signed form below. The same report is always the same page.
pub fn usage_page(claims: &UsageClaims, document: &str) -> String {
    let UsageClaims { iss, aud, iat, environment, from, to, peaks, .. } = claims;
    let mut page = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(page, "Usage report\n");
    let _ =
        writeln!(page, "Environment     {} ({})", plain(&environment.name), environment.purpose);
    let _ = writeln!(page, "Environment id  {}", environment.id);
    let _ = writeln!(page, "Serial Number   {iss}");
    let _ = writeln!(page, "Product         {}", plain(aud));
    let _ = writeln!(page, "Made at         {iat}");
    let _ = writeln!(page, "Days (UTC)      {from} to {to}\n");
    let _ = writeln!(page, "DAY         PEAK          OF            AT        LIMIT");
    for UsagePeak { day, name, peak, limit, enforcement, at } in peaks {
        let of = limit.map_or("unlimited".to_owned(), |limit| limit.to_string());
        let kind = match enforcement {
            Enforcement::Soft => "soft",
            Enforcement::Hard => "hard",
        };
        let over = if limit.is_some_and(|limit| *peak > limit) { ", exceeded" } else { "" };
        let at = at.strftime("%H:%M:%S");
        let _ = writeln!(page, "{day}  {peak:<12}  {of:<12}  {at}  {} ({kind}{over})", plain(name));
    }
    if peaks.is_empty() {
        page.push_str("nothing was reported on these days\n");
    }
    page.push_str(
        "\nWhat stands above is signed below: `entitlectl usage verify FILE` compares the two.\n\n",
    );
    page.push_str(BEGIN);
    page.push('\n');
    // A compact document is ASCII.
    for line in document.as_bytes().chunks(WIDTH) {
        page.push_str(&String::from_utf8_lossy(line));
        page.push('\n');
    }
    page.push_str(END);
    page.push('\n');
    page
}

/// The document in a page; nothing where the text is no page. The marks are lines of their own, which no name can be.
fn document_of(text: &str) -> Option<String> {
    let mut lines = text.lines().map(str::trim_end).skip_while(|line| *line != BEGIN);
    lines.next()?;
    let mut document = String::new();
    for line in lines {
        if line == END {
            return Some(document);
        }
        document.push_str(line);
    }
    None
}

/// Lines without what a courier may change: their ends, and empty lines at the end.
fn lines(text: &str) -> Vec<&str> {
    text.trim().lines().map(str::trim_end).collect()
}

/// A foreign text in one line.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}
