"""One foreign library or interface a file: HTTP, Twilio's REST API, systemd."""
