"""What the queue does: one function per thing, one transaction each (two around a provider's call)."""
