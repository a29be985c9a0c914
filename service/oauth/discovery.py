"""What this authorization server tells about itself; only what works is named.

Source: https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html,
https://openid.net/specs/openid-connect-discovery-1_0.html
"""

from __future__ import annotations

from typing import Any

from service.access.scopes import CONTEXTS, LAUNCH_SCOPES
from service.oauth.client_keys import SIGNING_ALGORITHMS
from service.oauth.keys import ALGORITHM

CAPABILITIES = (
    "launch-standalone",
    "authorize-post",
    "client-public",
    "client-confidential-symmetric",
    "client-confidential-asymmetric",
    "sso-openid-connect",
    "context-standalone-patient",
    "permission-offline",
    "permission-patient",
    "permission-user",
    "permission-v1",
    "permission-v2",
)
GRANT_TYPES = ("authorization_code", "client_credentials", "refresh_token")
CLIENT_AUTHENTICATION = ("client_secret_basic", "client_secret_post", "private_key_jwt", "none")


def smart_configuration(base_url: str) -> dict[str, Any]:
    """Return ``/fhir/.well-known/smart-configuration``."""
    return _endpoints(base_url) | {"capabilities": list(CAPABILITIES)}


def openid_configuration(base_url: str) -> dict[str, Any]:
    """Return ``/.well-known/openid-configuration``."""
    return _endpoints(base_url) | {
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "claims_supported": ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "fhirUser"],
        "request_uri_parameter_supported": False,
    }


def _endpoints(base_url: str) -> dict[str, Any]:
    endpoints = {
        f"{name}_endpoint": f"{base_url}/oauth/{path}"
        for name, path in (
            ("authorization", "authorize"),
            ("token", "token"),
            ("introspection", "introspect"),
            ("revocation", "revoke"),
        )
    }
    confidential = [method for method in CLIENT_AUTHENTICATION if method != "none"]
    return endpoints | {
        "issuer": base_url,
        "jwks_uri": f"{base_url}/oauth/jwks",
        "grant_types_supported": list(GRANT_TYPES),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "code_challenge_methods_supported": ["S256"],
        "scopes_supported": scopes_supported(),
        "token_endpoint_auth_methods_supported": list(CLIENT_AUTHENTICATION),
        "token_endpoint_auth_signing_alg_values_supported": list(SIGNING_ALGORITHMS),
        "introspection_endpoint_auth_methods_supported": confidential,
        "revocation_endpoint_auth_methods_supported": list(CLIENT_AUTHENTICATION),
    }


def scopes_supported() -> list[str]:
    """Return the scopes that can be asked for, resource types as a wildcard."""
    return [*sorted(LAUNCH_SCOPES), *(f"{context}/*.cruds" for context in sorted(CONTEXTS))]
