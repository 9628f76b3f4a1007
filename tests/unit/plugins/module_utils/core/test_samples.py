"""What of a store's answers is used, and which questions are asked."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.sharedgpu.voice.plugins.module_utils.core.errors import QueryError
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.profiles import PROFILES, chosen
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.queries import current, quote
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.samples import parse_vector
from tests.unit.plugins.module_utils.core.pages import NOW, Card, Store, dcgm, gpu_pod_exporter, pod_peaks
from tests.unit.plugins.module_utils.core.t4 import codes, pages, plan, read

ENTRY = {"metric": {"__name__": "m", "a": "b"}, "value": [NOW, "1.5"]}


def body(result: Any, **more: Any) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": "vector", "result": result}, **more}


def test_a_vector_is_read() -> None:
    sample = parse_vector(body([ENTRY]))[0]
    assert (sample.metric, dict(sample.labels), sample.value, sample.at) == ("m", {"a": "b"}, 1.5, NOW)
    assert parse_vector(body([])) == ()
    assert parse_vector(body([ENTRY], warnings=[], infos=None))


BAD_ENTRIES: list[Any] = [
    {"metric": {}, "value": [10**400, "1"]},
    {"metric": {}, "value": [1, 10**400]},
    None,
    7,
    "x",
    [],
    {},
    {"metric": {}},
    {"metric": None, "value": [1, "1"]},
    {"metric": [], "value": [1, "1"]},
    {"metric": {}, "value": [1]},
    {"metric": {}, "value": [1, "1", 2]},
    {"metric": {}, "value": [1, "many"]},
    {"metric": {}, "value": ["x", "1"]},
    {"metric": {}, "value": [1, None]},
    {"metric": {}, "value": ["NaN", "1"]},
    {"metric": {}, "value": [float("inf"), "1"]},
    {"metric": {}, "histogram": [1, {}]},
]
BAD_ANSWERS: list[tuple[dict[str, Any], str]] = [
    ({}, "query_failed"),
    ({"status": "error", "errorType": "bad_data", "error": "parse error"}, "query_failed"),
    ({"status": "error", "error": {"code": 1}}, "query_failed"),
    (body([ENTRY], warnings=["store is away"]), "partial_answer"),
    (body([ENTRY], infos=["cut short"]), "partial_answer"),
    ({**body([ENTRY]), "isPartial": True}, "partial_answer"),
    ({"status": "success"}, "wrong_result"),
    ({"status": "success", "data": None}, "wrong_result"),
    ({"status": "success", "data": []}, "wrong_result"),
    ({"status": "success", "data": {"resultType": "matrix", "result": []}}, "wrong_result"),
    ({"status": "success", "data": {"resultType": "scalar", "result": [1, "1"]}}, "wrong_result"),
    (body(None), "wrong_result"),
    (body({}), "wrong_result"),
    *((body([entry]), "wrong_result") for entry in BAD_ENTRIES),
]


@pytest.mark.parametrize(("answer", "code"), BAD_ANSWERS)
def test_a_doubtful_answer_is_no_answer(answer: dict[str, Any], code: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse_vector(answer)
    assert caught.value.code == code
    assert len(caught.value.message) < 400


class Answers:
    """A port that gives one bad answer, at the question of that number."""

    def __init__(self, number: int, bad: dict[str, Any] | QueryError) -> None:
        self.number, self.bad, self.store = number, bad, Store(pages(), peaks=pod_peaks())

    def query(self, promql: str, *, time: float | None, lookback_delta: int | None) -> dict[str, Any]:
        good = self.store.query(promql, time=time, lookback_delta=lookback_delta)
        if len(self.store.asked) != self.number:
            return good
        if isinstance(self.bad, QueryError):
            raise self.bad
        return self.bad


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize(("answer", "code"), [*BAD_ANSWERS[:6], (QueryError("timeout", "too late"), "timeout")])
def test_blind_whichever_of_the_three_answers_is_bad(
    number: int, answer: dict[str, Any] | QueryError, code: str
) -> None:
    reading = read(Answers(number, answer))
    assert codes(reading) == {code}
    assert reading.cards == ()
    assert reading.residents == ()


@pytest.mark.parametrize(("cards", "residents"), [(1, 0), (1, 5), (8, 50), (64, 500)])
def test_three_questions_however_many_cards_and_residents(cards: int, residents: int) -> None:
    many = [Card(used=8000, uuid=f"GPU-{number}", node=f"gpu-{number}") for number in range(cards)]
    holders = [(f"space-{number % 9}", f"pod-{number}", 1) for number in range(residents)]
    wanted = plan(cards=[{"name": f"card-{number}", "uuid": f"GPU-{number}"} for number in range(cards)], tenants=[])
    store = Store([dcgm(*many), gpu_pod_exporter(*holders)])
    assert read(store, wanted).problems == ()
    assert len(store.asked) == 3


def test_questions_are_asked_at_one_instant_and_for_fresh_samples() -> None:
    store = Store(pages())
    read(store, max_age=60)
    (_first, first_time, first_delta), (_second, second_time, second_delta), (_third, third_time, _delta) = store.asked
    assert (first_time, second_time, third_time) == (None, NOW, NOW)
    assert first_delta == second_delta == 60


def test_no_history_is_asked_for_without_a_look_back() -> None:
    store = Store(pages())
    assert read(store, lookback=0).problems == ()
    assert len(store.asked) == 2


@pytest.mark.parametrize("profile", [profile.name for profile in PROFILES])
def test_one_profile_asks_for_its_metrics_only(profile: str) -> None:
    question = current(chosen(profile))
    others = {metric for other in PROFILES if other.name != profile for metric in other.metrics()}
    assert all(metric in question for entry in chosen(profile) for metric in entry.metrics())
    assert not any(f"{metric}|" in question or f'{metric}"' in question for metric in others)


@pytest.mark.parametrize(
    ("text", "literal"),
    [('a"b', r'"a\"b"'), ("a\\b", r'"a\\b"'), ("a\nb", r'"a\nb"'), ('\\"', r'"\\\""'), ("ü{}", '"ü{}"')],
)
def test_a_text_cannot_leave_its_literal(text: str, literal: str) -> None:
    assert quote(text) == literal
