"""Who may see what: the one door between a principal and a record (design, section 5)."""
