"""Several worker processes on one port: handed-over streams, shared counts, one answer for all."""
