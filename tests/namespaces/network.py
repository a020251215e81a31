"""Network namespaces on one bridge, and what becomes of the packets between them."""

import os
import subprocess


def run(*words, **more):
    return subprocess.run(words, check=True, capture_output=True, text=True, **more).stdout


class Network:
    """Hosts by name, each with an address of its own; the bridge is in a namespace that no host is in."""

    def __init__(self, *hosts):
        self.prefix = f"entitled-{os.getpid()}"
        self.addresses = {host: f"10.77.0.{number}" for number, host in enumerate(hosts, 1)}
        self.made = []
        try:
            self._build()
        except BaseException:
            self.remove()
            raise

    def _build(self):
        hub = self._namespace("hub")
        run("ip", "-n", hub, "link", "add", "bridge", "type", "bridge")
        run("ip", "-n", hub, "link", "set", "bridge", "up")
        for host, address in self.addresses.items():
            namespace = self._namespace(host)
            run("ip", "-n", hub, "link", "add", "name", host, "type", "veth", "peer", "name", "eth0", "netns", namespace)
            run("ip", "-n", hub, "link", "set", host, "master", "bridge", "up")
            run("ip", "-n", namespace, "address", "add", f"{address}/24", "dev", "eth0")
            run("ip", "-n", namespace, "link", "set", "eth0", "up")
            run("ip", "-n", namespace, "link", "set", "lo", "up")
        self._rules("add table bridge cuts", "add chain bridge cuts between { type filter hook forward priority 0; }")

    def _namespace(self, name):
        namespace = f"{self.prefix}-{name}"
        run("ip", "netns", "add", namespace)
        self.made.append(namespace)
        return namespace

    def _rules(self, *rules):
        run("ip", "netns", "exec", f"{self.prefix}-hub", "nft", "-f", "-", input="\n".join(rules) + "\n")

    def inside(self, host):
        """What a command begins with that runs on a host."""
        return ["ip", "netns", "exec", f"{self.prefix}-{host}"]

    def drop(self, source, target, of_a_hundred=100):
        """Packets from one to the other are lost, all or so many of a hundred; nobody is told."""
        chance = "" if of_a_hundred == 100 else f"numgen random mod 100 < {of_a_hundred} "
        # Who is where stays known: an address that can't be asked for is another failure.
        self._rules(f'add rule bridge cuts between ether type ip iifname "{source}" oifname "{target}" {chance}drop')

    def part(self, one, other, of_a_hundred=100):
        self.drop(one, other, of_a_hundred)
        self.drop(other, one, of_a_hundred)

    def heal(self):
        self._rules("flush chain bridge cuts between")

    def remove(self):
        for namespace in reversed(self.made):
            subprocess.run(["ip", "netns", "delete", namespace], check=False)
