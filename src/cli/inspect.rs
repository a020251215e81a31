//! Looks into a file of documents, without the agent.

use super::{
    CliError, DONE, Output, arguments::InspectOptions, changes::read_document, license::claims_page,
};
use crate::{
    config::{ROOT_FOLDERS, read_roots},
    license::{
        AnswerClaims, ConsentClaims, Document, DocumentError, LicenseClaims, OfferClaims, Outcome,
        RequestClaims, Roots, Thumbprint, TrustClaims, Unverified, VerifiedTrust, verify_license,
    },
};
use serde::Serialize;
use serde_json::Value;
use std::path::PathBuf;

/// What one document says, and whether it can be believed.
#[derive(Debug, Serialize)]
struct Inspected {
    /// Its kind.
    r#type: String,
    /// The key that it says it is signed by.
    key: Thumbprint,
    /// `true` where its signature was verified up to a root key, `false` where that failed, `null` where it could not be
    /// tried.
    verified: Option<bool>,
    /// Why it failed or could not be tried.
    reason: Option<String>,
    /// What it says.
    claims: Value,
}

/// The keys by which the file is verified.
struct Verifier {
    roots: Roots,
    trust: Option<VerifiedTrust>,
    product: Option<String>,
}

/// Shows each document of a file. It fails where a signature is wrong; a document that can't be checked for want of keys
/// is shown as such.
pub(super) fn inspect(output: Output, options: &InspectOptions) -> Result<u8, CliError> {
    let mut verifier =
        Verifier { roots: roots(&options.roots)?, trust: None, product: options.product.clone() };
    if let Some(file) = &options.trust {
        let text = read_document(file)?;
        let claims: TrustClaims = Unverified::parse(&text)?.peek()?;
        let product = verifier.product.clone().unwrap_or(claims.aud);
        verifier.trust = Some(verifier.roots.verify_trust(&text, &product, None)?);
    }
    let text = read_document(&options.file)?;
    let mut documents = Vec::new();
    for document in text.split_whitespace() {
        let looked = verifier.look_into(document, &mut documents);
        if let (Err(CliError::Document(DocumentError::NotCompact { .. })), true) =
            (&looked, documents.is_empty())
        {
            // What the whole file is says more than what its first word is.
            return Err(Unverified::parse(&text).err().unwrap_or(DocumentError::NoTrust).into());
        }
        looked?;
    }
    if documents.is_empty() {
        // The one error for a file that holds nothing.
        return Err(Unverified::parse(&text).err().unwrap_or(DocumentError::NoTrust).into());
    }
    output.answer(&documents, |documents| {
        documents.iter().map(page).collect::<Vec<_>>().join("\n")
    })?;
    let failed = documents.iter().any(|document| document.verified == Some(false));
    Ok(if failed { 1 } else { DONE })
}

pub(super) fn roots(paths: &[PathBuf]) -> Result<Roots, CliError> {
    if paths.is_empty() {
        return Ok(read_roots(&ROOT_FOLDERS.map(PathBuf::from)).0);
    }
    let (folders, files): (Vec<_>, Vec<_>) = paths.iter().cloned().partition(|path| path.is_dir());
    let (mut roots, complaints) = read_roots(&folders);
    if let Some(complaint) = complaints.into_iter().next() {
        let source = std::io::Error::new(std::io::ErrorKind::InvalidData, complaint);
        return Err(CliError::File { path: "a root key".into(), source });
    }
    for path in files {
        let text =
            std::fs::read_to_string(&path).map_err(|source| CliError::File { path, source })?;
        roots.add_key_set(&text)?;
    }
    Ok(roots)
}

