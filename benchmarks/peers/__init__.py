"""Queues that people would otherwise use, each with jobs that do nothing."""
