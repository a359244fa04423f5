"""Metrics, in Prometheus's text format.

Gauges are looked up when somebody asks (``gauges.py``); counters and histograms are fed, once for each call, when it
has ended (``observe_call``), so nothing here costs a live call anything but one sample a second of the delay that we
add to it.

Labels hold words of ours and of the configuration, never a number, a name or an id of somebody; and whatever they
hold, only so many different ones (``MAX_WORDS``). Units are in the names, and are seconds.
"""

from __future__ import annotations

from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Final, Literal, get_args

import trio
from prometheus_client import (
    CONTENT_TYPE_PLAIN_0_0_4,
    CollectorRegistry,
    Counter,
    Histogram,
    Info,
    disable_created_metrics,
    generate_latest,
)

from trio_voice.billing.cost import believed_seconds
from trio_voice.edges.metrics.gauges import (
    LookedUp,
    calls_now,
    journal_now,
    log_now,
    process_now,
    requests_now,
    spending_now,
)
from trio_voice.edges.metrics.labels import OTHER, BoundedLabel
from trio_voice.legs.providers import KINDS
from trio_voice.record import EndReason
from trio_voice.session_record import Closing

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import datetime

    from trio_voice.call.budget import Budget
    from trio_voice.call.registry import Registry
    from trio_voice.journal import Journal
    from trio_voice.record import CallRecord, ToolUse
    from trio_voice.session_record import ModelSessionRecord

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
"""Of ``Metrics.render``."""

NOT_CLOSED: Final = "not_closed"
"""The closing of a session that its call left open. There is none such, unless we have a bug."""
DIRECTIONS: Final = ("inbound", "outbound")
Way = Literal["to_caller", "to_model"]
"""Direction of a message."""
Refusable = Literal["webhook", "stream", "call", "connection", "operator"]
"""Kinds of things that can be turned away."""
LOOP_SAMPLE_SECONDS: Final = 1.0

CALL_BUCKETS: Final = (5, 15, 30, 60, 120, 300, 600, 1200, 3600)
SETUP_BUCKETS: Final = (0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10)
TEARDOWN_BUCKETS: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 1.5, 2, 2.1, 2.5, 5, 10)
"""Close around ``close_seconds``, which is 2: what lies beyond it broke the promise."""
OVERRUN_BUCKETS: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 1.5, 2, 2.1, 2.5, 5, 10, 30, 60, 600)
"""The alarm goes off beyond 2.1 (``cost.is_late``)."""
TURN_BUCKETS: Final = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.2, 1.5, 2, 3, 5, 10)
HEARD_BUCKETS: Final = (0.3, 0.5, 0.7, 0.9, 1.1, 1.3, 1.6, 2, 2.5, 3, 4, 6, 10)
"""People leave a fifth of a second between turns, and take a second for long."""
DELAY_BUCKETS: Final = (0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1)
"""A frame is 20 ms; what is held up for longer makes the next one late too."""

RETRIES: Final = "llm_retries_"
"""Prefix of the counters of a chain's second questions; the rest is the cause."""
COUNTED: Final = {
    "barge_ins": ("trio_voice_barge_ins_total", "Replies that callers interrupted."),
    "model_faults": ("trio_voice_model_faults_total", "Complaints of models that ended nothing."),
    "transfers_unanswered": (
        "trio_voice_transfers_unanswered_total",
        "Callers who were put through to nobody, and came back to their agent.",
    ),
    "fillers": ("trio_voice_fillers_total", "Words said while an answer was owed and did not come."),
    "false_interruptions_resumed": (
        "trio_voice_false_interruptions_total",
        "Sounds of callers that took no floor: what they had cut was said again.",
    ),
    "echoes": (
        "trio_voice_echoes_total",
        "Turns that were the agent's own words, as the line gave them back: they are not answered.",
    ),
    "goodbyes_taken_back": ("trio_voice_goodbyes_taken_back_total", "Callers who had more to say."),
    "model_renewals": ("trio_voice_model_renewals_total", "Sessions opened again with the same model."),
    "model_takeovers": ("trio_voice_model_takeovers_total", "Models that took over from another."),
    "answers_in_vain": ("trio_voice_answers_in_vain_total", "Answers that were begun and never spoken."),
}
"""Counters of a record that have a series of their own: they say something else than that a message was dropped."""
DEAD_AIR: Final = "dead_air_ms"


