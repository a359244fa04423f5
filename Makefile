# make demo     a whole call on this machine: no account, no key, no network
# make talk     an agent on this machine, and a page to talk to it
# make test     the suite; make test-slow what takes longer than that
# make coverage the suite, and whether each folder of the package is covered as tests/coverage.txt wants
# make ci-full  everything, as before a release: an hour and more; .ci/run has its short forms
# make run      the daemon, on ./config.toml
# make cluster  three nodes behind real balancers: calls, restarts, deaths
# make dist     wheel and sdist; make deb the Debian package
# make faults   the promise, put to the test from outside; make faults-peers the same with others' servers
#
# Each sets up .venv first, once, with what it needs. Another interpreter:  make test PYTHON=python3.13 VENV=.venv-3.13

PYTHON ?= python3
VENV ?= .venv
CONFIG ?= config.toml
PYTEST_ARGS ?=
COVERAGE_ARGS ?=
BENCH_ARGS ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq

PEERS := benchmarks/peers
MUTANTS := benchmarks/mutants
FAULTS_ARGS ?=
MUTANTS_ARGS ?=
# A process for each core and one more, since a third of the time is waited, up to four: XDIST= for one, in order.
XDIST ?= --numprocesses $(shell expr $$(nproc) + 1) --maxprocesses 4 --dist worksteal
# Much of what is slow only waits.
XDIST_SLOW ?= --numprocesses 4 --dist worksteal

.PHONY: setup demo talk docs reference screenshots test test-slow coverage mutants properties newest ci-full run lint bench turns soak neighbours words fuzz chaos processes listen faults faults-peers autobahn constraints cluster fleet live clean dist test-release deb

setup: $(VENV)/.ready
	@:

# Exactly what is named and hashed: nothing is resolved here. Other pins, another .venv. First what a call on this machine
# needs, a subset of constraints.txt: demo and talk wait for no more, and what else there is comes with the first `make test`.
$(VENV)/.pins: constraints.txt constraints-sandbox.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "trio-voice needs Python 3.11 or newer, '$(PYTHON)' is not: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@echo "setting up $(VENV), once; takes about half a minute"
	@$(PYTHON) -m venv --clear $(VENV) || { \
	    echo "'$(PYTHON) -m venv' failed. On Debian and Ubuntu: apt install python3-venv, then again" >&2; exit 1; }
	@[ "$$(uname -sm)" = "Linux x86_64" ] || \
	    echo "ears and voice of this machine are built for Linux on x86-64 alone, and this is $$(uname -sm): no make demo," \
	    'no kind = "local", and their tests are skipped; stt and tts of a provider work, and so does a container of' \
	    "linux/amd64" >&2
	@$(PIP) install --require-hashes --no-deps -r constraints-sandbox.txt
	@touch $@

# Not isolated: the build backend is one of the pins.
$(VENV)/.sandbox: $(VENV)/.pins pyproject.toml
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.ready: $(VENV)/.sandbox
	@echo "installing what development needs into $(VENV), once"
	@$(PIP) install --require-hashes --no-deps -r constraints.txt
	@touch $@

# What is compiled once is kept in these two, whatever the environment says: each start would take a fifth longer.
demo: $(VENV)/.sandbox
	@PYTHONDONTWRITEBYTECODE= $(BIN)/trio-voice demo

# An agent on this machine, and a link: talk to it in a browser.
talk: $(VENV)/.sandbox
	@PYTHONDONTWRITEBYTECODE= $(BIN)/trio-voice --config $(CONFIG) talk

test: setup
	@$(BIN)/pytest -m "not slow" $(XDIST) $(PYTEST_ARGS)

# What takes longer: one conversation broken at every step and message it has, and the demo.
test-slow: setup
	@$(BIN)/pytest -m "slow and not release" $(XDIST_SLOW) $(PYTEST_ARGS)

# What is handed to others: built, installed where nothing else is, and looked at.
test-release: setup
	@$(BIN)/pytest -m release -o faulthandler_timeout=1700 $(PYTEST_ARGS)

