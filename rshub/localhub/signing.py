"""Links and tokens that carry their own permission for a while: HMAC-SHA256 under the hub's secret.

Clients send large files to a link without their token, so the link itself must prove that the hub allowed it. The
secret lives in the database and survives a restart; links made before it stay valid until they expire.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from typing import Any

from rshub.localhub.database import Database
from rshub.localhub.errors import Refusal

LIFETIME = 3600  # seconds


class Signer:
    """Signs claims and checks them again."""

    def __init__(self, database: Database) -> None:
        with database.writing() as connection:
            connection.execute("INSERT OR IGNORE INTO hub VALUES ('secret', ?)", (secrets.token_hex(32),))
            row = connection.execute("SELECT value FROM hub WHERE name = 'secret'").fetchone()
        self._secret = bytes.fromhex(row["value"])

    def sign(self, purpose: str, claims: Mapping[str, Any], *, lifetime: int = LIFETIME) -> tuple[str, int]:
        """Return (URL-safe text, expiry in epoch seconds) that says the claims, for one purpose only."""
        expiry = int(time.time()) + lifetime
        payload = json.dumps({**claims, "purpose": purpose, "expiry": expiry}, sort_keys=True).encode()
        return f"{_text(payload)}.{_text(self._mac(payload))}", expiry

    def verify(self, purpose: str, signed: str) -> dict[str, Any]:
        """Return the claims.

        Raises:
            Refusal: 403, the text was not signed here for this purpose, or has expired.
        """
        payload_text, _, mac_text = signed.partition(".")
        try:
            payload, mac = _bytes(payload_text), _bytes(mac_text)
        except ValueError:
            raise Refusal(403, "The signature of this link is malformed.") from None
        if not hmac.compare_digest(mac, self._mac(payload)):
            raise Refusal(403, "The signature of this link is not valid.")
        claims: dict[str, Any] = json.loads(payload)
        if claims["purpose"] != purpose:
            raise Refusal(403, "This link was made for something else.")
        if claims["expiry"] < time.time():
            raise Refusal(403, "This link has expired; ask for a new one.")
        return claims

    def _mac(self, payload: bytes) -> bytes:
        return hmac.digest(self._secret, payload, hashlib.sha256)


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
