"""The two addresses: what each serves, and by which names the operator's may be called."""

import httpx2
import pytest

from tests.daemons import OUR_NUMBER, open_world, operator
from trio_voice.edges.web.entrypoints import Entrypoint, Hosts, host_refusal

OWN = Hosts(("127.0.0.1", 8081), "https://desk.example.com")


@pytest.mark.parametrize("host", ["127.0.0.1:8081", "localhost:8081", "LOCALHOST:8081", "desk.example.com"])
def test_its_own_names_are_let_in(host):
    assert OWN.takes(host)


@pytest.mark.parametrize(
    "host",
    [
        *(None, "", "evil.example", "evil.example:8081", "127.0.0.1", "127.0.0.1:8080", "desk.example.com.evil.org"),
        *("localhost", "127.0.0.1:8081.evil.org", "127.0.0.1:8081@evil.org", "[::1]:8081", "10.0.0.1:8081", "a b"),
        *("desk.example.com:8081", "127.0.0.1:080810", "127.0.0.1:x", "[::1", "\xff"),
    ],
)
def test_other_names_are_not(host):
    assert not OWN.takes(host)


def test_an_address_that_is_all_of_them_takes_any_ip_address_and_no_name():
    hosts = Hosts(("0.0.0.0", 80), None)
    assert all(map(hosts.takes, ["10.0.0.7", "10.0.0.7:80", "[fe80::1]:80", "localhost"]))
    assert not hosts.takes("rebound.example:80")


def test_the_origin_of_a_page_is_what_browsers_say():
    assert OWN.origin_of("127.0.0.1:8081") == "http://127.0.0.1:8081"
    assert OWN.origin_of("desk.example.com") == OWN.origin_of("desk.example.com:443") == "https://desk.example.com"
    assert (OWN.is_https("desk.example.com"), OWN.is_https("127.0.0.1:8081")) == (True, False)
    assert Hosts(("127.0.0.1", 80), None).origin_of("127.0.0.1") == "http://127.0.0.1"


def head(path="/console", *hosts):
    lines = "".join(f"Host: {host}\r\n" for host in hosts)
    return f"GET {path} HTTP/1.1\r\nAccept: */*\r\n{lines}\r\nHost: 127.0.0.1:8081".encode()


def test_on_the_operators_address_every_path_wants_one_host_that_is_its_own():
    for path in ("/console", "/healthz", "/nonsense", "/media-stream/ab"):
        assert host_refusal(head(path, "127.0.0.1:8081"), Entrypoint.OPERATOR, OWN) is None
        for hosts in ([], ["evil.example"], ["127.0.0.1:8081", "127.0.0.1:8081"]):
            refusal = host_refusal(head(path, *hosts), Entrypoint.OPERATOR, OWN)
            assert refusal is not None
            assert refusal.status == 421


def test_on_a_shared_address_what_twilio_asks_for_comes_by_any_name():
    for path in ("/twiml", "/call-status/ab?x=1", "/healthz", "/readyz"):
        assert host_refusal(head(path, "upstream"), Entrypoint.SHARED, OWN) is None
    for path in ("/console", "/calls", "/metrics", "/%74wiml", "/"):
        assert host_refusal(head(path, "upstream"), Entrypoint.SHARED, OWN) is not None
    assert host_refusal(head("/console", "upstream"), Entrypoint.TWILIO, OWN) is None  # where it is not served at all


def test_each_entrypoint_serves_its_own():
    assert Entrypoint.TWILIO.serves("/twiml")
    assert Entrypoint.TWILIO.serves("/healthz")
    assert not any(
        map(
            Entrypoint.TWILIO.serves,
            ["/console", "/calls/1", "/call", "/events", "/metrics", "/do-not-call", "//calls"],
        )
    )
    assert all(map(Entrypoint.OPERATOR.serves, ["/console", "/calls", "/healthz", "/readyz", "/media-stream/ab"]))
    assert not Entrypoint.OPERATOR.serves("/twiml")
    assert all(map(Entrypoint.SHARED.serves, ["/twiml", "/console"]))


@pytest.mark.parametrize("workers", [1, 2])
async def test_an_operators_address_of_its_own_takes_their_routes_off_twilios(tmp_path, workers):
    async with open_world(tmp_path, workers=workers, operator="127.0.0.1:0", seconds=50) as world:
        twilios, own = world.daemon.url, world.daemon.operator_url
        assert twilios != own
        call, _ = await world.talk()  # webhooks and stream are where they were
        record = await world.record(call)  # handed to its worker, if there are two
        assert record["to"] == OUR_NUMBER
        async with operator() as http, httpx2.AsyncClient(trust_env=False) as stranger:
            for path in ("/calls", f"/calls/{record['call_id']}", "/metrics", "/events", "/console", "/call"):
                for method in ("GET", "POST", "DELETE"):
                    assert (await http.request(method, twilios + path)).status_code == 404
            for url in (twilios, own):
                assert (await stranger.get(url + "/healthz")).json()["live_calls"] == 1
                assert (await stranger.get(url + "/readyz")).status_code == 200
            assert (await stranger.get(own + "/calls")).status_code == 401
            assert (await stranger.get(own + "/metrics")).status_code == 200
            assert (await http.get(own + "/calls", headers={"Host": "evil.example"})).status_code == 421
            assert (await stranger.get(own + "/healthz", headers={"Host": "evil.example"})).status_code == 421
            assert (await http.delete(f"{own}/calls/{record['call_id']}")).status_code == 200
        assert (await world.ended(call))["end_reason"] == "operator"
