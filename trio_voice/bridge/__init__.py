"""The decisions of one call between its caller and its model. Start at ``bridge.py``."""
