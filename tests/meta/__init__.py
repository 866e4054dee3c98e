"""Tests of the project itself: what people forget."""
