"""What things are: errors, principals, documents, tables and the generated facts of FHIR R4."""
