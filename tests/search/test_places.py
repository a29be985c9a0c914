"""Locations are found by where they are, also at the poles and across the date line.

Source: https://hl7.org/fhir/R4/location.html#search
"""

from __future__ import annotations

import math
from decimal import Decimal
from random import Random

import pytest

from models.errors import BadRequest
from service.search import compile as compiling
from service.search import query
from service.search.criteria import everything
from service.search.places import DEFAULT_DISTANCE_KM, EARTH_RADIUS_M, UNITS, Near, box

PLACES = {
    "ann-arbor": ("42.2808", "-83.7430"),
    "detroit": ("42.3314", "-83.0458"),
    "suva": ("-18.1248", "178.4501"),
    "taveuni": ("-16.85", "-179.95"),
    "alert": ("82.5018", "-62.3481"),
    "pole": ("90", "0"),
    "amundsen": ("-90.0", "139.27"),
    "null-island": ("0", "0"),
    "line-east": ("10", "180"),
    "line-west": ("10.0001", "-180"),
}


def location(key, latitude, longitude):
    position = {"latitude": Decimal(latitude), "longitude": Decimal(longitude)}
    return {"resourceType": "Location", "id": key, "position": position}


@pytest.fixture
async def places(shelf):
    for key, (latitude, longitude) in PLACES.items():
        await shelf.put(location(key, latitude, longitude))
    await shelf.put({"resourceType": "Location", "id": "nowhere", "name": "On the phone"})
    return shelf


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("near=42.2808|-83.7430|10|km", ["ann-arbor"]),
        ("near=42.2808|-83.7430|57.1|km", ["ann-arbor"]),
        ("near=42.2808|-83.7430|57.8|km", ["ann-arbor", "detroit"]),
        ("near=42.3|-83.4", ["ann-arbor", "detroit"]),
        ("near=42.3|-83.4|", ["ann-arbor", "detroit"]),
        ("near=42.3|-83.4||", ["ann-arbor", "detroit"]),
        ("near=42.3|-83.4||furlong", ["ann-arbor", "detroit"]),
        ("near=42.3|-83.4|30", ["ann-arbor", "detroit"]),
        ("near=42.3|-83.4|30|", ["ann-arbor", "detroit"]),
        ("near=42.3|-83.4|30000|m", ["ann-arbor", "detroit"]),
        ("near=42.3|-83.4|30|m", []),
        ("near=42.3|-83.4|18.5|[mi_i]", ["ann-arbor", "detroit"]),
        ("near=42.2808|-83.743|0", ["ann-arbor"]),
        ("near=42.2808|-83.7430|10|km,0|0|1|m", ["ann-arbor", "null-island"]),
        ("near=42.3|-83.4&near=42.3|-83.0|10", ["detroit"]),
        ("near=-17|180|250|km", ["suva", "taveuni"]),
        ("near=-17|-180|250|km", ["suva", "taveuni"]),
        ("near=-16.8|179.9|50|km", ["taveuni"]),
        ("near=-18|-179.9|200|km", ["suva", "taveuni"]),
        ("near=10|180|0", ["line-east"]),
        ("near=10|-180|0", ["line-east"]),
        ("near=10|179.9999|1|km", ["line-east", "line-west"]),
        ("near=89|120|115|km", ["pole"]),
        ("near=89|120|110|km", []),
        ("near=88|117|1200|km", ["alert", "pole"]),
        ("near=-89.5|0|60|km", ["amundsen"]),
        ("near=0|0|20100|km", sorted(PLACES)),
        ("near=0|0|1e9|km", sorted(PLACES)),
        ("near:missing=true", ["nowhere"]),
        ("near:missing=false", sorted(PLACES)),
        ("_filter=near eq 42.28|-83.74|5", ["ann-arbor"]),
        ('_filter=near eq "42.28|-83.74|5|km" or name sw on', ["ann-arbor", "nowhere"]),
    ],
)
async def test_what_is_near_is_found(places, text, expected):
    assert sorted(await places.find("Location", text)) == expected


