"""What happens: FHIR interactions, search, access, OAuth and the rules of the therapy."""
