"""Telephone audio, computed with: no clock, no socket."""
