"""Common parts of every sandboxed agent: its ears, its voice, its mind, its dialogue."""
