"""Named cases of faults: what is wrong, what the gate does about it, and how that is tried and checked.

The cases of a file run side by side, each in a lane of its own; docs/faults.md is written from them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import Queue
from typing import Any

from tests.integration.gating import EXPORTERS, TARGET, Gate
from tests.integration.gating_lanes import Lane, foul
from tests.integration.gating_proxy import answers, honest

Try = Callable[[Lane], None]
FEW = 5  # lanes that look at doubts, each at several
CAP = 6  # changes of a tenant within one hour, as the plan has it by default


@dataclass(frozen=True)
class Case:
    """One fault: its class, its name, what the gate does, the reasons that it gives, and the class of the error."""

    group: str
    fault: str
    does: str
    reasons: tuple[str, ...]
    error: str
    trial: Try

    def __str__(self) -> str:
        return self.fault


class Cases(list[Case]):
    """The cases of one file, in their order."""

    def __init__(self, group: str) -> None:
        super().__init__()
        self.group = group

    def add(self, fault: str, trial: Try, *, does: str, reasons: str = "", error: str = "", group: str = "") -> None:
        """Add a case; ``reasons`` are codes with blanks between."""
        assert all(fault != known.fault for known in self), f"there are two cases {fault!r}"
        self.append(Case(group or self.group, fault, does, tuple(reasons.split()), error, trial))

    def case(self, fault: str, **told: str) -> Callable[[Try], Try]:
        """Return a decorator that adds its function as a case."""

        def added(trial: Try) -> Try:
            self.add(fault, trial, **told)
            return trial

        return added


class Batch:
    """Cases on their way, each with its own outcome."""

    def __init__(self, lanes: Sequence[Lane], cases: Sequence[Case]) -> None:
        self._free: Queue[Lane] = Queue()
        for lane in lanes:
            self._free.put(lane)
        self._pool = ThreadPoolExecutor(len(lanes))
        self._outcomes: dict[str, Future[None]] = {case.fault: self._pool.submit(self._try, case) for case in cases}

    def outcome(self, case: Case) -> None:
        """Wait for a case and raise what it raised."""
        self._outcomes[case.fault].result()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _try(self, case: Case) -> None:
        lane = self._free.get()
        try:
            lane.begin()
            case.trial(lane)
            check(lane, case)
        finally:
            for gate in lane.gates_of_case:
                gate.close()
            self._free.put(lane)


def check(lane: Lane, case: Case) -> None:
    """Assert what holds after every case: the invariants, and what docs/faults.md says of it."""
    # Both anew each time: the gate may go on while it is judged.
    lane.until(lambda: told_actions(lane) == made_actions(lane), "exactly one Event for each change (I6)", 30)
    lane.until(lambda: not logged(lane) - Counter(transitions(lane)), "one Event for each change in the logs", 30)
    ours = lane.ours()
    assert all("transitions last hour" in event["note"] for event in lane.changes()), "I6: an Event without numbers"
    assert len(ours) <= CAP, "I4"
    assert not foul(lane), f"I8: {foul(lane)}"
    for gate in lane.gates_of_case:
        sound(gate)
    lines = [line for gate in lane.gates_of_case for line in gate.lines()]
    said = {line["reason"] for line in lines if "reason" in line} | {event["reason"] for event in lane.events()}
    assert set(case.reasons) <= said, f"{case.reasons} are not all among {said}"
    errors = {line["error"] for line in lines if line["kind"] == "error"}
    assert not case.error or errors & set(case.error.split("|")), f"{case.error} is not among {errors}"


def told_actions(lane: Lane) -> list[str]:
    return [one["action"] for one in lane.changes()]


def made_actions(lane: Lane) -> list[str]:
    return [f"ScaleTo{one.replicas}" for one in lane.ours()]


def logged(lane: Lane) -> Counter[str]:
    """Return how often the gates say for which reason they changed the target."""
    lines = [line for gate in lane.gates_of_case for line in gate.lines("transition")]
    return Counter(line["reason"] for line in lines if line["target"] == f"{lane.namespace}/{TARGET}")


def sound(gate: Gate) -> None:
    """Assert that a gate broke nowhere and admitted on trusted numbers with enough room only."""
    assert not gate.complaints(), gate.complaints()
    assert "internal" not in gate.errors(), [line for line in gate.lines("error") if line["error"] == "internal"]
    for line in gate.lines("transition"):
        assert line["sentence"], line
        if line["reason"] == "ADMITTED":
            numbers = line["numbers"]
            assert "blind" not in numbers, "I2"
            assert numbers["room_to_enter_bytes"] >= numbers["floor_bytes"], "I5"


def transitions(lane: Lane) -> list[str]:
    """Return the reasons of the changes since the case began, by their Events."""
    return [event["reason"] for event in lane.changes()]


def told(lane: Lane, *reasons: str) -> None:
    """Wait until these were the changes, and no others."""
    lane.until(lambda: len(lane.changes()) >= len(reasons), f"the Events {reasons}")
    assert transitions(lane) == list(reasons), f"{transitions(lane)}, not {list(reasons)}"


def reason(gate: Gate, code: str) -> bool:
    """Tell whether the gate gives this reason now."""
    return gate.metric("reason", reason=code) == 1


def admitted(lane: Lane, *, source: str = "exporters", policy: Any = None) -> Gate:
    """Start a gate and wait until the target runs on the card."""
    gate = lane.gate(policy, source=source)
    lane.until(lane.running, "the admission")
    return gate


def left(lane: Lane, *reasons: str) -> None:
    """Wait until the tenant has left the card; where reasons are given, until these were the changes."""
    lane.until(lane.gone, "the tenant to have left")
    if reasons:
        told(lane, *reasons)


def stuck(lane: Lane) -> str:
    """Let the tenant yield while something keeps its pod, make room again, and return the pod."""
    pod = lane.the_pod()
    lane.keep(pod, ["dev.sharedgpu/test"])
    lane.crowd()
    lane.until(lambda: lane.replicas() == 0, "the tenant to have been told to leave")
    lane.calm()
    return pod


def nobody(lane: Lane, gate: Gate) -> None:
    """Wait until the gate is blind, and see that it admits nobody and does not ask for a restart."""
    lane.until(lambda: reason(gate, "BLIND"), "the doubt")
    gate.ticks(2)
    assert (lane.replicas(), lane.scaled()) == (0, [])
    assert gate.status("/healthz") == 200


class Doubts(Batch):
    """Cases in which nobody may be admitted: one gate of each lane stays for many of them, its window always open.

    A case's trial makes the source lie; there is no honest moment between two of them.
    """

    def __init__(self, lanes: Sequence[Lane], cases: Sequence[Case], source: str) -> None:
        self._source = source
        self._used = list(lanes[:FEW])
        #: by the lane's namespace; what else a lane still has is of another file's last case
        self._gates: dict[str, Gate] = {}
        super().__init__(self._used, cases)

    def healed(self) -> None:
        """Let all lanes be honest again and see each gate admit: nothing else had been in the way."""
        lanes = [lane for lane in self._used if lane.namespace in self._gates]
        for lane in lanes:
            lane.metrics.fault = honest
            lane.control("reset")
        for lane in lanes:
            lane.until(lane.running, "the admission when nothing is wrong any more")
            told(lane, "ADMITTED")
            check(lane, Case("", "", "", ("BLIND", "ADMITTED"), "", lambda _lane: None))

    def _try(self, case: Case) -> None:
        lane = self._free.get()
        try:
            gate = self._standing(lane)
            before = blind(gate, case.error)
            case.trial(lane)
            wanted = f"two looks at {case.error}; the gate's last line is "
            lane.until(lambda: blind(gate, case.error) > before + 1, wanted + str(gate.lines()[-1]))
            assert reason(gate, "BLIND"), gate.lines()[-1]
            assert not lane.scaled(), f"I2: {lane.scaled()}"
            assert gate.status("/healthz") == 200, "a restart would not help"
        finally:
            self._free.put(lane)

    def _standing(self, lane: Lane) -> Gate:
        gate = self._gates.get(lane.namespace)
        if gate is None or gate.process.poll() is not None:
            lane.begin()
            lane.metrics.fault = answers("", 503)
            for exporter in EXPORTERS if self._source == "exporters" else ():
                lane.control("fault", exporter=exporter, fault="http_500")
            gate = self._gates[lane.namespace] = lane.ready(lane.gate(source=self._source))
        return gate

    def close(self) -> None:
        super().close()
        for gate in self._gates.values():
            gate.close()


def blind(gate: Gate, codes: str) -> float:
    """Return how often the gate was blind for one of these reasons."""
    return sum(gate.metric("errors_total", **{"class": code}) or 0 for code in codes.split("|"))
