"""Interactions that name their resource by criteria: each with no match, one, several, and bad criteria.

Source: https://hl7.org/fhir/R4/http.html#ccreate, #cond-update, #cdelete
"""

from __future__ import annotations

import pytest
from conformance_kit import JSON_PATCH, criteria, found, organization, refusal, stored

PATCH = [{"op": "add", "path": "/active", "value": True}]


def create(client, value, asked, **headers):
    return client.post("/Organization", json=organization(value), headers={"If-None-Exist": asked, **headers})


def by_criteria(client, method, asked, document=None, **headers):
    """Send one of the interactions whose criteria are the query."""
    url = f"/Organization?{asked}"
    if method == "PATCH":
        return client.patch(url, json=PATCH, headers={**JSON_PATCH, **headers})
    body = {} if method == "DELETE" else {"json": document or organization("unused")}
    return client.request(method, url, headers=headers, **body)


def known(client, value):
    return found(client.get(f"/Organization?{criteria(value)}"))


def test_a_creation_that_nothing_matches_is_done(client, value):
    answer = create(client, value, criteria(value))
    assert (answer.status_code, answer.headers["etag"]) == (201, 'W/"1"')


def test_a_creation_that_one_matches_answers_with_that(client, value):
    made = create(client, value, criteria(value))
    client.patch(f"/Organization/{made.json()['id']}", json=PATCH, headers=JSON_PATCH)
    current = client.get(f"/Organization/{made.json()['id']}")
    for asked in (
        criteria(value),
        f"?{criteria(value)}",
        f"Organization?{criteria(value)}",
        f"_id={made.json()['id']}",
    ):
        answer = create(client, value, asked)
        assert answer.status_code == 200
        assert answer.json() == current.json()
        assert answer.headers["etag"] == current.headers["etag"] == 'W/"2"'
        assert answer.headers["last-modified"] == current.headers["last-modified"]
        assert answer.headers["location"].endswith(f"/Organization/{made.json()['id']}/_history/2")
    assert len(known(client, value)) == 1


def test_a_creation_that_several_match_is_refused(client, value):
    for _ in range(2):
        stored(client, organization(value))
    refusal(create(client, value, criteria(value)), 412, "conflict")
    refusal(create(client, value, "_lastUpdated=gt1900-01-01"), 412, "conflict")
    assert len(known(client, value)) == 2


def test_a_creation_finds_nothing_in_the_future(client, value):
    assert create(client, value, "_lastUpdated=gt2900-01-01").status_code == 201


@pytest.mark.parametrize("asked", ["", "?", "&", f"Patient?{criteria('x')}"])
def test_a_creation_on_no_criteria_or_another_types_is_refused(client, asked, value):
    refusal(create(client, value, asked), 400, "invalid")
    assert known(client, value) == []


NOT_CRITERIA = {
    "unknown=1": (400, "not-supported"),
    "birthdate=2000": (400, "not-supported"),
    "identifier:nonsense=1": (400, "not-supported"),
    "_lastUpdated=abc": (400, "invalid"),
    "_sort=name": (400, "invalid"),
    "_count=1": (400, "invalid"),
    "_summary=count": (400, "invalid"),
    "_include=*": (400, "invalid"),
    "identifier=": (412, "conflict"),
    "_tag=": (412, "conflict"),
    "name": (412, "conflict"),
}


