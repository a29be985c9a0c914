"""History of one resource, of a type, and of everything, through a real server."""

import time

import pytest


@pytest.fixture(scope="module")
def client(server):
    with server.client("admin", "system/*.cruds") as client:
        yield client


def create(client, **members):
    answer = client.post("/Practitioner", json={"resourceType": "Practitioner", **members})
    assert answer.status_code == 201
    return answer.json()


def pages(client, url):
    while url:
        answer = client.get(url)
        assert answer.status_code == 200
        bundle = answer.json()
        yield bundle
        url = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)


def told_since(client, url, length):
    """Ask until so many changes are told: they wait for older transactions of this database."""
    deadline = time.monotonic() + 20
    while True:
        entries = client.get(f"{url}&_count=1000").json().get("entry", [])
        if len(entries) >= length or time.monotonic() > deadline:
            return entries
        time.sleep(0.1)


def versions(bundle):
    return [entry["response"]["etag"] for entry in bundle.get("entry", [])]


@pytest.mark.parametrize(
    "query",
    [
        "_count=few",
        "_since=yesterday",
        "_at=x",
        "_at=ap2026",
        "_page=x",
        "_sort=-date",
        "_summary=x",
        "_elements=",
    ],
)
def test_a_history_parameter_that_cannot_be_read_is_refused(client, query):
    answer = client.get(f"/Practitioner/_history?{query}")
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["code"] == "invalid"


def test_the_history_of_an_unknown_id_is_not_found(client):
    assert client.get("/Practitioner/never-used/_history").status_code == 404


def test_a_client_without_a_reading_scope_sees_no_history(server):
    with server.client("admin", "system/Patient.rs") as client:
        assert client.get("/Practitioner/_history").status_code == 403
        types = {
            entry["request"]["url"].split("/")[0] for entry in client.get("/_history").json().get("entry", [])
        }
        assert types <= {"Patient"}


def test_every_version_is_told_with_its_request_and_response(client):
    made = create(client, active=True)
    client.put(f"/Practitioner/{made['id']}", json={**made, "active": False})
    client.delete(f"/Practitioner/{made['id']}")
    bundle = client.get(f"/Practitioner/{made['id']}/_history").json()
    assert [entry["request"]["method"] for entry in bundle["entry"]] == ["DELETE", "PUT", "POST"]
    assert [entry["response"]["status"][:3] for entry in bundle["entry"]] == ["204", "200", "201"]
    assert "resource" not in bundle["entry"][0]
    assert bundle["type"] == "history"


def test_a_type_tells_its_changes_newest_first_and_page_by_page_there_and_back(client):
    before = create(client)["meta"]["lastUpdated"]
    made = [create(client)["id"] for _ in range(5)]
    url = f"/Practitioner/_history?_since={before}"
    assert len(told_since(client, url, len(made) + 1)) >= len(made) + 1
    walked = list(pages(client, f"{url}&_count=2"))
    ids = [entry["resource"]["id"] for bundle in walked for entry in bundle.get("entry", [])]
    assert ids[: len(made)] == made[::-1]
    assert len(ids) == len(set(ids))
    back = next(link["url"] for link in walked[1]["link"] if link["relation"] == "previous")
    assert client.get(back).json()["entry"] == walked[0]["entry"]


def test_a_deletion_is_among_the_changes_of_the_server(client):
    made = create(client)
    client.delete(f"/Practitioner/{made['id']}")
    told = told_since(client, f"/_history?_since={made['meta']['lastUpdated']}", 2)
    mine = [entry["request"]["method"] for entry in told if made["id"] in entry["fullUrl"]]
    assert mine == ["DELETE", "POST"]


def test_nothing_has_changed_since_the_future(client):
    assert "entry" not in client.get("/_history?_since=2200-01-01T00:00:00Z").json()


def test_the_history_at_an_instant_is_what_was_current_then(client):
    made = create(client, active=True)
    changed = client.put(f"/Practitioner/{made['id']}", json={**made, "active": False}).json()
    url = f"/Practitioner/{made['id']}/_history?_at="
    assert versions(client.get(url + made["meta"]["lastUpdated"]).json()) == ['W/"1"']
    assert versions(client.get(url + changed["meta"]["lastUpdated"]).json()) == ['W/"2"']


def test_the_history_of_a_period_is_what_was_current_in_it(client):
    """HAPI's client writes periods with prefixes."""
    made = create(client, active=True)
    changed = client.put(f"/Practitioner/{made['id']}", json={**made, "active": False}).json()
    first, second = (one["meta"]["lastUpdated"] for one in (made, changed))

    def told(*ends):
        query = "&".join(f"_at={end}" for end in ends)
        return versions(client.get(f"/Practitioner/{made['id']}/_history?{query}").json())

    assert told(f"ge{second}") == told(f"gt{second}", "lt2100") == ['W/"2"']
    assert told(f"le{first}") == told(f"lt{second}") == ['W/"1"']
    assert told(f"ge{first}", f"le{second}") == told("ge2026") == ['W/"2"', 'W/"1"']
    assert told(f"lt{first}") == []


def test_a_history_shows_the_part_of_each_version_that_is_asked_for(client):
    made = create(client, active=True, gender="other")
    client.delete(f"/Practitioner/{made['id']}")
    url = f"/Practitioner/{made['id']}/_history"
    for query in ("_elements=gender", "_summary=true&_elements=gender"):
        deletion, creation = client.get(f"{url}?{query}").json()["entry"]
        assert "resource" not in deletion
        shown = creation["resource"]
        assert (shown["gender"], "active" in shown) == ("other", False)
        assert [tag["code"] for tag in shown["meta"]["tag"]] == ["SUBSETTED"]
    assert client.get(f"{url}?_summary=data").json()["entry"][1]["resource"]["active"] is True
