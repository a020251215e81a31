//! Who does what, what is sold, and what the audit says of it.

use super::{Reader, after};
use crate::stage::{Ctl, Vendor};
use entitled::codes::SerialNumber;
use std::fs;

pub(super) const PEOPLE: &[&str] = &[
    "entitle-portal operator add alice --role admin",
    "entitle-portal operator add bob --password-file bob.password",
    "entitle-portal operator list",
    "entitle-portal operator set-role bob admin",
    "entitle-portal operator password bob --password-file bob.password",
    "entitle-portal operator disable bob",
    "entitle-portal operator enable bob",
    "entitle-portal token create crm --scope subscriptions:read --scope subscriptions:write --expires 365",
    "entitle-portal token list",
    "entitle-portal token revoke crm",
];

#[test]
fn operators_and_tokens_are_made_as_the_page_says() {
    let vendor = Vendor::new();
    let mut reader = Reader::new(&vendor, PEOPLE);
    fs::write(reader.path("bob.password"), "correct horse battery\n").unwrap();
    let nobody = Ctl::alone();
    reader.on(nobody.socket(), PEOPLE[0], &[], "staple horse battery\n");
    reader.run(PEOPLE[1], &[]);
    let listed = reader.run(PEOPLE[2], &[]);
    assert!(
        listed.lines().any(|line| line.starts_with("alice") && line.contains("admin")),
        "{listed}"
    );
    assert!(
        listed.lines().any(|line| line.starts_with("bob") && line.contains("support")),
        "{listed}"
    );
    for line in &PEOPLE[3..7] {
        reader.run(line, &[]);
    }
    assert!(reader.run(PEOPLE[7], &[]).contains("entp_"));
    assert!(reader.run(PEOPLE[8], &[]).contains("subscriptions:write"));
    reader.run(PEOPLE[9], &[]);
}

pub(super) const SALES: &[&str] = &[
    "entitle-portal init",
    "entitle-portal subscription show ID",
    "entitle-portal subscription renew ID --ends-at 2027-01-31",
    "entitle-portal trial set --days 30 --edition trial --limit users=10 --slots development=1",
    "entitle-portal trial show",
    "entitle-portal trial off",
    "entitle-portal license issue --subscription ID --serial SERIAL --purpose PURPOSE [--name NAME]",
    "entitle-portal webhook list",
    "entitle-portal webhook add https://crm.example/hook --event 'subscription-*' --event environment-activated",
    "entitle-portal webhook test ID",
    "entitle-portal webhook remove ID",
    "entitle-portal audit",
    "entitle-portal audit verify",
    "entitle-portal audit verify --head HASH",
    "entitle-portal backup FILE",
    "entitle-portal restore FILE",
];

#[test]
fn what_is_sold_is_seen_in_the_audit_and_comes_back_from_a_backup_as_the_page_says() {
    let vendor = Vendor::new();
    let mut reader = Reader::new(&vendor, SALES);
    let new = vendor.path("another");
    let init = format!("entitle-portal init --product P --issuer I --dir '{}'", new.display());
    reader.run(SALES[0], &[("entitle-portal init", &init)]);
    let (id, _) = vendor.sell();
    assert!(reader.run(SALES[1], &[("ID", &id)]).contains("ACME"));
    // The page's day comes.
    reader.run(SALES[2], &[("ID", &id), ("2027-01-31", "2199-01-31")]);
    reader.run(SALES[3], &[]);
    assert!(reader.run(SALES[4], &[]).contains("30"));
    reader.run(SALES[5], &[]);
    vendor.json(&["subscription", "set", &id, "--allow-serial-only", "true"]);
    let serial = SerialNumber::mint("smbios-uuid", "a").to_string();
    let issued = reader.run(
        SALES[6],
        &[("ID", &id), ("SERIAL", &serial), ("PURPOSE", "production"), ("NAME", "'Hall 4'")],
    );
    assert_eq!(issued.split_whitespace().count(), 2, "a trust document and a license: {issued}");

    assert!(reader.run(SALES[7], &[]).contains("no webhooks"));
    let added = reader.run(SALES[8], &[]);
    let webhook = after(&added, "Webhook").to_owned();
    reader.run(SALES[9], &[("ID", &webhook)]);
    reader.run(SALES[10], &[("ID", &webhook)]);

    assert!(reader.run(SALES[11], &[]).contains("subscription-renewed"));
    reader.run(SALES[12], &[]);
    let head = vendor.json(&["audit", "verify"])["head"].as_str().unwrap().to_owned();
    reader.run(SALES[13], &[("HASH", &head)]);

    let file = reader.path("backup.db").display().to_string();
    reader.run(SALES[14], &[("FILE", &file)]);
    for name in ["portal.db", "portal.db-wal", "portal.db-shm"] {
        drop(fs::remove_file(vendor.path(name)));
    }
    reader.run(SALES[15], &[("FILE", &file)]);
    assert_eq!(vendor.json(&["subscription", "list"])[0]["id"], id.as_str());
}
