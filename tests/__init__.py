"""Tests: unit, contract, integration, end to end, browser, faults and meta."""
