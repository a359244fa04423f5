"""Twilio as its customer sees it: the REST client, what it tells by webhook, error codes, the dialer."""
