"""The two sides of a call. A leg owns its socket and the two tasks, reader and writer, that use it."""
