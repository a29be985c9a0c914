"""FHIR search: registry (what may be asked) ► query (what was asked) ► compile (SQL) ► run (a page)."""
