//! Names as searches compare them. SQLite and PostgreSQL (under the collation `C`) know the case of ASCII letters alone, so the portal folds
//! names itself and keeps them beside what was written.

use super::{
    Fault, StoreError,
    session::{Session, Value, values},
};

/// Rows that are read at once.
const PAGE: u32 = 1_000;

/// `text` without the case of its letters. Each letter for itself, to upper case and back, so that `ß` is `ss` and both forms of a small
/// sigma are one.
pub(super) fn folded(text: &str) -> String {
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

/// Folds the names of a database of an earlier version.
pub(super) fn fold_all(session: &dyn Session) -> Result<(), StoreError> {
    let doing = StoreError::during::<Fault>;
    let read = "SELECT id, customer FROM subscriptions WHERE id > ?1 ORDER BY id LIMIT ?2";
    let mut last = String::new();
    loop {
        let mut page = Vec::new();
        session
            .query(read, values![&last, PAGE], &mut |row| {
                page.push((row.string("id")?, folded(row.text("customer")?)));
                Ok(true)
            })
            .map_err(doing("read the customers"))?;
        for (id, folded) in &page {
            let values = &[Value::from(id), Value::from(folded)];
            session
                .execute("UPDATE subscriptions SET customer_folded = ?2 WHERE id = ?1", values)
                .map_err(doing("fold the customers"))?;
        }
        match page.pop() {
            Some((id, _)) => last = id,
            None => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_is_folded_in_any_script() {
        for (one, other) in [
            ("Île de Ré", "ÎLE DE RÉ"),
            ("Österreich", "öSTERREICH"),
            ("Straße", "STRASSE"),
            ("ΟΔΟΣ", "οδος"),
            ("ЖУРАВЛЬ", "журавль"),
        ] {
            assert_eq!(folded(one), folded(other));
        }
        assert_eq!(folded("100% _ \\ ' 東京"), "100% _ \\ ' 東京");
    }
}
