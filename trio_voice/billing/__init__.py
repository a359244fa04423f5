"""Prices, and what a session, a call and a minute cost."""
