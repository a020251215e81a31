"""A vendor and a customer that know nothing of entitled but its documented claims, and use PyJWT.

    exchange.py make DIR                          keys, root key set, trust document and license
    exchange.py verify DIR/portal.pem LICENSE AUD  the claims as JSON, or the name of PyJWT's exception and exit 1
"""

import hashlib
import json
import sys
import time
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

PRODUCT = "acme-erp"
SERIAL_NUMBER = "0CD-MJA-298-PZ0-P7X-638-7DG-JFT"
DAY = 86_400


def make_key(file):
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file.touch(mode=0o600)
    file.write_bytes(pem)
    return key


def read_key(file):
    return serialization.load_pem_private_key(file.read_bytes(), password=None)


def public_jwk(key):
    return OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)


def thumbprint(key):
    """RFC 7638 section 3."""
    members = {name: public_jwk(key)[name] for name in ("crv", "kty", "x")}
    text = json.dumps(members, separators=(",", ":"), sort_keys=True)
    return jwt.utils.base64url_encode(hashlib.sha256(text.encode()).digest()).decode()


def sign(claims, typ, key):
    headers = {"typ": typ, "kid": thumbprint(key)}
    return jwt.encode(claims, key, algorithm="EdDSA", headers=headers)


def make_trust(root, portal):
    claims = {
        "iss": "Acme",
        "aud": PRODUCT,
        "iat": int(time.time()),
        "version": 1,
        "keys": [public_jwk(portal) | {"status": "active"}],
    }
    return sign(claims, "entitled-trust+jwt", root)


def rfc_3339(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def make_license(portal, environment):
    now = int(time.time())
    claims = {
        "iss": "https://portal.example",
        "aud": PRODUCT,
        "sub": SERIAL_NUMBER,
        "jti": "00000000-0000-4000-8000-000000000007",
        "iat": now,
        "nbf": now,
        "exp": now + 395 * DAY,
        "seq": 1,
        "subscription": {
            "id": "00000000-0000-4000-8000-000000000001",
            "edition": "enterprise",
            "support_level": "gold",
            "starts_at": rfc_3339(now),
            "ends_at": rfc_3339(now + 365 * DAY),
            "grace_days": 30,
        },
        "environment": {
            "id": "00000000-0000-4000-8000-000000000002",
            "name": "Größe 生产",
            "purpose": "production",
        },
        "features": {"sso": True, "region": "eu"},
        "limits": {"users": {"limit": None, "enforcement": "hard"}},
        "lease_days": 14,
        "refresh_after": DAY,
        "cnf": {"jwk": public_jwk(environment)},
    }
    return sign(claims, "entitled-license+jwt", portal)


def verify_license(key, text, audience):
    if jwt.get_unverified_header(text)["kid"] != thumbprint(key):
        raise jwt.InvalidKeyError("kid is not the thumbprint of the key")
    required = {"require": ["iss", "aud", "sub", "jti", "iat", "nbf", "exp"]}
    return jwt.decode(
        text, key.public_key(), algorithms=["EdDSA"], audience=audience, options=required
    )


def make(folder):
    root, portal, environment = (
        make_key(folder / f"{name}.pem") for name in ("root", "portal", "environment")
    )
    (folder / "roots.jwks").write_text(json.dumps({"keys": [public_jwk(root)]}))
    (folder / "trust.jwt").write_text(make_trust(root, portal) + "\n")
    (folder / "license.jwt").write_text(make_license(portal, environment) + "\n")


def main():
    match sys.argv[1:]:
        case ["make", folder]:
            make(Path(folder))
        case ["verify", key, license, audience]:
            try:
                text = Path(license).read_text().strip()
                print(json.dumps(verify_license(read_key(Path(key)), text, audience)))
            except jwt.PyJWTError as error:
                sys.exit(type(error).__name__)
        case _:
            sys.exit(__doc__)


main()
