//! Canonical forms and the placeholder table.

use crate::identity::{FactState, Reading, canonical, placeholders};

fn is_placeholder(reading: &Reading) -> bool {
    reading.state() == FactState::Placeholder
}

#[test]
fn a_uuid_and_its_twin_are_one() {
    let twins = ["564d2f3b-8b1e-2c5c-9f1e-6b1c0a1d2e3f", "3B2F4D56-1E8B-5C2C-9F1E-6B1C0A1D2E3F"];
    assert_eq!(canonical::uuid(twins[0]), canonical::uuid(twins[1]));
    assert_eq!(canonical::uuid(twins[0]).unwrap(), "3b2f4d56-1e8b-5c2c-9f1e-6b1c0a1d2e3f");
    for text in [
        "",
        "Not Settable",
        "564d2f3b",
        "564d2f3b-8b1e-2c5c-9f1e-6b1c0a1d2e3g",
        "ééééééééééééééééééééé",
    ] {
        assert_eq!(canonical::uuid(text), None, "{text}");
    }
}

#[test]
fn hypervisors_write_the_uuid_into_the_serial() {
    let expected = canonical::uuid("564d2f3b-8b1e-2c5c-9f1e-6b1c0a1d2e3f");
    for serial in [
        "VMware-56 4d 2f 3b 8b 1e 2c 5c-9f 1e 6b 1c 0a 1d 2e 3f",
        "GoogleCloud-564D2F3B8B1E2C5C9F1E6B1C0A1D2E3F",
        "Parallels-56 4D 2F 3B 8B 1E 2C 5C 9F 1E 6B 1C 0A 1D 2E 3F",
    ] {
        assert_eq!(canonical::uuid_in_serial(serial), expected, "{serial}");
    }
    assert_eq!(canonical::uuid_in_serial("A298765X9C12345"), None);
}

#[test]
fn addresses_of_one_station_are_read() {
    assert_eq!(canonical::mac("3C-EC-EF-12-34-56\n").unwrap(), "3c:ec:ef:12:34:56");
    for text in [
        "",
        "01:00:5e:00:00:01",
        "3c:ec:ef:12:34",
        "3c:ec:ef:12:34:56:78",
        "3c:ec:ef:12:34:5",
        "+c:ec:ef:12:34:56",
    ] {
        assert_eq!(canonical::mac(text), None, "{text}");
    }
    assert!(canonical::is_universal_mac("3c:ec:ef:12:34:56"));
    assert!(!canonical::is_universal_mac("52:54:00:12:34:56"));
}

#[test]
fn the_table_that_is_built_in_can_be_read_and_is_in_order() {
    let entries = placeholders::Entries::read().unwrap();
    assert!(entries.uuids.iter().all(|uuid| canonical::uuid(uuid).is_some()));
    assert!(entries.serials.len() > 30 && entries.disks.len() > 10 && entries.macs.len() > 3);
    assert!(entries.macs.iter().all(|mac| *mac == mac.to_lowercase()));
}

#[test]
fn every_entry_of_the_table_is_a_placeholder() {
    let entries = placeholders::Entries::read().unwrap();
    for uuid in &entries.uuids {
        assert!(is_placeholder(&placeholders::uuid_reading(uuid)), "{uuid}");
    }
    for serial in &entries.serials {
        assert!(is_placeholder(&placeholders::serial_reading(serial)), "{serial}");
        assert!(is_placeholder(&placeholders::disk_reading(canonical::serial(serial))), "{serial}");
    }
    for disk in &entries.disks {
        let disk = canonical::serial(&disk.replace('*', "1"));
        assert!(is_placeholder(&placeholders::disk_reading(disk.clone())), "{disk}");
    }
    for mac in &entries.macs {
        let rest = &":11:22:33:44:55"[..17 - mac.len()];
        assert!(
            is_placeholder(&placeholders::mac_reading(canonical::mac(&format!("{mac}{rest}")))),
            "{mac}"
        );
    }
}

#[test]
fn the_placeholders_of_the_documents() {
    for uuid in [
        "00000000-0000-0000-0000-000000000000",
        "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
        "11111111-1111-1111-1111-111111111111",
        "03000200-0400-0500-0006-000700080009",
        "00020003-0004-0005-0006-000700080009",
        "12345678-1234-5678-90AB-CDDEEFAABBCC",
        "78563412-3412-7856-90ab-cddeefaabbcc",
        "12345678-1234-1234-1234-123456681234",
        "00010203-0405-0607-0809-0a0b0c0d0e0f",
        "deadbeef-dead-beef-dead-beefdeadbeef",
        "Not Settable",
        "Not Present",
    ] {
        assert!(is_placeholder(&placeholders::uuid_reading(uuid)), "{uuid}");
    }
    for serial in [
        "To Be Filled By O.E.M.",
        "to be filled by oem",
        "Default string",
        " System Serial Number ",
        "Not Specified",
        "None",
        "N/A",
        "0123456789",
        "XXXXXXXXXX",
        "0",
        "...",
        "1234567812",
        "#A123456789",
        "c3d9b8674f4b94f6",
        "7783-7084-3265-9085-8269-3286-77",
    ] {
        assert!(is_placeholder(&placeholders::serial_reading(serial)), "{serial}");
    }
    for disk in ["qm00001", "drive-scsi0", "eui.0000000000000000", "t10.ata qemu harddisk qm00003"]
    {
        assert!(is_placeholder(&placeholders::disk_reading(disk.to_owned())), "{disk}");
    }
}

#[test]
fn what_every_machine_of_a_cloud_has_is_a_placeholder() {
    // NVMe disks of Google Compute Engine name their model, twice; Linux makes the WWID from both.
    for disk in [
        "nvme_card-pd",
        "nvme_card0",
        "nvme.1ae0-6e766d655f636172642d7064-6e766d655f636172642d7064-00000001",
    ] {
        assert!(is_placeholder(&placeholders::disk_reading(disk.to_owned())), "{disk}");
    }
    // Its addresses are made from the IP address, and every customer's first machine has 10.128.0.2.
    assert!(is_placeholder(&placeholders::mac_reading(canonical::mac("42:01:0A:80:00:02"))));
}

#[test]
fn real_identifiers_are_none() {
    for serial in ["CZ3021ABCD", "GXHVZPB", "/6F5T9P2/CNFCW0098S00BC/", "VM1234567"] {
        assert_eq!(placeholders::serial_reading(serial).state(), FactState::Read, "{serial}");
    }
    for mac in ["3c:ec:ef:12:34:56", "52:54:00:12:34:57", "fa:16:3e:aa:bb:cc", "06:1f:2e:3d:4c:5b"]
    {
        assert_eq!(
            placeholders::mac_reading(canonical::mac(mac)).state(),
            FactState::Read,
            "{mac}"
        );
    }
    for disk in ["s4evnx0m123456", "naa.5002538e40b8e5a1", "vol0123456789abcdef0"] {
        assert_eq!(placeholders::disk_reading(disk.to_owned()).state(), FactState::Read, "{disk}");
    }
    assert_eq!(placeholders::serial_reading(" \n").state(), FactState::Absent);
}
