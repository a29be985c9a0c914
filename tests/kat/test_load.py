"""Loading files as the operator: ids kept, a file whole or not at all, errors placed in the file."""

from __future__ import annotations

import json
import uuid

import pytest

from service.database import Database
from service.load import LoadError, load, read


def patient(**more):
    return {"resourceType": "Patient", "id": f"p-{uuid.uuid4()}", **more}


@pytest.fixture
def write(tmp_path):
    def run(name, content):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return run


@pytest.fixture
def stored(database):
    async def run(resource_id):
        async with database.acquire() as connection:
            return await connection.fetchval(
                "SELECT body FROM resource_history WHERE id = $1 ORDER BY version DESC LIMIT 1", resource_id
            )

    return run


def test_a_file_that_cannot_be_read_is_refused_by_name(tmp_path):
    with pytest.raises(LoadError) as refused:
        list(read([tmp_path / "nowhere.json"]))
    (issue,) = refused.value.issues
    assert (issue.expression, issue.text) == (
        "nowhere.json",
        "The file cannot be read: No such file or directory.",
    )


@pytest.mark.parametrize("line", ['{"resourceType": "Patient"', "[]", '{"id": "a", "id": "b"}'])
def test_a_broken_line_is_refused_by_number(write, line):
    path = write("many.ndjson", json.dumps(patient()) + "\n\n" + line + "\n")
    with pytest.raises(LoadError) as refused:
        list(read([path]))
    assert refused.value.issues[0].expression.startswith("many.ndjson, line 3")


def test_a_resource_without_a_type_is_refused(write):
    with pytest.raises(LoadError) as refused:
        list(read([write("odd.json", {"id": "x"})]))
    assert refused.value.issues[0].expression == "odd.json"


def test_an_entry_without_a_resource_is_refused(write):
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": patient()}, {}]}
    with pytest.raises(LoadError) as refused:
        list(read([write("b.json", bundle)]))
    assert refused.value.issues[0].expression == "b.json, entry 2"


async def test_one_bad_line_stores_nothing_of_the_file(write, database, settings, stored):
    good, bad = patient(), patient(birthDate="1984-02-30", gender="unknowable")
    path = write("many.ndjson", f"{json.dumps(good)}\n{json.dumps(bad)}\n")
    with pytest.raises(LoadError) as refused:
        await load(database, settings, [path])
    places = {issue.expression for issue in refused.value.issues}
    assert places == {"many.ndjson, line 2 birthDate", "many.ndjson, line 2 gender"}
    assert not any("1984" in issue.text for issue in refused.value.issues)
    assert await stored(good["id"]) is None


async def test_the_rules_of_the_therapy_apply_to_a_load(write, database, settings, sound):
    someone = patient()
    order = {**sound, "id": f"rx-{uuid.uuid4()}", "subject": {"reference": f"Patient/{someone['id']}"}}
    order["requester"] = {"display": "Dr Mockingham"}
    order["identifier"] = [{"system": "https://rx.example", "value": order["id"]}]
    order["dispenseRequest"] = {"numberOfRepeatsAllowed": 6}
    path = write("one.ndjson", f"{json.dumps(someone)}\n{json.dumps(order)}")
    with pytest.raises(LoadError) as refused:
        await load(database, settings, [path])
    (issue,) = refused.value.issues
    assert (issue.rule, issue.expression) == (
        "RX-1",
        "one.ndjson, line 2 dispenseRequest.numberOfRepeatsAllowed",
    )


async def test_a_fault_of_the_server_is_not_blamed_on_the_file(write, database_url, settings):
    database = await Database.open(database_url, max_size=1)
    await database.close()
    with pytest.raises(Exception) as failed:  # noqa: PT011 - whatever it is, it names no place in the file
        await load(database, settings, [write("single.json", patient())])
    assert not isinstance(failed.value, LoadError)


async def test_files_are_loaded_with_their_ids(write, database, settings, stored):
    single, lined, collected = patient(), patient(), patient()
    executed = patient()
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": collected}]}
    request = {"method": "PUT", "url": f"Patient/{executed['id']}"}
    whole = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [{"resource": executed, "request": request}],
    }
    paths = [
        write("single.json", single),
        write("lines.ndjson", json.dumps(lined) + "\n"),
        write("bundle.json", bundle),
        write("whole.json", whole),
    ]
    shown = []
    summary = await load(database, settings, paths, lambda *done: shown.append(done))
    assert (summary.files, summary.resources, summary.created) == (4, 4, 4)
    assert shown == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
    for document in (single, lined, collected, executed):
        assert json.loads(await stored(document["id"]))["id"] == document["id"]


async def test_resources_without_ids_refer_to_each_other_by_full_url(write, database, settings, stored):
    urn, observed = f"urn:uuid:{uuid.uuid4()}", f"c-{uuid.uuid4()}"
    condition = {"resourceType": "Condition", "id": observed, "subject": {"reference": urn}}
    entries = [{"resource": condition}, {"fullUrl": urn, "resource": {"resourceType": "Patient"}}]
    path = write("ring.json", {"resourceType": "Bundle", "type": "collection", "entry": entries})
    await load(database, settings, [path])
    assert json.loads(await stored(observed))["subject"]["reference"].startswith("Patient/")
