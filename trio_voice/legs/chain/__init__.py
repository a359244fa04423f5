"""The leg of a chain: one socket or request a stage."""
