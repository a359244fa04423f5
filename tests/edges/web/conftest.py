"""The app with stubs behind it, for every file of tests here."""

from datetime import UTC, datetime

import pytest
from werkzeug.routing import Rule

from tests.edges.web.stubs import BASE, PERSONAS, TOKEN, EchoReception, StubDialer, StubJournal
from trio_voice.call.registry import Registry
from trio_voice.edges.metrics.metrics import Metrics
from trio_voice.edges.twilio.public_url import PublicUrl
from trio_voice.edges.web.app import create_app
from trio_voice.edges.web.context import AppContext, NumberRouting
from trio_voice.edges.web.media_stream import StreamAuthenticator
from trio_voice.limits import Limits


@pytest.fixture(autouse=True, scope="session")
def rules_build_no_url():
    """Leave out what would build a URL from a rule, for nothing of ours does.

    To compile it for each route, twice, is nine tenths of making an app, of which there are a thousand here.
    """

    def build(*_args, **_values):
        raise AssertionError("a URL is built from a rule")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "_compile_builder", lambda _rule, _append_unknown=True: build)
        yield


@pytest.fixture
def registry():
    return Registry(Limits(max_calls=2))


@pytest.fixture
def context(registry):
    public_url = PublicUrl(BASE)
    return AppContext(
        authenticator=StreamAuthenticator(EchoReception(registry), public_url, TOKEN),
        public_url=public_url,
        routing=NumberRouting(PERSONAS, {"default": "desk", "+15559999999": "shop"}),
        dialer=StubDialer(registry),
        journal=StubJournal(),
        metrics=Metrics(registry, datetime.now(UTC)),
        auth_token=TOKEN,
        api_token="op",
    )


@pytest.fixture
def client(context):
    return create_app(context).test_client()
