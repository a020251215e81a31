"""Installing, upgrading and removing, as Debian and as RPM."""

import re

from machine import Failed, lossless, load

AGENT, DEBIAN = "The agent, on Debian and Ubuntu", "Remove"
VENDOR = "The portal, at the vendor"
FEDORA = "On Fedora, RHEL and SUSE"
UNITS = "entitled.service entitled.socket entitled-usage.socket entitled-admin.socket entitled-hardware.timer"
AS_PORTAL = "runuser -u entitle-portal -- entitle-portal"
STATE = "find /var/lib/entitled -type f ! -name '*-wal' ! -name '*-shm' | sort"
# No question to the portal may be one that changes it.
PORTAL_TARGETS = ("/livez", "/readyz", "/v1/trust")


def serve(machine, version):
    """Lays the packages of a version ready, and no others."""
    machine.run(f"rm -f /root/*.deb /root/*.rpm; cp /srv/packages/*[_-]{version}-1* /root/")


def expect(seen, wanted, what):
    if seen != wanted:
        raise Failed(f"{what}: expected {wanted!r}, found {seen!r}")


def units(machine, question):
    return machine.run(f"systemctl {question} {UNITS} || true").split()


def install(machine):
    serve(machine, machine.versions[0])
    out = machine.document.run(machine, AGENT, 0)
    if "Next:" not in out or "entitlectl activate" not in out:
        raise Failed(f"the next step is not told: {out}")
    expect(set(units(machine, "is-enabled")), {"disabled"}, "enabled")
    expect(set(units(machine, "is-active")), {"inactive"}, "active")
    machine.run("apt-get install -y --reinstall ./entitled_*.deb")
    expect(set(units(machine, "is-enabled")), {"disabled"}, "enabled after it was installed again")
    modes = machine.run("stat -c '%a %U:%G' /etc/entitled/entitled.toml /run/entitled")
    expect(modes, "640 root:entitled\n755 entitled:entitled", "modes")
    return "twice; nothing is enabled or active, the next step is told, settings are root:entitled 640"


def no_issuer(machine):
    code, _, err = machine.try_run("entitled dev")
    if code != 2 or "unrecognized subcommand" not in err:
        raise Failed(f"`entitled dev` ended with {code}: {err}")
    return "`entitled dev` is unknown"


def manuals(machine):
    missing = machine.run(
        "for p in entitled.8 entitlectl.1 entitlectl-activate.1 entitlectl-license-install.1; do"
        " zgrep -q '^.TH' /usr/share/man/man${p##*.}/$p.gz || echo $p; done;"
        "for p in bash-completion/completions/entitlectl zsh/vendor-completions/_entitlectl fish/vendor_completions.d/entitlectl.fish; do"
        " grep -q activate /usr/share/$p || echo $p; done"
    )
    expect(missing, "", "missing")
    return "pages of commands and subcommands, completions for bash, zsh and fish"


def install_portal(machine):
    out = machine.document.run(machine, VENDOR, 0)
    ran = machine.run("systemctl is-active entitle-portal.service entitle-portal.socket")
    expect(ran, "active\nactive", "active")
    if "Next:" not in out:
        raise Failed(f"the next step is not told: {out}")
    owners = machine.run("stat -c %U /var/lib/entitle-portal/* | sort -u")
    expect(owners, "entitle-portal", "owner")
    sold(machine, out)
    return "it listens as its own user, and sold a subscription"


def sold(machine, told):
    """Takes the Activation Code to the agent, and the root keys."""
    machine.write("/root/activation-code", re.search(r"([0-9A-Z]{3}\.){7}[0-9A-Z]{3}", told)[0])
    subscriptions = machine.json(f"{AS_PORTAL} --json subscription list")
    # A container has no evidence of its own; the operator's word counts where the vendor allows it.
    machine.run(f"{AS_PORTAL} subscription set {subscriptions[0]['id']} --allow-override true")
    machine.run("cp /var/lib/entitle-portal/roots.jwks /root/")


def activate(machine):
    machine.document.run(machine, AGENT, 1)
    machine.write("/etc/entitled/conf.d/test.toml", 'identity.override = "a container of tests/booted"\n')
    machine.document.run(machine, AGENT, 2)
    expect(set(units(machine, "is-enabled")), {"enabled"}, "enabled")
    status = machine.status()
    expect((status["state"], status["entitled"]), ("active", True), "status")
    sockets = machine.run("stat -c '%n %a %U:%G' /run/entitled/*.sock")
    expect(
        sockets,
        "/run/entitled/admin.sock 660 root:entitled-admin\n/run/entitled/entitled.sock 666 root:root\n"
        "/run/entitled/usage.sock 660 root:entitled-usage",
        "sockets",
    )
    machine.document.run(machine, AGENT, 3)
    # Warnings are its findings, such as a portal without TLS on this machine.
    machine.document.run(machine, AGENT, 4, lambda line: f"{line} || [ $? = 1 ]")
    user = machine.run("ps -o user= -p $(systemctl show -P MainPID entitled)")
    return f"{status['serial_number']} is active; the agent runs as {user}; modes and groups of the sockets are right"


