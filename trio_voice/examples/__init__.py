"""Tools to begin one's own with. They work as they stand, on data of their own; copy one beside ``config.toml``."""
