"""The process: its parts put together, its workers, its logs, its unit of systemd."""
