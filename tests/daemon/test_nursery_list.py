"""Every nursery of the package is on the list of those whose children are made to fail."""

import ast

from tests.daemon.nurseries import OF_MANY, PACKAGE

OF_ONE = {
    "call.call.Call.run",
    "call.probe.rehearse",
    "cli.doctor.examine",
    "cli.talk._run",
    "edges.web.nodes.Nodes.ask_all",
    "edges.workers.handover.Colleagues.ask",
    "legs.chain.http_voice.HttpSpeaker.run",
    "legs.chain.language_model.Thinker._ask_twice",
    "legs.chain.leg.ChainLeg._live_stage",
    "legs.chain.leg.ChainLeg.close",
    "legs.chain.leg.ChainLeg.run",
    "legs.chain.local.LocalSpeaking.run",
    "legs.model.SocketModelLeg.run",
    "legs.succession.Succession.run",
    "legs.pumps.run_pair",
    "net.http.open_http",
}
"""Those of one call, one request or one command: their failure is its own."""


def functions_with_nurseries():
    """Functions of the package that open a nursery, but for the sandbox, which serves nobody's callers."""
    found = set()

    def look(node, name):
        for child in ast.iter_child_nodes(node):
            is_named = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            if isinstance(child, ast.Attribute | ast.Name) and "open_nursery" in (
                getattr(child, "attr", ""),
                getattr(child, "id", ""),
            ):
                found.add(name)
            look(child, f"{name}.{child.name}" if is_named else name)

    for path in PACKAGE.rglob("*.py"):
        module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        if not module.startswith("sandbox."):
            look(ast.parse(path.read_text(encoding="utf-8")), module)
    return found


def test_every_nursery_is_listed_by_whom_it_serves():
    assert functions_with_nurseries() == OF_MANY | OF_ONE
    assert not OF_MANY & OF_ONE
