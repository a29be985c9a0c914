"""Links to the pages of what was found: a URL tells nothing that its client did not put into one.

    of a GET        ?family=…&_page=<place, sealed>
    of a POST       ?_page=<place and what was asked, sealed>       also of an entry of a bundle

A place holds values of a row, such as a name; criteria in a body were put there to keep them out of URLs,
and whoever follows a link would write them into the logs of every proxy. A place belongs to its path, to who
asks, and to what chooses and orders the rows; what only shapes a page may change from one page to the next.

Source: https://hl7.org/fhir/R4/http.html#paging, https://hl7.org/fhir/R4/search.html#conformance
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple, TypeAlias
from urllib.parse import quote

import msgspec

from models.errors import BadRequest
from service.search.cursors import PARAMETER
from service.search.query import CONTROLS, IGNORED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from service.context import Context

Pairs: TypeAlias = tuple[tuple[str, str], ...]

SHAPING = (frozenset(CONTROLS) | IGNORED) - {"_sort"}
"""Parameters that neither choose nor order: with others, a place is the same."""

_PLAIN = re.compile(r"[A-Za-z0-9_.~/:,$-]*")
"""What needs no quoting in an address: the unreserved characters of RFC 3986, and those kept as they are."""

STALE = "The page link is not one of this search, or is too old; start again at its first page."


class Sealed(msgspec.Struct, frozen=True, array_like=True):
    """What a link holds: a place, empty at the first page, and what was asked or a digest of it."""

    place: str
    asked: Pairs | None = None
    bound: bytes | None = None


class Opened(NamedTuple):
    """The parameters of a request with nothing sealed in them, and the search that its place belongs to."""

    pairs: Pairs
    bound: bytes | None = None

    def require(self, used: Iterable[tuple[str, str]]) -> None:
        """Refuse a place of another search.

        Raises:
            BadRequest: it is one.
        """
        if self.bound is not None and self.bound != _bound(used):
            raise _stale()


async def linked(ctx: Context, path: str, used: Sequence[tuple[str, str]], place: str) -> str:
    """Write the link to a page, or with an empty place to the first one.

    Args:
        ctx: the request; ``ctx.hides`` tells that what was asked must not stand in a URL.
        path: below the FHIR base.
        used: the parameters that were understood, without the place.
        place: as ``service/search/cursors.py`` spells it.
    """
    if not (ctx.hides or place):
        return url_of(ctx, path, used)
    held = Sealed(place, asked=tuple(used)) if ctx.hides else Sealed(place, bound=_bound(used))
    sealed = await ctx.seals.seal(msgspec.json.encode(held), _context(ctx, path))
    return url_of(ctx, path, () if ctx.hides else used, sealed)


async def opened(ctx: Context, path: str, pairs: Pairs) -> Opened:
    """Open the place among the parameters of a request, and put back what its link kept to itself.

    Raises:
        BadRequest: the place was not sealed here for this path and this caller, or not lately.
    """
    sealed = [value for name, value in pairs if name == PARAMETER]
    if not sealed:
        return Opened(pairs)
    text = await ctx.seals.open(sealed[-1], _context(ctx, path))
    if text is None:
        raise _stale()
    held = msgspec.json.decode(text, type=Sealed)
    shown = tuple(pair for pair in pairs if pair[0] != PARAMETER)
    place = ((PARAMETER, held.place),) if held.place else ()
    if held.asked is None:
        return Opened((*shown, *place), held.bound)
    if not all(_shapes(name) for name, _ in shown):
        raise _stale()
    ctx.hides, ctx.told = True, (*held.asked, *shown)
    return Opened((*ctx.told, *place), _bound(held.asked))


def url_of(ctx: Context, path: str, used: Sequence[tuple[str, str]], place: str = "") -> str:
    """Write an address below the FHIR base: what was asked, in which form, and a place that tells nothing."""
    url = f"{ctx.fhir_base}/{path}".rstrip("/")
    told = [*used, *ctx.kept, *([(PARAMETER, place)] if place else [])]
    query = "&".join([f"{_quoted(name)}={_quoted(value)}" for name, value in told])
    return f"{url}?{query}" if query else url


def _quoted(text: str) -> str:
    """Quote as ``urllib`` does, whose every call takes long even where nothing is to be quoted."""
    return text if _PLAIN.fullmatch(text) else quote(text, safe="/:,$")


def _stale() -> BadRequest:
    return BadRequest(STALE, expression=f"http.{PARAMETER}")


def _context(ctx: Context, path: str) -> list[str]:
    return [path, ctx.principal.client_id, ctx.principal.user or ""]


def _bound(used: Iterable[tuple[str, str]]) -> bytes:
    deciding = sorted(pair for pair in used if not _shapes(pair[0]))
    return blake2b(msgspec.json.encode(deciding), digest_size=12).digest()


def _shapes(name: str) -> bool:
    return name.partition(":")[0] in SHAPING
