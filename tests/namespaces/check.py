"""What four servers and a portal make of a bad network, scene by scene; the times are printed, the bounds are generous."""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from network import Network
from servers import Portal, Processes, Server, wait_for

DELAY = 0.3
# A watch that is silent for so long is lost, with the time to notice.
SILENCE = 50 + 5
LEASE_DAYS = 30
CUT, LOSSY, SLOW = "member1", "member2", "member3"


class Scenes:
    def __init__(self, network, processes, built, folder):
        self.network, self.processes, self.folder = network, processes, folder
        self.began, self.editions = time.monotonic(), 0
        self.portal = Portal(network, processes, built, folder)
        at = network.addresses["controller"]
        self.address = f"{at}:7443"
        settings = (
            f"[portal]\nurl = '{self.portal.url}'\nca_file = '{self.portal.certificate}.crt'\n"
            f"[identity]\noverride = 'asset 4711'\n[members]\nlisten = '{self.address}'\n"
        )
        start = lambda host, settings: Server(network, processes, built, folder, host, self.portal, settings)
        self.controller = start("controller", settings)
        self.controller.command("activate", given=self.portal.code)
        slow = [sys.executable, pathlib.Path(__file__).parent / "relay.py", f"{at}:7444", self.address, "--delay", str(DELAY)]
        processes.start(network.inside("controller") + slow, stdout=subprocess.PIPE).stdout.readline()
        self.members = {host: start(host, "role = 'member'\n") for host in (CUT, LOSSY, SLOW)}
        token = self.controller.command("member", "token", "--uses", "3")
        for host, member in self.members.items():
            member.command("join", f"{at}:7444" if host == SLOW else self.address, given=token)
            wait_for(f"{host} is entitled", lambda: member.status()["entitled"])
        self.say("a portal, a controller and three members", f"up and entitled after {self.age():.1f} s")

    def age(self):
        return time.monotonic() - self.began

    def say(self, scene, found):
        print(f"{self.age():5.1f} s  {scene:62} {found}", flush=True)

    def renew(self):
        """Sells another edition, which the controller fetches."""
        self.editions += 1
        edition = f"edition-{self.editions}"
        self.portal.sell_edition(edition)
        self.controller.command("refresh")
        assert self.controller.edition() == edition
        return edition

    def heard(self, host, edition, patience=30):
        return wait_for(f"{host} hears of {edition}", lambda: self.members[host].edition() == edition, patience)

    def curl(self, host, path, *more):
        """As docs/members.md has it."""
        identity = self.members[host].folder / "state/member.pem"
        certificates = identity.read_text(encoding="ascii").split("-----BEGIN CERTIFICATE-----")
        chain = self.folder / "chain.pem"
        chain.write_text("-----BEGIN CERTIFICATE-----" + certificates[2], encoding="ascii")
        name = "controller.entitled.internal"
        at, port = self.address.split(":")
        words = ["curl", "--silent", "--show-error", "--cert", identity, "--key", identity, "--cacert", chain]
        words += ["--resolve", f"{name}:{port}:{at}", *more, f"https://{name}:{port}{path}"]
        return self.processes.start(self.network.inside(host) + words, stdout=subprocess.PIPE)

    def plain_curl(self):
        statement = self.curl(CUT, "/v1/statement").communicate(timeout=10)[0]
        assert statement.count(".") == 2, statement
        generation = self.controller.status()["generation"]
        waiting = self.curl(CUT, f"/v1/statement?after={generation}&wait=60s")
        time.sleep(0.3)
        began = time.monotonic()
        edition = self.renew()
        newer = waiting.communicate(timeout=10)[0]
        assert newer.count(".") == 2 and newer != statement
        refusal = self.curl(CUT, "/v1/nothing", "--write-out", "%{http_code}").communicate(timeout=10)[0]
        assert refusal.endswith("404"), refusal
        self.say("curl with a member's certificate reads, and waits for the next", f"{time.monotonic() - began:.1f} s with the renewal")
        for host in self.members:
            self.heard(host, edition)

    def begin_cut(self):
        """One member's way is cut in silence: no end of the connection reaches either side."""
        self.network.part(CUT, "controller")
        self.cut_at = time.monotonic()
        contact = self.members[CUT].status()["upstream"]["last_contact"]
        edition = self.renew()
        took = self.heard(LOSSY, edition)
        found = self.members[CUT].status()
        assert found["entitled"] and found["license"]["edition"] != edition
        self.say("one member is cut off: another hears of a renewal", f"{took * 1e3:.0f} ms")
        self.contact = contact

    def delay(self):
        edition = self.renew()
        took = self.heard(SLOW, edition)
        self.say(f"a member {DELAY * 1e3:.0f} ms away each way hears of it", f"{took * 1e3:.0f} ms")

    def loss(self):
        self.network.part(LOSSY, "controller", of_a_hundred=30)
        took = [self.heard(LOSSY, self.renew(), 90) for _ in range(4)]
        found = self.members[LOSSY].status()
        assert found["entitled"] and found["upstream"]["reachable"]
        self.mend()
        self.say("30 % of packets are lost, each way: four renewals", ", ".join(f"{t * 1e3:.0f} ms" for t in took))

    def one_way(self):
        # Of the one whose TCP has lost nothing yet, once all is acknowledged: what fits its window arrives without an answer.
        self.heard(SLOW, f"edition-{self.editions}")
        time.sleep(0.2)
        self.network.drop(SLOW, "controller")
        took = self.heard(SLOW, self.renew())
        self.say("nothing comes from a member, all goes to it: it hears", f"{took * 1e3:.0f} ms")
        self.mend()
        self.network.drop("controller", LOSSY)
        edition = self.renew()
        time.sleep(2)
        assert self.members[LOSSY].edition() != edition and self.members[LOSSY].status()["entitled"]
        self.mend()
        took = self.heard(LOSSY, edition)
        self.say("nothing goes to it for 2 s: after healing it hears", f"{took * 1e3:.0f} ms")

    def mend(self):
        """All ways are open but the one that is to stay cut."""
        self.network.heal()
        self.network.part(CUT, "controller")

    def portal_lost(self):
        self.network.part("controller", "portal")
        began = time.monotonic()
        self.controller.command("refresh", fails=True)
        took = time.monotonic() - began
        found = self.controller.status()
        assert found["entitled"] and found["upstream"]["reachable"] is False, found["upstream"]
        assert self.members[SLOW].status()["entitled"]
        self.mend()
        began = time.monotonic()
        edition = self.renew()
        self.heard(SLOW, edition)
        back = time.monotonic() - began
        self.say("the portal is cut off: a refresh gives up, entitled all the same", f"{took:.1f} s, a renewal after healing {back:.1f} s")

    def removal(self):
        member = self.members[LOSSY]
        address = self.network.addresses[LOSSY]
        watch = self.curl(LOSSY, "/v1/watch", "--no-buffer", "--output", self.folder / "heard")
        wait_for("curl watches", lambda: (self.folder / "heard").exists() and (self.folder / "heard").stat().st_size > 1000)
        known = [m["id"] for m in self.controller.members() if m["address"] == address]
        assert len(known) == 1, known
        began = time.monotonic()
        self.controller.command("member", "remove", known[0])
        watch.wait(timeout=10)
        took = time.monotonic() - began
        refused = self.curl(LOSSY, "/v1/statement", "--write-out", "%{http_code}").communicate(timeout=10)[0]
        assert "member-removed" in refused and refused.endswith("403"), refused
        expelled = lambda: any(c["reason"] == "Expelled" for c in member.status()["conditions"])
        told = wait_for("it is told", expelled)
        assert member.status()["entitled"]
        self.say("a member is removed: its open watch ends, it is told", f"{took * 1e3:.0f} ms with the command, {told:.1f} s")

    def end_cut(self):
        member = self.members[CUT]
        wait_for("the cut is noticed", lambda: member.status()["upstream"]["reachable"] is False, SILENCE)
        noticed = time.monotonic() - self.cut_at
        found = member.status()
        assert noticed < SILENCE and found["entitled"]
        assert found["upstream"]["last_contact"] >= self.contact
        self.say("the cut-off member notices, entitled", f"after {noticed:.0f} s of a lease of {LEASE_DAYS} days")
        address = self.network.addresses[CUT]
        gone = lambda: all(not m["connected"] for m in self.controller.members() if m["address"] == address)
        wait_for("the controller notices", gone, 75)
        self.say("the controller counts it as gone", f"after {time.monotonic() - self.cut_at:.0f} s")
        self.network.heal()
        took = self.heard(CUT, f"edition-{self.editions}", 200)
        found = member.status()
        assert found["upstream"]["reachable"] and found["entitled"]
        self.say("its way is healed: it catches up", f"{took:.1f} s")


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="entitled-namespaces-"))
    processes = Processes()
    network = Network("portal", "controller", CUT, LOSSY, SLOW)
    try:
        scenes = Scenes(network, processes, pathlib.Path(sys.argv[1]).resolve(), folder)
        scenes.plain_curl()
        scenes.begin_cut()
        scenes.delay()
        scenes.loss()
        scenes.one_way()
        scenes.portal_lost()
        scenes.removal()
        scenes.end_cut()
    except BaseException:
        for log in folder.glob("*/log"):
            print(f"--- {log.parent.name}\n{log.read_text(encoding='utf-8')[-3000:]}", file=sys.stderr)
        raise
    finally:
        processes.end()
        network.remove()
        shutil.rmtree(folder)


main()
