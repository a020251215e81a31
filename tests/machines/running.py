"""What is done to one machine while it runs: who asks, containers, interfaces."""

from words import AS_AGENT, EXPLAIN, LATER, MINT, Row

COLLECT = """mkdir -p /run/entitled-hardware && chown 0:65534 /run/entitled-hardware && chmod 2750 /run/entitled-hardware
entitlectl hardware collect --output /run/entitled-hardware/facts.json
"""
FACTS = "/run/entitled-hardware/facts.json"
DAEMON = """mkdir -p /etc/entitled /run/entitled && chown 65534:65534 /run/entitled /var/lib/entitled
echo 'product = "acme-suite"' >/etc/entitled/entitled.toml
su -s /bin/sh agent -c 'entitled run 2>/tmp/agent.log & echo $! >/tmp/agent.pid'
for second in 1 2 3 4 5 6 7 8 9 10; do
    entitlectl serial >/dev/null 2>&1 && break
    sleep 1
done
"""
IN_CONTAINER = "unshare --mount --pid --fork --mount-proc {}"

SAME = (
    Row("the same machine again", "unchanged", "kept", 100, nothing_new=True),
    Row(
        "other hostname, machine-id and interface names",
        "unchanged",
        "kept",
        100,
        before="hostname other; echo ffffeeeeddddccccbbbbaaaa99998888 >/etc/machine-id\n"
        "ip link set eth0 name lan0; ip link set lan0 up; ip addr add 192.0.2.7/24 dev lan0",
        nothing_new=True,
    ),
    Row("state lost, same hardware: minted again", "minted", "kept", ask=MINT),
    Row("not root", "degraded", "kept", 100, ask=AS_AGENT.format(EXPLAIN), told="too_little_readable"),
    Row("not root, minting", "refused", "none", ask=AS_AGENT.format(MINT), told="entitled-hardware.service"),
    Row("not root, with what root collected", "unchanged", "kept", 100, before=COLLECT, ask=AS_AGENT.format(EXPLAIN)),
    Row("not root, with what root collected, minting", "minted", "kept", ask=AS_AGENT.format(MINT)),
    Row(
        "not root, with what another boot's root collected",
        "degraded",
        "kept",
        100,
        before=f'sed -i \'s/"boot_id":"[^"]*"/"boot_id":"0b5e"/\' {FACTS}',
        ask=AS_AGENT.format(EXPLAIN),
    ),
    Row(
        "not root, with what anyone could have written",
        "degraded",
        "kept",
        100,
        before=COLLECT + f"chown 65534 {FACTS}",
        ask=AS_AGENT.format(EXPLAIN),
    ),
    Row("in a container on this machine", "different_machine", "none", ask=IN_CONTAINER.format(EXPLAIN), told="in_container"),
    Row("in a container, minting", "refused", "none", ask=IN_CONTAINER.format(MINT), told="override = "),
    Row("/sys hidden", "degraded", "kept", before="umount -l /sys", told="too_little_readable"),
)

NETWORKS = (
    Row(
        "docker: bridge and veth pair",
        "unchanged",
        "kept",
        100,
        before="load network\nip link add docker0 type bridge\nip link add veth0 type veth peer name veth1\n"
        "ip link set veth0 master docker0; ip link set veth0 up; ip link set docker0 up",
        nothing_new=True,
    ),
    Row(
        "libvirt: a tap in a bridge",
        "unchanged",
        "kept",
        100,
        before="ip link add virbr0 type bridge; ip tuntap add dev vnet0 mode tap; ip link set vnet0 master virbr0",
        nothing_new=True,
    ),
    Row(
        "VPN: WireGuard and tun",
        "unchanged",
        "kept",
        100,
        before="ip link add wg0 type wireguard; ip tuntap add dev tun0 mode tun",
        nothing_new=True,
    ),
    Row(
        "VLAN, macvlan and dummy",
        "unchanged",
        "kept",
        100,
        before="ip link add link eth0 name eth0.5 type vlan id 5; ip link add link eth0 name mv0 type macvlan; ip link add dummy1 type dummy",
        nothing_new=True,
    ),
    Row("a card becomes a bridge's port", "unchanged", "kept", 100, before="ip link set eth1 master docker0", nothing_new=True),
    Row("... and minted anew there", "minted", "kept", ask=MINT),
    Row(
        "bond of both cards, one address on both",
        "unchanged",
        "kept",
        100,
        before="ip link del eth0.5; ip link del mv0; ip link set eth1 nomaster; ip link add bond1 type bond mode active-backup\n"
        "ip link set eth0 down; ip link set eth1 down; ip link set eth0 master bond1; ip link set eth1 master bond1; ip link set bond1 up\n"
        '[ "$(cat /sys/class/net/eth0/address)" = "$(cat /sys/class/net/eth1/address)" ] || echo \'no bond\' >&2',
        nothing_new=True,
    ),
    Row(
        "addresses overridden by software",
        "unchanged",
        "kept",
        100,
        before="ip link set eth0 nomaster; ip link set eth1 nomaster; ip link del bond1\n"
        "ip link set eth0 address 02:00:5e:00:00:09; ip link set eth1 address 02:00:5e:00:00:0a",
        nothing_new=True,
    ),
    Row(
        "one card taken away (hot unplug), just booted",
        "unchanged",
        "kept",
        100,
        before="echo 1 >/sys/class/net/eth1/device/../remove",
    ),
    Row("... and five minutes later", "drifted", "kept", 100, before=LATER),
)
