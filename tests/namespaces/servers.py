"""The portal, the controller and its members: real processes, with the commands on them."""

import json
import pathlib
import shutil
import socket
import subprocess
import sys
import time

PRODUCT = "example-product"
PATIENCE = 30
HERE = pathlib.Path(__file__).parent


def wait_for(what, found, patience=PATIENCE):
    """How long it takes until it is so, seconds."""
    began = time.monotonic()
    while not found():
        if time.monotonic() - began > patience:
            raise AssertionError(f"not within {patience} s: {what}")
        time.sleep(0.002)
    return time.monotonic() - began


class Processes:
    """What was started, to be ended by its id."""

    def __init__(self):
        self.running = []

    def start(self, words, **more):
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, text=True, **more)
        self.running.append(process)
        return process

    def end(self):
        for process in reversed(self.running):
            process.kill()
            process.wait()


class Portal:
    """A vendor's portal behind a front that speaks TLS, as a proxy would."""

    def __init__(self, network, processes, built, folder):
        self.program, self.folder = f"{built}/entitle-portal", folder / "portal"
        self._command("init", "--product", PRODUCT, "--issuer", "Example Vendor")
        sold = self._command("subscription", "create", "--customer", "ACME", "--days", "365")
        self.subscription, self.code = sold["id"], sold["activation_code"]
        inside, address = network.inside("portal"), network.addresses["portal"]
        serve = inside + [self.program, "--dir", str(self.folder), "serve", "--listen", "127.0.0.1:8080", "--log", "warn"]
        processes.start(serve, stdout=subprocess.PIPE).stdout.readline()
        self.url, self.certificate = f"https://{address}:8443", folder / "portal.pem"
        self._make_certificate(address)
        front = [sys.executable, HERE / "relay.py", f"{address}:8443", "127.0.0.1:8080", "--tls", self.certificate]
        processes.start(inside + front, stdout=subprocess.PIPE).stdout.readline()

    def _make_certificate(self, address):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", "/CN=portal", "-addext", f"subjectAltName=IP:{address}", "-addext", "basicConstraints=critical,CA:FALSE",
             "-keyout", self.certificate, "-out", f"{self.certificate}.crt"],
            check=True, capture_output=True,
        )  # fmt: skip
        with open(self.certificate, "a", encoding="ascii") as file:
            file.write(pathlib.Path(f"{self.certificate}.crt").read_text(encoding="ascii"))

    def _command(self, *words):
        done = subprocess.run([self.program, "--dir", self.folder, "--json", *words], check=True, capture_output=True, text=True)
        return json.loads(done.stdout)

    def sell_edition(self, edition):
        self._command("subscription", "set", self.subscription, "--edition", edition)


class Server:
    """`entitled run` on a host, as controller or as member."""

    def __init__(self, network, processes, built, folder, host, portal, settings):
        self.host, self.network, self.control = host, network, f"{built}/entitlectl"
        self.folder = folder / host
        roots = self.folder / "roots.d"
        roots.mkdir(parents=True)
        shutil.copy(portal.folder / "roots.jwks", roots / "vendor.jwks")
        self.settings = self.folder / "entitled.toml"
        self.settings.write_text(
            f"product = '{PRODUCT}'\nstate_directory = '{self.folder}/state'\nruntime_directory = '{self.folder}/run'\n"
            f"root_directories = ['{roots}']\n{settings}",
            encoding="utf-8",
        )
        self.log = open(self.folder / "log", "w", encoding="utf-8")
        run = network.inside(host) + [f"{built}/entitled", "run", "--config", self.settings]
        processes.start(run, stderr=self.log)
        wait_for(f"{host} answers", self._answers)

    def _answers(self):
        try:
            return self.status() is not None
        except OSError:
            return False

    def status(self):
        with socket.socket(socket.AF_UNIX) as stream:
            stream.connect(f"{self.folder}/run/entitled.sock")
            stream.sendall(b"GET /v1/status HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            answer = b""
            while piece := stream.recv(65536):
                answer += piece
        head, body = answer.split(b"\r\n\r\n", 1)
        return json.loads(body) if b" 200 " in head.split(b"\r\n", 1)[0] else None

    def edition(self):
        return (self.status()["license"] or {}).get("edition")

    def command(self, *words, given=None, fails=False):
        """What `entitlectl` prints; on standard error where it must fail."""
        words = [self.control, "--socket", f"{self.folder}/run/entitled.sock", *words]
        done = subprocess.run(words, input=given, capture_output=True, text=True, check=False)
        if (done.returncode != 0) != fails:
            raise AssertionError(f"{words}: {done}")
        return done.stderr if fails else done.stdout

    def members(self):
        return json.loads(self.command("members", "--json"))
