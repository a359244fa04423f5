"""The web server and its routes, and the media stream's way past it."""
