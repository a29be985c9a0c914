"""Settings come from the environment; a value that makes no sense names its variable, never itself."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from service.settings import Settings, SettingsError


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("KAT_PORT", "70000", "expected a port from 1 to 65535"),
        ("KAT_PORT", "http", "expected a port from 1 to 65535"),
        ("KAT_WORKERS", "0", "expected a whole number of at least 1"),
        ("KAT_WORKERS", "-3", "expected a whole number of at least 1"),
        ("KAT_MAX_BODY_BYTES", "16MB", "expected a whole number of at least 1"),
        ("KAT_LOG_LEVEL", "loud", "expected one of debug, info, warning, error"),
        ("KAT_BASE_URL", "fhir.example.org", "expected an origin such as https://fhir.example.org"),
        ("KAT_BASE_URL", "ftp://example.org", "expected an origin such as https://fhir.example.org"),
        ("KAT_BASE_URL", "https://example.org/?a=1", "expected an origin such as https://fhir.example.org"),
        ("KAT_BASE_URL", "https://example.org/fhir", "expected an origin such as https://fhir.example.org"),
        ("KAT_DATABASE_URL", "mysql://host/db", "expected postgresql://user:password@host:port/database"),
        ("KAT_TELEHEALTH_FLEXIBILITY_END", "soon", "the value is not understood"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_its_name(name: str, value: str, reason: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        Settings.from_environment({name: value})
    assert str(refusal.value) == f"{name}: {reason}."


def test_an_empty_environment_gives_a_service_on_this_machine_with_an_embedded_database() -> None:
    settings = Settings.from_environment({})
    assert settings.database_url is None
    assert settings.data_dir == Path("var").absolute()
    assert settings.base_url == "http://127.0.0.1:8000"
    assert settings.fhir_base == "http://127.0.0.1:8000/fhir"
    assert settings.max_body_bytes == 16 * 1024 * 1024
    assert settings.telehealth_flexibility_end == date(2026, 12, 31)


@pytest.mark.parametrize(
    ("environment", "base_url"),
    [
        ({"KAT_PORT": "9000"}, "http://127.0.0.1:9000"),
        ({"KAT_HOST": "0.0.0.0"}, "http://127.0.0.1:8000"),  # noqa: S104
        ({"KAT_HOST": "::1", "KAT_PORT": "9000"}, "http://[::1]:9000"),
        ({"KAT_BASE_URL": "https://fhir.example.org/", "KAT_PORT": "9000"}, "https://fhir.example.org"),
    ],
)
def test_the_public_origin_follows_the_address_unless_it_is_set(
    environment: dict[str, str], base_url: str
) -> None:
    assert Settings.from_environment(environment).base_url == base_url


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg", "postgresql+psycopg"])
def test_the_database_may_be_spelled_as_other_drivers_want_it(scheme: str) -> None:
    settings = Settings.from_environment({"KAT_DATABASE_URL": f"{scheme}://kat:secret@db:5432/kat"})
    assert settings.database_url == "postgresql://kat:secret@db:5432/kat"
