"""All SQL of the directory: people.py looks up, audience.py finds recipients, roster.py writes an import, settings.py edits."""
