"""What every sandboxed agent shares: who hears, speaks and thinks for it."""
