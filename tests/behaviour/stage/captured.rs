//! A tree as it is captured from a machine, laid out as /sys and /proc are.

use std::{fs, path::Path};
use tempfile::TempDir;

pub(crate) struct Captured {
    folder: TempDir,
}

impl Captured {
    /// A server of bare metal, with the facts of DMI.
    pub(crate) fn server() -> Self {
        let captured = Self { folder: tempfile::tempdir().unwrap() };
        captured.write("proc/uptime", "86400.00 170000.00\n");
        captured.write("proc/cpuinfo", "processor\t: 0\nmodel name\t: Xeon\nflags\t\t: fpu vme\n");
        captured.write("sys/block/.keep", "");
        captured.write("sys/class/net/.keep", "");
        captured.dmi("sys_vendor", "Supermicro");
        captured.dmi("product_name", "X11SCL-F");
        captured.dmi("product_uuid", "4c4c4544-0042-3510-8054-b4c04f4a4e32");
        captured.dmi("board_serial", "OM186S024680");
        captured.dmi("product_serial", "A345678X9012");
        captured
    }

    pub(crate) fn root(&self) -> &str {
        self.folder.path().to_str().unwrap()
    }

    pub(crate) fn dmi(&self, field: &str, text: &str) {
        self.write(&format!("sys/class/dmi/id/{field}"), &format!("{text}\n"));
    }

    /// An interface on PCI, linked as sysfs links it.
    pub(crate) fn nic(&self, name: &str, mac: &str) {
        let device = "sys/devices/pci0000:00/0000:00:1f.6";
        let interface = format!("{device}/net/{name}");
        self.write(&format!("{interface}/address"), &format!("{mac}\n"));
        self.write(&format!("{interface}/addr_assign_type"), "0\n");
        self.write(&format!("{interface}/type"), "1\n");
        self.write("sys/bus/pci/.keep", "");
        self.link(&format!("{interface}/device"), "../..");
        self.link(&format!("{device}/subsystem"), "../../../bus/pci");
        self.link(
            &format!("sys/class/net/{name}"),
            &format!("../../{}", &interface["sys/".len()..]),
        );
    }

    fn link(&self, path: &str, target: &str) {
        std::os::unix::fs::symlink(target, self.folder.path().join(path)).unwrap();
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(Path::new(path));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}
