"""What happens to the portal while it runs."""

from machine import load, lossless
from packages import PORTAL_TARGETS, expect


def restart(machine):
    asked = {}
    with load(machine, asked, "tcp", "8440", PORTAL_TARGETS):
        for _ in range(3):
            machine.run("systemctl restart entitle-portal")
        machine.run("systemctl reload entitle-portal")
    machine.run("entitlectl refresh")
    return f"3 times, and reloaded: {lossless(asked)}"


def gone(machine):
    machine.run("systemctl stop entitle-portal.socket entitle-portal")
    code, _, _ = machine.try_run("entitlectl refresh")
    expect(code, 1, "refresh without a portal")
    expect(machine.status()["entitled"], True, "entitled")
    machine.run("systemctl start entitle-portal; entitlectl refresh")
    return "without it the agent stays entitled; back, it answers"


LIFE = (("the portal restarts under load", restart), ("the portal is gone", gone))
