"""How the system is started, fed and shipped; nothing here is imported by a service."""
