"""One call from its ring to its record. Start at ``call.py``."""
