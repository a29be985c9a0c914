"""Key sets that clients publish at a URL: fetched, remembered for as long as allowed, never trusted further.

    look up  remembered and young ─▶ keys          unknown kid or too old ─▶ KeysNeeded(uri)
    fetch    address is public? ─▶ GET, no redirect, at most 64 KiB, 3 s ─▶ remembered per Cache-Control

The address is resolved once and that address is connected to, so that a name cannot point to a public
address while it is checked and to an internal one afterwards.
Source: https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import time
from dataclasses import dataclass, field

import httpx

from service.oauth import client_keys
from service.oauth.client_keys import Key

DEFAULT_MAX_AGE_S = 300.0
LONGEST_MAX_AGE_S = 3600.0
SHORTEST_INTERVAL_S = 1.0
"""An unknown ``kid`` makes us fetch again, but no more often than this."""

TIMEOUT_S = 3.0
MAX_BYTES = 65_536
MAX_REMEMBERED = 1_000
_MAX_AGE = re.compile(r"(?:^|[\s,])max-age=\"?(\d{1,9})")


class KeysUnreachable(Exception):
    """The client's key set could not be fetched."""


class KeysNeeded(Exception):
    """The key set at ``uri`` must be fetched before the assertion can be checked."""

    def __init__(self, uri: str) -> None:
        super().__init__("A key set must be fetched.")
        self.uri = uri


@dataclass(frozen=True, slots=True)
class _Remembered:
    keys: dict[str, Key]
    fetched_at: float
    expires_at: float


@dataclass(slots=True)
class RemoteKeys:
    """The key sets this process remembers.

    Args:
        allow_loopback: whether a URL may point to this machine; only while the service itself does.
    """

    allow_loopback: bool = False
    _remembered: dict[str, _Remembered] = field(default_factory=dict)

    def look_up(self, uri: str, kid: str) -> Key | None:
        """Return the key, or None when the set was just fetched and does not have it.

        Raises:
            KeysNeeded: the set is not known, too old, or may have got this key since.
        """
        remembered = self._remembered.get(uri)
        now = time.monotonic()
        if remembered is None:
            raise KeysNeeded(uri)
        just_fetched = now - remembered.fetched_at < SHORTEST_INTERVAL_S
        if now >= remembered.expires_at and not just_fetched:
            raise KeysNeeded(uri)
        key = remembered.keys.get(kid)
        if key is None and not just_fetched:
            raise KeysNeeded(uri)
        return key

    async def fetch(self, uri: str) -> None:
        """Fetch a key set and remember it.

        Raises:
            KeysUnreachable: the address is not allowed, did not answer in time, or not with a key set.
        """
        try:
            async with asyncio.timeout(TIMEOUT_S):
                response, body = await self._get(uri)
            keys = client_keys.usable(client_keys.decode(body))
        except (TimeoutError, OSError, ValueError, httpx.HTTPError, httpx.InvalidURL) as error:
            raise KeysUnreachable("The key set of this client could not be fetched.") from error
        now = time.monotonic()
        if len(self._remembered) >= MAX_REMEMBERED:
            self._remembered.clear()
        expires_at = now + max_age_s(response.headers.get("Cache-Control", ""))
        self._remembered[uri] = _Remembered(keys, now, expires_at)

    async def _get(self, uri: str) -> tuple[httpx.Response, bytes]:
        url = httpx.URL(uri)
        address = await self._allowed_address(url)
        request = httpx.Request(
            "GET",
            url.copy_with(host=address),
            headers={"Host": url.netloc.decode("ascii"), "Accept": "application/json"},
            extensions={"sni_hostname": url.host, "timeout": httpx.Timeout(TIMEOUT_S).as_dict()},
        )
        # The environment's proxy would connect on our behalf, past the check of the address.
        async with httpx.AsyncClient(trust_env=False, follow_redirects=False) as client:
            response = await client.send(request, stream=True)
            try:
                return response, await _bounded(response)
            finally:
                await response.aclose()

    async def _allowed_address(self, url: httpx.URL) -> str:
        port = url.port or (443 if url.scheme == "https" else 80)
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
        addresses = [ipaddress.ip_address(entry[4][0]) for entry in found]
        if not addresses or not all(self._is_allowed(address, url.scheme) for address in addresses):
            raise KeysUnreachable("The key set of this client is at an address that is not allowed.")
        return str(addresses[0])

    def _is_allowed(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address, scheme: str) -> bool:
        mapped = getattr(address, "ipv4_mapped", None)
        address = mapped or address
        if address.is_loopback:
            return self.allow_loopback
        return scheme == "https" and address.is_global and not address.is_multicast


def max_age_s(cache_control: str) -> float:
    """Return for how many seconds an answer may be kept; an absent header means five minutes."""
    text = cache_control.lower()
    if "no-store" in text or "no-cache" in text:
        return 0.0
    match = _MAX_AGE.search(text)
    return min(float(match[1]), LONGEST_MAX_AGE_S) if match else DEFAULT_MAX_AGE_S


async def _bounded(response: httpx.Response) -> bytes:
    if response.status_code != httpx.codes.OK:
        raise KeysUnreachable("The key set of this client was not served.")
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MAX_BYTES:
            raise KeysUnreachable("The key set of this client is too large.")
    return bytes(body)
