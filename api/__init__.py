"""How the service is spoken to: HTTP, the command line and the published contract."""
