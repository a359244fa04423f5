"""Proxies of the environment as the configuration reads them: what cannot be used is told before any call."""

from tests.config.files import ENVIRONMENT, GOOD


def test_a_proxy_that_cannot_be_used_is_a_mistake_of_the_environment(problems, read):
    found = problems(GOOD, ENVIRONMENT | {"ALL_PROXY": "socks5://127.0.0.1:1080"})
    assert found == ["environment: ALL_PROXY: must be a proxy like http://proxy.example.com:3128, not socks5://…"]
    settings = read(GOOD, ENVIRONMENT | {"https_proxy": "http://small:1", "HTTPS_PROXY": "http://large:1"})
    assert settings.proxies.for_url("https://api.twilio.com").host == "small"
    here = GOOD.replace("[limits]", 'api_url = "http://127.0.0.1:8080"\n[limits]').replace(
        'kind = "assemblyai-agent"', 'kind = "assemblyai-agent"\nurl = "ws://127.0.0.1:1/"'
    )
    read(here, ENVIRONMENT | {"ALL_PROXY": "socks5://127.0.0.1:1080"})
