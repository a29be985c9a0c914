"""The vocabulary of ketamine-assisted therapy as data: systems, codes and the catalogue of rules."""
