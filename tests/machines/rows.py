"""The rows: what is changed about a machine, and what its agent must then say.

They follow the table 'change on the same machine' of docs/hardware.md.
"""

import dataclasses

from machine import BARE_METAL, HYPERVISOR, Disk, Machine

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


UUID = "4c4c4544-0042-3510-8054-b4c04f4a4e32"
SWAPPED = "44454c4c-4200-1035-8054-b4c04f4a4e32"
GUEST_UUID = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"
SWAPPED_GUEST_UUID = "ba284e1b-a12f-d211-883f-0016d3cca427"
OTHER_UUID = "7d3a1b62-90cc-4f0e-a4c1-5e0f1d2c3b4a"
BUILDER = "To Be Filled By O.E.M."
BUILDER_UUID = "03000200-0400-0500-0006-000700080009"
BUILDER_TWIN = "00020003-0004-0005-0006-000700080009"
FIRST, SECOND = "3c:ec:ef:12:34:56", "3c:ec:ef:12:34:57"
THIRD, FOURTH = "3c:ec:ef:aa:aa:01", "3c:ec:ef:aa:aa:02"
DRAWN, OTHER_DRAWN = "52:54:00:12:34:56", "52:54:00:65:43:21"

SERVER = Machine(
    uuid=UUID, serial="S3141592", board="B2718281", cards=(FIRST, SECOND), disks=(Disk("nvme", "NV60221409"),)
)
GUEST = Machine(
    processor=HYPERVISOR,
    vendor="QEMU",
    product="Standard PC (Q35 + ICH9, 2009)",
    uuid=GUEST_UUID,
    cards=(DRAWN,),
    disks=(Disk("virtio", "VD16180339"),),
)
WHITE_BOX = SERVER.but(uuid=BUILDER_UUID, serial=BUILDER, board="Default string")
TRUSTED = SERVER.but(tpm="one")
TRUSTED_GUEST = GUEST.but(tpm="one")
MIRRORED = SERVER.but(disks=(Disk("nvme", "NV60221409"), Disk("scsi", "SC66260701")))
# LUKS is dm-crypt, LVM is dm-linear: here by hand, one upon the other, upon a RAID of both disks.
STACK = """load mapping
umount /var/lib/entitled 2>/dev/null
mdadm --create /dev/md0 --run --level=1 --raid-devices=2 --metadata=1.0 --assume-clean --bitmap=none {} >/dev/null 2>&1 || echo 'no RAID' >&2
dmsetup create luks --table "0 20480 crypt aes-xts-plain64 $(printf '%064d' 7) 0 /dev/md0 0" || echo 'no dm-crypt' >&2
dmsetup mknodes
dmsetup create root --table '0 20480 linear /dev/mapper/luks 0' || echo 'no dm-linear' >&2
dmsetup mknodes
mke2fs -q /dev/mapper/root
mount -t ext2 /dev/mapper/root /var/lib/entitled || echo 'no mount' >&2
"""
BOTH_DISKS = "/dev/nvme0n1 /dev/sda"

BASES = {
    "server": SERVER,
    "guest": GUEST,
    "white box": WHITE_BOX,
    "server with a TPM": TRUSTED,
    "guest with a TPM": TRUSTED_GUEST,
    "server with a RAID": MIRRORED,
}
BEFORE_ENROLLING = {"server with a RAID": STACK.format(BOTH_DISKS)}
TPMS = ("one", "two")

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
        before=f"sed -i 's/\"boot_id\":\"[^\"]*\"/\"boot_id\":\"0b5e\"/' {FACTS}",
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

UP = "ip link set {} up"
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
    Row("libvirt: a tap in a bridge", "unchanged", "kept", 100, before="ip link add virbr0 type bridge; ip tuntap add dev vnet0 mode tap; ip link set vnet0 master virbr0", nothing_new=True),
    Row("VPN: WireGuard and tun", "unchanged", "kept", 100, before="ip link add wg0 type wireguard; ip tuntap add dev tun0 mode tun", nothing_new=True),
    Row("VLAN, macvlan and dummy", "unchanged", "kept", 100, before="ip link add link eth0 name eth0.5 type vlan id 5; ip link add link eth0 name mv0 type macvlan; ip link add dummy1 type dummy", nothing_new=True),
    Row("a card becomes a bridge's port", "unchanged", "kept", 100, before="ip link set eth1 master docker0", nothing_new=True),
    Row("... and minted anew there", "minted", "kept", ask=MINT),
    Row(
        "bond of both cards, one address on both",
        "unchanged",
        "kept",
        100,
        before="ip link del eth0.5; ip link del mv0; ip link set eth1 nomaster; ip link add bond1 type bond mode active-backup\n"
        "ip link set eth0 down; ip link set eth1 down; ip link set eth0 master bond1; ip link set eth1 master bond1; ip link set bond1 up\n"
        "[ \"$(cat /sys/class/net/eth0/address)\" = \"$(cat /sys/class/net/eth1/address)\" ] || echo 'no bond' >&2",
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
    Row("one card taken away (hot unplug), just booted", "unchanged", "kept", 100, before="echo 1 >/sys/class/net/eth1/device/../remove"),
    Row("... and five minutes later", "drifted", "kept", 100, before=LATER),
)


