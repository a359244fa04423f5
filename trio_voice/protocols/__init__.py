"""One wire protocol a file, without I/O: text in, events out; calls in, text out. Unknown messages are events."""
