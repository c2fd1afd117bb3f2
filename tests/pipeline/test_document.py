"""The session: which results belong together, and which run is kept to compare with."""

from __future__ import annotations

from typing import Any

from pipeline.document import Document, Part
from pipeline.engine.cache import StageOutcome
from pipeline.engine.kept_run import KeptRun, differences
from pipeline.model.edits import AddBox, Edit
from tests.pipeline.toy_stages import ToyOptions, toy_graph


def put(document: Document, stage: str, key: str) -> None:
    subtask = -1 if stage == "first" else 0
    document.put_result(StageOutcome(stage, subtask, key, f"{stage} of {key}", 0.1))


def run(document: Document, *keys: str) -> None:
    """A run that delivers results with these keys, as far as it came."""
    document.begin_run()
    for stage, key in zip(("first", "second"), keys, strict=False):
        put(document, stage, key)


def choose(document: Document, factor: float) -> None:
    document.set_options("first", ToyOptions(factor=factor))


def test_a_result_fits_what_it_was_made_of() -> None:
    document = Document(toy_graph())
    run(document, "a1", "a2")
    assert document.session.fits("first")
    assert document.session.fits("second")
    # Half of the next run: what is shown of the second stage was made of another first one.
    choose(document, 2)
    run(document, "b1")
    assert document.session.fits("first")
    assert not document.session.fits("second")
    put(document, "second", "b2")
    assert document.session.fits("second")
    # Back again: the first result is the old one, the second is not yet.
    put(document, "first", "a1")
    assert not document.session.fits("second")
    assert not document.session.fits("third")


def test_the_run_before_is_kept_whole() -> None:
    document = Document(toy_graph())
    run(document, "a1", "a2")
    assert document.session.before is None
    choose(document, 2)
    # Cancelled half-way and taken up again: still one run.
    run(document, "b1")
    run(document, "b1", "b2")
    before = document.session.before
    assert before is not None
    assert {o.key for o in before.results.values()} == {"a1", "a2"}
    assert differences(before, document.session.options, ()) == ["first.factor 1 → 2"]
    # The same again changes nothing, so it is nothing to compare with.
    run(document, "b1", "b2")
    assert document.session.before is before


def test_a_pinned_run_stays_until_it_is_let_go() -> None:
    document = Document(toy_graph())
    run(document, "a1", "a2")
    document.pin_run(True)
    pinned = document.session.before
    assert pinned is not None
    for factor, key in ((2.0, "b"), (3.0, "c")):
        choose(document, factor)
        run(document, f"{key}1", f"{key}2")
    assert document.session.before is pinned
    document.pin_run(False)
    choose(document, 4)
    run(document, "d1", "d2")
    now = document.session.before
    assert now is not None
    assert {o.key for o in now.results.values()} == {"c1", "c2"}


def test_comparing_needs_a_run_before() -> None:
    document = Document(toy_graph())
    told: list[Part] = []
    document.listen(lambda changes: told.append(changes.parts))
    document.set_comparing(True)
    assert not document.session.comparing
    run(document, "a1", "a2")
    choose(document, 2)
    run(document, "b1", "b2")
    document.set_comparing(True)
    assert document.session.comparing
    assert Part.COMPARISON in told[-1]


def test_corrections_are_differences_too() -> None:
    box: Edit = AddBox(subtask=0, box=(0, 0, 5, 5))
    options: dict[str, Any] = {}
    assert differences(KeptRun({}, options, ()), options, (box,)) == ["correction: draw object box"]
    assert differences(KeptRun({}, options, (box,)), options, ()) == ["taken back: draw object box"]
