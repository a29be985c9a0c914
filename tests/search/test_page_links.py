"""Links between pages: what they tell, whom they serve, and what is refused.

Source: https://hl7.org/fhir/R4/http.html#paging
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

import harness
import practice_kit
import pytest

from service.database import Database
from service.oauth.keys import OVERLAP, SigningKeys, rotate
from service.sealing import BLOCK, Seals

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
STALE = "The page link is not one of this search, or is too old; start again at its first page."
FOLLOWED = ("first", "previous", "next")


@pytest.fixture(scope="module")
def operator(server):
    with server.client("admin", "system/*.cruds") as client:
        yield client


@pytest.fixture(scope="module")
def family(operator):
    """A family of seven, under a name that nobody else has; each is somebody's patient."""
    name = f"Quetzal{uuid4().hex[:12]}"
    for number in range(7):
        born = f"19{60 + number}-02-03"
        document = practice_kit.patient(name, birthDate=born, gender="female" if number % 2 else "male")
        assert operator.post("/Patient", json=document).status_code == 201
    return name


def bundle(answer):
    assert answer.status_code == 200, answer.text
    return answer.json()


def links(answer):
    return {one["relation"]: one["url"] for one in bundle(answer)["link"]}


def found(answer):
    return [one["id"] for one in practice_kit.resources(bundle(answer))]


def place(url):
    return dict(parse_qsl(urlsplit(url).query))["_page"]


def refused(answer):
    issue = answer.json()["issue"][0]
    assert (answer.status_code, issue["code"], issue["expression"]) == (400, "invalid", ["http._page"])
    return issue["details"]["text"]


def walked(client, answer, relation="next"):
    """Everything on the pages from an answer on, and every link that was followed."""
    ids, urls = found(answer), []
    while url := links(answer).get(relation):
        urls.append(url)
        answer = client.get(url)
        ids += found(answer)
    return ids, urls


def told(url, *values):
    """The values that a URL tells, plainly or encoded; those of every row are added."""
    text = f"{url} {base64.urlsafe_b64decode(f'{place(url)}==').decode('latin-1')}".lower()
    return [value for value in (*values, "-02-03", "male") if value.lower() in text]


def batch(url):
    return {"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": "GET", "url": url}}]}


@pytest.fixture
def asked(family):
    return {"family": family, "_sort": "birthdate", "_count": "2"}


def test_a_place_of_another_search_is_refused(operator, family, asked):
    url = links(operator.get("/Patient", params=asked))["next"]
    others = [
        ("/Patient", {**asked, "_sort": "-birthdate"}),
        ("/Patient", {**asked, "family": f"{family[:-1]}"}),
        ("/Patient", {**asked, "gender": "male"}),
        ("/Patient", {"_sort": "birthdate", "_count": "2"}),
        ("/Patient/pat-1/Observation", {"_count": "2"}),
        ("/RelatedPerson", asked),
        ("", {"_type": "Patient"}),
        ("/Patient/pat-1/$everything", {}),
        ("/DocumentReference/$docref", {"patient": "pat-1"}),
    ]
    for path, params in others:
        assert refused(operator.get(path, params={**params, "_page": place(url)})) == STALE, path


@pytest.mark.parametrize("change", ["cut", "turned", "longer", "plain", "empty", "letter"])
def test_a_place_that_was_not_written_here_is_refused(operator, asked, change):
    sealed = place(links(operator.get("/Patient", params=asked))["next"])
    plain = json.dumps({"backwards": False, "keys": ["1961-02-03T00:00:00+00:00"], "id": "x"}).encode()
    changed = {
        "cut": sealed[:-8],
        "turned": sealed[::-1],
        "longer": f"{sealed}AAAA",
        "plain": base64.urlsafe_b64encode(plain).decode().rstrip("="),
        "empty": "",
        "letter": f"{'B' if sealed[0] == 'A' else 'A'}{sealed[1:]}",
    }[change]
    assert refused(operator.get("/Patient", params={**asked, "_page": changed})) == STALE


def test_a_place_serves_only_the_client_that_was_given_it(server, operator, asked):
    url = links(operator.get("/Patient", params=asked))["next"]
    with server.client("ehr", "system/Patient.rs") as other:
        assert refused(other.get(url)) == STALE
        own = links(other.get("/Patient", params=asked))["next"]
        assert found(other.get(own)) == found(operator.get(url))


def test_a_place_is_no_criterion_of_a_conditional_interaction(operator, asked, family):
    url = links(operator.get("/Patient", params=asked))["next"]
    answer = operator.delete("/Patient", params={"family": family, "_page": place(url)})
    assert answer.status_code == 400
    answer = operator.post(
        "/Patient", json=practice_kit.patient(), headers={"If-None-Exist": urlsplit(url).query}
    )
    assert answer.status_code == 400


