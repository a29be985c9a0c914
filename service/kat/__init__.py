"""The rules and operations of ketamine-assisted therapy."""
