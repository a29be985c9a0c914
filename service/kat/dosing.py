"""Doses as amounts of the drug, and routes that fit the form (rule RX-10).

    doseQuantity ── a UCUM mass ──────────────────────────────────> mg
                 ├─ a counted unit, by strength of the Medication ─> mg
                 ├─ a volume, by strength per volume ──────────────> mg
                 └─ anything else: not convertible, refused

UCUM is case-sensitive: ``MG`` would be megagauss, whatever the displayed unit says.
Source: https://ucum.org/ucum, https://hl7.org/fhir/R4/medication.html
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from models.kat.drugs import KETAMINE, KETAMINE_SUBSTANCE, ROUTES, ROUTES_OF_FORM, ROUTES_OF_UNIT
from models.kat.rules import RX_10
from models.kat.systems import UCUM, V3_DRUG_FORM
from service.kat.elements import Document, child, children, codings, text
from service.kat.facts import Facts
from service.kat.finding import Finding

MG_PER_UNIT = {
    "kg": Decimal(1_000_000),
    "g": Decimal(1000),
    "mg": Decimal(1),
    "ug": Decimal("0.001"),
    "ng": Decimal("0.000001"),
}
"""Milligrams in each UCUM mass. Source: https://ucum.org/ucum section 4.1, read 2026-11-21."""

ML_PER_UNIT = {"L": Decimal(1000), "l": Decimal(1000), "dL": Decimal(100), "mL": Decimal(1), "ml": Decimal(1)}
"""Millilitres in each UCUM volume. Source: https://ucum.org/ucum section 4.1, read 2026-11-21."""

_DOSE = "MedicationRequest.dosageInstruction[{}].doseAndRate[{}].{}"
_LIMIT = "MedicationRequest.dosageInstruction[{}].{}"


def dose_mg(quantity: Document, medication: Document | None) -> Decimal | None:
    """Convert a dose to milligrams, by the medication's strength when it is counted or a volume.

    A dose per body weight has no milligrams before the weight is known: None.
    """
    value = _number(quantity.get("value"))
    factor = _mg_factor(quantity, medication)
    return None if value is None or factor is None else value * factor


def check_doses(document: Document, facts: Facts) -> Iterator[Finding]:
    """Refuse a dose that is no amount of the drug, and a route against the form (RX-10)."""
    medication = facts.resolve(document, child(document, "medicationReference"))
    for index, instruction in children(document, "dosageInstruction"):
        for expression, quantity in _quantities(index, instruction):
            yield from _check_dose(quantity, medication, expression)
        yield from _check_route(index, instruction, medication)


def _quantities(index: int, instruction: Document) -> Iterator[tuple[str, Document]]:
    """List every amount of drug in a dosage instruction with its path."""
    for place, dose in children(instruction, "doseAndRate"):
        if "doseQuantity" in dose:
            yield _DOSE.format(index, place, "doseQuantity"), child(dose, "doseQuantity")
        for side in ("low", "high"):
            if side in child(dose, "doseRange"):
                yield _DOSE.format(index, place, f"doseRange.{side}"), child(child(dose, "doseRange"), side)
    per_period = child(instruction, "maxDosePerPeriod")
    if "numerator" in per_period:
        yield _LIMIT.format(index, "maxDosePerPeriod.numerator"), child(per_period, "numerator")
    for name in ("maxDosePerAdministration", "maxDosePerLifetime"):
        if name in instruction:
            yield _LIMIT.format(index, name), child(instruction, name)


def _check_dose(quantity: Document, medication: Document | None, expression: str) -> Iterator[Finding]:
    value = _number(quantity.get("value"))
    if value is None or value <= 0:
        yield Finding(
            RX_10, "The dose has no positive value. Send the amount of the drug.", f"{expression}.value"
        )
    if not text(quantity, "system") or not text(quantity, "code"):
        yield Finding(
            RX_10,
            "The dose has no coded unit. Send system http://unitsofmeasure.org and a code such as mg.",
            expression,
        )
    elif not _is_amount(quantity, medication):
        yield Finding(
            RX_10,
            "The unit is not a mass, and no strength of the medication converts it to one. "
            "Send a UCUM mass such as mg (case matters), or a Medication with its strength.",
            f"{expression}.code",
        )


def _check_route(index: int, instruction: Document, medication: Document | None) -> Iterator[Finding]:
    named = list(codings(child(instruction, "route")))
    routes = {route for route in ROUTES if (route.system, route.code) in named}
    forms = list(codings(child(medication, "form")))
    allowed = [fitting for form, fitting in ROUTES_OF_FORM.items() if (form.system, form.code) in forms]
    for _, quantity in _quantities(index, instruction):
        unit = text(quantity, "code") or ""
        if text(quantity, "system") == UCUM and unit in ROUTES_OF_UNIT:
            allowed.append(ROUTES_OF_UNIT[unit])
    if routes and any(not routes & fitting for fitting in allowed):
        yield Finding(
            RX_10,
            "The route contradicts the form of the medication. Correct the route or the form.",
            _LIMIT.format(index, "route"),
        )


def _is_amount(quantity: Document, medication: Document | None) -> bool:
    unit = text(quantity, "code") or ""
    if text(quantity, "system") == UCUM:
        mass, per, weight = unit.partition("/")
        if mass in MG_PER_UNIT:
            return not per or weight in MG_PER_UNIT
    return _mg_factor(quantity, medication) is not None


def _mg_factor(quantity: Document, medication: Document | None) -> Decimal | None:
    """Return the milligrams in one unit of this quantity."""
    unit = text(quantity, "code") or ""
    if text(quantity, "system") == UCUM and unit in MG_PER_UNIT:
        return MG_PER_UNIT[unit]
    strength = _strength(medication)
    numerator, denominator = child(strength, "numerator"), child(strength, "denominator")
    mass = MG_PER_UNIT.get(text(numerator, "code") or "") if text(numerator, "system") == UCUM else None
    amount, per = _number(numerator.get("value")), _number(denominator.get("value") or 1)
    units = _units_in(quantity, denominator)
    if mass is None or amount is None or not per or units is None:
        return None
    return mass * amount * units / per


def _units_in(quantity: Document, denominator: Document) -> Decimal | None:
    """Return how many denominator units one unit of the quantity is, when they are comparable."""
    unit, per = text(quantity, "code") or "", text(denominator, "code") or ""
    if unit in ML_PER_UNIT or per in ML_PER_UNIT:
        comparable = unit in ML_PER_UNIT and per in ML_PER_UNIT
        return ML_PER_UNIT[unit] / ML_PER_UNIT[per] if comparable else None
    return Decimal(1) if _is_counted(quantity) and (not per or _is_counted(denominator)) else None


def _is_counted(quantity: Document) -> bool:
    """Tell whether the unit counts pieces: a UCUM annotation, unity, or a drug form."""
    unit = text(quantity, "code") or ""
    if text(quantity, "system") == UCUM:
        return unit == "1" or (unit.startswith("{") and unit.endswith("}"))
    return text(quantity, "system") == V3_DRUG_FORM


def _strength(medication: Document | None) -> Document:
    """Return the strength of the ketamine, or of the only ingredient."""
    ingredients = [ingredient for _, ingredient in children(medication, "ingredient")]
    for ingredient in ingredients:
        named = list(codings(child(ingredient, "itemCodeableConcept")))
        if any((drug.system, drug.code) in named for drug in (KETAMINE, KETAMINE_SUBSTANCE)):
            return child(ingredient, "strength")
    return child(ingredients[0], "strength") if len(ingredients) == 1 else {}


def _number(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    number = Decimal(str(value))
    return number if number.is_finite() else None
