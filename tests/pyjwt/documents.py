"""A vendor and a customer that know nothing of entitled but its documented claims, and use PyJWT."""

import hashlib
import json
import time

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

PRODUCT = "acme-erp"
SERIAL_NUMBER = "0CD-MJA-298-PZ0-P7X-638-7DG-JFT"
DAY = 86_400


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


def verify_license(key_set, text, audience):
    """The claims, by the portal's key set alone; a PyJWTError where anything is wrong."""
    kid = jwt.get_unverified_header(text)["kid"]
    key = jwt.PyJWKSet.from_dict(key_set)[kid]
    required = {"require": ["iss", "aud", "sub", "jti", "iat", "nbf", "exp"]}
    return jwt.decode(text, key, algorithms=["EdDSA"], audience=audience, options=required)


def make(folder):
    """Root key set, trust document and license of another vendor; the license's claims."""
    root, portal, environment = (Ed25519PrivateKey.generate() for _ in range(3))
    (folder / "roots.jwks").write_text(json.dumps({"keys": [public_jwk(root)]}))
    (folder / "trust.jwt").write_text(make_trust(root, portal) + "\n")
    text = make_license(portal, environment)
    (folder / "license.jwt").write_text(text + "\n")
    (folder / "forged.jwt").write_text(make_license(root, environment) + "\n")
    return jwt.decode(text, options={"verify_signature": False})
