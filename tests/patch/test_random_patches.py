"""Random patches of the demonstration's resources: they succeed or are refused, and change no input."""

from __future__ import annotations

import copy
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from patch_kit import delete, patch

from models.definitions.structures import structure
from models.document import parse, serialize
from models.errors import BadRequest
from service.demo.practice import bundle
from service.patch import apply_fhirpath_patch, apply_json_patch

RESOURCES = list(
    {entry["resource"]["resourceType"]: entry["resource"] for entry in bundle()["entry"]}.values()
)
FIXED = ("resourceType", "id")
PROFILE = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))

texts = st.sampled_from(
    ["x", "", "official", "2026-05-01T10:00:00+02:00", "a/b~c", "\u00e9", "http://example.org/x"]
)
scalars = (
    texts | st.booleans() | st.integers(-2, 3) | st.sampled_from([None, Decimal("1.50"), Decimal("1E+5")])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=6,
)
anything = st.one_of(
    values, st.dictionaries(st.sampled_from(["op", "path", "from", "value", "name", "part"]), values)
)


def pointers(value, prefix=""):
    yield prefix
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, child in children:
        yield from pointers(child, f"{prefix}/{key}")


@st.composite
def json_patches(draw):
    resource = draw(st.sampled_from(RESOURCES))
    there = st.sampled_from(list(pointers(resource)))
    places = there | st.builds(
        "{}/{}".format, there, st.sampled_from(["-", "0", "7", "status", "x", "~0", "~"])
    )
    names = st.sampled_from(["add", "remove", "replace", "move", "copy", "test"])
    operations = st.fixed_dictionaries({"op": names, "path": places, "from": places, "value": values})
    return resource, draw(st.lists(operations | operations | operations | anything, max_size=6))


def paths(value, type_, prefix):
    """Name the elements, with an index where there are several, and say whether they are there."""
    yield prefix, True
    if not isinstance(value, dict) or type_ == "Resource":
        return
    for name, element in structure(type_).elements.items():
        if name not in value or element.check is not None:
            yield f"{prefix}.{name}", name in value
        elif element.repeats:
            for index, item in enumerate(value[name]):
                yield from paths(item, element.type, f"{prefix}.{name}[{index}]")
        else:
            yield from paths(value[name], element.type, f"{prefix}.{name}")


def parameter_value(draw):
    choices = [element for element in structure("Parameters.parameter").elements.values() if element.choice]
    element = draw(st.sampled_from(choices))
    return {element.name: draw(values)}


@st.composite
def fhirpath_patches(draw):
    resource = draw(st.sampled_from(RESOURCES))
    type_ = resource["resourceType"]
    there = st.sampled_from([path for path, _ in paths(resource, type_, type_)])
    ends = st.sampled_from(
        ["", "[0]", "[9]", ".first()", ".where(id = 'x')", ".extension('x')", ".value", ".exists()", "["]
    )
    names = st.sampled_from([*sorted(structure(type_).elements), "value", "effective", "x"])
    operations = []
    for _ in range(draw(st.integers(0, 4))):
        value = draw(
            st.sampled_from(
                [parameter_value(draw), {"part": [{"name": draw(names), **parameter_value(draw)}]}]
            )
        )
        parts = {
            "path": {"valueString": draw(there) + draw(ends)},
            "name": {"valueString": draw(names)},
            "value": value,
            **{
                name: {"valueInteger": draw(st.integers(-1, 3))}
                for name in ("index", "source", "destination")
            },
        }
        kind, taken = draw(
            st.sampled_from(
                [
                    ("add", ["path", "name", "value"]),
                    ("insert", ["path", "index", "value"]),
                    ("delete", ["path"]),
                    ("replace", ["path", "value"]),
                    ("move", ["path", "source", "destination"]),
                ]
            )
        )
        part = [{"name": "type", "valueCode": kind}, *({"name": name, **parts[name]} for name in taken)]
        operations.append({"name": "operation", "part": part})
    if draw(st.integers(0, 5)) == 0:
        operations.append(draw(anything))
    return resource, {"resourceType": "Parameters", "parameter": operations}


def require_patched_or_refused(apply, resource, body):
    before = copy.deepcopy((resource, body))
    with suppress(BadRequest):
        patched = apply(resource, body)
        assert [patched[name] for name in FIXED] == [resource[name] for name in FIXED]
        assert serialize(parse(serialize(patched))) == serialize(patched)
    assert (resource, body) == before


@PROFILE
@given(json_patches())
def test_a_json_patch_succeeds_or_is_refused(case):
    require_patched_or_refused(apply_json_patch, *case)


@PROFILE
@given(fhirpath_patches())
def test_a_fhirpath_patch_succeeds_or_is_refused(case):
    require_patched_or_refused(apply_fhirpath_patch, *case)


@PROFILE
@given(st.sampled_from(RESOURCES), st.lists(anything, max_size=3))
def test_a_body_of_any_shape_succeeds_or_is_refused(resource, body):
    require_patched_or_refused(apply_json_patch, resource, body)
    require_patched_or_refused(
        apply_fhirpath_patch, resource, {"resourceType": "Parameters", "parameter": body}
    )


@PROFILE
@given(st.sampled_from(RESOURCES), st.text(alphabet="Patient.name[0]()='\\`@$ !or&where", max_size=40))
def test_a_path_of_any_characters_succeeds_or_is_refused(resource, path):
    body = {"resourceType": "Parameters", "parameter": [delete(path)]}
    require_patched_or_refused(apply_fhirpath_patch, resource, body)


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource["resourceType"])
def test_every_element_can_be_taken_out_unless_it_is_fixed_or_one_of_several(resource):
    for path, is_there in paths(resource, resource["resourceType"], resource["resourceType"]):
        try:
            patched = patch(resource, delete(path))
        except BadRequest as error:
            assert any(reason in str(error) for reason in ("several", "itself", "cannot change"))  # noqa: PT017
        else:
            assert (patched != resource) is is_there
