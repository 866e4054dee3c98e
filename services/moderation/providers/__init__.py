"""Who judges a text: the vendor (modapi.py) or the embedded model (embedded.py)."""