# The wheel and the sdist, the same bytes wherever they are built.
dist: setup
	@release/dist.sh "$(CURDIR)/$(BIN)/python" dist

# The Debian package, for the Debian and the processor that it is built on.
deb: dist
	@release/deb.sh dist

# The suite once more, measured: a folder that is covered less than it was fails.
coverage: setup
	@rm -f .coverage .coverage.*
	@$(BIN)/pytest -m "not slow" --cov --cov-report= $(XDIST) $(PYTEST_ARGS)
	@$(BIN)/python tests/coverage_gate.py $(COVERAGE_ARGS)

# The suite with the newest of everything that it depends on, and no pins.
newest:
	@$(PYTHON) -m venv --clear .venv-newest
	@.venv-newest/bin/python -m pip -qq install --upgrade pip
	@.venv-newest/bin/python -m pip -qq install --editable '.[gemini-live,postgres,sandbox,speech]' --group dev
	@.venv-newest/bin/pytest -m "not slow" $(XDIST) $(PYTEST_ARGS)

ci-full:
	@.ci/run full

# Changes of one line, a sample of them: which does no test notice? MUTANTS_ARGS as in benchmarks/mutants/sample.py.
mutants: .venv-mutants/.ready
	@.venv-mutants/bin/python benchmarks/mutants/sample.py $(MUTANTS_ARGS)

.venv-mutants/.ready: constraints.txt $(MUTANTS)/requirements.txt
	@$(PYTHON) -m venv --clear .venv-mutants
	@.venv-mutants/bin/python -m pip --disable-pip-version-check -qq install --require-hashes --no-deps \
	    -r constraints.txt -r $(MUTANTS)/requirements.txt && touch $@

# Calls and conversations made up anew, thousands of them: minutes.
properties: setup
	@HYPOTHESIS_PROFILE=random $(BIN)/pytest --timeout 3600 $(XDIST) $(PYTEST_ARGS) tests/bridge tests/chain \
	    tests/protocols

# The documentation, into site/: strict, links checked, nothing of other hosts in it. In a .venv of its own.
docs: .venv-docs/.ready
	@NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --quiet --strict
	@! grep -rnEo '<(script|link|img|iframe)[^>]* (src|href)="?(https?:)?//[^>]*' site --include='*.html' || { \
	    echo "a page would load something of another host" >&2; exit 1; }

.venv-docs/.ready: docs/requirements.txt
	@$(PYTHON) -m venv --clear .venv-docs
	@.venv-docs/bin/python -m pip --disable-pip-version-check -qq install --require-hashes --no-deps -r $< && touch $@

# The pages of the reference that are made from the code; a test fails where they are out of date.
reference: setup
	@$(BIN)/python docs/generate.py

# The pictures of the console and of the telephone's page, taken anew in a Chromium; to be looked at before they are committed.
screenshots: setup
	@$(BIN)/python docs/screenshots.py

run: setup
	@$(BIN)/trio-voice --config $(CONFIG) serve

# flake8 has the rules of trio alone, and takes long: it is shown those files in which one can be broken.
lint: setup
	@$(BIN)/python -m pip check >/dev/null || { \
	    $(BIN)/python -m pip check; echo "pyproject.toml and constraints.txt disagree: make constraints" >&2; exit 1; }
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@grep -rlE 'async |nursery|CancelScope' --include='*.py' trio_voice tests benchmarks | xargs $(BIN)/flake8
	@$(BIN)/mypy

# What the peers need is put beside ours, not into it. Who cannot be installed here is left out, aloud.
.venv-peers/.ready: $(PEERS)/requirements.txt
	@$(PYTHON) -m venv --clear .venv-peers
	@.venv-peers/bin/python -m pip --disable-pip-version-check -qq install --require-hashes --no-deps -r $< && touch $@ || \
	    echo "the asyncio, LiveKit and Pipecat peers cannot be installed" >&2

