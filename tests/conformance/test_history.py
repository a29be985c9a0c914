"""History of a resource, a type and the server, as a client that trusts the Bundle alone reads it.

Source: https://hl7.org/fhir/R4/http.html#history
"""

from __future__ import annotations

import time

import pytest
from conformance_kit import JSON_PATCH, link, pages, patient, refusal, stored

LEVELS = ["/Flag", ""]


@pytest.fixture(scope="module")
def flag(client):
    """A resource with a version of every kind: created, updated, patched, deleted, created again."""
    subject = {"reference": f"Patient/{stored(client, patient())['id']}"}
    document = {"resourceType": "Flag", "status": "active", "code": {"text": "x"}, "subject": subject}
    made = stored(client, document)
    url = f"/Flag/{made['id']}"
    assert client.put(url, json={**made, "status": "inactive"}).status_code == 200
    patch = [{"op": "replace", "path": "/status", "value": "active"}]
    assert client.patch(url, json=patch, headers=JSON_PATCH).status_code == 200
    assert client.delete(url).status_code == 204
    assert client.put(url, json=made).status_code == 201
    return made


def told(client, url, length, about=""):
    """Ask until so many changes of a resource are told: they wait for older transactions of others."""
    deadline = time.monotonic() + 20
    while True:
        entries = client.get(url).json().get("entry", [])
        mine = [one for one in entries if about in one["fullUrl"]]
        if len(mine) >= length or time.monotonic() > deadline:
            return entries
        time.sleep(0.1)


def keys(entries):
    return [(one["fullUrl"], one["response"]["etag"]) for one in entries]


def test_every_version_has_its_request_and_its_response(client, flag):
    answer = client.get(f"/Flag/{flag['id']}/_history").json()
    assert (answer["resourceType"], answer["type"]) == ("Bundle", "history")
    assert link(answer, "self").endswith(f"/Flag/{flag['id']}/_history")
    entries = answer["entry"]
    place = f"Flag/{flag['id']}"
    assert [(one["request"]["method"], one["request"]["url"]) for one in entries] == [
        ("PUT", place),
        ("DELETE", place),
        ("PATCH", place),
        ("PUT", place),
        ("POST", "Flag"),
    ]
    assert [one["response"]["status"] for one in entries] == [
        "201 Created",
        "204 No Content",
        "200 OK",
        "200 OK",
        "201 Created",
    ]
    assert [one["response"]["etag"] for one in entries] == [f'W/"{n}"' for n in (5, 4, 3, 2, 1)]
    assert ["resource" in one for one in entries] == [True, False, True, True, True]


def test_a_resource_that_was_created_changed_and_deleted_has_three_entries(client):
    made = stored(client, patient())
    client.put(f"/Patient/{made['id']}", json={**made, "active": True})
    client.delete(f"/Patient/{made['id']}")
    entries = client.get(f"/Patient/{made['id']}/_history").json()["entry"]
    assert sorted(one["request"]["method"] for one in entries) == ["DELETE", "POST", "PUT"]


def test_every_version_that_is_told_can_be_read_and_the_deletion_is_gone(client, flag):
    for one in client.get(f"/Flag/{flag['id']}/_history").json()["entry"]:
        version = one["response"]["etag"][3:-1]
        answer = client.get(f"/Flag/{flag['id']}/_history/{version}")
        if "resource" in one:
            assert answer.json() == one["resource"]
            assert one["resource"]["meta"]["lastUpdated"] == one["response"]["lastModified"]
        else:
            refusal(answer, 410, "deleted")


@pytest.mark.parametrize("level", LEVELS)
def test_changes_come_newest_first_and_once(client, flag, level):
    entries = told(client, f"{level}/_history?_count=1000", 5, about=flag["id"])
    instants = [one["response"]["lastModified"] for one in entries]
    assert instants == sorted(instants, reverse=True)
    assert len(set(keys(entries))) == len(entries)
    mine = [one["request"]["method"] for one in entries if flag["id"] in one["fullUrl"]]
    assert mine == ["PUT", "DELETE", "PATCH", "PUT", "POST"]


def test_since_an_instant_tells_what_came_at_or_after_it(client, flag):
    url = f"/Flag/{flag['id']}/_history"
    entries = client.get(url).json()["entry"]
    third = entries[2]["response"]["lastModified"]
    assert keys(told(client, f"{url}?_since={third}", 3)) == keys(entries[:3])
    assert keys(told(client, f"{url}?_since=1900-01-01", 5)) == keys(entries)


@pytest.mark.parametrize("level", [*LEVELS, "instance"])
def test_nothing_has_happened_since_the_future(client, flag, level):
    path = f"/Flag/{flag['id']}" if level == "instance" else level
    answer = client.get(f"{path}/_history?_since=2900-01-01T00:00:00Z")
    assert (answer.status_code, answer.json()["type"]) == (200, "history")
    assert "entry" not in answer.json()


@pytest.mark.parametrize(
    "asked",
    [
        "_before=2900-01-01",
        "_since=tomorrow",
        "_since=gt2026",
        "_at=x",
        "_at=ne2026",
        "_at=2026&_at=gt",
        "_count=-1",
        "_sort=_id",
        "_sort=",
        "_summary=most",
        "_elements=a b",
        "_page=older-1",
    ],
)
def test_what_history_does_not_understand_is_refused(client, flag, asked):
    place = f"http.{asked.partition('=')[0]}" if asked.startswith(("_summary", "_elements")) else None
    for path in (f"/Flag/{flag['id']}", *LEVELS):
        refusal(client.get(f"{path}/_history?{asked}"), 400, "invalid", place)


