"""Operations: what is asked of the server by name (``$validate``) instead of by an interaction.

    catalogue    one table: name, levels, types, methods, parameters, definition
    deeds        which function performs each
    arguments    parameters from the URL or from a Parameters resource
    one file an operation

Source: https://hl7.org/fhir/R4/operations.html
"""
