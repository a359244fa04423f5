"""The vocabularies of a call: what its legs tell the bridge, and what the bridge tells them."""