class Metrics:
    """Everything that is counted and measured.

    Args:
        calls: where the open calls are.
        started_at: when this process began.
        journal: how the journal does; nothing is said of one that is not there.
        dropped_lines: how many lines of the log were never written, if somebody counts them.
        budget: what may be spent in a day, if there is a ceiling.
        requests: those of chains, counted by the connection that they went over (``net/http.py``).
    """

    def __init__(
        self,
        calls: Registry,
        started_at: datetime,
        journal: Journal | None = None,
        dropped_lines: Callable[[], int] | None = None,
        requests: Mapping[str, int] | None = None,
        budget: Budget | None = None,
    ) -> None:
        # Without a second series beside every counter. The switch is the whole process's, which is ours.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no type for it
        self._registry = CollectorRegistry()
        self.one_at_a_time = trio.Lock()
        """For who is asked for all of it by others: it takes milliseconds, and calls go on between one and the next."""
        self._personas = BoundedLabel()
        self._models = BoundedLabel()
        self._currencies = BoundedLabel()
        self._providers = BoundedLabel(*KINDS)
        self._tools = BoundedLabel()
        self._kinds = BoundedLabel()
        self._refusals = BoundedLabel()
        self._requests = BoundedLabel()
        looks = [partial(calls_now, calls, self._providers), partial(process_now, started_at)]
        looks += [] if journal is None else [partial(journal_now, journal)]
        looks += [] if dropped_lines is None else [partial(log_now, dropped_lines)]
        looks += [] if requests is None else [partial(requests_now, requests)]
        looks += [] if budget is None else [partial(spending_now, budget)]
        for look in looks:
            self._registry.register(LookedUp(look))
        Info("trio_voice_build", "What is running.", registry=self._registry).info({"version": version("trio-voice")})

        def counter(name: str, documentation: str, *labels: str) -> Counter:
            return Counter(name, documentation, labels, registry=self._registry)

        def histogram(name: str, documentation: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(name, documentation, labels, buckets=buckets, registry=self._registry)

        self._calls_ended = counter(
            "trio_voice_calls_ended_total", "Calls that have ended, and why.", "end_reason", "direction"
        )
        self._call_seconds = histogram(
            "trio_voice_call_seconds", "From the accepted stream to the first sign of the end.", CALL_BUCKETS
        )
        self._setup_seconds = histogram(
            "trio_voice_call_setup_seconds",
            "From the accepted stream to a model that is ready to talk.",
            SETUP_BUCKETS,
            "persona",
        )
        self._teardown_seconds = histogram(
            "trio_voice_call_teardown_seconds",
            "From the first sign of the end until both sockets were closed.",
            TEARDOWN_BUCKETS,
        )
        self._turn_seconds = histogram(
            "trio_voice_turn_latency_seconds",
            "From the model's decision that the caller has finished until its answer's first sound was on its way.",
            TURN_BUCKETS,
            "persona",
        )
        self._heard_seconds = histogram(
            "trio_voice_turn_heard_after_seconds",
            "The pause that a caller hears: from their last sound to the first sound that they hear, by the audio.",
            HEARD_BUCKETS,
            "persona",
        )
        self._sessions = counter(
            "trio_voice_model_sessions_total", "Model sessions of calls that have ended.", "provider", "closing"
        )
        self._session_seconds = counter(
            "trio_voice_model_session_seconds_total", "What model sessions have lasted, by our clock.", "provider"
        )
        self._billed_seconds = counter(
            "trio_voice_model_billed_seconds_total", "What providers said that they will bill.", "provider"
        )
        self._overrun_seconds = histogram(
            "trio_voice_model_overrun_seconds",
            "How long after its call's end a model session was closed; 0 if it was before.",
            OVERRUN_BUCKETS,
        )
        self._outlived = counter(
            "trio_voice_sessions_outlived_total",
            "Model sessions that were open for more than 2 s after their calls, or may have been.",
            "provider",
        )
        self._model_cost = counter(
            "trio_voice_model_cost_total",
            "What model sessions are estimated to cost.",
            "currency",
            "model",
            "persona",
        )
        self._telephone_cost = counter(
            "trio_voice_telephone_cost_total",
            "What Twilio is estimated to bill for calls.",
            "currency",
            "direction",
            "persona",
        )
        self._unpriced = counter(
            "trio_voice_sessions_of_unknown_cost_total",
            "Model sessions whose cost cannot be told: a price is missing, or they were never closed.",
            "model",
        )
        self._relay_seconds = histogram(
            "trio_voice_relay_delay_seconds",
            "How long a message was held here before it was handed to the kernel; one a second of every call.",
            DELAY_BUCKETS,
            "way",
        )
        self._loop_seconds = histogram(
            "trio_voice_loop_delay_seconds",
            "How much later than asked a task was woken, once a second; this is added to every message.",
            DELAY_BUCKETS,
        )
        self._counted = {kind: counter(*of_it) for kind, of_it in COUNTED.items()}
        self._dead_air = counter(
            "trio_voice_dead_air_seconds_total", "Silence in which a caller waited for an answer that was owed."
        )
        self._retries = counter("trio_voice_retries_total", "Questions put to a language model again.", "cause")
        self._dropped = counter(
            "trio_voice_dropped_messages_total", "Messages and pieces of audio dropped or ignored.", "kind"
        )
        self._tool_calls = counter(
            "trio_voice_tool_calls_total", "Tools that models asked for, and how that went.", "tool", "outcome"
        )
        self._refused = counter(
            "trio_voice_refusals_total",
            "Webhooks, streams, calls, connections, operators turned away.",
            "what",
            "code",
        )
        self._rest_failures = counter(
            "trio_voice_rest_failures_total", "Requests to Twilio's REST API that failed, retries too.", "request"
        )
        self._begin_at_zero()

    def _begin_at_zero(self) -> None:
        """Have every series there from the start whose labels are known, so that its first increase is seen as one."""
        for direction in DIRECTIONS:
            for reason in EndReason:
                self._calls_ended.labels(reason, direction)
        for provider in KINDS:
            self._session_seconds.labels(provider)
            self._billed_seconds.labels(provider)
            self._outlived.labels(provider)
            for closing in (*Closing, NOT_CLOSED):
                self._sessions.labels(provider, closing)
        for way in get_args(Way):
            self._relay_seconds.labels(way)
        self.count_refusal("webhook", "bad_signature", by=0)

    def render(self) -> bytes:
        """All of it, as ``CONTENT_TYPE``."""
        return generate_latest(self._registry)

    def sums(self, names: Collection[str], labels: Collection[str]) -> dict[str, float]:
        """Values of some metrics, added up over all labels but the first of these that a sample has.

        A key is the name, and behind it the label with its value where there is one: ``trio_voice_calls state=live``.
        """
        found: dict[str, float] = {}
        for family in self._registry.collect():
            for sample in family.samples:
                if sample.name in names:
                    label = next((each for each in labels if each in sample.labels), None)
                    key = sample.name if label is None else f"{sample.name} {label}={sample.labels[label]}"
                    found[key] = found.get(key, 0.0) + sample.value
        return found

    # Ended calls

    def observe_call(self, record: CallRecord) -> None:
        """Count a call that has ended, whether or not it ever was answered. To be told once for each end.

        One whose caller came back after its end was told is another call here, with what is new in its record.
        """
        record = record.uncounted()
        direction = record.direction if record.direction in DIRECTIONS else OTHER
        self._calls_ended.labels(record.end_reason or OTHER, direction).inc()
        persona = self._personas.one_of(record.persona)
        if record.seconds is not None:
            self._call_seconds.observe(record.seconds)
        if record.closing_seconds is not None:
            self._teardown_seconds.observe(record.closing_seconds)
        if record.setup_seconds is not None:
            self._setup_seconds.labels(persona).observe(record.setup_seconds)
        for turn in record.turns:
            self._turn_seconds.labels(persona).observe(turn.latency_ms / 1000)
            if turn.heard_after_ms is not None:
                self._heard_seconds.labels(persona).observe(turn.heard_after_ms / 1000)
        for session in record.model_sessions:
            self._observe_session(session, record.currency, persona)
        if record.telephone_cost is not None:
            currency = self._currencies.one_of(record.currency or OTHER)
            self._telephone_cost.labels(currency, direction, persona).inc(record.telephone_cost)
        for use in record.tools:
            self._count_tool(use)
        for kind, count in record.counters.items():
            if kind in self._counted:
                self._counted[kind].inc(count)
            elif kind == DEAD_AIR:
                self._dead_air.inc(count / 1000)
            elif kind.startswith(RETRIES):
                self._retries.labels(self._kinds.one_of(kind.removeprefix(RETRIES))).inc(count)
            else:
                self._dropped.labels(self._kinds.one_of(kind)).inc(count)

    def _observe_session(self, session: ModelSessionRecord, currency: str | None, persona: str) -> None:
        provider = self._providers.one_of(session.provider)
        self._sessions.labels(provider, session.closing or NOT_CLOSED).inc()
        if session.seconds is not None:
            self._session_seconds.labels(provider).inc(session.seconds)
        if session.overrun_seconds is not None:
            # Not below 0: Prometheus takes a sum that falls for a restart.
            self._overrun_seconds.observe(max(0.0, session.overrun_seconds))
        billed = believed_seconds(session)
        if billed is not None:
            self._billed_seconds.labels(provider).inc(billed)
        model = self._models.one_of(session.model or OTHER)
        if session.cost is None:
            self._unpriced.labels(model).inc()
        else:
            self._model_cost.labels(self._currencies.one_of(currency or OTHER), model, persona).inc(session.cost)

    def _count_tool(self, use: ToolUse) -> None:
        if not use.known:  # the name is the model's invention
            self._tool_calls.labels("unknown", "unknown").inc()
        else:
            self._tool_calls.labels(self._tools.one_of(use.name), "failed" if use.failed else "answered").inc()

    # What happens meanwhile

    def count_outlived(self, session: ModelSessionRecord) -> None:
        """A session has outlived its call, or may have (``OverrunAlarm``)."""
        self._outlived.labels(self._providers.one_of(session.provider)).inc()

    def observe_relay_delay(self, way: Way, seconds: float) -> None:
        """A message was sent so long after it was known what to send.

        Args:
            way: where it went.
            seconds: what waiting for its turn, for the writing task and for the kernel came to.
        """
        self._relay_seconds.labels(way).observe(seconds)

    def count_refusal(self, what: Refusable, code: str, by: int = 1) -> None:
        """Something was turned away.

        Args:
            what: it was.
            code: the word for programs, as in ``CallRefused.code``.
            by: how often.
        """
        self._refused.labels(what, self._refusals.one_of(code)).inc(by)

    def count_rest_failure(self, request: str) -> None:
        """A request to Twilio's REST API failed: ``create``, ``complete``, ``fetch``, ``transfer``."""
        self._rest_failures.labels(self._requests.one_of(request)).inc()

    async def watch_loop(self) -> None:
        """Measure until cancelled how late tasks are woken: what a full processor does to every call at once."""
        while True:
            due = trio.current_time() + LOOP_SAMPLE_SECONDS
            await trio.sleep_until(due)
            self._loop_seconds.observe(max(0.0, trio.current_time() - due))
