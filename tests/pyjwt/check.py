"""The programs and PyJWT read each other's documents, and the Python example asks the agent.

    check.py BINARIES    the folder with the built programs
"""

import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import jwt
from documents import PRODUCT, SERIAL_NUMBER, make, verify_license

TOP = Path(__file__).resolve().parents[2]
EXAMPLE = TOP / "examples" / "entitled_client.py"
sys.path.insert(0, str(EXAMPLE.parent))
import entitled_client as example  # noqa: E402

DEV_PRODUCT = "example-product"


def require(holds, what):
    """As `assert`, which -O would leave out."""
    if not holds:
        sys.exit(f"check.py: {what}")


def refused(exception, call):
    """Whether a call fails with that exception, and with no other."""
    try:
        call()
    except exception as error:
        return type(error) is exception
    return False


@contextmanager
def dev(binaries, folder, scenario):
    """`entitled dev` in a folder: the agent's socket and the portal's address."""
    command = [binaries / "entitled", "dev", "--dir", folder, "--scenario", scenario]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        portal = None
        for line in process.stdout:
            words = line.split()
            if words[:1] == ["portal"]:
                portal = words[1].rstrip(",")
            if line.startswith("Ctrl-C stops it"):
                break
        require(portal, "entitled dev did not become ready")
        yield folder / "entitled.sock", portal
        process.terminate()
        process.stdout.read()
        require(process.wait(60) == 0, "entitled dev did not end well")
    finally:
        process.kill()
        process.wait()


def held_license(path):
    """The license and its claims, from the agent's socket."""
    held = example.Agent(str(path)).get("/v1/license")
    return held["license"], held["claims"]


def pyjwt_reads_ours(binaries, folder):
    with dev(binaries, folder, "active") as (path, portal):
        text, claims = held_license(path)
        with urllib.request.urlopen(f"{portal}/.well-known/jwks.json", timeout=30) as response:
            keys = json.load(response)
        require(verify_license(keys, text, DEV_PRODUCT) == claims, "PyJWT read other claims")
        require(claims["sub"] == example.Agent(str(path)).status()["serial_number"], "other sub")
        signed, signature = text.rsplit(".", 1)
        changed = f"{signed}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"
        for exception, call in (
            (jwt.InvalidAudienceError, lambda: verify_license(keys, text, "other")),
            (jwt.InvalidSignatureError, lambda: verify_license(keys, changed, DEV_PRODUCT)),
        ):
            require(refused(exception, call), f"PyJWT did not say {exception.__name__}")
        the_example_works(path)
        pyjwt_reads_a_usage_report(binaries, path, claims)
    # `exp` is the hard stop: where grace is over, every library refuses.
    with dev(binaries, folder, "restricted") as (path, portal):
        text, _ = held_license(path)
        expired = refused(
            jwt.ExpiredSignatureError, lambda: verify_license(keys, text, DEV_PRODUCT)
        )
        require(expired, "PyJWT took a license whose grace is over")


def pyjwt_reads_a_usage_report(binaries, path, license):
    def ctl(*words):
        command = [binaries / "entitlectl", "--socket", path, "usage", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        require(done.returncode == 0, f"{words}: {done}")
        return done.stdout

    ctl("set", "users", "812")
    page = ctl("report")
    signed = page.split("-----BEGIN ENTITLED USAGE REPORT-----")[1].split("-----END")[0]
    signed = "".join(signed.split())
    key = jwt.PyJWK(license["cnf"]["jwk"] | {"alg": "EdDSA"})
    read = jwt.decode(signed, key, algorithms=["EdDSA"], audience=DEV_PRODUCT)
    require(jwt.get_unverified_header(signed)["typ"] == "entitled-usage+jwt", "another type")
    (peak,) = read["peaks"]
    require((peak["name"], peak["peak"], peak["limit"]) == ("users", 812, 1000), read)
    changed = signed[:-9] + ("A" if signed[-9] != "A" else "B") + signed[-8:]
    require(
        refused(
            jwt.InvalidSignatureError,
            lambda: jwt.decode(changed, key, algorithms=["EdDSA"], audience=DEV_PRODUCT),
        ),
        "PyJWT took a changed usage report",
    )


def the_example_works(path):
    def run(*words):
        return subprocess.run(
            [sys.executable, EXAMPLE, *words],
            env=os.environ | {"ENTITLED_SOCKET": str(path)},
            capture_output=True,
            text=True,
            timeout=60,
        )

    for words, code, told in (
        ([], 0, "active, entitled: in term until "),
        (["feature", "reports"], 0, "true"),
        (["feature", "projects"], 0, "50"),
        (["feature", "no/such thing"], 1, "false"),
        (["nonsense"], 2, ""),
    ):
        done = run(*words)
        require(done.returncode == code and done.stdout.startswith(told), f"{words}: {done}")
    with example.Client(str(path)) as client:
        told = client.wait(60)
        require(told == example.Agent(str(path)).status(), "what is watched is the status")
    missing = example.Agent(str(path) + ".not-there")
    require(refused(example.AgentError, missing.status), "no agent, no answer")


def we_read_what_pyjwt_signed(binaries, folder):
    claims = make(folder)

    def inspect(license):
        command = [binaries / "entitlectl", "license", "inspect", folder / license, "--json"]
        command += ["--roots", folder / "roots.jwks", "--trust", folder / "trust.jwt"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        require(done.returncode in (0, 1) and done.stdout, done)
        (document,) = json.loads(done.stdout)
        return done.returncode, document

    code, document = inspect("license.jwt")
    require((code, document["verified"]) == (0, True), document)
    require(document["type"] == "entitled-license+jwt", document)
    read = document["claims"]
    require((read["sub"], read["aud"]) == (SERIAL_NUMBER, PRODUCT), document)
    for name in ("environment", "features", "limits", "cnf", "iat", "exp", "seq", "jti"):
        require(read[name] == claims[name], f"{name}: {read[name]} is not {claims[name]}")
    code, document = inspect("forged.jwt")
    require((code, document["verified"]) == (1, False), document)


def main():
    (binaries,) = map(Path, sys.argv[1:])
    with tempfile.TemporaryDirectory() as folder:
        we_read_what_pyjwt_signed(binaries, Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        pyjwt_reads_ours(binaries, Path(folder))
    print("PyJWT and the programs read each other's documents, and the Python example works")


main()
