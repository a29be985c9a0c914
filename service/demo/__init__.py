"""The demonstration: a practice with its people and one finished arc, and synthetic arcs by the thousand."""
