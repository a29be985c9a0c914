"""Any sequence of writes gives a history that replays to the current state.

Writes of every form are drawn and sent to a real server: those that succeed, those that change nothing and
those that are refused. After each, everything is read as the ledger has it; at the end the histories of each
resource, of each type and of the server are replayed from their oldest entry to their newest.

Source: https://hl7.org/fhir/R4/http.html#history, #create, #update, #patch, #delete, #transaction
"""

from __future__ import annotations

from uuid import uuid4

import httpx
import patch_kit
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from properties.examples import examples
from properties.ledger import Ledger

TYPES = ("Organization", "Practitioner")
TYPE = st.sampled_from(TYPES)
SLOT = st.integers(0, 2)
NUMBER = st.integers(0, 2)
SCOPE = "system/*.cruds"
JSON_PATCH = {"Content-Type": "application/json-patch+json"}


class Writes(RuleBasedStateMachine):
    """Writes through one client. Resources live in slots with ids of ours, or under ids of the server."""

    def __init__(self, http):
        super().__init__()
        self.http = http
        self.ledger = Ledger(http)
        self.run = uuid4().hex

    def place(self, resource_type, slot):
        return f"{resource_type}/{self.run}-{slot}"

    def document(self, place, number, **more):
        """A resource whose identifier tells its number, which several may share."""
        resource_type, _, key = place.partition("/")
        identifier = [{"system": f"urn:{self.run}", "value": str(number)}]
        return {
            "resourceType": resource_type,
            "identifier": identifier,
            **({"id": key} if key else {}),
            **more,
        }

    def matches(self, resource_type, number):
        wanted = {"system": f"urn:{self.run}", "value": str(number)}
        return [
            place for place, one in self.ledger.current(resource_type).items() if wanted in one["identifier"]
        ]

    def criteria(self, resource_type, number):
        return f"{resource_type}?identifier=urn:{self.run}|{number}"

    def stored(self, answer, method, document):
        """Note what a successful answer confirms, unless it is what was there already."""
        assert answer.status_code in {200, 201}, answer.text
        resource = answer.json()
        place = f"{resource['resourceType']}/{resource['id']}"
        document = {**document, "id": resource["id"]}
        before = self.ledger.newest(place)
        assert answer.status_code == (200 if before is not None else 201)
        if before != document:
            self.ledger.write(place, method, document, resource)
        version = len(self.ledger.versions[place])
        assert answer.headers["etag"] == f'W/"{version}"'
        assert answer.headers["location"].endswith(f"/{place}/_history/{version}")

    @rule(resource_type=TYPE, number=NUMBER, active=st.booleans())
    def create(self, resource_type, number, active):
        document = self.document(resource_type, number, active=active)
        self.stored(self.http.post(resource_type, json=document), "POST", document)

    @rule(resource_type=TYPE, number=NUMBER)
    def create_unless_it_exists(self, resource_type, number):
        document = self.document(resource_type, number)
        headers = {"If-None-Exist": self.criteria(resource_type, number).partition("?")[2]}
        found = self.matches(resource_type, number)
        answer = self.http.post(resource_type, json=document, headers=headers)
        if len(found) > 1:
            assert answer.status_code == 412
        elif found:
            assert answer.status_code == 200
            assert answer.json()["id"] == found[0].partition("/")[2]
        else:
            self.stored(answer, "POST", document)

    @rule(resource_type=TYPE, slot=SLOT, number=NUMBER, active=st.booleans())
    def put(self, resource_type, slot, number, active):
        place = self.place(resource_type, slot)
        document = self.document(place, number, active=active)
        self.stored(self.http.put(place, json=document), "PUT", document)

    @rule(resource_type=TYPE, slot=SLOT, number=NUMBER, ahead=st.sampled_from((-1, 0, 0, 1)))
    def put_if_it_has_a_version(self, resource_type, slot, number, ahead):
        place = self.place(resource_type, slot)
        version = max(len(self.ledger.versions.get(place, ())) + ahead, 1)
        document = self.document(place, number, active=True)
        answer = self.http.put(place, json=document, headers={"If-Match": f'W/"{version}"'})
        if version == len(self.ledger.versions.get(place, ())):
            self.stored(answer, "PUT", document)
        else:
            assert answer.status_code == 412

    @rule(resource_type=TYPE, number=NUMBER, active=st.booleans())
    def put_by_criteria(self, resource_type, number, active):
        found = self.matches(resource_type, number)
        document = self.document(resource_type, number, active=active)
        answer = self.http.put(self.criteria(resource_type, number), json=document)
        if len(found) > 1:
            assert answer.status_code == 412
        else:
            self.stored(answer, "PUT", document)

    @rule(resource_type=TYPE, slot=SLOT, number=NUMBER, fails=st.booleans())
    def patch_by_json(self, resource_type, slot, number, fails):
        place = self.place(resource_type, slot)
        operations = [{"op": "replace", "path": "/identifier/0/value", "value": str(number)}]
        operations += [{"op": "test", "path": "/id", "value": "other"}] if fails else []
        answer = self.http.patch(place, json=operations, headers=JSON_PATCH)
        self.patched(answer, place, number, fails=fails)

    @rule(resource_type=TYPE, slot=SLOT, number=NUMBER, fails=st.booleans())
    def patch_by_fhirpath(self, resource_type, slot, number, fails):
        place = self.place(resource_type, slot)
        operations = [patch_kit.replace(f"{resource_type}.identifier[0].value", {"valueString": str(number)})]
        operations += (
            [patch_kit.insert(f"{resource_type}.identifier", 9, {"valueString": "x"})] if fails else []
        )
        body = {"resourceType": "Parameters", "parameter": operations}
        self.patched(self.http.patch(place, json=body), place, number, fails=fails)

    def patched(self, answer, place, number, *, fails):
        """A patch of what is not there, or one that fails, changes nothing."""
        before = self.ledger.newest(place)
        if before is None:
            assert answer.status_code == (410 if place in self.ledger.versions else 404)
        elif fails:
            assert answer.status_code in {400, 409, 422}
        else:
            identifier = [{"system": f"urn:{self.run}", "value": str(number)}]
            self.stored(answer, "PATCH", {**before, "identifier": identifier})

    @rule(resource_type=TYPE, number=NUMBER, active=st.booleans())
    def patch_by_criteria(self, resource_type, number, active):
        found = self.matches(resource_type, number)
        operations = [{"op": "add", "path": "/active", "value": active}]
        answer = self.http.patch(self.criteria(resource_type, number), json=operations, headers=JSON_PATCH)
        if len(found) == 1:
            self.stored(answer, "PATCH", {**self.ledger.newest(found[0]), "active": active})
        else:
            assert answer.status_code == (412 if found else 404)

    @rule(resource_type=TYPE, slot=SLOT)
    def delete(self, resource_type, slot):
        place = self.place(resource_type, slot)
        assert self.http.delete(place).status_code == 204
        self.gone(place)

    @rule(resource_type=TYPE, number=NUMBER)
    def delete_by_criteria(self, resource_type, number):
        found = self.matches(resource_type, number)
        answer = self.http.delete(self.criteria(resource_type, number))
        assert answer.status_code == (412 if len(found) > 1 else 204)
        if len(found) == 1:
            self.gone(found[0])

    def gone(self, place):
        if self.ledger.newest(place) is not None:
            self.ledger.write(place, "DELETE", None)

    @rule(
        slots=st.lists(
            st.tuples(TYPE, SLOT, NUMBER, st.booleans()),
            min_size=1,
            max_size=4,
            unique_by=lambda one: one[:2],
        ),
        fails=st.booleans(),
    )
    def transaction(self, slots, fails):
        """Puts and deletions together, and a creation; one that refers to nowhere undoes them all."""
        writes = [(self.place(*one[:2]), one[2], one[3]) for one in slots]
        entries = [self.entry(*one) for one in writes]
        nowhere = {"partOf": {"reference": f"Organization/{self.run}-nowhere"}} if fails else {}
        made = self.document("Organization", 0, **nowhere)
        entries.append({"resource": made, "request": {"method": "POST", "url": "Organization"}})
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        answer = self.http.post("", json=bundle, headers={"Prefer": "return=representation"})
        assert answer.status_code == (422 if fails else 200), answer.text
        if not fails:
            told = answer.json()["entry"]
            for (place, number, deletes), entry in zip(writes, told, strict=False):
                self.confirmed(place, None if deletes else self.document(place, number), entry)
            created = told[-1]["resource"]
            self.ledger.write(f"Organization/{created['id']}", "POST", {**made, "id": created["id"]}, created)

    def entry(self, place, number, deletes):
        """An entry of a bundle: a deletion, or a put."""
        if deletes:
            return {"request": {"method": "DELETE", "url": place}}
        return {"resource": self.document(place, number), "request": {"method": "PUT", "url": place}}

    def confirmed(self, place, document, entry):
        if document is None:
            self.gone(place)
        elif self.ledger.newest(place) != document:
            self.ledger.write(place, "PUT", document, entry["resource"])

    @invariant()
    def everything_is_read_as_it_was_written(self):
        self.ledger.check_now()

    def teardown(self):
        self.ledger.check_instances(count=2)
        if self.ledger.began:
            self.ledger.check_everything(("Organization/", "Practitioner/", ""), count=3)
        self.http.close()


def test_any_sequence_of_writes_replays_to_the_current_state(own_server):
    credentials = own_server.add_client("admin", SCOPE)

    def writes():
        """A machine with a token of its own: one lives for five minutes."""
        headers = {"Authorization": f"Bearer {own_server.token(credentials, SCOPE)}"}
        return Writes(httpx.Client(base_url=own_server.fhir, headers=headers, timeout=30))

    run_state_machine_as_test(writes, settings=examples(8, steps=20))
