"""The operator's console: a page a file, their templates, and the files that they are made of."""
