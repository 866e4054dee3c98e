"""The sample district: a made-up school district as a OneRoster 1.2 CSV set, its past traffic and today's messages.

Everything is drawn from the JSON and CSV files in `data/` by random streams that depend on the seed alone, so the
same arguments always write the same bytes. docs/sample-district.md says what is in it and why.
"""
