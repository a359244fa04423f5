"""Traces, made from the record of a call, for whoever collects them."""
