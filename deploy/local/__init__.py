"""One machine: the launcher and the sample district."""
