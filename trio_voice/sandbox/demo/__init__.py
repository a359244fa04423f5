"""A call to be heard and seen on this machine."""
