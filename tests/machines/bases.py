"""The machines that agents were enrolled on, and what was special about them."""

from machine import HYPERVISOR, Disk, Machine

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

SERVER = Machine(uuid=UUID, serial="S3141592", board="B2718281", cards=(FIRST, SECOND), disks=(Disk("nvme", "NV60221409"),))
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
