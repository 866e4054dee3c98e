"""Measurements: one file for each claim, each a ratio against a named limit or peer in the same run."""