def upgraded(machine, how, install_all):
    """Upgrades under load, and sees that it happened and what it left alone."""
    machine.run("sed -i 's/^#level.*/level = \"debug\"/' /etc/entitled/entitled.toml")
    seen = "sha256sum /etc/entitled/entitled.toml /etc/entitled/conf.d/* /etc/entitled/roots.d/*; " + STATE
    was, status = machine.run(seen), machine.status()
    pids = [machine.property(unit, "MainPID") for unit in ("entitled", "entitle-portal")]
    asked, portal = {}, {}
    with load(machine, asked), load(machine, portal, "tcp", "8440", PORTAL_TARGETS):
        install_all()
    expect(machine.run(seen), was, "settings and state")
    now = machine.status()
    for name in ("serial_number", "state", "license"):
        expect(now[name], status[name], name)
    running = machine.run("systemctl is-active entitled entitle-portal").split()
    expect(running, ["active"] * 2, "active")
    for unit, pid in zip(("entitled", "entitle-portal"), pids):
        if machine.property(unit, "MainPID") == pid:
            raise Failed(f"{unit} still runs as {pid}")
        deleted = machine.run(f"readlink /proc/$(systemctl show -P MainPID {unit})/exe")
        expect(deleted.endswith("(deleted)"), False, f"{unit} runs what was replaced")
    return f"{how}: agent: {lossless(asked)}; portal: {lossless(portal)}; settings, state and license kept"


def upgrade(machine):
    serve(machine, machine.versions[1])
    line = machine.document.blocks[AGENT, 0][0].replace("./", "./entitle-portal_*.deb ./")
    return upgraded(machine, f"{machine.versions[0]} to {machine.versions[1]} by apt", lambda: machine.run(line))


def remove(machine):
    files = machine.run(STATE)
    status = machine.status()
    machine.document.run(machine, "Remove", 0)
    expect(machine.run("test ! -e /usr/bin/entitled; " + STATE), files, "state")
    expect(machine.run("ls /run/entitled 2>/dev/null || true"), "", "sockets")
    machine.run("apt-get install -y ./entitled_*.deb")
    expect(set(units(machine, "is-enabled")), {"enabled"}, "enabled after it came back")
    expect(set(units(machine, "is-active")), {"active"}, "active after it came back")
    now = machine.status()
    expect((now["serial_number"], now["license"]["id"]), (status["serial_number"], status["license"]["id"]), "license")
    return "state is kept; installed again, it goes on with the same license"


def purge(machine):
    machine.document.run(machine, "Remove", 1)
    left = machine.run("ls -d /var/lib/entitled /etc/entitled /run/entitled* /etc/systemd/system/*/entitled* 2>/dev/null || true")
    expect(left, "", "left")
    # Its state is on a disk of its own, as an operator may have it.
    machine.run("systemctl stop entitle-portal.socket entitle-portal; mkdir /mnt/portal; mount -t tmpfs none /mnt/portal")
    machine.run("cp -a /var/lib/entitle-portal/. /mnt/portal/; mount --bind /mnt/portal /var/lib/entitle-portal")
    machine.run("apt-get purge -y entitle-portal; test -z \"$(find /mnt/portal -mindepth 1)\"; umount /var/lib/entitle-portal /mnt/portal")
    left = machine.run("ls -d /etc/entitle-portal /etc/systemd/system/*/entitle-portal* 2>/dev/null || true")
    expect(left, "", "left of the portal")
    return "settings, state, sockets and links of both are gone"


def without_database(line):
    """Debian has no RPM packages that could be depended on."""
    return line.replace("rpm -U ", "rpm -U --nodeps ")


def rpm_install(machine):
    serve(machine, machine.versions[0])
    out = machine.document.run(machine, FEDORA, 0, without_database) + machine.run("rpm -U --nodeps entitle-portal-*.rpm")
    if out.count("Next:") != 2:
        raise Failed(f"the next steps are not told: {out}")
    machine.run("systemd-tmpfiles --create")
    expect(set(units(machine, "is-enabled")), {"disabled"}, "enabled")
    sold(machine, machine.document.run(machine, VENDOR, 0, lambda line: "true" if line.startswith("apt-get") else line))
    return activate(machine)


def rpm_upgrade(machine):
    serve(machine, machine.versions[1])
    return upgraded(
        machine,
        f"{machine.versions[0]} to {machine.versions[1]} by rpm",
        lambda: machine.run("rpm -U --nodeps entitled-*.rpm entitle-portal-*.rpm"),
    )


def rpm_remove(machine):
    files = machine.run(STATE)
    machine.document.run(machine, "Remove", 2, lambda line: line if line.startswith("rpm") else "true")
    expect(machine.run("test ! -e /usr/bin/entitled; " + STATE), files, "state")
    expect(set(units(machine, "is-active")), {"inactive"}, "active")
    machine.run(machine.document.blocks["Remove", 2][1])
    expect(machine.run("ls -d /var/lib/entitled /etc/entitled 2>/dev/null || true"), "", "left")
    return "state is kept, until it is removed by hand"


INSTALL = (
    ("install", install),
    ("no issuer", no_issuer),
    ("manuals and completions", manuals),
    ("the portal", install_portal),
    ("activate", activate),
)
UPGRADE = (("upgrade by dpkg under load", upgrade),)
REMOVE = (("remove", remove), ("purge", purge))
RPM = (
    ("install by rpm", rpm_install),
    ("upgrade by rpm under load", rpm_upgrade),
    ("remove by rpm", rpm_remove),
)