@pytest.mark.parametrize("asked", NOT_CRITERIA)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("narrowed", [False, True])
def test_what_is_no_criterion_is_never_ignored(client, value, method, asked, narrowed):
    made = stored(client, organization(value))
    whole = f"{criteria(value)}&{asked}" if narrowed else asked
    answer = create(client, value, whole) if method == "POST" else by_criteria(client, method, whole)
    status, code = NOT_CRITERIA[asked]
    issue = answer.json()["issue"][0]
    assert (answer.status_code, issue["code"]) == (status, code)
    assert client.get(f"/Organization/{made['id']}").json() == made
    assert known(client, value) == [f"Organization/{made['id']}"]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_no_criteria_at_all_never_mean_everything(client, value, method):
    made = stored(client, organization(value))
    for asked in ("", "_format=json", "_pretty=true"):
        refusal(by_criteria(client, method, asked), 412, "conflict")
    assert client.get(f"/Organization/{made['id']}").json() == made


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_what_several_match_is_not_changed(client, value, method):
    for _ in range(2):
        stored(client, organization(value))
    refusal(by_criteria(client, method, criteria(value), organization(value)), 412, "conflict")
    matches = [one["resource"] for one in client.get(f"/Organization?{criteria(value)}").json()["entry"]]
    assert [one["meta"]["versionId"] for one in matches] == ["1", "1"]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_the_one_match_is_changed_unless_the_caller_expects_another_version(client, value, method):
    made = stored(client, organization(value))
    sent = organization(value, name="changed")
    stale = by_criteria(client, method, criteria(value), sent, **{"If-Match": 'W/"7"'})
    refusal(stale, 412, "conflict")
    answer = by_criteria(client, method, criteria(value), sent, **{"If-Match": 'W/"1"'})
    assert answer.status_code == (204 if method == "DELETE" else 200)
    assert answer.headers["etag"] == 'W/"2"'
    assert client.get(f"/Organization/{made['id']}/_history/2").status_code == (
        410 if method == "DELETE" else 200
    )


def test_an_update_that_nothing_matches_creates(client, value):
    made = by_criteria(client, "PUT", criteria(value), organization(value))
    assert (made.status_code, made.headers["etag"]) == (201, 'W/"1"')
    assert made.headers["location"].endswith(f"/Organization/{made.json()['id']}/_history/1")
    chosen = by_criteria(client, "PUT", criteria(f"{value}-2"), organization(f"{value}-2", id=value))
    assert (chosen.status_code, chosen.json()["id"]) == (201, value)


@pytest.mark.parametrize("sent", [None, "same"])
def test_an_update_that_one_matches_updates_it(client, value, sent):
    made = stored(client, organization(value))
    own = {"id": made["id"]} if sent else {}
    answer = by_criteria(client, "PUT", criteria(value), organization(value, name="n", **own))
    assert (answer.status_code, answer.headers["etag"]) == (200, 'W/"2"')
    assert answer.json()["id"] == made["id"]


@pytest.mark.parametrize(("id_", "code"), [("another", "invalid"), (["x"], "structure"), (5, "structure")])
def test_an_update_whose_body_has_not_the_id_of_the_match_is_refused(client, value, id_, code):
    made = stored(client, organization(value))
    answer = by_criteria(client, "PUT", criteria(value), organization(value, id=id_))
    refusal(answer, 400, code, "Organization.id")
    assert client.get(f"/Organization/{made['id']}").json() == made


def test_an_update_does_not_overwrite_what_it_does_not_match(client, value):
    made = stored(client, organization(value))
    answer = by_criteria(client, "PUT", criteria(f"{value}-2"), organization(f"{value}-2", id=made["id"]))
    refusal(answer, 409, "conflict", "Organization.id")
    assert client.get(f"/Organization/{made['id']}").json() == made


def test_a_patch_that_nothing_matches_is_not_found(client, value):
    refusal(by_criteria(client, "PATCH", criteria(value)), 404, "not-found")


def test_a_deletion_answers_without_a_body_whether_one_matches_or_none(client, value):
    stored(client, organization(value))
    for _ in range(2):
        answer = by_criteria(client, "DELETE", criteria(value))
        assert (answer.status_code, answer.content) == (204, b"")
    assert known(client, value) == []


@pytest.mark.parametrize("letters", ["c", "u", "d"])
def test_criteria_need_a_scope_to_search(server, client, value, letters):
    stored(client, organization(value))
    method = {"c": "POST", "u": "PUT", "d": "DELETE"}[letters]
    with server.client("admin", f"system/Organization.{letters}") as caller:
        if method == "POST":
            answer = create(caller, value, criteria(value))
        else:
            answer = by_criteria(caller, method, criteria(value), organization(value))
    refusal(answer, 403, "forbidden")
    assert len(known(client, value)) == 1
