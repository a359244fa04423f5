"""Chat servers' dialects: the conversation's shape on the wire, refusals, and what stands in the text of an answer."""
