"""The words of the table: a row, a boot, and what is asked."""

import dataclasses

from machine import Machine

# Past the time in which drivers may still be coming up. The emulator skips it.
LATER = "sleep 300"

EXPLAIN = "entitlectl hardware explain --enrolled /enrolled.json --json"
MINT = "entitlectl hardware enroll"
AS_AGENT = "su -s /bin/sh agent -c '{}'"


@dataclasses.dataclass(frozen=True)
class Row:
    """One thing that is done to a running machine, and what must be found after it."""

    title: str
    # A verdict, or `minted` or `refused` where nothing is compared.
    verdict: str
    # `kept`, `new`, `none`, or the source that a number is minted from.
    serial: str
    score: int | None = None
    before: str = ""
    ask: str = EXPLAIN
    # What the reason, the refusal or the standard error must hold.
    told: str = ""
    # Nothing that votes may be found beside what is enrolled.
    nothing_new: bool = False


@dataclasses.dataclass(frozen=True)
class Boot:
    """One machine that is booted, the base that its agent was enrolled on, and what is done there."""

    machine: Machine
    base: str
    rows: tuple[Row, ...]
    with_agent: bool = False
    files: dict = dataclasses.field(default_factory=dict)