@pytest.mark.parametrize(
    "value",
    [
        "42",
        "42|",
        "|-83",
        "x|-83",
        "42|-83|-1",
        "42|-83|far",
        "42|-83|1|mi",
        "42|-83|1|KM",
        "42|-83|1|kg",
        "42|-83|1|km|",
        "42|-83|1|km|x",
        "90.1|0",
        "-91|0",
        "0|180.5",
        "0|-181",
        "nan|0",
        "0|inf",
        "1e99|0",
        "ge42|-83",
        "42.28,-83.74",
    ],
)
async def test_what_is_no_place_is_refused(shelf, value):
    with pytest.raises(BadRequest) as refused:
        await shelf.matching("Location", "near", value)
    issue = refused.value.issues[0]
    assert (issue.code, issue.expression) == ("invalid", "http.near")
    assert issue.text == (
        "The value of the search parameter 'near' cannot be read. Write latitude|longitude|distance|unit, in "
        f"degrees and a unit of UCUM ({', '.join(UNITS)}); "
        f"km is the default, {DEFAULT_DISTANCE_KM} of them too."
    )


@pytest.mark.parametrize("text", ["near:exact=1|1", "near:not=1|1"])
async def test_a_place_has_no_modifier_but_missing(shelf, text):
    with pytest.raises(BadRequest) as refused:
        await shelf.find("Location", text)
    assert refused.value.issues[0].code == "not-supported"


async def test_a_position_that_is_not_on_the_globe_is_not_indexed(shelf):
    await shelf.put(location("beyond", "91", "0"))
    await shelf.put(location("around", "0", "541"))
    assert await shelf.find("Location", "near:missing=true") == ["around", "beyond"]


async def test_chains_and_reverse_chains_lead_to_what_is_near(places):
    met = {"resourceType": "Encounter", "status": "finished", "class": {"code": "AMB"}}
    for key in ("detroit", "suva"):
        at = [{"location": {"reference": f"Location/{key}"}}]
        await places.put(met | {"id": key, "location": at, "subject": {"reference": f"Patient/{key}"}})
        await places.put({"resourceType": "Patient", "id": key})
        await places.put({"resourceType": "Organization", "id": key})
        managed = {"managingOrganization": {"reference": f"Organization/{key}"}}
        await places.put(location(f"of-{key}", *PLACES[key]) | managed)
    assert await places.find("Encounter", "location.near=42.3|-83|20") == ["detroit"]
    assert await places.find("Encounter", "location:Location.near=-18|178|100") == ["suva"]
    assert await places.find("Patient", "_has:Encounter:patient:location.near=42.3|-83|20") == ["detroit"]
    assert await places.find("Organization", "_has:Location:organization:near=-18|178|100") == ["suva"]


def distance_m(one, other):
    """The angle between two vectors from the centre of the Earth, times its radius."""

    def vector(latitude, longitude):
        north, east = math.radians(latitude), math.radians(longitude)
        return (math.cos(north) * math.cos(east), math.cos(north) * math.sin(east), math.sin(north))

    a, b = vector(*one), vector(*other)
    cross = math.hypot(a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])
    return EARTH_RADIUS_M * math.atan2(cross, sum(x * y for x, y in zip(a, b, strict=True)))


def test_a_box_leaves_nothing_out_that_is_near():
    dice = Random(8)  # noqa: S311 - not for secrets
    for _ in range(20_000):
        steep = dice.choice((0, 89, 89.999, 90, -90))
        centre = (steep or dice.uniform(-90, 90), dice.choice((-180, 179.999, dice.uniform(-180, 179.9))))
        place = Near(*centre, dice.choice((0, 10, 1e5, 1e6, 9e6, 2e7)))
        point = (
            max(-90, min(90, centre[0] + dice.gauss(0, place.distance_m / 111e3))),
            dice.uniform(-180, 179.999),
        )
        around = box(place)
        inside = around.south <= point[0] <= around.north and any(
            west <= point[1] <= east for west, east in around.longitudes
        )
        assert inside or distance_m(centre, point) > place.distance_m


async def test_the_distance_agrees_with_vectors(places):
    dice = Random(9)  # noqa: S311 - not for secrets
    for _ in range(40):
        centre = (round(dice.uniform(-90, 90), 4), round(dice.uniform(-180, 180), 4))
        reach = dice.uniform(100, 20_000)
        near = {
            key
            for key, place in PLACES.items()
            if distance_m(centre, tuple(map(float, place))) <= reach * 1000
        }
        assert set(await places.find("Location", f"near={centre[0]}|{centre[1]}|{reach:.3f}")) == near


async def test_a_place_is_found_by_index(connection):
    asked = query.parse("Location", [("near", "42|-83|10")], base_url="http://fhir.test", strict=True)
    compiled = compiling.page(asked, everything)
    await connection.execute("SET LOCAL enable_seqscan = off")
    plan = await connection.fetch(f"EXPLAIN {compiled.sql}", *compiled.arguments)
    assert any("fhir_location_by_place" in line[0] for line in plan)
