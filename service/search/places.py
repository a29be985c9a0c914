"""Places on the globe: what ``near`` compares.

    near=latitude|longitude|distance|unit      42.28|-83.74|11.2|km     -33.9|151.2     degrees of WGS84

    a box of latitudes and longitudes, by index     ┐ both hold
    the distance along a great circle               ┘

The Earth is taken for a sphere, which is wrong by half a percent at most. A box that holds a pole spans all
longitudes, and one across the date line is two.
Source: https://hl7.org/fhir/R4/location.html#search
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from service.search.units import ATOMS, UCUM, unit

if TYPE_CHECKING:
    from service.search.comparisons import Arguments

EARTH_RADIUS_M = 6_371_008.8
"""Mean radius (2a + b) / 3 of the ellipsoid of WGS 84: a = 6,378,137 m, a / (a - b) = 298.257223563.

Source: NGA.STND.0036, Department of Defense World Geodetic System 1984, defining parameters.
"""

DEFAULT_DISTANCE_KM = 50
"""What is near when no distance is given: an hour's drive."""

DEFAULT_UNIT = "km"
UNITS = tuple(code for code, (kind, _) in ATOMS.items() if kind == "m")
"""The codes of UCUM that a distance may have."""

HINT = (
    f"Write latitude|longitude|distance|unit, in degrees and a unit of UCUM ({', '.join(UNITS)}); "
    f"{DEFAULT_UNIT} is the default, {DEFAULT_DISTANCE_KM} of them too."
)
"""How a place is written."""

POLE = 90.0
HALF_TURN, TURN = 180.0, 360.0
SLACK = 1e-9
"""Degrees by which a box is wider than the circle, for what rounding takes away: a tenth of a millimetre."""


class Near(NamedTuple):
    """A place, and how far from it, in metres, is near."""

    latitude: float
    longitude: float
    distance_m: float


class Box(NamedTuple):
    """From south to north, and from west to east: once, or on both sides of the date line."""

    south: float
    north: float
    longitudes: tuple[tuple[float, float], ...]


def position(latitude: Any, longitude: Any) -> tuple[float, float]:
    """A position with its longitude in [-180, 180).

    Raises:
        ValueError: it is not on the globe.
    """
    north, east = float(latitude), float(longitude)
    if not (abs(north) <= POLE and abs(east) <= HALF_TURN):
        raise ValueError
    return north, (east + HALF_TURN) % TURN - HALF_TURN


def near(latitude: Decimal, longitude: Decimal, distance: Decimal | None, code: str) -> Near:
    """A place that is asked for.

    Raises:
        ValueError: it is not on the globe, the distance is negative, or the unit measures no length.
    """
    north, east = position(latitude, longitude)
    if distance is None:
        distance, code = Decimal(DEFAULT_DISTANCE_KM), DEFAULT_UNIT
    known = unit(UCUM, code or DEFAULT_UNIT)
    if distance < 0 or known is None or known.code != "m":
        raise ValueError
    return Near(north, east, float(distance * known.factor))


def box(place: Near) -> Box:
    """The box around all that is near a place."""
    angle = math.degrees(min(place.distance_m / EARTH_RADIUS_M, math.pi)) + SLACK
    south, north = place.latitude - angle, place.latitude + angle
    if south <= -POLE or north >= POLE:
        return Box(max(south, -POLE), min(north, POLE), ((-HALF_TURN, HALF_TURN),))
    ratio = math.sin(math.radians(angle)) / math.cos(math.radians(place.latitude))
    aside = math.degrees(math.asin(min(1.0, ratio))) + SLACK
    west, east = place.longitude - aside, place.longitude + aside
    if west < -HALF_TURN:
        return Box(south, north, ((west + TURN, HALF_TURN), (-HALF_TURN, east)))
    if east > HALF_TURN:
        return Box(south, north, ((west, HALF_TURN), (-HALF_TURN, east - TURN)))
    return Box(south, north, ((west, east),))


def condition(build: Arguments, place: Near, latitude: str, longitude: str) -> str:
    """The condition that a position, given by two columns, is near a place."""

    def given(value: float) -> str:
        return build.argument(value, "float8")

    around = box(place)
    spans = [f"{longitude} BETWEEN {given(west)} AND {given(east)}" for west, east in around.longitudes]
    within = f"{latitude} BETWEEN {given(around.south)} AND {given(around.north)} AND ({' OR '.join(spans)})"
    at, aside = given(place.latitude), given(place.longitude)
    haversine = (
        f"power(sin(radians({latitude} - {at}) / 2), 2) + cos(radians({at})) * cos(radians({latitude})) "
        f"* power(sin(radians({longitude} - {aside}) / 2), 2)"
    )
    reach = given(2 * EARTH_RADIUS_M)
    return f"({within} AND {reach} * asin(least(1, sqrt({haversine}))) <= {given(place.distance_m)})"
