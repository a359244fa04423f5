"""Pages of the reference that are made from the code: one module each, and what no code says in ``meanings.toml``."""