@pytest.mark.parametrize("level", [*LEVELS, "instance"])
def test_pages_lead_to_the_end_and_back_over_the_same_entries(client, flag, level):
    path = f"/Flag/{flag['id']}" if level == "instance" else level
    url = f"{path}/_history?_since={flag['meta']['lastUpdated']}"
    told(client, url, 5)
    forth = list(pages(client, f"{url}&_count=2"))
    back = list(pages(client, link(forth[-2], "next"), "previous"))
    assert all(len(page["entry"]) <= 2 for page in (*forth, *back))
    walked = [key for page in forth for key in keys(page["entry"])]
    assert [key for page in reversed(back) for key in keys(page["entry"])] == walked
    assert len(set(walked)) == len(walked) >= 5
    assert link(back[-1], "previous") is None
    assert all(link(page, "first") for page in forth)


@pytest.mark.parametrize("level", [*LEVELS, "instance"])
def test_pages_may_begin_with_the_oldest_change(client, flag, level):
    path = f"/Flag/{flag['id']}" if level == "instance" else level
    url = f"{path}/_history?_since={flag['meta']['lastUpdated']}"
    told(client, url, 5)
    forth = list(pages(client, f"{url}&_count=2&_sort=_lastUpdated"))
    walked = [key for page in forth for key in keys(page["entry"])]
    instants = [one["response"]["lastModified"] for page in forth for one in page["entry"]]
    assert instants == sorted(instants)
    mine = [tag for place, tag in walked if place.endswith(flag["id"])]
    assert mine == [f'W/"{n}"' for n in (1, 2, 3, 4, 5)]
    back = list(pages(client, link(forth[1], "next"), "previous"))
    assert [key for page in reversed(back) for key in keys(page["entry"])] == walked[: len(back) * 2]
    assert link(back[-1], "previous") is None
    newest = client.get(f"{url}&_sort=-_lastUpdated").json()["entry"]
    assert keys(newest)[: len(walked)] == walked[: -len(newest) - 1 : -1]


def test_the_total_counts_the_versions_on_all_pages(client, flag):
    url = f"/Flag/{flag['id']}/_history"
    first, *others = pages(client, f"{url}?_count=2")
    assert [page["total"] for page in (first, *others)] == [5, 5, 5]
    assert client.get(url).json()["total"] == 5
    third = first["entry"][1]["response"]["lastModified"]
    assert client.get(f"{url}?_since={third}").json()["total"] == 2
    for asked in ("_count=0", "_summary=count"):
        answer = client.get(f"{url}?{asked}").json()
        assert (answer["total"], "entry" in answer, link(answer, "next")) == (5, False, None)


@pytest.mark.parametrize("level", LEVELS)
def test_the_total_of_many_resources_is_told_when_it_is_asked_for(client, flag, level):
    told(client, f"{level}/_history", 5, about=flag["id"])
    assert "total" not in client.get(f"{level}/_history?_count=1").json()
    assert client.get(f"{level}/_history?_summary=count").json()["total"] >= 5
    assert client.get(f"{level}/_history?_count=0&_since=2900").json()["total"] == 0


def test_a_count_of_nothing_is_not_found(client, value):
    refusal(client.get(f"/Patient/{value}/_history?_summary=count"), 404, "not-found")


def test_a_caller_counts_what_they_may_see(server, client):
    made = stored(client, {"resourceType": "Organization", "name": "x", "active": False})
    client.put(f"/Organization/{made['id']}", json={**made, "active": True})
    url = f"/Organization/{made['id']}/_history"
    with server.client("admin", "system/Organization.rs?active=false") as caller:
        refusal(caller.get(f"{url}?_summary=count"), 404, "not-found")
    with server.client("admin", "system/Organization.rs?active=true") as caller:
        assert caller.get(f"{url}?_count=0").json()["total"] == caller.get(url).json()["total"] == 1
    assert client.get(f"{url}?_count=0").json()["total"] == 2


def test_a_part_of_each_version_is_shown(client, flag):
    url = f"/Flag/{flag['id']}/_history"
    for asked in ("_elements=status", "_summary=text"):
        for one in client.get(f"{url}?{asked}").json()["entry"]:
            assert ("resource" in one) == (one["request"]["method"] != "DELETE")
            if "resource" in one:
                assert {"id", "meta", "status", "subject", "code"} == set(one["resource"]) - {"resourceType"}
                assert one["resource"]["meta"]["tag"][-1]["code"] == "SUBSETTED"
    assert client.get(f"{url}?_summary=false").json()["entry"] == client.get(url).json()["entry"]


def test_versions_are_told_that_were_current_at_some_time_of_a_period(client, flag):
    url = f"/Flag/{flag['id']}/_history"
    instants = [one["response"]["lastModified"] for one in client.get(url).json()["entry"]][::-1]

    def current(*periods):
        asked = "&".join(f"_at={one}" for one in periods)
        return [int(tag[3:-1]) for _, tag in keys(client.get(f"{url}?{asked}").json().get("entry", []))]

    assert current(instants[2]) == current(f"eq{instants[2]}") == [3]
    assert current(f"ge{instants[3]}") == [5, 4]
    assert current(f"gt{instants[3]}") == [5, 4]
    assert current(f"lt{instants[1]}") == [1]
    assert current(f"le{instants[1]}") == [2, 1]
    assert current(f"ge{instants[1]}", f"lt{instants[3]}") == [3, 2]
    assert current("2020") == current("gt2900") == []


def test_an_unknown_id_has_no_history(client, value):
    refusal(client.get(f"/Patient/{value}/_history"), 404, "not-found")
    assert client.get(f"/Patient/{value}/_history?_since=2900-01-01").status_code == 404
