"""The decisions of a chain of three stages: recogniser, language model, voice. Start at ``turns.py``."""
