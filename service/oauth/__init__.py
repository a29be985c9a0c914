"""The authorization server: who connects, with what proof, and what their tokens allow.

    registration   clients and users are made                    (command line)
    authorization  the front: one method an endpoint             (called by api/smart.py)
        requests   a form that was checked, and an answer        (no web framework)
        server     Authlib's server on one database session
        grants     client_credentials, authorization_code, refresh_token
        endpoints  revocation, introspection
        assertions private_key_jwt          remote_keys  JWKS by URL
        sign_in    users, sessions, throttle             patients  the patient picker
    tokens         access tokens issued and verified     keys      what signs them

Source: https://hl7.org/fhir/smart-app-launch/STU2.2/
"""
