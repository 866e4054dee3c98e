"""Adapters to the companies that deliver: one module each, all of the shape that base.py gives."""
