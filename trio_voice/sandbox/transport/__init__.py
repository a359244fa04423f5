"""Transport of the sandbox's servers: sockets in memory or on loopback, their records, their faults."""
