"""The embedded model: normaliser, n-gram regression, sentence encoder and heads. No network, no training library.

No clock.
"""
