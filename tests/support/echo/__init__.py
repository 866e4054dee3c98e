"""A service for the tests of the kit: `python -m tests.support.echo serve`."""
