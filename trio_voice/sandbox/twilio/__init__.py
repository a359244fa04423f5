"""Twilio: its webhooks, its REST API, its media streams."""