@pytest.mark.parametrize("sort", ["family,birthdate", "birthdate", "-birthdate", "gender", "-_lastUpdated"])
def test_links_tell_nothing_of_a_row(operator, family, sort):
    answer = operator.get("/Patient", params={"name": family, "_sort": sort, "_count": "2"})
    ids, urls = walked(operator, answer)
    assert len(ids) == len(set(ids)) == 7
    assert len(urls) == 3
    assert [told(url) for url in urls] == [[], [], []]


def test_the_length_of_a_place_does_not_tell_that_of_a_name(operator):
    lengths = set()
    for name in ("Li", "Lindqvist"):
        for _ in range(2):
            assert operator.post("/Patient", json=practice_kit.patient(name)).status_code == 201
        asked = {"family:exact": name, "_sort": "family", "_count": "1"}
        lengths.add(len(place(links(operator.get("/Patient", params=asked))["next"])))
    assert len(lengths) == 1


def test_what_only_shapes_a_page_may_change_on_the_way(operator, family, asked):
    url = links(operator.get("/Patient", params=asked))["next"]
    rest = {"_count": "50", "_elements": "id", "_include": "Patient:organization", "_total": "accurate"}
    answer = operator.get("/Patient", params={**asked, **rest, "_page": place(url)})
    assert len(found(answer)) == 5
    assert bundle(answer)["total"] == 7


def test_links_of_a_form_hide_what_it_asked_for(operator, family, asked):
    by_form = operator.post("/Patient/_search", data=asked, headers=FORM)
    by_get = operator.get("/Patient", params=asked)
    assert links(by_form)["self"] == links(by_get)["self"]
    ids, urls = walked(operator, by_form)
    assert ids == walked(operator, by_get)[0]
    for url in (*urls, links(by_form)["first"]):
        assert [name for name, _ in parse_qsl(urlsplit(url).query)] == ["_page"]
        assert told(url, family, "birthdate") == []
    last = operator.get(urls[-1])
    assert links(last)["self"] == links(by_get)["self"]
    back, urls = walked(operator, last, "previous")
    assert (sorted(back), len(urls)) == (sorted(ids), 3)
    assert all(told(url, family) == [] for url in urls)
    assert found(operator.get(links(last)["first"])) == ids[:2]


def test_a_hidden_search_keeps_the_form_of_its_answers(operator, asked):
    answer = operator.post(
        "/Patient/_search", data={**asked, "_format": "json", "_pretty": "true"}, headers=FORM
    )
    url = links(answer)["next"]
    assert [name for name, _ in parse_qsl(urlsplit(url).query)] == ["_format", "_pretty", "_page"]
    assert operator.get(url).text.startswith("{\n")
    shaped = operator.get(url, params={**dict(parse_qsl(urlsplit(url).query)), "_count": "50"})
    assert len(found(shaped)) == 5
    assert refused(operator.get(f"{url}&gender=male")) == STALE


def test_a_hidden_place_may_be_sent_by_form_too(operator, asked):
    first = operator.post("/Patient/_search", data=asked, headers=FORM)
    url = links(first)["next"]
    again = operator.post("/Patient/_search", data={"_page": place(url)}, headers=FORM)
    assert found(again) == found(operator.get(url))
    whole = operator.post("/", json=batch(f"Patient?_page={place(url)}"))
    inner = whole.json()["entry"][0]["resource"]
    assert [entry["resource"]["id"] for entry in inner["entry"]] == found(again)


def test_links_of_an_entry_hide_what_it_asked_for(operator, family):
    answer = operator.post("/", json=batch(f"Patient?family={family}&_sort=birthdate&_count=3"))
    page = answer.json()["entry"][0]["resource"]
    url = next(one["url"] for one in page["link"] if one["relation"] == "next")
    assert told(url, family) == []
    assert len(found(operator.get(url))) == 3


def test_a_long_form_is_followed(operator, family):
    ids = found(operator.get("/Patient", params={"family": family}))
    many = [",".join([*ids, *(str(uuid4()) for _ in range(490))]) for _ in range(3)]
    answer = operator.post("/Patient/_search", data={"_id": many, "_count": "4"}, headers=FORM)
    assert sorted(walked(operator, answer)[0]) == sorted(ids)


def test_the_audit_trail_tells_what_a_hidden_search_asked_for(server, operator, family, asked):
    url = links(operator.post("/Patient/_search", data=asked, headers=FORM))["next"]
    request_id = str(uuid4())
    assert operator.get(url, headers={"X-Request-Id": request_id}).status_code == 200
    rows = practice_kit.Vault(server.database_url).fetch(
        "SELECT interaction, query FROM audit_record WHERE request_id = $1", request_id
    )
    assert [tuple(row) for row in rows] == [("search-type", f"family={family}&_sort=birthdate&_count=2")]


