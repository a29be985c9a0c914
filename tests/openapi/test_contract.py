"""The running server keeps openapi.yaml: schemathesis invents requests and judges the answers.

No 5xx, no status, header or body that is not documented, nothing accepted that the contract refuses. That
valid data is accepted is not asked of FHIR bodies, because JSON Schema cannot say that a reference leads
somewhere; nor of criteria and OAuth, because it cannot say which resources, clients and codes exist.
"""

from __future__ import annotations

from typing import Any

import harness
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from api import openapi
from api.openapi_schemas import DETAILED

JOBS = "|".join((*DETAILED, "Patient"))

CONFIG = {
    # The coverage phase lists every combination of the deep schemas before the first test: minutes.
    "phases": {"coverage": {"enabled": False}},
    # What a valid request meets may be deleted, or have another version than it names.
    "checks": {
        "positive_data_acceptance": {
            "expected-statuses": ["2xx", "3xx", "401", "403", "404", "409", "410", "412"]
        }
    },
}
CONTRACT = schemathesis.openapi.from_dict(openapi.document(), config=schemathesis.Config.from_dict(CONFIG))
BOUNDED = settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def judge(case: Any, server: harness.Server, headers: dict[str, str]) -> None:
    path = case.operation.path
    selects = any(parameter.name == "criteria" for parameter in case.operation.query)
    unsayable = path.startswith("/oauth") or (path.startswith("/fhir") and (case.operation.body or selects))
    case.call_and_validate(
        base_url=server.base_url,
        headers=headers,
        excluded_checks=[positive_data_acceptance] if unsayable else [],
    )


@CONTRACT.include(path_regex=rf"^/fhir/({JOBS})(/|$)").parametrize()
@BOUNDED
def test_the_types_of_the_main_jobs_keep_the_contract(case, server, operator):
    judge(case, server, operator)


@CONTRACT.include(
    method=["GET", "POST"], path_regex=rf"^/fhir/(?!({JOBS})(/|$))[A-Z][A-Za-z]+(/_search)?$"
).parametrize()
@BOUNDED
def test_every_other_type_keeps_the_contract_in_search_and_creation(case, server, operator):
    judge(case, server, operator)


@CONTRACT.include(path_regex=r"^/fhir/(\$|(Patient|Observation)/(\{id\}/)?\$)").parametrize()
@BOUNDED
def test_operations_keep_the_contract(case, server, operator):
    judge(case, server, operator)


@CONTRACT.include(path_regex=r"^/fhir(/metadata)?$").parametrize()
@BOUNDED
def test_bundles_and_the_capability_statement_keep_the_contract(case, server, operator):
    judge(case, server, operator)


@CONTRACT.include(
    path_regex=r"^/(oauth|health|metrics|openapi|docs|.well-known|fhir/.well-known)"
).parametrize()
@BOUNDED
def test_everything_beside_fhir_keeps_the_contract(case, server, credentials):
    judge(case, server, credentials)
