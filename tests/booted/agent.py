"""What happens to the agent while it runs."""

import ctypes
import json
import os

from machine import Failed, counted, load, lossless
from packages import expect

RESTARTS = 5
# Of <linux/ptrace.h>.
PTRACE_SEIZE, PTRACE_INTERRUPT = 0x4206, 0x4207
# __WALL of <linux/wait.h>.
ALL = 0x40000000


def pid(machine):
    return machine.property("entitled", "MainPID")


def comes_back(machine, old):
    machine.wait_for(lambda: pid(machine) not in ("0", old) and machine.property("entitled", "SubState") == "running", "the next agent")


def restart(machine):
    asked = {}
    with load(machine, asked):
        for _ in range(RESTARTS):
            machine.run("systemctl restart entitled")
    left = machine.property("entitled", "NFileDescriptorStore")
    expect(left, "0", "connections that systemd still holds")
    return f"{RESTARTS} times: {lossless(asked)}"


def reload(machine):
    asked = {}
    with load(machine, asked):
        machine.run("systemctl reload entitled; sleep 1")
        machine.write("/etc/entitled/conf.d/wrong.toml", "nonsense = 1\n")
        machine.run("systemctl reload entitled")
        invalid = lambda: any(c["type"] == "ConfigInvalid" and c["status"] == "True" for c in machine.status()["conditions"])
        machine.wait_for(invalid, "ConfigInvalid")
        machine.run("rm /etc/entitled/conf.d/wrong.toml; systemctl reload entitled")
        machine.wait_for(lambda: not invalid(), "the end of ConfigInvalid")
    return f"wrong settings are refused and told: {lossless(asked)}"


def stop(machine):
    machine.run("systemctl stop entitled")
    status = machine.status()
    expect(status["entitled"], True, "entitled")
    machine.document.run(machine, "Upgrade", 0)
    code, _, err = machine.try_run("entitlectl status")
    expect(code, 3, f"status while stopped, {err}")
    machine.run("systemctl start entitled")
    expect(machine.status()["entitled"], True, "entitled")
    return "a question starts it again; with its sockets stopped it is not reached, and says so"


def killed(machine):
    old, asked = pid(machine), {}
    with load(machine, asked):
        machine.run("systemctl kill -s KILL entitled")
        comes_back(machine, old)
    fresh = [failure for failure in asked["failed"] if "refused" in failure.lower() or "No such file" in failure]
    if fresh or len(asked["failed"]) > 40:
        raise Failed(f"{counted(asked)}: {asked['failed'][:5]}")
    return f"{counted(asked)}: the connections that it held; no connection was refused"


def crash_loop(machine):
    asked, old = {}, pid(machine)
    machine.run("mv /usr/bin/entitled /usr/bin/entitled.away; systemctl kill -s KILL entitled")
    with load(machine, asked):
        machine.wait_for(lambda: int(machine.property("entitled", "NRestarts")) >= 8, "the eighth restart")
        machine.run("mv /usr/bin/entitled.away /usr/bin/entitled")
        comes_back(machine, old)
    sockets = machine.run("systemctl is-active entitled.socket entitled-usage.socket entitled-admin.socket").split()
    expect(sockets, ["active"] * 3, "sockets")
    return f"{machine.property('entitled', 'NRestarts')} starts in vain, then: {lossless(asked)}"


def starved(machine):
    """Stops the loop's thread alone: the sockets' thread goes on, and must not feed the watchdog in its place."""
    machine.write("/run/systemd/system/entitled.service.d/test.conf", "[Service]\nWatchdogSec=3s\n")
    machine.run("systemctl daemon-reload; systemctl restart entitled")
    old = pid(machine)
    outside = outer(machine, old)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
    for order in (PTRACE_SEIZE, PTRACE_INTERRUPT):
        if libc.ptrace(order, outside, None, None) != 0:
            raise Failed(f"ptrace: {os.strerror(ctypes.get_errno())}")
    os.waitpid(outside, ALL)
    expect(machine.status()["entitled"], True, "entitled, as the sockets' thread tells it")
    expect(pid(machine), old, "the agent, which hangs")
    told = "journalctl -u entitled --no-pager | grep 'Watchdog timeout'"
    machine.wait_for(lambda: machine.try_run(told)[0] == 0, "the watchdog's timeout")
    # Its end is told to who stopped it first, and then to systemd.
    os.waitpid(outside, ALL)
    comes_back(machine, old)
    machine.run("rm -r /run/systemd/system/entitled.service.d; systemctl daemon-reload; systemctl restart entitled")
    expect(machine.status()["entitled"], True, "entitled")
    return "the loop's thread stands still: the status is answered, and after 3 s systemd starts another agent"


def outer(machine, inner):
    """A process of the container by the number that it has outside."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/status") as file:
                    numbers = next(line for line in file if line.startswith("NSpid:")).split()[1:]
                with open(f"/proc/{name}/comm") as file:
                    comm = file.read().strip()
            except (OSError, StopIteration):
                continue
            if len(numbers) == 2 and numbers[1] == inner and comm == "entitled":
                return int(name)
    raise Failed(f"process {inner} of the container is not seen from outside")


def journal(machine):
    """What docs/monitoring.md looks for in it: fields of their own, by which systemd finds an entry."""
    installed, restricted = machine.monitoring.blocks["The journal", 0]
    told = machine.run(installed)
    if "license sequence 1 of Production" not in told or "the agent runs" in told:
        raise Failed(f"not the entry on the license that was installed alone: {told}")
    now = restricted.replace("restricted", "active")
    entries = [json.loads(line) for line in machine.run(now).splitlines()]
    for name, value in (("ENTITLED_STATE", "active"), ("ENTITLED_ENTITLED", "true")):
        expect({entry.get(name) for entry in entries}, {value}, name)
    expect(all(entry["ENTITLED_GENERATION"].isdigit() for entry in entries), True, "generations that are numbers")
    expect(machine.run(f"{restricted.split('#')[0]} | wc -l"), "0", "entries on a state that never was")
    return f"{len(told.splitlines())} lines on the license that was installed, {len(entries)} on the state, found by their fields"


def reboot(machine):
    status = machine.status()
    booted = machine.reboot()
    now = machine.wait_for(lambda: machine.try_run("entitlectl --json status")[0] == 0 and machine.status(), "the status")
    for name in ("serial_number", "license", "state"):
        expect(now[name], status[name], name)
    return f"{booted}; the same license"


LIFE = (
    ("the journal", journal),
    ("stop", stop),
    ("restart under load", restart),
    ("reload under load", reload),
    ("kill -9 under load", killed),
    ("crash loop under load", crash_loop),
    ("watchdog", starved),
    ("reboot", reboot),
)
