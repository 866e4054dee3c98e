"""All SQL: people.py looks up, audience.py finds recipients, roster.py writes an import, settings.py edits."""
