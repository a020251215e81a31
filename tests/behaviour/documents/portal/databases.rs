//! PostgreSQL in the place of the portal's own file. Asked for by `tests/postgres/run`.

use super::Reader;
use crate::{portal::Database, stage::Vendor};

pub(super) const LINES: &[&str] =
    &["entitle-portal init --database URL", "entitle-portal migrate --to URL"];

#[test]
#[ignore = "it needs a server: tests/postgres/run"]
fn documents_of_the_portal_put_it_on_postgres_as_its_page_says() {
    let vendor = Vendor::new();
    let (id, _) = vendor.sell();
    let mut reader = Reader::new(&vendor, LINES);
    let (new, moved) = (Database::new(), Database::new());
    let folder = vendor.path("another").display().to_string();
    let whole = format!("'{}' --product P --issuer I --dir '{folder}'", new.url());
    reader.run(LINES[0], &[("URL", &whole)]);
    reader.run(LINES[1], &[("URL", &format!("'{}'", moved.url()))]);
    assert_eq!(vendor.json(&["subscription", "list"])[0]["id"], id.as_str());
}
