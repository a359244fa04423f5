"""The operator's routes: who is let in, and what calls, recordings, the list and the feed answer."""
