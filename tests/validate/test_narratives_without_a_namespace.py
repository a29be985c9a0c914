"""A narrative that leaves XHTML's namespace out gets it, wherever it stands and whichever way it comes.

Source: https://hl7.org/fhir/R4/narrative.html#xhtml
"""

from __future__ import annotations

import json

import pytest

XHTML = "http://www.w3.org/1999/xhtml"
JSON_PATCH = {"Content-Type": "application/json-patch+json"}
SENT = {"status": "generated", "div": "<div>calm &amp; rested</div>"}
KEPT = {"status": "generated", "div": f'<div xmlns="{XHTML}">calm &amp; rested</div>'}


@pytest.fixture(scope="module")
def client(server):
    with server.client("admin", "system/*.cruds") as opened:
        yield opened


def test_another_namespace_is_refused(client):
    for div in ('<div xmlns="urn:x">a</div>', '<div xmlns="">a</div>', "<p>a</p>", "<divx>a</divx>"):
        answer = client.post(
            "/Practitioner", json={"resourceType": "Practitioner", "text": {**SENT, "div": div}}
        )
        assert answer.status_code == 400
        assert answer.json()["issue"][0]["expression"] == ["Practitioner.text.div"]


def test_what_a_browser_would_run_is_refused_all_the_same(client):
    text = {**SENT, "div": "<div><script>x</script></div>"}
    assert (
        client.post("/Practitioner", json={"resourceType": "Practitioner", "text": text}).status_code == 400
    )


@pytest.mark.parametrize(
    ("div", "kept"),
    [
        ("<div>a</div>", f'<div xmlns="{XHTML}">a</div>'),
        ("<div class='b'>a</div>", f"<div xmlns=\"{XHTML}\" class='b'>a</div>"),
        ("<div><p>a</p></div>", f'<div xmlns="{XHTML}"><p>a</p></div>'),
        (f'<div lang="en" xmlns="{XHTML}">a</div>', f'<div lang="en" xmlns="{XHTML}">a</div>'),
    ],
)
def test_a_creation_keeps_it_with_its_namespace(client, div, kept):
    made = client.post("/Practitioner", json={"resourceType": "Practitioner", "text": {**SENT, "div": div}})
    assert (made.status_code, made.json()["text"]["div"]) == (201, kept)
    xml = client.get(f"/Practitioner/{made.json()['id']}?_format=xml")
    assert xml.text.count(XHTML) == 1


def test_an_update_a_patch_and_a_transaction_do_so_too(client):
    made = client.post("/Practitioner", json={"resourceType": "Practitioner"}).json()
    url = f"/Practitioner/{made['id']}"
    assert client.put(url, json={**made, "text": SENT}).json()["text"] == KEPT
    patch = [{"op": "replace", "path": "/text/div", "value": "<div>well</div>"}]
    patched = client.patch(url, content=json.dumps(patch), headers=JSON_PATCH)
    assert patched.json()["text"]["div"] == f'<div xmlns="{XHTML}">well</div>'
    request = {"method": "PUT", "url": url.lstrip("/")}
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [{"request": request, "resource": {**made, "text": SENT}}],
    }
    assert client.post("", json=bundle).status_code == 200
    assert client.get(url).json()["text"] == KEPT


def test_contained_resources_and_sections_have_narratives_too(client):
    author = {"resourceType": "Practitioner", "id": "a", "text": SENT}
    inner = {"title": "Sleep", "text": SENT}
    made = client.post(
        "/Composition",
        json={
            "resourceType": "Composition",
            "status": "final",
            "type": {"text": "Summary"},
            "date": "2026-11-26",
            "title": "Summary",
            "author": [{"reference": "#a"}],
            "contained": [author],
            "section": [{"title": "All", "section": [inner]}],
        },
    )
    assert made.status_code == 201, made.text
    assert made.json()["contained"][0]["text"] == KEPT
    assert made.json()["section"][0]["section"][0]["text"] == KEPT


def test_to_validate_says_what_a_write_would(client):
    answer = client.post("/Practitioner/$validate", json={"resourceType": "Practitioner", "text": SENT})
    assert [issue["severity"] for issue in answer.json()["issue"]] == ["information"]
