from __future__ import annotations

import itertools
import random
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.model.caption import Verdict
from pipeline.model.edits import EDIT, Edit, JudgeCaption, Rename, SetChannels
from pipeline.model.problem import DataError
from pipeline.review.events import Event, replay
from pipeline.review.exchange import export_jsonl, import_jsonl, merge_store
from pipeline.review.location import sidecar
from pipeline.review.merging import Conflict, compare, disagreements
from pipeline.review.ordering import MAX_CLOCK, clock_of, next_clock
from pipeline.review.store import ReviewStore

Place = Callable[[str], Path]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Folder of the dataset on the machine of a person."""
    monkeypatch.setenv("DEMOSCOPE_DATA_DIR", str(tmp_path / "user"))

    def make(person: str) -> Path:
        folder = tmp_path / person / "bottles"
        folder.mkdir(parents=True)
        return folder

    return make


def _rename(name: str, subtask: int = 0) -> Rename:
    return Rename(subtask=subtask, object_name=name)


def _judge(verdict: Verdict, text: str = "b", subtask: int = 0) -> JudgeCaption:
    return JudgeCaption(subtask=subtask, verdict=verdict, draft="a", text=text)


def _state(store: ReviewStore) -> tuple[object, ...]:
    """All that can be seen of a store, row numbers aside."""
    episodes = range(-1, 6)
    return (
        tuple(replace(e, id=0) for e in store.events()),
        tuple(store.edits(e) for e in episodes),
        store.reviewed(),
        tuple(_plain(c) for c in store.disagreements()),
    )


def _plain(conflict: Conflict) -> Conflict:
    return replace(conflict, verdicts=tuple(replace(e, id=0) for e in conflict.verdicts))


def _act(store: ReviewStore, chance: random.Random) -> None:
    """Something a person may do."""
    episode, subtask = chance.randrange(6), chance.randrange(3)
    match chance.randrange(8):
        case 0 | 1:
            store.undo(episode)
        case 2:
            store.redo(episode)
        case 3:
            store.record(episode, subtask, {"text": f"draft {chance.random()}", "model": None})
        case 4:
            store.append(episode, _judge(chance.choice(list(Verdict)), "c", subtask))
        case 5:
            side = chance.choice(["left", "right"])
            store.append(
                episode,
                SetChannels(arm=side, signal="state", indices=(subtask,), closed_is="low"),
            )
        case _:
            store.append(episode, _rename(chance.choice(["cup", "mug", "pot"]), subtask))


def _fast(store: ReviewStore) -> ReviewStore:
    """A thousand events to the disk take seconds; here nobody pulls the plug."""
    connection = store._table.connection  # type: ignore[attr-defined]
    connection.execute("PRAGMA synchronous = OFF")
    return store


def test_a_thousand_interleaved_events_merge_in_any_order(place: Place) -> None:
    chance = random.Random(7)  # noqa: S311
    people = [ReviewStore.open(place(who), who=who) for who in ("ada", "ben")]
    for store in people:
        store.append(0, _rename("cup"))
        _fast(store)
    while sum(len(s.events()) for s in people) < 1000:
        _act(chance.choice(people), chance)
    ada, ben = (s.events() for s in people)
    clocks = [e.clock for e in ada], [e.clock for e in ben]
    assert clocks[0][0] < clocks[1][-1]
    assert clocks[1][0] < clocks[0][-1]  # interleaved
    mixed = [*ada, *ben]
    chance.shuffle(mixed)
    states = []
    for number, rows in enumerate(
        ((ada, ben), (ben, ada), (ben, ada, ben, ada), (mixed,), (mixed[:400], mixed[300:]))
    ):
        merged = ReviewStore.open(place(f"merged {number}"), who="ada")
        for row in rows:
            merged.merge(row)
        states.append(_state(merged))
        merged.close()
        # and the same after reading it again
        again = ReviewStore.open(merged.location.parent.with_name("bottles"), who="ada")
        assert _state(again) == states[0]
        again.close()
    assert len(ada) + len(ben) == len(states[0][0])  # type: ignore[arg-type]
    assert all(s == states[0] for s in states)
    # each into the other, and each goes on from there
    assert people[0].merge(ben).added == len(ben)
    assert people[1].merge(people[0].events()).added == len(ada)
    assert _state(people[0]) == _state(people[1]) == states[0]
    _act(people[0], chance)
    people[1].merge(people[0].events())
    assert _state(people[0]) == _state(people[1])
    for store in people:
        store.close()


def test_two_who_go_on_after_merging_agree_again(place: Place) -> None:
    ada, ben = ReviewStore.open(place("a"), who="ada"), ReviewStore.open(place("b"), who="ben")
    ada.append(0, _rename("cup"))
    ben.append(0, _rename("mug"))
    ada.merge(ben.events())
    ben.merge(ada.events())
    assert ada.edits(0) == ben.edits(0) == (_rename("mug"),)
    assert ada.undo(0) == _rename("cup")  # her own, although his is newer
    ben.append(0, _rename("pot"))
    ada.append(0, _rename("jug", 1))
    ada.merge(ben.events())
    ben.merge(ada.events())
    assert _state(ada) == _state(ben)
    assert ada.can_undo(0) == "rename object to “jug”"
    assert ben.can_undo(0) == "rename object to “pot”"
    ada.close()
    ben.close()


def test_what_followed_stays_after_what_it_followed_with_a_wrong_clock(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, ben = ReviewStore.open(place("a"), who="ada"), ReviewStore.open(place("b"), who="ben")
    ada.append(0, _rename("cup"))
    ben.merge(ada.events())
    monkeypatch.setattr("pipeline.review.ordering.time.time_ns", lambda: 0)  # his clock: 1970
    ben.append(0, _rename("mug"))
    ada.merge(ben.events())
    assert ada.edits(0) == (_rename("mug"),)
    assert [e.who for e in ada.events()] == ["ada", "ben"]
    ada.close()
    ben.close()


def test_verdicts_made_apart_are_conflicts_and_told(place: Place) -> None:
    ada, ben = ReviewStore.open(place("a"), who="ada"), ReviewStore.open(place("b"), who="ben")
    ada.append(0, _judge(Verdict.ACCEPTED, "pick the cup"))
    ben.append(0, _judge(Verdict.CORRECTED, "pick the mug"))
    ada.append(1, _judge(Verdict.ACCEPTED, "same"))
    ben.append(1, _judge(Verdict.ACCEPTED, "same"))
    ada.append(2, _judge(Verdict.ACCEPTED, "taken back"))
    ada.undo(2)
    ben.append(2, _judge(Verdict.REJECTED))
    report = ada.merge(ben.events())
    assert (report.added, report.known) == (3, 0)
    (conflict,) = report.conflicts
    assert (conflict.episode, conflict.subtask) == (0, 0)
    assert conflict.text == (
        "episode 0, subtask 1: ada: accepted “pick the cup”, ben: corrected “pick the mug”; "
        "ben’s holds"
    )
    assert ada.edits(0) == (_judge(Verdict.CORRECTED, "pick the mug"),)
    # the other one is told, too, and nobody twice
    assert [_plain(c) for c in ben.merge(ada.events()).conflicts] == [_plain(conflict)]
    assert ada.merge(ben.events()).conflicts == ()
    assert ada.disagreements() == (conflict,)
    ada.append(0, _judge(Verdict.REJECTED))
    assert [c.verdicts[-1].who for c in ben.merge(ada.events()).conflicts] == ["ada"]
    ben.append(0, _judge(Verdict.REJECTED))
    assert ben.disagreements() == ()
    ada.close()
    ben.close()


def test_conflicts_are_told_by_subtask_and_a_rejection_without_text(place: Place) -> None:
    ada, ben = ReviewStore.open(place("a"), who="ada"), ReviewStore.open(place("b"), who="ben")
    for subtask in (1, 0):
        ada.append(0, _judge(Verdict.ACCEPTED, "pick the cup", subtask))
        ben.append(0, _judge(Verdict.REJECTED, "pick the cup", subtask))
    told = [c.text for c in ada.merge(ben.events()).conflicts]
    assert told == [
        f"episode 0, subtask {n}: ada: accepted “pick the cup”, ben: rejected; ben’s holds"
        for n in (1, 2)
    ]
    ada.close()
    ben.close()


def test_an_event_that_says_something_else_there_is_told_and_ours_stays(place: Place) -> None:
    store = ReviewStore.open(place("a"))
    event = store.append(0, _rename("cup"))
    forged = replace(event, payload=EDIT.dump_json(_rename("mug")).decode())
    report = store.merge([forged])
    assert report.altered == (event.uuid,)
    assert store.edits(0) == (_rename("cup"),)
    spaced = replace(event, payload=event.payload.replace(":", ": "))
    assert store.merge([spaced]).altered == ()
    store.close()


def test_reviews_of_another_dataset_are_refused_unless_it_is_said(place: Place) -> None:
    store = ReviewStore.open(place("a"))
    other = ReviewStore.open(place("b").with_name("cups"))
    other.append(0, _rename("cup"))
    with pytest.raises(DataError, match="“cups”, not of “bottles”") as caught:
        store.merge(other.events())
    assert caught.value.code == "other_dataset"
    with pytest.raises(DataError, match="not of “bottles”"):
        merge_store(store, other.location)
    assert store.events() == ()
    assert store.merge(other.events(), any_dataset=True).added == 1
    other.append(0, _rename("mug"))
    assert store.merge(other.events()).added == 1  # said once
    store.close()
    other.close()


def test_stores_merge_from_wherever_they_lie(place: Place, tmp_path: Path) -> None:
    ada, ben = ReviewStore.open(place("a"), who="ada"), ReviewStore.open(place("b"), who="ben")
    for i in range(3):
        ben.append(i, _rename("cup"))
    dataset = ben.location.parent.with_name("bottles")
    before = {p.name: p.read_bytes() for p in ben.location.parent.iterdir()}
    assert merge_store(ada, ben.location).added == 3  # it is open, in its write-ahead log
    assert merge_store(ada, ben.location.parent).known == 3
    assert merge_store(ada, dataset).known == 3
    assert {p.name: p.read_bytes() for p in ben.location.parent.iterdir()} == before
    assert export_jsonl(ben.events(), tmp_path / "all.jsonl") == 3
    assert merge_store(ada, tmp_path / "all.jsonl").known == 3
    third = ReviewStore.open(place("c"))
    assert import_jsonl(third, tmp_path / "all.jsonl").added == 3
    assert [replace(e, id=0) for e in third.events()] == [replace(e, id=0) for e in ben.events()]
    for path in (tmp_path / "nothing", tmp_path):
        with pytest.raises(DataError, match="there are no reviews"):
            merge_store(ada, path)
    damaged = sidecar(place("d"))
    damaged.parent.mkdir()
    damaged.write_bytes(ben.location.read_bytes()[:100] + b"?" * 5000)
    with pytest.raises(DataError, match=r"damaged|cannot be"):
        merge_store(ada, damaged)
    for store in (ada, ben, third):
        store.close()


EDITS: st.SearchStrategy[Edit] = st.one_of(
    st.builds(_rename, st.sampled_from(["cup", "mug"]), st.integers(0, 1)),
    st.builds(_judge, st.sampled_from(Verdict), st.sampled_from("xy"), st.integers(0, 1)),
)


@st.composite
def histories(draw: st.DrawFn) -> list[list[Event]]:
    """What several people did apart, each seeing only what came from others now and then."""
    people = draw(st.integers(2, 3))
    known: list[list[Event]] = [[] for _ in range(people)]
    for number in range(draw(st.integers(0, 25))):
        who = draw(st.integers(0, people - 1))
        mine = sorted(known[who], key=lambda e: e.order)
        timeline = replay(mine)
        action = draw(st.sampled_from(["edit", "edit", "undo", "redo", "merge"]))
        if action == "merge":
            other = draw(st.integers(0, people - 1))
            known[who] += [e for e in known[other] if e not in known[who]]
            continue
        refers = None
        if action != "edit":
            name = f"p{who}"
            refers = timeline.to_undo(name) if action == "undo" else timeline.to_redo(name)
            if refers is None:
                continue
        edit = draw(EDITS)
        latest = max([0, *(e.clock for e in mine)])
        known[who].append(
            Event(
                0,
                f"{number:04d}{who}",
                "2026-01-31T12:00:00.000+00:00",
                f"p{who}",
                "bottles",
                0,
                action,  # type: ignore[arg-type]
                edit.stage if refers is None else refers.stage,
                edit.subtask if refers is None else refers.subtask,
                EDIT.dump_json(edit).decode() if refers is None else "",
                "" if refers is None else refers.uuid,
                # clocks of different people may well be equal, or wrong
                latest + draw(st.integers(1, 3)),
            )
        )
    return known


@settings(max_examples=100, deadline=None)
@given(histories(), st.randoms(use_true_random=False))
def test_any_order_of_merging_comes_to_the_same(
    known: list[list[Event]], chance: random.Random
) -> None:
    everything = {e.uuid: e for e in itertools.chain(*known)}
    outcomes = []
    for _ in range(3):
        sets = [list(k) for k in known]
        chance.shuffle(sets)
        merged: list[Event] = []
        for events in sets:
            chance.shuffle(events)
            merged = sorted([*merged, *compare(merged, events).added], key=lambda e: e.order)
        assert {e.uuid for e in merged} == set(everything)
        outcomes.append((merged, replay(merged), disagreements(merged)))
    assert outcomes[0] == outcomes[1] == outcomes[2]
    # nobody's undo took back what another one did
    timeline = outcomes[0][1]
    assert {e.who for e in timeline.undone} == set(timeline.undoers)
    for undone, by in zip(timeline.undone, timeline.undoers, strict=True):
        assert undone.who == by


def test_clocks() -> None:
    now = next_clock(0)
    assert next_clock(now + 10**12) == now + 10**12 + 1
    assert clock_of("2026-01-31T12:00:00.000+00:00", 0) == 1_769_860_800_000_000
    assert clock_of("2026-01-31T13:00:00.000+01:00", 0) == 1_769_860_800_000_000
    assert clock_of("garbage", 7) == 8
    assert clock_of("9999-01-01T00:00:00.000+00:00", 0) == MAX_CLOCK
    assert len({uuid.uuid4().hex for _ in range(3)}) == 3
