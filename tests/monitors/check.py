"""What monitors see of a real agent: Prometheus, Nagios, and a webhook's receiver.

    check.py BINARIES    the folder with the built programs
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote
from urllib.request import urlopen

from nagios import Nagios
from receiver import SECRET, Receiver

TOP = Path(__file__).resolve().parents[2]
MONITORING = TOP / "packaging" / "monitoring"
PRODUCT = "example-product"
PATIENCE = 90


def require(holds, what):
    """As `assert`, which -O would leave out."""
    if not holds:
        sys.exit(f"check.py: {what}")


def until(what, found):
    """What `found` returns, as soon as that is true."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        result = found()
        if result:
            return result
        time.sleep(0.2)
    sys.exit(f"check.py: it never came to be {what}")


class Started:
    """A process that ends with the block; its output goes to a file."""

    def __init__(self, folder, name, command, **more):
        self.log = folder / f"{name}.log"
        self.process = subprocess.Popen(
            command, stdout=self.log.open("wb"), stderr=subprocess.STDOUT, **more
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def said(self, pattern):
        """The first group of the pattern in what it says, once it has said so."""
        found = until(
            f"{pattern!r} in {self.log}",
            lambda: re.search(pattern, self.log.read_text()) or self.process.poll() is not None,
        )
        require(found is not True, f"{self.log} ended: {self.log.read_text()}")
        return found.group(1)


class Site:
    """A portal, a sold subscription, and an agent's settings."""

    def __init__(self, binaries, folder):
        self.binaries, self.folder = binaries, folder
        self.portal_command = [binaries / "entitle-portal", "--dir", folder / "portal"]
        self.portal("init", "--product", PRODUCT, "--issuer", "Example Vendor")
        sold = json.loads(
            self.portal(
                "--json", "subscription", "create", "--customer", "ACME", "--days", "365",
                "--limit", "users=10",
            )
        )  # fmt: skip
        self.code = sold["activation_code"]

    def portal(self, *words):
        return subprocess.run(
            [*self.portal_command, *words], check=True, capture_output=True, text=True
        ).stdout

    def settings(self, portal, webhook):
        roots = self.folder / "roots.d"
        roots.mkdir()
        (roots / "vendor.jwks").write_bytes((self.folder / "portal" / "roots.jwks").read_bytes())
        secret = self.folder / "secret"
        secret.write_text(SECRET)
        path = self.folder / "entitled.toml"
        path.write_text(
            f"product = '{PRODUCT}'\n"
            f"state_directory = '{self.folder}/state'\n"
            f"runtime_directory = '{self.folder}/run'\n"
            f"root_directories = ['{roots}']\n"
            f"[portal]\nurl = '{portal}'\n"
            f"[identity]\noverride = 'asset 4711'\n"
            f"[health]\nlisten = '127.0.0.1:0'\n"
            f"[webhook]\nurl = '{webhook}'\nsecret_file = '{secret}'\n"
        )
        return path

    def ctl(self, *words, give=None):
        return subprocess.run(
            [self.binaries / "entitlectl", *words],
            env=os.environ | {"ENTITLED_SOCKET": str(self.folder / "run" / "entitled.sock")},
            input=give,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )


class Prometheus:
    """A Prometheus that scrapes the agent every second, by the rules of the package."""

    def __init__(self, folder, target, portal):
        rules = folder / "entitled.rules.yml"
        rules.write_bytes((MONITORING / rules.name).read_bytes())
        example = (MONITORING / "prometheus.example.yml").read_text()
        config = folder / "prometheus.yml"
        config.write_text(
            "global: { evaluation_interval: 1s }\n"
            + example.replace("controller.example:9643", target)
            .replace("portal.example:9644", portal)
            .replace("30s", "1s")
        )
        subprocess.run(["promtool", "check", "config", config], check=True, capture_output=True)
        self.started = Started(
            folder,
            "prometheus",
            [
                "prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder}/tsdb",
                "--web.listen-address=127.0.0.1:0",
            ],
        )  # fmt: skip

    def __enter__(self):
        self.started.__enter__()
        self.url = "http://" + self.started.said(r'msg="Listening on" address=([\d.:]+)')
        until("ready", lambda: b"Ready" in self.read("/-/ready"))
        return self

    def __exit__(self, *error):
        self.started.__exit__(*error)

    def read(self, path):
        try:
            with urlopen(self.url + path, timeout=10) as answer:
                return answer.read()
        except OSError:
            return b""

    def query(self, expression):
        answer = self.read(f"/api/v1/query?query={quote(expression)}")
        require(answer, f"Prometheus refused {expression}")
        answer = json.loads(answer)
        require(answer["status"] == "success", f"{expression}: {answer}")
        return answer["data"]["result"]

    def sound_rules(self):
        """All rules, once each was evaluated without an error."""
        groups = json.loads(self.read("/api/v1/rules"))["data"]["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        return rules if all(rule["health"] == "ok" for rule in rules) else None

    def value(self, expression):
        result = self.query(expression)
        return float(result[0]["value"][1]) if result else None


def the_exposition_is_sound(address):
    with urlopen(f"http://{address}/metrics", timeout=10) as answer:
        kind, text = answer.headers["content-type"], answer.read().decode()
    require(kind.startswith("application/openmetrics-text; version=1.0.0"), kind)
    names = re.findall(r"^# TYPE (\S+) ", text, re.M)
    for name in names:
        require(f"# HELP {name} " in text, f"{name} has no HELP")
        if name.endswith("_seconds"):
            require(f"# UNIT {name} seconds" in text, f"{name} has no UNIT")
    print(f"metrics: {len(names)} families, each with HELP")


def prometheus_sees_the_portal(prometheus):
    until("scraped", lambda: prometheus.value('up{job="entitle-portal"}') == 1)
    answered = 'entitle_portal_requests_total{kind="activate",result="answered"}'
    until("an activation", lambda: prometheus.value(answered) == 1)
    bounds = prometheus.query('entitle_portal_http_request_duration_seconds_bucket{route="/v1/requests"}')
    require(len(bounds) == 16, f"{len(bounds)} bounds of the latency")
    require(prometheus.value('entitle_portal_environments{purpose="production"}') == 1, "census")
    print("prometheus: the portal's activation, its latency, its environment")


def the_dashboard_shows_what_there_is(prometheus):
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())
    known = {name for name in json.loads(prometheus.read("/api/v1/label/__name__/values"))["data"]}
    expressions = [t["expr"] for p in dashboard["panels"] for t in p["targets"]]
    expressions += [a["expr"] for a in dashboard["annotations"]["list"]]
    # Series that come with the first event of their kind.
    later = {"entitled_member_refusals_total", "entitled_limit_used"}
    for expression in expressions:
        plain = expression.replace("$__rate_interval", "1m").replace("$instance", ".*")
        prometheus.query(plain)
        unknown = set(re.findall(r"entitled_\w+", plain)) - known - later
        require(not unknown, f"the dashboard asks for {unknown}")
    print(f"dashboard: {len(expressions)} queries, each answered")


def prometheus_sees_it(site, prometheus):
    until("scraped", lambda: prometheus.value('up{job="entitled"}') == 1)
    until("entitled", lambda: prometheus.value("entitled_entitled") == 1)
    require(prometheus.value('entitled_state{state="active"}') == 1, "not active")
    ends = prometheus.value("entitled_license_term_end_timestamp_seconds")
    status = json.loads(site.ctl("status", "--json").stdout)
    require(abs(ends - time.time() - 365 * 86400) < 86400, f"the term ends at {ends}")
    require(prometheus.value("entitled_generation") == status["generation"], "generation")
    sound = until("evaluated", prometheus.sound_rules)
    the_dashboard_shows_what_there_is(prometheus)
    firing = prometheus.query('ALERTS{alertstate=~"firing|pending"}')
    require(firing == [], f"an entitled agent has alerts: {firing}")
    print(f"prometheus: entitled 1, {len(sound)} rules, no alert")


def main(binaries):
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        folder = Path(folder)
        # Nagios runs as a user of its own.
        folder.chmod(0o755)
        site = Site(binaries, folder)
        portal = stack.enter_context(
            Started(folder, "portal", [
                *site.portal_command, "serve", "--listen", "127.0.0.1:0",
                "--metrics-listen", "127.0.0.1:0",
            ])
        )  # fmt: skip
        url = portal.said(r"listening on (http://\S+)")
        portal_metrics = portal.said(r"metrics are served address=(\S+)")
        receiver = stack.enter_context(Receiver())
        settings = site.settings(url, receiver.url)
        agent = stack.enter_context(
            Started(folder, "agent", [binaries / "entitled", "run", "--config", settings])
        )
        address = agent.said(r"monitors are served address=(\S+)")
        until("ready", lambda: site.ctl("status").returncode == 4)
        done = site.ctl("activate", give=site.code)
        require(done.returncode == 0, done.stderr)

        the_exposition_is_sound(address)
        the_exposition_is_sound(portal_metrics)
        with Prometheus(folder, address, portal_metrics) as prometheus:
            prometheus_sees_it(site, prometheus)
            prometheus_sees_the_portal(prometheus)
            with Nagios(folder, binaries / "entitlectl", Started, until) as nagios:
                line = nagios.result(0)
                require(line.startswith("ENTITLED OK - active"), line)
                print(f"nagios: {line}")
                require(site.ctl("release").returncode == 0, "it was not released")
                line = nagios.result(2)
                require(line.startswith("ENTITLED CRITICAL - unlicensed"), line)
                print(f"nagios: {line}")
            pending = 'ALERTS{alertname="EntitledNotEntitled"}'
            until("an alert", lambda: prometheus.query(pending))
            print("prometheus: EntitledNotEntitled is pending after the release")
        until("told of the release", lambda: receiver.states()[-1:] == ["unlicensed"])
        told = receiver.states()
        require("active" in told, f"the receiver was told {told}")
        print(f"webhook: {len(told)} messages, each with a sound signature")
    print("monitors: all of it held")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main(Path(sys.argv[1]).resolve())