def test_links_of_an_operation_by_post_hide_what_it_was_given(operator, family):
    patient = found(operator.get("/Patient", params={"family": family}))[0]
    for _ in range(3):
        note = practice_kit.note("text/plain", b"calm", subject={"reference": f"Patient/{patient}"})
        del note["author"], note["context"]
        assert operator.post("/DocumentReference", json=note).status_code == 201
    given = [
        {"name": "patient", "valueId": patient},
        {"name": "start", "valueDate": "1967-02-03"},
        {"name": "_count", "valuePositiveInt": 2},
    ]
    body = {"resourceType": "Parameters", "parameter": given}
    for path in ("/DocumentReference/$docref", f"/Patient/{patient}/$everything"):
        asked = {**body, "parameter": given[1 if "everything" in path else 0 :]}
        answer = operator.post(path, json=asked)
        url = links(answer)["next"]
        assert [name for name, _ in parse_qsl(urlsplit(url).query)] == ["_page"]
        assert "1967-02-03" not in url
        ids, _ = walked(operator, answer)
        assert len(ids) == len(set(ids)) == (4 if "everything" in path else 3)
        by_page = {"name": "_page", "valueString": place(url)}
        again = operator.post(path, json={**asked, "parameter": [*asked["parameter"], by_page]})
        assert found(again) == found(operator.get(url))
        other = {"name": "end", "valueDate": "2030"}
        assert refused(
            operator.post(path, json={**asked, "parameter": [*asked["parameter"], other, by_page]})
        )


@pytest.fixture
def workers(databases):
    server = harness.Server(databases.create(), workers=2)
    server.start()
    yield server
    server.dispose()
    databases.drop(server.database_url)


def test_a_restart_and_other_workers_go_on(workers):
    with workers.client("admin", "system/*.cruds") as client:
        ids = sorted(client.post("/Patient", json=practice_kit.patient()).json()["id"] for _ in range(4))
        url = links(client.get("/Patient", params={"_count": "1"}))["next"]
        assert all(found(client.get(url)) == ids[1:2] for _ in range(8))
        workers.stop()
        workers.start()
        assert found(client.get(url)) == ids[1:2]


@pytest.fixture
def own_database_url(databases):
    dsn = databases.create()
    yield dsn
    databases.drop(dsn)


async def test_a_place_outlives_the_rotation_of_keys_by_two_hours(own_database_url):
    database, now = await Database.open(own_database_url, max_size=2), datetime.now(UTC)
    before = Seals(SigningKeys(database))
    sealed = await before.seal(b"a place", ["Patient"])
    async with database.sessions.begin() as session:
        await rotate(session, now)
    after = Seals(SigningKeys(database))
    assert await after.open(sealed, ["Patient"]) == b"a place"
    assert await after.seal(b"a place", ["Patient"]) != sealed
    later = SigningKeys(database, clock=lambda: now + OVERLAP + timedelta(seconds=1))
    assert await Seals(later).open(sealed, ["Patient"]) is None
    await database.close()


async def test_a_worker_learns_of_a_new_key_when_it_meets_it(own_database_url, monkeypatch):
    monkeypatch.setattr("service.oauth.keys.RELOAD_AT_MOST_EVERY_S", 0.0)
    database = await Database.open(own_database_url, max_size=2)
    one = Seals(SigningKeys(database))
    await one.seal(b"x", [])
    async with database.sessions.begin() as session:
        await rotate(session, datetime.now(UTC))
    sealed = await Seals(SigningKeys(database)).seal(b"a place", ["Patient"])
    assert await one.open(sealed, ["Patient"]) == b"a place"
    await database.close()


@pytest.mark.parametrize("length", [0, 1, BLOCK - 2, BLOCK - 1, BLOCK, 1023, 1024, 70_000])
async def test_what_is_sealed_is_opened_in_its_context_only(length):
    seals, text = Seals(), b"x" * length
    sealed = await seals.seal(text, ["Patient", "client"])
    assert await seals.open(sealed, ["Patient", "client"]) == text
    for other in (["Patient"], ["Patient", "clien"], ["Patientc", "lient"], ["client", "Patient"]):
        assert await seals.open(sealed, other) is None
    assert await Seals().open(sealed, ["Patient", "client"]) is None
    for forged in ("", "A", "é", sealed[:-1], "A" * 22, "A" * 100):
        assert await seals.open(forged, ["Patient", "client"]) is None