impl Verifier {
    /// Verifies a document, and those in it.
    fn look_into(&mut self, text: &str, found: &mut Vec<Inspected>) -> Result<(), CliError> {
        let document = Unverified::parse(text)?;
        let (claims, verified) = match document.typ() {
            TrustClaims::TYPE => {
                let claims: TrustClaims = document.peek()?;
                let product = self.product.clone().unwrap_or_else(|| claims.aud.clone());
                let verified = self.roots.verify_trust(text, &product, None);
                let verified = verified.map(|trust| self.trust = Some(trust));
                (to_value(&claims), verified)
            }
            LicenseClaims::TYPE => {
                let claims: LicenseClaims = document.peek()?;
                let product = self.product.clone().unwrap_or_else(|| claims.aud.clone());
                let trust = self.trust.as_ref().ok_or(DocumentError::NoTrust);
                let verified = trust.and_then(|trust| verify_license(text, &product, trust));
                (to_value(&claims), verified.map(drop))
            }
            AnswerClaims::TYPE => return self.look_into_answer(&document, found),
            RequestClaims::TYPE => {
                let claims = to_value(&document.peek::<RequestClaims>()?);
                let why = "only the portal knows the environment's key";
                found.push(untried(&document, claims, why));
                return Ok(());
            }
            OfferClaims::TYPE => {
                let claims = to_value(&document.peek::<OfferClaims>()?);
                let why = "it is signed by the key that it offers; compare its Serial Number with the machine's";
                found.push(untried(&document, claims, why));
                return Ok(());
            }
            ConsentClaims::TYPE => {
                let claims = to_value(&document.peek::<ConsentClaims>()?);
                let why = "it is verified with the request that it is for";
                found.push(untried(&document, claims, why));
                return Ok(());
            }
            other => {
                let found = other.chars().take(64).collect();
                return Err(DocumentError::Type { expected: LicenseClaims::TYPE, found }.into());
            }
        };
        found.push(inspected(&document, claims, verified));
        Ok(())
    }

    fn look_into_answer(
        &mut self,
        document: &Unverified<'_>,
        found: &mut Vec<Inspected>,
    ) -> Result<(), CliError> {
        let claims: AnswerClaims = document.peek()?;
        if let Some(trust) = &claims.trust {
            self.look_into(trust, found)?;
        }
        let trust = self.trust.as_ref().ok_or(DocumentError::NoTrust);
        let key = trust.and_then(|trust| trust.portal_key(&document.kid()));
        let verified = key.and_then(|key| document.verify::<AnswerClaims>(key));
        found.push(inspected(document, to_value(&claims), verified.map(drop)));
        if let Outcome::License(text) = &claims.outcome {
            self.look_into(text, found)?;
        }
        Ok(())
    }
}

fn inspected(
    document: &Unverified<'_>,
    claims: Value,
    verified: Result<(), DocumentError>,
) -> Inspected {
    let (verified, reason) = match verified {
        Ok(()) => (Some(true), None),
        Err(error @ (DocumentError::NoTrust | DocumentError::UnknownRoot { .. })) => {
            (None, Some(error.to_string()))
        }
        Err(error) => (Some(false), Some(error.to_string())),
    };
    let r#type = document.typ().chars().take(64).collect();
    Inspected { r#type, key: document.kid(), verified, reason, claims }
}

/// What this machine has no key for.
fn untried(document: &Unverified<'_>, claims: Value, why: &str) -> Inspected {
    let r#type = document.typ().chars().take(64).collect();
    let reason = Some(why.to_owned());
    Inspected { r#type, key: document.kid(), verified: None, reason, claims }
}

fn to_value(claims: &impl Serialize) -> Value {
    serde_json::to_value(claims).unwrap_or(Value::Null)
}

fn page(document: &Inspected) -> String {
    let verified = match (document.verified, &document.reason) {
        (Some(true), _) => "yes, up to a root key of the vendor".to_owned(),
        (Some(false), Some(reason)) => format!("NO: {reason}"),
        (_, Some(reason)) => format!("could not be tried: {reason}"),
        (_, None) => "could not be tried".to_owned(),
    };
    let mut page = format!(
        "Type             {}\nSigned by        {}\nVerified         {verified}\n",
        document.r#type, document.key
    );
    match serde_json::from_value::<LicenseClaims>(document.claims.clone()) {
        Ok(claims) if document.r#type == LicenseClaims::TYPE => {
            page.push_str(&claims_page(&claims));
        }
        _ => page.push_str(&serde_json::to_string_pretty(&document.claims).unwrap_or_default()),
    }
    page.push('\n');
    page
}
