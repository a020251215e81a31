"""Machines of chosen hardware: QEMU's software emulation, a Debian kernel, and the real entitlectl as its first program.

A boot is given files and a list of shell commands, and answers with what each printed. Nothing is asked of the host's
hardware and nothing of the network: the cards of a machine hang on a hub of their own.
"""

import dataclasses
import json
import pathlib
import shutil
import subprocess
import tempfile

# A boot takes 5 seconds of processor; this is for a machine that has other things to do.
BOOT_LIMIT_SECONDS = 300
HYPERVISOR = "max"
BARE_METAL = "max,-hypervisor"


@dataclasses.dataclass(frozen=True)
class Disk:
    """A disk, and the bus that it hangs on: nvme, virtio or scsi."""

    bus: str
    serial: str

    def arguments(self, number, image):
        drive = f"file={image},if=none,id=d{number},format=raw,snapshot=on"
        device = {
            "nvme": f"nvme,drive=d{number},serial={self.serial}",
            "virtio": f"virtio-blk-pci,drive=d{number},serial={self.serial}",
            "scsi": f"scsi-hd,drive=d{number},serial={self.serial},bus=scsi.0",
        }[self.bus]
        return ["-drive", drive, "-device", device]


@dataclasses.dataclass(frozen=True)
class Machine:
    """What can be bought, screwed in or virtualised. `None` for what firmware does not say."""

    processor: str = BARE_METAL
    memory: int = 256
    cores: int = 1
    vendor: str = "Supermicro"
    product: str = "SYS-5019"
    uuid: str | None = None
    serial: str | None = None
    board: str | None = None
    cards: tuple[str, ...] = ()
    disks: tuple[Disk, ...] = ()
    # The name of one of the TPMs that were made before.
    tpm: str | None = None

    def but(self, **changes):
        return dataclasses.replace(self, **changes)

    def firmware(self):
        # A value's comma would begin QEMU's next option.
        system = {"manufacturer": self.vendor, "product": self.product, "serial": self.serial, "uuid": self.uuid}
        board = {"manufacturer": self.vendor, "product": self.product, "serial": self.board}
        for kind, fields in ((1, system), (2, board)):
            told = [f"{name}={value}".replace(",", ",,") for name, value in fields.items() if value is not None]
            yield from ("-smbios", ",".join([f"type={kind}", *told]))

    def arguments(self, image, tpm_socket):
        yield from ("-machine", "q35", "-cpu", self.processor, "-m", str(self.memory), "-smp", str(self.cores))
        yield from self.firmware()
        for number, address in enumerate(self.cards):
            yield from ("-netdev", f"hubport,hubid={number},id=n{number}")
            yield from ("-device", f"virtio-net-pci,netdev=n{number},mac={address}")
        if any(disk.bus == "scsi" for disk in self.disks):
            yield from ("-device", "virtio-scsi-pci,id=scsi")
        for number, disk in enumerate(self.disks):
            yield from disk.arguments(number, image)
        if tpm_socket:
            yield from ("-chardev", f"socket,id=c,path={tpm_socket}", "-tpmdev", "emulator,id=t,chardev=c")
            yield from ("-device", "tpm-crb,tpmdev=t")


@dataclasses.dataclass
class Answer:
    """What one command of a boot gave."""

    status: int
    out: str
    err: str

    def json(self):
        try:
            return json.loads(self.out)
        except ValueError:
            raise AssertionError(f"expected JSON, found {self.out!r} and {self.err!r}") from None