def one(machine, base, *row, **more):
    return Boot(machine, base, (Row(*row, **more),))


BOOTS = (
    Boot(SERVER, "server", SAME),
    Boot(SERVER, "server", NETWORKS),
    Boot(
        SERVER,
        "server",
        (
            Row("the agent itself, not root, with what root collected", "minted", "kept", before=COLLECT + DAEMON, ask="entitlectl hardware --json"),
        ),
        with_agent=True,
    ),
    one(SERVER.but(memory=384, cores=2, processor="Skylake-Server,-hypervisor"), "server", "more RAM, cores, another processor", "unchanged", "kept", 100),
    one(SERVER.but(cards=(FIRST, THIRD)), "server", "one of two cards replaced", "drifted", "kept", 100),
    one(SERVER.but(cards=(FIRST, SECOND, THIRD)), "server", "a card added", "unchanged", "kept", 100),
    one(SERVER.but(cards=(THIRD, FOURTH)), "server", "all cards replaced", "drifted", "kept", 76),
    one(SERVER.but(disks=(Disk("nvme", "NV99990000"),)), "server", "disk replaced", "drifted", "kept", 85),
    one(SERVER.but(cards=(THIRD, FOURTH), disks=(Disk("nvme", "NV99990000"),)), "server", "all cards and the disk replaced", "drifted", "kept", 61),
    one(SERVER.but(uuid=SWAPPED), "server", "UUID in the other byte order", "unchanged", "kept", 100, nothing_new=True),
    Boot(
        SERVER.but(board=None),
        "server",
        (
            Row("firmware blanks the board's serial, just booted", "unchanged", "kept", 100),
            Row("firmware blanks the board's serial", "drifted", "kept", 100, before=LATER),
        ),
    ),
    one(SERVER.but(board=BUILDER), "server", "firmware puts a placeholder into the board's serial", "drifted", "kept", 100),
    one(SERVER.but(board="Default string", serial="System Serial Number"), "server", "placeholders in both serials", "drifted", "kept", 76),
    one(SERVER.but(uuid=BUILDER_UUID), "server", "a placeholder in the UUID", "drifted", "kept", 61),
    one(SERVER.but(uuid=OTHER_UUID), "server", "board replaced, its serial, cards and disk kept", "drifted", "kept", 61),
    one(SERVER.but(uuid=OTHER_UUID, serial="S2222222", board="B2222222"), "server", "board replaced, cards and disk kept", "different_machine", "new", 38, told="too_little_agrees"),
    one(SERVER.but(uuid=OTHER_UUID, serial="S2222222", board="B2222222", cards=(THIRD, FOURTH)), "server", "disk moved to another machine", "different_machine", "new", 14),
    one(GUEST, "server", "state directory copied to a guest", "different_machine", "new"),
    one(SERVER.but(disks=(Disk("virtio", "NV60221409"),)), "server", "the disk's serial on another bus", "unchanged", "kept", 100),
    one(SERVER.but(disks=(Disk("scsi", "SC66260701"),)), "server", "a SCSI disk in its place", "drifted", "kept", 85, before=LATER),
    Boot(
        SERVER.but(tpm="one"),
        "server",
        (Row("a TPM added later", "unchanged", "kept", 100),),
    ),
    # A guest.
    Boot(
        GUEST,
        "guest",
        (
            Row("guest: the same, or a byte-exact copy", "unchanged", "kept", 100, nothing_new=True),
            Row("guest: minted again", "minted", "kept", ask=MINT),
            Row("guest: not root", "degraded", "kept", 100, ask=AS_AGENT.format(EXPLAIN)),
            Row("guest: address overridden by software", "unchanged", "kept", 100, before="ip link set eth0 address 02:00:5e:00:00:09", nothing_new=True),
        ),
    ),
    one(GUEST.but(memory=384, cores=2, processor="EPYC"), "guest", "guest: resized, moved to other processors", "unchanged", "kept", 100),
    one(GUEST.but(cards=(OTHER_DRAWN,)), "guest", "guest: card replaced", "drifted", "kept", 68),
    one(GUEST.but(disks=(Disk("virtio", "VD99990000"),)), "guest", "guest: disk replaced", "drifted", "kept", 81),
    # Minted again it would have the same number; the vote alone says no.
    one(GUEST.but(cards=(OTHER_DRAWN,), disks=(Disk("virtio", "VD99990000"),)), "guest", "guest: card and disk replaced", "different_machine", "kept", 50),
    one(TRUSTED_GUEST.but(cards=(OTHER_DRAWN,), disks=(Disk("virtio", "VD99990000"),)), "guest with a TPM", "TPM: a guest's card and disk replaced", "drifted", "kept", 65),
    one(GUEST.but(uuid=SWAPPED_GUEST_UUID), "guest", "guest: UUID in the other byte order", "unchanged", "kept", 100),
    one(GUEST.but(uuid=OTHER_UUID), "guest", "clone with another UUID", "different_machine", "new", 50, told="other_system_id"),
    one(GUEST.but(uuid=OTHER_UUID, cards=(OTHER_DRAWN,)), "guest", "clone with another UUID and address", "different_machine", "new", 18, told="other_system_id"),
    one(SERVER, "guest", "state directory copied to bare metal", "different_machine", "new"),
    # Firmware that says nothing.
    Boot(
        WHITE_BOX,
        "white box",
        (
            Row("placeholders everywhere: minted from the card", "minted", "permanent-mac", ask=MINT),
            Row("placeholders everywhere: the same again", "unchanged", "kept", 100),
        ),
    ),
    one(WHITE_BOX.but(uuid=BUILDER_TWIN), "white box", "placeholders: the UUID's twin", "minted", "permanent-mac", ask=MINT),
    one(WHITE_BOX.but(cards=(DRAWN,)), "white box", "placeholders, a chosen address: minted from the disk", "minted", "disk-wwid", ask=MINT),
    one(WHITE_BOX.but(cards=(DRAWN,), disks=()), "white box", "no credible evidence", "refused", "none", ask=MINT, told="override = "),
    one(WHITE_BOX.but(tpm="one"), "white box", "placeholders and a TPM: minted from its key", "minted", "tpm-endorsement-key", ask=MINT),
    one(GUEST.but(uuid=None), "guest", "guest without a UUID: refused", "refused", "none", ask=MINT, told="override = "),
    # A TPM.
    Boot(
        TRUSTED,
        "server with a TPM",
        (
            Row("TPM: the same again", "unchanged", "kept", 100, nothing_new=True),
            Row("TPM: not root", "degraded", "kept", 100, ask=AS_AGENT.format(EXPLAIN)),
            Row("TPM: not root, with what root collected", "unchanged", "kept", 100, before=COLLECT, ask=AS_AGENT.format(EXPLAIN)),
        ),
    ),
    one(TRUSTED.but(uuid=BUILDER_UUID), "server with a TPM", "TPM: a placeholder in the UUID", "drifted", "kept", 71),
    Boot(
        TRUSTED.but(uuid=None),
        "server with a TPM",
        (
            Row("TPM: UUID blank, just booted", "unchanged", "kept", 100),
            Row("TPM: UUID blank", "drifted", "kept", 71, before=LATER),
        ),
    ),
    one(TRUSTED.but(tpm="two"), "server with a TPM", "TPM: replaced", "drifted", "kept", 75),
    one(TRUSTED.but(tpm=None), "server with a TPM", "TPM: switched off", "drifted", "kept", 75, before=LATER),
    one(TRUSTED.but(uuid=OTHER_UUID, serial="S2222222", board="B2222222", tpm="two"), "server with a TPM", "TPM: board replaced, cards and disk kept", "different_machine", "new", 28),
    one(TRUSTED_GUEST.but(uuid=OTHER_UUID), "guest with a TPM", "TPM: a clone that has a copy of it", "different_machine", "new", 65, told="other_system_id"),
    one(TRUSTED_GUEST.but(uuid=None), "guest with a TPM", "TPM: a guest whose UUID is blank", "drifted", "kept", 65, before=LATER),
    # Disks behind mappings.
    one(MIRRORED, "server with a RAID", "RAID, dm-crypt, dm-linear: the same", "unchanged", "kept", 100, before=STACK.format(BOTH_DISKS), nothing_new=True),
    one(MIRRORED.but(disks=(Disk("nvme", "NV60221409"), Disk("scsi", "SC99990000"))), "server with a RAID", "RAID: one disk replaced", "drifted", "kept", 100, before=STACK.format(BOTH_DISKS)),
)
