"""The settings of config.toml, checked; credentials beside them."""
