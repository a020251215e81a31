"""Disks that take nothing."""

from machine import load, lossless
from packages import expect


def small_disk(machine):
    """State on a file system of its own, as an operator would move it."""
    machine.run(
        "systemctl stop entitled.socket entitled-usage.socket entitled-admin.socket entitled; mkdir -p /mnt/small;"
        "mount -t tmpfs -o size=8m,mode=700 none /mnt/small; cp -a /var/lib/entitled/. /mnt/small/; chown entitled:entitled /mnt/small;"
        "mount --move /mnt/small /var/lib/entitled 2>/dev/null || mount --bind /mnt/small /var/lib/entitled; systemctl start entitled"
    )


def fill(machine, number):
    """To the last byte."""
    machine.run(f"cat /dev/zero 2>/dev/null >/var/lib/entitled/filler{number} || true")


def entitled(machine):
    status = machine.status()
    expect((status["state"], status["entitled"]), ("active", True), "status")
    return status


def conditions(status):
    return [c["type"] for c in status["conditions"] if c["status"] == "True"]


def full(machine):
    small_disk(machine)
    license_id = entitled(machine)["license"]["id"]
    asked = {}
    with load(machine, asked):
        fill(machine, 1)
        machine.try_run("entitlectl refresh")
        seen = conditions(entitled(machine))
        machine.run("systemctl restart entitled")
        # A start may have made room by what it ended.
        fill(machine, 2)
        machine.try_run("entitlectl refresh")
        machine.run("systemctl restart entitled")
    seen += conditions(entitled(machine))
    expect("StoreDegraded" in seen, True, f"StoreDegraded among {seen}")
    machine.run("rm /var/lib/entitled/filler*")
    machine.run("entitlectl refresh; systemctl restart entitled")
    expect(entitled(machine)["license"]["id"], license_id, "license")
    return f"restarted twice on it: {lossless(asked)}; told StoreDegraded; the same license when there is room again"


def read_only(machine):
    machine.run("systemctl stop entitled.socket entitled; mount -o remount,ro /var/lib/entitled")
    asked = {}
    try:
        machine.run("systemctl start entitled")
        with load(machine, asked):
            machine.run("systemctl restart entitled")
        seen = conditions(entitled(machine))
        expect("StoreDegraded" in seen, True, f"StoreDegraded among {seen}")
    finally:
        machine.run("mount -o remount,rw /var/lib/entitled")
    machine.run("systemctl restart entitled; entitlectl refresh")
    entitled(machine)
    machine.run("systemctl stop entitled.socket entitled; cp -a /var/lib/entitled /mnt/state; umount /var/lib/entitled; cp -a /mnt/state/. /var/lib/entitled/; systemctl start entitled")
    entitled(machine)
    return f"started and restarted on it: {lossless(asked)}; told {seen}; mended, it goes on"


TROUBLE = (("full disk under load", full), ("read-only state under load", read_only))
