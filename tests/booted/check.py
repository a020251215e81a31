"""What happens to services, on a system that booted: install, restart, kill, starve, fill, upgrade, remove.

check.py FOLDER BEFORE NOW [short]: the steps in their order, each with what it saw.
"""

import pathlib
import sys
import time

from document import Document
from machine import Failed, Machine
import agent
import disks
import packages
import portal

STEPS = (
    *packages.INSTALL,
    *agent.LIFE,
    *portal.LIFE,
    *disks.TROUBLE,
    *packages.UPGRADE,
    *packages.REMOVE,
)


def main():
    folder, before, now, *short = sys.argv[1:]
    machine = Machine(folder)
    machine.document = Document(pathlib.Path("docs/install.md"))
    machine.monitoring = Document(pathlib.Path("docs/monitoring.md"))
    machine.versions = before, now
    steps = STEPS if short else (*STEPS, *packages.RPM)
    began, done = time.monotonic(), 0
    try:
        print(f"{'boot':48} {machine.boot()}", flush=True)
        for title, step in steps:
            since = time.monotonic()
            try:
                seen = step(machine)
            except Failed as failure:
                print(f"{title:48} FAILED: {failure}", flush=True)
                print(machine.try_run("journalctl -n 40 --no-pager -u 'entitle*'")[1])
                sys.exit(f"{done} of {len(steps)} steps as expected; this one was not: {title}")
            done += 1
            print(f"{title:48} {seen} ({time.monotonic() - since:.0f} s)", flush=True)
        if machine.document.unused and not short:
            sys.exit(f"docs/install.md has commands that were not run: {machine.document.unused}")
    finally:
        machine.end()
    print(f"{done} of {len(steps)} steps as expected, every command of docs/install.md run{' but for RPM' if short else ''}, {time.monotonic() - began:.0f} s")


main()
