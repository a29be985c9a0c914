"""Codes that this project mints, because no published guide covers ketamine-assisted therapy.

Source: https://hl7.org/fhir/R4/codesystem.html
"""

from __future__ import annotations

from models.kat.code import Code
from models.kat.systems import local_extension, local_system


def _codes(system: str, **displays: str) -> dict[str, Code]:
    return {
        name.replace("_", "-"): Code(local_system(system), name.replace("_", "-"), display)
        for name, display in displays.items()
    }


PHASES = _codes(
    "kat-phase",
    intake="Intake",
    preparation="Preparation",
    journey="Journey",
    integration="Integration",
    completed="Completed",
)
ENCOUNTER_TYPES = _codes(
    "kat-encounter-type",
    intake="Intake",
    medical_eval="Medical evaluation",
    preparation="Preparation session",
    journey="Journey",
    integration="Integration session",
    series_review="Series review",
    discharge="Discharge",
    joint="Joint session",
)
EPISODE_TYPES = _codes("kat-episode-type", kat_individual="Individual KAT", kat_couples="Couples' KAT")
MODALITIES = _codes(
    "kat-modality",
    ifs="Internal family systems",
    emdr="Eye movement desensitization and reprocessing",
    somatic="Somatic therapy",
    mindfulness="Mindfulness",
    resourcing="Resourcing",
    journaling="Journaling",
    couples="Couples therapy",
    talk="Talk therapy",
)
ROLES = _codes("kat-role", chaperone="Chaperone", partner="Partner")
TIMEPOINTS = _codes(
    "kat-timepoint", baseline="Before the dose", plus40min="40 minutes after the dose", end="End of journey"
)
INSTRUMENTS = _codes("kat-instrument", supports="Supports, in the patient's own words")
DOSE_ROLES = _codes("kat-dose-role", full="Full dose", half="Half dose", booster="Booster dose")
GOALS = _codes("kat-goal", intention="Intention of the therapy", safety="Safety plan")
CONSENT_KINDS = _codes("kat-consent-kind", A="Treatment", B="Information sharing")

ORDINAL = local_extension("kat-ordinal")
TIMEPOINT = local_extension("kat-timepoint")
CURRENT_PHASE = local_extension("kat-current-phase")
OFF_LABEL = local_extension("kat-off-label")
TELEHEALTH_BASIS = local_extension("kat-telehealth-basis")
PDMP_CHECK = local_extension("kat-pdmp-check")
