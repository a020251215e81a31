//! The chain of the audit: each entry's digest is over the one before it, so that nothing before the newest can be changed, taken out or put in
//! without a trace. Who can write to the database can make the whole chain anew; a head that was noted elsewhere shows that.

use super::{
    Fault, Store, StoreError, View,
    audit::COLUMNS,
    session::{Row, Session, Value, values},
};
use serde::Serialize;
use sha2::{Digest, Sha256};

/// Entries that are read at once.
const PAGE: u32 = 1_000;
/// What stands before the first entry.
pub(super) const NO_HASH: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The columns of an entry, as they are stored.
pub(super) struct Link<'a> {
    pub(super) id: i64,
    pub(super) at: i64,
    pub(super) actor: &'a str,
    pub(super) event: &'a str,
    pub(super) subscription_id: Option<&'a str>,
    pub(super) environment_id: Option<&'a str>,
    pub(super) detail: &'a str,
}

impl Link<'_> {
    /// SHA-256, in hexadecimal digits, of the entry before it and of each column: the digits, a line feed, and then for each column
    /// `LENGTH:BYTES,`, or `-,` where it is null.
    pub(super) fn hash(&self, previous: &str) -> String {
        let mut digest = Sha256::new();
        digest.update(previous);
        digest.update("\n");
        let (id, at) = (self.id.to_string(), self.at.to_string());
        let columns = [
            Some(&*id),
            Some(&*at),
            Some(self.actor),
            Some(self.event),
            self.subscription_id,
            self.environment_id,
            Some(self.detail),
        ];
        for column in columns {
            match column {
                Some(text) => {
                    digest.update(format!("{}:", text.len()));
                    digest.update(text);
                    digest.update(",");
                }
                None => digest.update("-,"),
            }
        }
        let digits = digest.finalize().into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
        digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
    }

    fn of<'r>(row: &Row<'r>) -> Result<Link<'r>, Fault> {
        Ok(Link {
            id: row.integer("id")?,
            at: row.integer("at")?,
            actor: row.text("actor")?,
            event: row.text("event")?,
            subscription_id: row.optional_text("subscription_id")?,
            environment_id: row.optional_text("environment_id")?,
            detail: row.text("detail")?,
        })
    }
}

/// What a walk along the chain has found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditCheck {
    /// Entries up to the first fault, or all.
    pub entries: u64,
    /// The digest of the last of these.
    pub head: String,
    /// The first entry that is not as it was written.
    pub fault: Option<AuditFault>,
    /// The entry of the head that was asked for.
    pub noted: Option<i64>,
}

/// Where the chain is broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditFault {
    /// The entry after which it goes on as it should not.
    pub id: i64,
    /// What was found there.
    pub found: AuditTampering,
}

/// What may have been done to the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuditTampering {
    /// Entries before it are missing.
    Removed,
    /// It was changed, or put in.
    ChangedOrPutIn,
}

impl AuditCheck {
    /// What is known before the first entry.
    fn begin() -> Self {
        Self { entries: 0, head: NO_HASH.to_owned(), fault: None, noted: None }
    }

    /// Takes the next entry: false where it does not follow.
    fn take(
        &mut self,
        link: &Link<'_>,
        hash: &str,
        last: Option<i64>,
        noted: Option<&str>,
    ) -> bool {
        if link.hash(&self.head) != hash {
            let gap = link.id != last.unwrap_or(0) + 1;
            let found = if gap { AuditTampering::Removed } else { AuditTampering::ChangedOrPutIn };
            self.fault = Some(AuditFault { id: link.id, found });
            return false;
        }
        self.entries += 1;
        hash.clone_into(&mut self.head);
        if noted == Some(hash) {
            self.noted = Some(link.id);
        }
        true
    }
}

impl View<'_> {
    /// Walks along the whole chain, and looks for an entry of the digest `noted`.
    ///
    /// # Errors
    /// What the database says.
    pub fn check_audit(&self, noted: Option<&str>) -> Result<AuditCheck, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM audit WHERE id > ?1 ORDER BY id LIMIT ?2");
        let mut check = AuditCheck::begin();
        let mut last: Option<i64> = None;
        loop {
            let mut page = 0;
            let after = last.unwrap_or(i64::MIN);
            self.each("verify the audit", &sql, values![after, PAGE], |row| {
                let link = Link::of(row)?;
                let follows = check.take(&link, row.text("hash")?, last, noted);
                (last, page) = (Some(link.id), page + 1);
                Ok(follows)
            })?;
            if page < PAGE || check.fault.is_some() {
                return Ok(check);
            }
        }
    }
}

impl Store {
    /// Walks along the chain of the audit, and looks for an entry of the digest `noted`.
    ///
    /// # Errors
    /// What the database says.
    pub fn check_audit(&self, noted: Option<&str>) -> Result<AuditCheck, StoreError> {
        self.read(|view| view.check_audit(noted))
    }
}

/// Gives each entry of a database of an earlier version its digest.
pub(super) fn chain_all(session: &dyn Session) -> Result<(), StoreError> {
    let doing = StoreError::during::<Fault>;
    let sql = format!("SELECT {COLUMNS} FROM audit WHERE id > ?1 ORDER BY id LIMIT ?2");
    let (mut last, mut head) = (i64::MIN, NO_HASH.to_owned());
    loop {
        let mut hashes = Vec::new();
        session
            .query(&sql, values![last, PAGE], &mut |row| {
                let link = Link::of(row)?;
                head = link.hash(&head);
                hashes.push((link.id, head.clone()));
                Ok(true)
            })
            .map_err(doing("read the audit"))?;
        for (id, hash) in &hashes {
            let values = &[Value::from(*id), Value::from(hash)];
            session
                .execute("UPDATE audit SET hash = ?2 WHERE id = ?1", values)
                .map_err(doing("chain the audit"))?;
            last = *id;
        }
        if hashes.is_empty() {
            return Ok(());
        }
    }
}
