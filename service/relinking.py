"""Links between the entries of a bundle: a ``fullUrl`` becomes the place where the entry is stored.

References, uris and the narrative's links and images are rewritten; a link to no entry stays as it is.

Source: https://hl7.org/fhir/R4/http.html#trules, https://hl7.org/fhir/R4/bundle.html#references
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_QUOTED = re.compile(r'"([^"]*)(?=")')
LINKS = frozenset(
    {"reference", "url", "uri", "valueUri", "valueUrl", "valueCanonical", "valueOid", "valueUuid"}
)
"""Members whose whole text may be the ``fullUrl`` of another entry."""

_INNER = frozenset({dict, list})


@dataclass(frozen=True, slots=True)
class Places:
    """The places of all entries as one entry sees them: its relative links start where its own URL does."""

    absolute: dict[str, str]
    root: str

    def get(self, link: str) -> str:
        """Return where a link leads here, or the link itself."""
        found = self.absolute.get(link)
        if found is None and self.root:
            found = self.absolute.get(self.root + link)
        return link if found is None else found


def rewritten(document: dict[str, Any] | None, places: Places) -> dict[str, Any] | None:
    """Return the document with every link to an entry's ``fullUrl`` naming the resource's place here.

    What does not change is shared with the original, which a second attempt needs as it came.
    """
    if document is None or not places.absolute:
        return document
    changed: dict[str, Any] = _relinked(document, places)
    narrative = changed.get("text")
    if isinstance(narrative, dict) and isinstance(narrative.get("div"), str):
        div = _QUOTED.sub(lambda quoted: '"' + places.get(quoted[1]), narrative["div"])
        changed = {**changed, "text": {**narrative, "div": div}}
    return changed


def _relinked(value: Any, places: Places) -> Any:
    if type(value) is dict:
        changes = {key: new for key, item in value.items() if (new := _new(key, item, places)) is not item}
        return {**value, **changes} if changes else value
    items = [_relinked(item, places) if type(item) in _INNER else item for item in value]
    return items if any(new is not item for new, item in zip(items, value, strict=True)) else value


def _new(key: str, item: Any, places: Places) -> Any:
    kind = type(item)
    if kind is str:
        return places.get(item) if key in LINKS else item
    return _relinked(item, places) if kind in _INNER else item


def links(value: Any) -> Iterator[tuple[dict[str, Any], str]]:
    """Find every member that may hold a link to an entry: its owner and its name."""
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, str):
                if key in LINKS:
                    yield value, key
            else:
                yield from links(item)
    elif isinstance(value, list):
        for item in value:
            yield from links(item)
