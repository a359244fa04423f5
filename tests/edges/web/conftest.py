"""The app with stubs behind it, for every file of tests here."""

from tests.edges.web.test_app import client, context, registry

__all__ = ["client", "context", "registry"]
