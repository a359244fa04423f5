"""What the sandbox's servers share: sockets in memory or on loopback, their records, their faults."""
