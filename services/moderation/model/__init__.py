"""The embedded model: a normaliser, n-gram regression, two small transformers. No network, no training library."""
