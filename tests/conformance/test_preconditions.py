"""Interactions on a condition about the version: writes fail against another, reads send nothing again.

Source: https://hl7.org/fhir/R4/http.html#concurrency, https://www.rfc-editor.org/rfc/rfc9110#section-13.1
"""

from __future__ import annotations

import pytest
from conformance_kit import patient, refusal, stored, write


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("tag", ['W/"1"', '"1"', 'W/"3"'])
def test_a_write_against_another_version_fails_and_changes_nothing(client, method, tag):
    made = stored(client, patient())
    second = client.put(f"/Patient/{made['id']}", json={**made, "gender": "other"}).json()
    refusal(write(client, method, made, headers={"If-Match": tag}), 412, "conflict")
    assert client.get(f"/Patient/{made['id']}").json() == second


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_write_against_a_version_of_what_is_not_there_fails(client, method, value):
    refusal(write(client, method, patient(id=value), headers={"If-Match": 'W/"1"'}), 412, "conflict")
    refusal(client.get(f"/Patient/{value}"), 404, "not-found")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("tag", ['W/"1"', '"1"'])
def test_a_write_against_the_newest_version_is_done(client, method, tag):
    made = stored(client, patient())
    answer = write(client, method, made, headers={"If-Match": tag})
    assert answer.status_code == (204 if method == "DELETE" else 200)
    assert answer.headers["etag"] == 'W/"2"'


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("tag", ['W/"3a"', 'W/"0"', 'W/"01"', 'W/""', 'W/"3a", W/"7"', 'W/"999999999999999"'])
def test_a_tag_of_another_make_names_no_version_here(client, method, tag):
    made = stored(client, patient())
    refusal(write(client, method, made, headers={"If-Match": tag}), 412, "conflict")
    assert client.get(f"/Patient/{made['id']}").json() == made


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("tags", ["*", 'W/"2", W/"1"', '"1","7"', 'W/"3a", W/"1"'])
def test_a_write_against_any_version_or_one_of_several_is_done(client, method, tags):
    made = stored(client, patient())
    answer = write(client, method, made, headers={"If-Match": tags})
    assert answer.headers["etag"] == 'W/"2"', answer.text


@pytest.mark.parametrize(("method", "status"), [("PUT", 412), ("DELETE", 412), ("PATCH", 410)])
def test_a_write_against_any_version_needs_one(client, method, status, value):
    made = stored(client, patient())
    client.delete(f"/Patient/{made['id']}")
    code = "conflict" if status == 412 else "deleted"
    refusal(write(client, method, made, headers={"If-Match": "*"}), status, code)
    if method == "PUT":
        refusal(write(client, method, patient(id=value), headers={"If-Match": "*"}), 412, "conflict")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "tag", ['"invalidVersion"', '"-1"', '"0"', '"01"', "1", "", "W/1", 'w/"1"', '*, W/"1"', 'W/"1" W/"2"']
)
def test_what_is_no_tag_of_a_version_is_refused(client, method, tag):
    made = stored(client, patient())
    refusal(write(client, method, made, headers={"If-Match": tag}), 400, "invalid")
    assert client.get(f"/Patient/{made['id']}").json() == made


def test_what_the_reader_has_already_is_not_sent_again(client):
    made = stored(client, patient())
    url = f"/Patient/{made['id']}"
    modified = client.get(url).headers["last-modified"]
    for path in (url, f"{url}/_history/1"):
        for known in (
            {"If-None-Match": 'W/"1"'},
            {"If-None-Match": '"7", W/"1"'},
            {"If-None-Match": "*"},
            {"If-Modified-Since": modified},
            {"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"},
        ):
            answer = client.get(path, headers=known)
            assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", 'W/"1"')


@pytest.mark.parametrize(
    "known",
    [
        {"If-None-Match": 'W/"2"'},
        {"If-Modified-Since": "Fri, 01 Jan 2010 00:00:00 GMT"},
        {"If-Modified-Since": "yesterday"},
        {"If-None-Match": 'W/"2"', "If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"},
    ],
)
def test_what_the_reader_does_not_have_is_sent(client, known):
    made = stored(client, patient())
    assert client.get(f"/Patient/{made['id']}", headers=known).json() == made