class Laboratory:
    """Where machines are booted: the kernel, the first file system, and the TPMs."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.kernel = self.folder / "vmlinuz"
        self.image = self.folder / "disk.img"

    def make_tpms(self, names):
        for name in names:
            state = self.folder / "tpms" / name
            shutil.rmtree(state, ignore_errors=True)
            state.mkdir(parents=True)
            made = subprocess.run(
                ["swtpm_setup", "--tpm2", "--tpmstate", state, "--create-ek-cert", "--ecc", "--overwrite", "--lock-nvram"],
                capture_output=True,
                text=True,
            )
            if made.returncode != 0:
                raise SystemExit(f"a TPM can't be made: {made.stdout}{made.stderr}")

    def boot(self, machine, commands, files, with_agent=False):
        """Boots a machine, runs commands there, in order, and returns the answer of each."""
        with tempfile.TemporaryDirectory(prefix="machine-") as scratch:
            scratch = pathlib.Path(scratch)
            initrd = self.initrd(scratch, commands, files, with_agent)
            tpm, socket = self.start_tpm(machine, scratch)
            try:
                text = self.emulate(machine, scratch, initrd, socket, any("sleep " in command for command in commands))
            finally:
                if tpm:
                    # It ends with the machine; where that never came up, it is still waiting.
                    tpm.terminate()
                    tpm.wait()
        return [answer(text, number) for number in range(len(commands))]

    def initrd(self, scratch, commands, files, with_agent):
        """The kernel takes several archives behind one another, so the large one is made once."""
        job = [f"tell {number} <<'end-of-command'\n{command}\nend-of-command" for number, command in enumerate(commands)]
        files = {"job": "\n".join(job) + "\n", **files}
        for name, text in files.items():
            (scratch / "files" / name).parent.mkdir(parents=True, exist_ok=True)
            (scratch / "files" / name).write_text(text)
        own = archive(scratch / "files")
        parts = [self.folder / "base.cpio", *([self.folder / "agent.cpio"] if with_agent else [])]
        initrd = scratch / "initrd"
        with initrd.open("wb") as whole:
            for part in parts:
                whole.write(part.read_bytes())
            whole.write(own)
        return initrd

    def start_tpm(self, machine, scratch):
        if machine.tpm is None:
            return None, None
        state = scratch / "tpm"
        shutil.copytree(self.folder / "tpms" / machine.tpm, state)
        socket = state / "socket"
        options = ["--tpm2", "--tpmstate", f"dir={state}", "--ctrl", f"type=unixio,path={socket}", "--terminate"]
        process = subprocess.Popen(["swtpm", "socket", *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        # It prints nothing when it is ready; QEMU is given a listening socket or none.
        for _ in range(100):
            if socket.exists():
                return process, socket
            try:
                process.wait(0.1)
                break
            except subprocess.TimeoutExpired:
                pass
        process.kill()
        raise AssertionError(f"swtpm did not come up: {process.stdout.read()!r}")

    def emulate(self, machine, scratch, initrd, socket, skip_idle):
        told = scratch / "told"
        command = ["qemu-system-x86_64", "-nodefaults", "-no-reboot", "-display", "none", "-accel", "tcg"]
        if skip_idle:
            # Five minutes of sleep in the machine take none here. It costs a third of the speed.
            command += ["-icount", "shift=auto,sleep=off"]
        command += ["-kernel", self.kernel, "-initrd", initrd]
        # The kernel counts ticks to see whether its timer works, and on a host that is busy it finds too few.
        command += ["-append", "console=ttyS0 quiet panic=-1 no_timer_check", "-serial", "stdio", "-serial", f"file:{told}"]
        command += machine.arguments(self.image, socket)
        try:
            ran = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=BOOT_LIMIT_SECONDS)
            console = ran.stdout + ran.stderr
        except subprocess.TimeoutExpired as error:
            console = (error.stdout or b"") + b"\nthe time limit passed"
        text = told.read_text(errors="replace") if told.exists() else ""
        if "@@done" not in text:
            raise AssertionError(f"the machine did not come up or did not end: {console.decode(errors='replace')[-2000:]}")
        return text


def archive(folder):
    """The files of a folder as the kernel unpacks them."""
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
    made = subprocess.run(
        ["cpio", "--create", "--format=newc", "--quiet", "--owner=+0:+0"],
        cwd=folder,
        input="\n".join(names).encode(),
        capture_output=True,
        check=True,
    )
    return made.stdout


def answer(text, number):
    """What lies between the marks that the first program writes around each command."""
    out = text.split(f"@@out {number}\n", 1)[1].split(f"\n@@err {number}\n", 1)[0]
    err, rest = text.split(f"\n@@err {number}\n", 1)[1].split(f"\n@@status {number} ", 1)
    return Answer(int(rest.split("\n", 1)[0]), out, err.strip())
