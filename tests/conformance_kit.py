"""What the conformance tests send and read: resources, bundles, refusals, pages.

refusal()      the first finding of an OperationOutcome, after its status, code and place are checked
send()         a Bundle of entries, each made by entry(); statuses() and responses() read the answer
found()        the matches of a searchset as Type/id
pages()        a Bundle and those that its links lead to
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx

Document = dict[str, Any]

FHIR_JSON = "application/fhir+json"
CONTENT_TYPE = f"{FHIR_JSON}; charset=utf-8"
JSON_PATCH = {"Content-Type": "application/json-patch+json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
SYSTEM = "https://conformance.example/id"


def fresh() -> str:
    """A value that no other test uses."""
    return uuid4().hex


def patient(value: str = "", **members: Any) -> Document:
    """Write a patient, with an identifier if there is a value."""
    identified = {"identifier": [{"system": SYSTEM, "value": value}]} if value else {}
    return {"resourceType": "Patient", **identified, **members}


def organization(value: str, **members: Any) -> Document:
    return {"resourceType": "Organization", "identifier": [{"system": SYSTEM, "value": value}], **members}


def observation(subject: str, **members: Any) -> Document:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "seen"},
        "subject": {"reference": subject},
        **members,
    }


def stored(client: httpx.Client, document: Document) -> Document:
    """Store a new resource and return it as the server gives it back."""
    answer = client.post(f"/{document['resourceType']}", json=document)
    assert answer.status_code == 201, answer.text
    made: Document = answer.json()
    return made


def refusal(answer: httpx.Response, status: int, code: str, expression: str | None = None) -> str:
    """Check that a request was refused for one reason, and return the text of it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == CONTENT_TYPE
    outcome = answer.json()
    assert outcome["resourceType"] == "OperationOutcome"
    issue = outcome["issue"][0]
    assert (issue["severity"], issue["code"]) == ("error", code)
    assert issue.get("expression") == ([expression] if expression else None)
    text: str = issue["details"]["text"]
    assert text
    return text


def entry(
    method: str, url: str, resource: Document | None = None, full_url: str = "", **conditions: str
) -> Document:
    """Write one entry of a bundle."""
    made: Document = {"request": {"method": method, "url": url, **conditions}}
    if resource is not None:
        made["resource"] = resource
    if full_url:
        made["fullUrl"] = full_url
    return made


def bundle(kind: str, *entries: Document) -> Document:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def send(client: httpx.Client, kind: str, *entries: Document, **headers: str) -> httpx.Response:
    """Send a batch or a transaction."""
    return client.post("", json=bundle(kind, *entries), headers=headers)


def responses(answer: httpx.Response) -> list[Document]:
    """List what a response Bundle says of each entry."""
    assert answer.status_code == 200, answer.text
    return [one["response"] for one in answer.json()["entry"]]


def json_patch(*operations: Document) -> Document:
    """Write a JSON Patch as it travels in a bundle."""
    data = base64.b64encode(json.dumps(operations).encode()).decode()
    return {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": data}


def criteria(value: str) -> str:
    """Write the criteria that patients and organizations with a value satisfy."""
    return f"identifier={SYSTEM}|{value}"


def total(client: httpx.Client, value: str) -> int:
    """Count the patients with a value."""
    return len(found(client.get("/Patient", params={"identifier": f"{SYSTEM}|{value}"})))


def urn() -> str:
    return f"urn:uuid:{uuid4()}"


def statuses(answer: httpx.Response) -> list[int]:
    """List the statuses of a response Bundle."""
    return [int(one["status"][:3]) for one in responses(answer)]


def placed(client: httpx.Client, answer: httpx.Response, number: int) -> Document:
    """Read what an entry of a bundle has stored, from where its response says it is."""
    where = answer.json()["entry"][number]["response"]["location"]
    found = client.get(where, headers={"Accept": FHIR_JSON})
    assert found.status_code == 200, found.text
    document: Document = found.json()
    return document


def searchset(answer: httpx.Response) -> Document:
    assert answer.status_code == 200, answer.text
    document: Document = answer.json()
    assert (document["resourceType"], document["type"]) == ("Bundle", "searchset")
    return document


def found(answer: httpx.Response, mode: str = "match") -> list[str]:
    """Name the matches of a searchset (or what it includes) as Type/id."""
    return [
        f"{one['resource']['resourceType']}/{one['resource']['id']}"
        for one in searchset(answer).get("entry", [])
        if one["search"]["mode"] == mode
    ]


def link(document: Document, relation: str) -> str | None:
    return next((one["url"] for one in document["link"] if one["relation"] == relation), None)


def pages(client: httpx.Client, url: str, relation: str = "next") -> Iterator[Document]:
    """Follow the links of a Bundle to the end."""
    following: str | None = url
    while following:
        answer = client.get(following)
        assert answer.status_code == 200, answer.text
        page: Document = answer.json()
        yield page
        following = link(page, relation)


def write(client: httpx.Client, method: str, document: Document, **options: Any) -> httpx.Response:
    """Make a patient active by one of the three interactions that change a resource, or delete it."""
    url = f"/Patient/{document['id']}"
    if method == "PATCH":
        headers = {**JSON_PATCH, **options.pop("headers", {})}
        return client.patch(url, json=[{"op": "add", "path": "/active", "value": True}], headers=headers)
    body = {"json": {**document, "active": True}} if method == "PUT" else {}
    return client.request(method, url, **body, **options)
