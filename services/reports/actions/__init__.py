"""What reports does, one function each, for one viewer at a time."""
