//! A real disk that is small, full or read-only.

use super::Running;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A small file system over a state directory, in a mount namespace of its own.
pub(crate) struct Disk {
    holder: Running,
    place: PathBuf,
}

impl Disk {
    /// Mounts it; where that is not allowed the test fails and says so.
    pub(crate) fn mount(place: &Path) -> Self {
        fs::create_dir_all(place).unwrap();
        let mut command = Command::new("unshare");
        if !rustix::process::geteuid().is_root() {
            command.arg("--map-root-user");
        }
        let script = "mount -t tmpfs -o size=2m,mode=700 tmpfs \"$1\" && echo mounted && exec sleep 900 \
                      || echo 'this test mounts: run it as root, or allow user namespaces'";
        command.args(["--mount", "sh", "-c", script, "sh"]).arg(place);
        let mut holder = Running::start(command);
        holder.await_line("mounted");
        Self { holder, place: place.to_owned() }
    }

    /// A command that sees it.
    pub(crate) fn enter(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        if !rustix::process::geteuid().is_root() {
            command.args(["--user", "--preserve-credentials"]);
        }
        let target = self.holder.id().to_string();
        command.args(["--mount", "--target", &target, program]);
        command
    }

    pub(crate) fn remount(&self, how: &str) {
        let mut command = self.enter("mount");
        command.args(["-o", &format!("remount,{how}")]).arg(&self.place);
        assert!(command.status().unwrap().success(), "remount,{how}");
    }

    /// Where a file of it is to be found from outside.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        let inside = self.place.strip_prefix("/").unwrap().join(name);
        Path::new(&format!("/proc/{}/root", self.holder.id())).join(inside)
    }

    /// Writes until there is no room left.
    pub(crate) fn fill(&self) {
        for size in [1 << 16, 1 << 12, 1] {
            let name = format!("ballast-{size}");
            let block = vec![0; size];
            let mut file = fs::File::create(self.path(&name)).unwrap();
            while std::io::Write::write_all(&mut file, &block).is_ok() {}
        }
    }

    pub(crate) fn make_room(&self) {
        for size in [1 << 16, 1 << 12, 1] {
            fs::remove_file(self.path(&format!("ballast-{size}"))).unwrap();
        }
    }

    pub(crate) fn has(&self, prefix: &str) -> bool {
        let names = fs::read_dir(self.path("")).unwrap().map(|entry| entry.unwrap().file_name());
        names.into_iter().any(|name| name.to_str().unwrap().starts_with(prefix))
    }
}
