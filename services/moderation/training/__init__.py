"""Makes the embedded model from the public data and our own corpus. Nothing here is needed when the service runs."""
