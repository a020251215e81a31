"""What happens to the portal while it runs."""

import json
import subprocess
import tempfile

from machine import Failed, load, lossless
from packages import PORTAL_TARGETS, VENDOR, expect

FILES = "/etc/entitle-portal"


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


def certificate():
    """A certificate of nobody else's for the address that agents know, and its key."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30", "-subj", "/CN=portal"]
        for extension in ("subjectAltName=IP:127.0.0.1", "basicConstraints=critical,CA:FALSE"):
            options += ["-addext", extension]
        made = ["openssl", "req", "-x509", *options, "-out", f"{folder}/crt", "-keyout", f"{folder}/key"]
        subprocess.run(made, check=True, capture_output=True)
        return tuple(open(f"{folder}/{name}", encoding="ascii").read() for name in ("crt", "key"))


def tls(machine):
    """By files, as the unit may read them, and with others in their place."""
    machine.run(f"cp -p {FILES}/portal.env /root/portal.env")

    def serve(how):
        pair = certificate()
        for name, text in zip(("tls.crt", "tls.key"), pair):
            machine.write(f"{FILES}/{name}", text)
        machine.run(f"chown root:entitle-portal {FILES}/tls.*; chmod 640 {FILES}/tls.key; systemctl {how} entitle-portal")
        return pair[0]

    # The names are in the file already: what stands there is what is taken.
    machine.run(f"sed -i 's/^#\\(ENTITLE_PORTAL_TLS_\\)/\\1/' {FILES}/portal.env")
    machine.write("/etc/entitled/portal-ca.pem", serve("restart"))
    site = "portal.url = 'https://127.0.0.1:8440'\nportal.ca_file = '/etc/entitled/portal-ca.pem'\n"
    machine.write("/etc/entitled/conf.d/tls.toml", site)
    machine.run("systemctl reload entitled; entitlectl refresh")
    url = machine.status()["upstream"]["url"]
    expect(url.startswith("https://127.0.0.1:8440"), True, f"https in {url}")

    # An agent goes on with the session that it has; who comes anew sees the other certificate.
    other = serve("reload")

    def unknown():
        findings = json.loads(machine.try_run("entitlectl doctor --json")[1])
        return [found["message"] for found in findings if (found["code"], found["result"]) == ("portal-tls", "failed")]

    told = machine.wait_for(unknown, "the certificate that nobody knows yet")
    if "certificate" not in told[0]:
        raise Failed(f"the doctor does not tell of the certificate: {told}")
    machine.write("/etc/entitled/portal-ca.pem", other)
    machine.run("systemctl restart entitled; entitlectl refresh")
    machine.run(f"mv /root/portal.env {FILES}/portal.env; rm {FILES}/tls.* /etc/entitled/conf.d/tls.toml /etc/entitled/portal-ca.pem")
    machine.run("systemctl restart entitle-portal; systemctl reload entitled; entitlectl refresh")
    return "by the files that portal.env names; others are taken up at a reload, and the doctor names a certificate that it does not know"


def moved(machine):
    """Another address, as docs/install.md says."""
    drop_in = "/etc/systemd/system/entitle-portal.socket.d/override.conf"
    machine.write(drop_in, "[Socket]\nListenStream=\nListenStream=127.0.0.1:8441\n")
    ask = "python3 -c 'import urllib.request as r; print(r.urlopen(\"http://127.0.0.1:{}/livez\").status)'"
    machine.run("systemctl daemon-reload")
    machine.document.run(machine, VENDOR, 1)
    expect(machine.run(ask.format(8441)), "200", "asked at the new address")
    code, _, _ = machine.try_run(ask.format(8440))
    expect(code, 1, "asked at the old one")
    machine.run(f"rm {drop_in}; systemctl daemon-reload")
    machine.document.run(machine, VENDOR, 1)
    machine.run("entitlectl refresh")
    return "its socket is opened anew, there and back"


LIFE = (
    ("the portal restarts under load", restart),
    ("the portal is gone", gone),
    ("the portal speaks TLS", tls),
    ("the portal listens elsewhere", moved),
)
