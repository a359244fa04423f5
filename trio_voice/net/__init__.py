"""Sockets that know no call: channels, WebSockets, TLS, HTTP, timers."""
