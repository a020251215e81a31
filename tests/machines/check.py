"""Boots the machines, two at once, asks the real entitlectl there, and prints a table of what was expected and found."""

import concurrent.futures
import json
import sys
import time

import bases
import rows
import words
from machine import Laboratory

AT_ONCE = 2
TITLE_WIDTH = 58


class Miss(Exception):
    """What was found is not what was expected."""


def enroll(laboratory, name):
    """What the agent of a base stores, from the real thing."""
    before = bases.BEFORE_ENROLLING.get(name, "true")
    first, minted = laboratory.boot(bases.BASES[name], [before, words.MINT], {})
    if first.err or minted.status != 0:
        raise SystemExit(f"{name} could not be enrolled: {first.err} {minted.err}")
    return minted.json()


def found(row, answer, enrolled):
    """The verdict, the Serial Number and the score of an answer, in the words of a row."""
    if answer.status != 0:
        return "refused", "none", None
    report = answer.json()
    number = report["serial_number"]
    serial = "none" if number is None else "kept" if number == enrolled["serial_number"] else "new"
    if row.verdict == "minted":
        # A source is asked for where the number is no base's.
        return "minted", serial if row.serial in ("kept", "new") else report["source"], row.score
    return report["verdict"], serial, report["score"]


def check(row, answer, enrolled):
    verdict, serial, score = found(row, answer, enrolled)
    text = f"{verdict}, {serial}" + (f", {score} %" if score is not None else "")
    expected = (row.verdict, row.serial, score if row.score is None else row.score)
    if (verdict, serial, score) != expected:
        raise Miss(f"{text} {answer.err}")
    if row.told not in answer.out + answer.err:
        raise Miss(f"{text}, and not told: {row.told}: {answer.err}")
    if row.nothing_new:
        beside = [f["place"] for f in answer.json()["facts"] if f["weight"] > 0 and f["result"] == "new"]
        if beside:
            raise Miss(f"{text}, and beside what is enrolled {beside}")
    return text


def boot(laboratory, boot, enrolled):
    """Boots one machine and yields each row with what was found, and whether that is right."""
    commands = [command for row in boot.rows for command in (row.before or "true", row.ask)]
    files = {"enrolled.json": json.dumps(enrolled), **boot.files}
    try:
        answers = laboratory.boot(boot.machine, commands, files, boot.with_agent)
    except AssertionError as error:
        return [(row, str(error), False) for row in boot.rows]
    results = []
    for number, row in enumerate(boot.rows):
        before, answer = answers[2 * number], answers[2 * number + 1]
        try:
            if before.status != 0 or before.err:
                raise Miss(f"the change itself failed: {before.err or before.status}")
            results.append((row, check(row, answer, enrolled), True))
        except (Miss, AssertionError) as error:
            results.append((row, str(error), False))
    return results


def expected(row):
    score = "" if row.score is None else f", {row.score} %"
    return f"{row.verdict}, {row.serial}{score}"


def main():
    laboratory, titles = Laboratory(sys.argv[1]), sys.argv[2:]
    wanted = [b for b in rows.BOOTS if not titles or any(t in row.title for t in titles for row in b.rows)]
    if not wanted:
        raise SystemExit(f"no row has {' or '.join(titles)} in its title")
    began = time.monotonic()
    laboratory.make_tpms(bases.TPMS)
    enrolled_on = sorted({b.base for b in wanted})
    missed = 0
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        enrolled = dict(zip(enrolled_on, pool.map(lambda name: enroll(laboratory, name), enrolled_on)))
        print(f"{'change':{TITLE_WIDTH}} {'expected':34} {'found':34}", flush=True)
        for results in pool.map(lambda b: boot(laboratory, b, enrolled[b.base]), wanted):
            for row, text, right in results:
                missed += not right
                print(f"{row.title:{TITLE_WIDTH}} {expected(row):34} {text:34} {'ok' if right else 'MISSED'}", flush=True)
    count = sum(len(b.rows) for b in wanted)
    print(
        f"{count - missed} of {count} rows as expected, {len(enrolled_on) + len(wanted)} boots, {time.monotonic() - began:.0f} s"
    )
    sys.exit(1 if missed else 0)


main()
