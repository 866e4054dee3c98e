"""Sixty days of past traffic for the sample district, as a district that moves to the system would bring it along.

One JSON line a message, oldest first: the message, its channels, every recipient and what became of each. `wire` turns
a line into the pieces that the queue's ImportHistory takes. docs/sample-district.md describes the fields.
"""
