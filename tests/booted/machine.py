"""A Debian with systemd as its first process, in a container without a network."""

import contextlib
import json
import pathlib
import shlex
import subprocess
import time

BOOT_SECONDS = 60


class Failed(Exception):
    """What was seen is not what should be."""


class Machine:
    """The container: its tree is a layer over the cached one, so that each run begins anew."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.root = self.folder / "machine"
        self.process = None
        self.init = None

    def boot(self):
        # No terminal, no registration: nothing of the host's service manager is needed.
        options = ["--boot", "--register=no", "--keep-unit", "-M", "entitled-booted", "--private-network", "--link-journal=no"]
        log = (self.folder / "console.log").open("ab")
        command = ["systemd-nspawn", "--quiet", "-D", self.root, *options]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.init = self.wait_for(self.first_process, "systemd to start")
        self.wait_for(lambda: self.try_run("systemctl is-system-running --wait")[1] in ("running", "degraded"), "the boot")
        state = self.try_run("systemctl is-system-running")[1]
        return f"systemd {self.run('systemctl --version').split()[1]} is process 1, the system is {state}"

    def first_process(self):
        if self.process.poll() is not None:
            raise Failed(f"systemd-nspawn ended with {self.process.returncode}: {self.folder / 'console.log'}")
        found = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for pid in found:
            if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "systemd":
                return pid
        return None

    def reboot(self):
        self.try_run("systemctl reboot")
        # 133 asks for the container to be started again.
        code = self.process.wait(BOOT_SECONDS)
        if code != 133:
            raise Failed(f"the container ended with {code}, not with the 133 of a reboot")
        return self.boot()

    def end(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def inside(self, *command):
        """A command line that runs in the container."""
        environment = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"]
        return ["nsenter", "-t", self.init, "-a", "--", *environment, *command]

    def try_run(self, script, sent=""):
        """Runs a script; its exit code and what it printed."""
        command = self.inside("sh", "-ec", f"cd /root; {script}")
        ran = subprocess.run(command, input=sent, capture_output=True, text=True, timeout=180)
        return ran.returncode, ran.stdout.strip(), ran.stderr.strip()

    def run(self, script, sent=""):
        code, out, err = self.try_run(script, sent)
        if code != 0:
            raise Failed(f"`{script}` ended with {code}: {out} {err}")
        return out

    def json(self, script):
        return json.loads(self.run(script))

    def status(self):
        return self.json("entitlectl --json status || [ $? = 4 ]")

    def property(self, unit, name):
        return self.run(f"systemctl show -P {name} {unit}")

    def wait_for(self, seen, what, seconds=BOOT_SECONDS):
        """Asks until there is an answer; the machine under test has its own clock and can't be told when."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with contextlib.suppress(subprocess.TimeoutExpired):
                if found := seen():
                    return found
            time.sleep(0.1)
        raise Failed(f"{what} did not come in {seconds} s")

    def write(self, path, text):
        """Through the container, where its symbolic links lead to what is its own."""
        self.run(f"mkdir -p {shlex.quote(str(pathlib.PurePath(path).parent))}; cat >{shlex.quote(path)}", text)


class Load:
    """Questions without pause, from inside, while something happens."""

    def __init__(self, machine, kind, place, *targets):
        command = machine.inside("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "python3", "/srv/load.py", kind, place, *targets)
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "asking\n":
            raise Failed("the load did not begin")

    def end(self):
        out, _ = self.process.communicate(timeout=120)
        return json.loads(out)


@contextlib.contextmanager
def load(machine, result, kind="unix", place="/run/entitled/entitled.sock", targets=("/v1/status", "/v1/features", "/v1/license")):
    """Fills `result` with what was counted."""
    asking = Load(machine, kind, place, *targets)
    try:
        # Every connection is there and has asked.
        time.sleep(1)
        yield
        time.sleep(1)
    finally:
        result.update(asking.end())


def counted(result):
    return (
        f"{result['kept']} questions on kept-alive and {result['fresh']} on fresh connections, "
        f"{len(result['failed'])} failed, longest wait {result['longest_wait_ms']} ms"
    )


def lossless(result):
    """What was counted, where nothing failed."""
    if result["failed"]:
        raise Failed(f"{counted(result)}: {result['failed'][:5]}")
    if result["kept"] < 100 or result["fresh"] < 100:
        raise Failed(f"hardly anything was asked: {counted(result)}")
    return counted(result)