$(PEERS)/node_relay/node_modules: $(PEERS)/node_relay/package-lock.json
	@cd $(PEERS)/node_relay && npm ci --silent && touch node_modules || \
	    echo "the Node relay cannot be installed" >&2

bench: setup .venv-peers/.ready $(PEERS)/node_relay/node_modules
	@$(BIN)/python benchmarks/relay.py $(BENCH_ARGS)
	@$(BIN)/python benchmarks/transcode.py
	@$(BIN)/python benchmarks/webhooks.py

# Speech before and after the transcoder, as WAV files to be heard.
listen: setup
	@$(BIN)/python benchmarks/transcode.py --listen listen

# Calls broken in every way and phase, to the real process, with every kind of model; FAULTS_ARGS='--only "hangs up"' for some of them.
faults: setup
	@$(BIN)/python benchmarks/faults.py $(FAULTS_ARGS)

# The same with others' servers, which do not promise what we do: their failures end nothing.
FAULTS := $(BIN)/python benchmarks/faults.py $(FAULTS_ARGS)
faults-peers: setup .venv-peers/.ready $(PEERS)/node_relay/node_modules
	-@$(FAULTS) --name "Node relay" --server 'node $(PEERS)/node_relay/relay.js {model_url} {port}'
	-@$(FAULTS) --name Pipecat --kind openai-realtime \
	    --server '.venv-peers/bin/python -m uvicorn --app-dir $(PEERS) pipecat_relay:app --port {port}'
	-@$(FAULTS) --name "plain trio" --server '$(BIN)/python $(PEERS)/plain_relay.py {model_url} {port}'
	-@$(FAULTS) --name "plain asyncio" --server '.venv-peers/bin/python $(PEERS)/asyncio_relay.py {model_url} {port}'

# Autobahn's cases judge our WebSocket, as a server and as a client; AUTOBAHN_ARGS=--quick leaves out what takes minutes.
# It runs on Python 2.7 only, and says so where there is none.
AUTOBAHN_ARGS ?=
autobahn: setup
	@$(BIN)/python tests/autobahn/judge.py $(AUTOBAHN_ARGS)

# 10,000 calls, ended in every way there is: a quarter of an hour.  make soak BENCH_ARGS="--calls 1000"
soak: setup
	@$(BIN)/python benchmarks/soak.py $(BENCH_ARGS)

# What we add to a turn of a chain, beyond its providers and the network, beside LiveKit's session and Pipecat: six minutes.
# make turns BENCH_ARGS="--calls 10 --idle 20 --servers ours,livekit"
turns: setup .venv-peers/.ready
	@$(BIN)/python benchmarks/turns.py $(BENCH_ARGS)

# Everything that reads what strangers write, mutated from tests/fuzz/corpus: minutes, with a seed of its own each time.
FUZZ_ROUNDS ?= 20000
fuzz: setup
	@seed=$${FUZZ_SEED:-$$(date +%s)}; echo "FUZZ_SEED=$$seed"; \
	    FUZZ_SEED=$$seed FUZZ_ROUNDS=$(FUZZ_ROUNDS) $(BIN)/pytest --timeout 3600 $(XDIST) $(PYTEST_ARGS) tests/fuzz

# One process, two workers, two nodes behind HAProxy: processor time of a call and of a frame.
processes: setup
	@$(BIN)/python benchmarks/processes.py $(BENCH_ARGS)

# Ten minutes of random faults beside fifty live calls.  make chaos BENCH_ARGS="--seconds 60 --seed 7"
chaos: setup
	@$(BIN)/python benchmarks/chaos.py $(BENCH_ARGS)

# Three nodes, PostgreSQL, HAProxy and nginx with the files of examples/nodes, and everything that happens to such a fleet:
# some ten minutes. In a network of its own, with the files word by word, where one may be made (root); else on free ports.
ADDRESSES := 10.0.0.11 10.0.0.12 10.0.0.13
cluster: setup
	@play="$(BIN)/pytest --whole -rP $(PYTEST_ARGS) tests/test_cluster.py tests/test_cluster_faults.py tests/test_clock_jump.py tests/test_balancers.py tests/test_manifest.py"; \
	if unshare --net true 2>/dev/null && command -v ip >/dev/null; then \
	    TRIO_VOICE_OWN_NETWORK=1 unshare --net sh -c "ip link set lo up && \
	        for each in $(ADDRESSES); do ip addr add \$$each/32 dev lo; done && exec $$play"; \
	else $$play; fi

