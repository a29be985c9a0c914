"""What a server was told to store, and whether its history says the same.

    Ledger      by Type/id: every version in order, as its author knows it
    walk        a history page by page, by ``next`` to its end and by ``previous`` back again

Source: https://hl7.org/fhir/R4/http.html#history, #vread
"""

from __future__ import annotations

import itertools
import time
from typing import Any, NamedTuple

import httpx

Document = dict[str, Any]
PATIENCE_S = 30
"""A type's history is held back while an older transaction of the database is open."""


class Written(NamedTuple):
    """One version: the method that made it, and its content without ``meta``; None is a deletion."""

    method: str
    content: Document | None


def content(resource: Document | None) -> Document | None:
    """A resource without what the server adds to it."""
    return None if resource is None else {name: value for name, value in resource.items() if name != "meta"}


class Ledger:
    """The versions that were written through one client."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http
        self.versions: dict[str, list[Written]] = {}
        self.instants: dict[str, list[str]] = {}
        self.began = ""

    def newest(self, place: str) -> Document | None:
        """The content of a resource now; None when it is not there."""
        return self.versions[place][-1].content if place in self.versions else None

    def current(self, resource_type: str) -> dict[str, Document]:
        """Every resource of a type that is there."""
        found = (
            (place, self.newest(place)) for place in self.versions if place.startswith(f"{resource_type}/")
        )
        return {place: document for place, document in found if document is not None}

    def write(
        self, place: str, method: str, document: Document | None, resource: Document | None = None
    ) -> None:
        """Note a version that the server has confirmed, by what it answered where it answered something."""
        self.versions.setdefault(place, []).append(Written(method, document))
        if resource is not None:
            assert content(resource) == document
            assert resource["meta"]["versionId"] == str(len(self.versions[place]))
            self.began = self.began or resource["meta"]["lastUpdated"]

    def check_now(self) -> None:
        """Every resource is read as it was written last."""
        for place, versions in self.versions.items():
            answer = self.http.get(place)
            if versions[-1].content is None:
                assert answer.status_code == 410
            else:
                assert content(answer.json()) == versions[-1].content
            assert answer.headers["etag"] == f'W/"{len(versions)}"'

    def check_instances(self, count: int) -> None:
        """Each resource's history replays to its versions; each is read, by number and by time."""
        for place, versions in self.versions.items():
            entries = list(reversed(walk(self.http, f"{place}/_history?_count={count}")))
            assert [told(entry) for entry in entries] == versions
            assert [entry["response"]["etag"] for entry in entries] == [
                f'W/"{number}"' for number in range(1, len(versions) + 1)
            ]
            self.instants[place] = [entry["response"]["lastModified"] for entry in entries]
            assert all(one < other for one, other in itertools.pairwise(self.instants[place]))
            self.check_versions(place)

    def check_versions(self, place: str) -> None:
        """Each version is read by its number, and was the current one at its own instant."""
        for number, (written, instant) in enumerate(
            zip(self.versions[place], self.instants[place], strict=True), start=1
        ):
            answer = self.http.get(f"{place}/_history/{number}")
            if written.content is None:
                assert answer.status_code == 410
            else:
                assert content(answer.json()) == written.content
                assert answer.json()["meta"]["lastUpdated"] == instant
            at = self.http.get(f"{place}/_history", params={"_at": instant}).json()
            assert [told(entry) for entry in at["entry"]] == [written]

    def check_everything(self, paths: tuple[str, ...], count: int) -> None:
        """The histories of types and of the server tell every version once, newest first, and agree."""
        for path in paths:
            url = f"{path}_history?_since={self.began}"
            mine = {place: versions for place, versions in self.versions.items() if place.startswith(path)}
            wanted = sum(map(len, mine.values()))
            self.await_versions(url, wanted)
            entries = list(reversed(walk(self.http, f"{url}&_count={count}")))
            instants = [entry["response"]["lastModified"] for entry in entries]
            assert instants == sorted(instants)
            replayed: dict[str, list[Written]] = {}
            for entry in entries:
                replayed.setdefault(self.place(entry), []).append(told(entry))
            assert replayed == mine
            if instants:
                self.check_past(path, instants[len(instants) // 2])

    def check_past(self, path: str, instant: str) -> None:
        """A history at an instant tells the version of each resource that was current then."""
        entries = walk(self.http, f"{path}_history?_at={instant}&_count=1000")
        found = {self.place(entry): told(entry) for entry in entries}
        for place in self.versions:
            past = [
                written
                for written, at in zip(self.versions[place], self.instants[place], strict=True)
                if at <= instant
            ]
            assert found.get(place) == (past[-1] if past and place.startswith(path) else None)

    def await_versions(self, url: str, wanted: int) -> None:
        """Wait until nothing is held back any more."""
        deadline = time.monotonic() + PATIENCE_S
        while len(self.http.get(f"{url}&_count=1000").json().get("entry", [])) < wanted:
            assert time.monotonic() < deadline, "Another test held a transaction open for too long."
            time.sleep(0.05)

    def place(self, entry: Document) -> str:
        """The Type/id of an entry."""
        return str(entry["fullUrl"]).removeprefix(str(self.http.base_url))


def told(entry: Document) -> Written:
    """What an entry of a history says."""
    return Written(entry["request"]["method"], content(entry.get("resource")))


def walk(http: httpx.Client, url: str) -> list[Document]:
    """Every entry of a bundle and of the pages after it; the way back must show the same pages."""
    pages, links = [], {}
    while url:
        answer = http.get(url)
        assert answer.status_code == 200, answer.text
        pages.append(answer.json().get("entry", []))
        links = {link["relation"]: link["url"] for link in answer.json()["link"]}
        url = links.get("next", "")
    for page in reversed(pages[:-1]):
        answer = http.get(links["previous"])
        assert answer.json()["entry"] == page
        links = {link["relation"]: link["url"] for link in answer.json()["link"]}
    return [entry for page in pages for entry in page]