# What one call that misbehaves does to fifty others.
neighbours: setup
	@$(BIN)/python benchmarks/neighbours.py $(BENCH_ARGS)

# Each provider that there is a key for, and one call by Twilio: real, by hand alone. It asks before it costs anything.
LIVE_ARGS ?=
live: setup
	@$(BIN)/python benchmarks/live.py $(LIVE_ARGS)

# The page on what a fleet of so many calls takes, made anew from measured figures.
fleet: setup
	@$(BIN)/python benchmarks/fleet.py --write

# How long a model's word takes to the console's page, with one call and with a hundred; needs Chromium.
words: setup
	@$(BIN)/python benchmarks/words.py $(BENCH_ARGS)

# After a change of dependencies. Keeps the pins that still fit; make constraints UV_ARGS=--upgrade takes the newest of all.
constraints:
	@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && \
	$(PYTHON) -m venv "$$scratch" && \
	"$$scratch/bin/pip" --disable-pip-version-check -qq install 'uv>=0.13,<0.14' && \
	UV_CUSTOM_COMPILE_COMMAND='make constraints' "$$scratch/bin/uv" pip compile --quiet \
	    --universal --python-version 3.11 --all-extras --group dev \
	    --generate-hashes --no-emit-index-url $(UV_ARGS) --output-file constraints.txt pyproject.toml && \
	UV_CUSTOM_COMPILE_COMMAND='make constraints' "$$scratch/bin/uv" pip compile --quiet \
	    --universal --python-version 3.11 --group build --constraints constraints.txt \
	    --generate-hashes --no-emit-index-url $(UV_ARGS) --output-file constraints-server.txt pyproject.toml && \
	UV_CUSTOM_COMPILE_COMMAND='make constraints' "$$scratch/bin/uv" pip compile --quiet \
	    --universal --python-version 3.11 --extra sandbox --group build --constraints constraints.txt \
	    --generate-hashes --no-emit-index-url $(UV_ARGS) --output-file constraints-sandbox.txt pyproject.toml && \
	UV_CUSTOM_COMPILE_COMMAND='make constraints' "$$scratch/bin/uv" pip compile --quiet \
	    --universal --python-version 3.11 --extra gemini-live --extra postgres --constraints constraints.txt \
	    --generate-hashes --no-emit-index-url $(UV_ARGS) --output-file release/constraints.txt pyproject.toml && \
	UV_CUSTOM_COMPILE_COMMAND='make constraints' "$$scratch/bin/uv" pip compile --quiet \
	    --universal --python-version 3.11 \
	    --generate-hashes --no-emit-index-url $(UV_ARGS) --output-file $(PEERS)/requirements.txt $(PEERS)/requirements.in && \
	UV_CUSTOM_COMPILE_COMMAND='make constraints' "$$scratch/bin/uv" pip compile --quiet \
	    --universal --python-version 3.11 --constraints constraints.txt \
	    --generate-hashes --no-emit-index-url $(UV_ARGS) --output-file $(MUTANTS)/requirements.txt $(MUTANTS)/requirements.in && \
	UV_CUSTOM_COMPILE_COMMAND='make constraints' "$$scratch/bin/uv" pip compile --quiet \
	    --universal --python-version 3.11 \
	    --generate-hashes --no-emit-index-url $(UV_ARGS) --output-file docs/requirements.txt docs/requirements.in

clean:
	@rm -rf $(PEERS)/node_relay/node_modules
	@rm -rf .venv .venv-* .autobahn site mutants build dist .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find trio_voice tests -type d -name __pycache__ -prune -exec rm -rf {} +
