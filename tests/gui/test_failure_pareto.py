"""The page of failures: bars, the annotations behind them, asking for the stage at fault."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QComboBox, QLabel, QPushButton, QTableView
from pytestqt.qtbot import QtBot

from pipeline.annotations.judgements import Judgements
from pipeline.annotations.table import AnnotationTable
from pipeline.curation.data import CurationData
from pipeline.diagnosis.diagnosis import Diagnosis, How, Outcome, Step
from pipeline.model.annotation import Annotation, CandidateRecord
from pipeline.scoring.formula import ScoresOptions
from widgets.curation.failure_pareto import FailurePareto
from widgets.curation.pareto_bars import ParetoBars
from widgets.theme import colors


def annotation(episode: int, *warnings: str, task: str = "tool") -> Annotation:
    candidate = CandidateRecord(
        id=0, box=(0, 0, 9, 9), detector=0.5, motion_in=1, motion_out=1, proximity=0, overlap=0,
        relief=0, points=4,
    )  # fmt: skip
    return Annotation(
        episode_index=episode, subtask_index=1, arm="", camera="", instruction="", object="",
        start_box=(0, 0, 9, 9), target_box=None, score=1.0, phases=(), caption="",
        warnings=warnings, terms={}, keyframe=0, dataset="d", task=task, winner=0,
        candidates=(candidate,),
    )  # fmt: skip


TABLE = AnnotationTable.of(
    [
        annotation(0, "closed_at_start"),
        annotation(1, "closed_at_start", "near_tie"),
        annotation(2, "identity_switch"),
        annotation(3, "near_tie", task="fluid"),
        annotation(4, "near_tie"),
    ]
)
WRONG = np.array([1, 1, 1, 0, 0], np.uint32)


def data_of(known: np.ndarray = WRONG, dataset: Path | None = Path("/d")) -> CurationData:
    judged = Judgements(np.zeros(len(TABLE), np.uint32), known)
    nothing = Judgements.nothing(len(TABLE))
    place = Path("/d.jsonl")
    return CurationData(TABLE, place, dataset, Path("/f"), judged, nothing, ScoresOptions())


def diagnosis(episode: int, stage: str, subtask: int = 1) -> Diagnosis:
    step = Step(stage, "the truth", 0, 2, True, 1.5)
    return Diagnosis(
        episode, subtask, Outcome.WRONG, stage, How.SUBSTITUTION, (step,),
        f"{stage.title()}: it is right.", dataset="d",
    )  # fmt: skip


@pytest.fixture
def page(qtbot: QtBot) -> FailurePareto:
    made = FailurePareto()
    made.resize(1000, 600)
    qtbot.addWidget(made)
    made.show()
    return made


def bars(page: FailurePareto) -> dict[str, tuple[int, ...]]:
    return {b.label: b.counts for g in page.groups for b in g.bars}


def picture(page: FailurePareto) -> ParetoBars:
    return page.findChild(ParetoBars)


def table(page: FailurePareto) -> QTableView:
    return page.findChild(QTableView)


def listed(page: FailurePareto) -> list[int]:
    model = table(page).model()
    return [int(model.index(row, 0).data()) for row in range(model.rowCount())]


def button(page: FailurePareto) -> QPushButton:
    return page.findChild(QPushButton)


def choose(page: FailurePareto, name: str, text: str) -> None:
    combo = next(c for c in page.findChildren(QComboBox) if c.accessibleName() == name)
    combo.setCurrentIndex(combo.findText(text))


def click(qtbot: QtBot, page: FailurePareto, bar: int, group: int = 0) -> None:
    where = picture(page).row_rect(group, bar).center().toPoint()
    qtbot.mouseClick(picture(page), Qt.MouseButton.LeftButton, pos=where)


def test_without_data_it_says_what_to_do(page: FailurePareto) -> None:
    assert any("annotate" in label.text() for label in page.findChildren(QLabel))
    assert not button(page).isEnabled()
    assert "no annotations" in button(page).toolTip()


def test_wrong_annotations_are_counted_and_guesses_left_out(page: FailurePareto) -> None:
    page.set_data(data_of())
    assert bars(page) == {"phases": (0, 2, 0), "tracks": (0, 1, 0)}
    assert listed(page) == [0, 1]


def test_where_nothing_is_judged_the_suspects_show(page: FailurePareto) -> None:
    page.set_data(data_of(np.zeros(len(TABLE), np.uint32)))
    assert bars(page) == {"phases": (0, 0, 2), "scores": (0, 0, 2), "tracks": (0, 0, 1)}
    assert "known to be wrong" in button(page).toolTip()


def test_a_bar_lists_its_annotations(page: FailurePareto, qtbot: QtBot) -> None:
    page.set_data(data_of())
    click(qtbot, page, 1)
    assert listed(page) == [2]
    qtbot.keyClick(picture(page), Qt.Key.Key_Up)
    assert listed(page) == [0, 1]


def test_codes_and_groups(page: FailurePareto) -> None:
    page.set_data(data_of(np.ones(len(TABLE), np.uint32)))
    choose(page, "Count by", "Codes")
    assert bars(page) == {
        "closed_at_start": (0, 2, 0),
        "near_tie": (0, 2, 0),
        "identity_switch": (0, 1, 0),
    }
    choose(page, "Group by", "Task")
    assert [(g.name, g.total) for g in page.groups] == [("tool", 4), ("fluid", 1)]


def test_a_double_click_or_return_opens_the_annotation(page: FailurePareto, qtbot: QtBot) -> None:
    page.set_data(data_of())
    view = table(page)
    with qtbot.waitSignal(page.annotationActivated) as opened:
        view.selectRow(1)
        qtbot.keyClick(view, Qt.Key.Key_Return)
    assert opened.args == [1, 1]
    where = view.visualRect(view.model().index(0, 0)).center()
    with qtbot.waitSignal(page.annotationActivated) as opened:
        qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=where)
        qtbot.mouseDClick(view.viewport(), Qt.MouseButton.LeftButton, pos=where)
    assert opened.args == [0, 1]


def test_return_on_a_bar_goes_to_its_list(page: FailurePareto, qtbot: QtBot) -> None:
    page.set_data(data_of())
    click(qtbot, page, 0)
    with qtbot.waitSignal(picture(page).barActivated):
        qtbot.keyClick(picture(page), Qt.Key.Key_Return)


def test_diagnoses_arrive_one_by_one_and_the_selection_stays(page: FailurePareto) -> None:
    page.set_data(data_of())
    table(page).selectRow(1)
    page.set_diagnoses([diagnosis(0, "tracks")])
    assert bars(page) == {"tracks": (1, 1, 0), "phases": (0, 1, 0)}
    assert listed(page) == [1]  # the bar that was chosen
    assert page.wrong_episodes() == (1, 2)
    page.set_diagnoses([diagnosis(1, "phases"), diagnosis(2, "robot")])
    assert page.wrong_episodes() == ()
    assert "were diagnosed" in button(page).toolTip()


def test_what_cannot_be_found_is_not_asked_for_again(page: FailurePareto) -> None:
    page.set_data(data_of())
    told_wrong = replace(diagnosis(0, "phases"), how=How.CODES)
    page.set_diagnoses([told_wrong])
    assert bars(page)["phases"] == (0, 2, 0)
    assert page.wrong_episodes() == (1, 2)


def test_what_was_tried_is_told(page: FailurePareto) -> None:
    page.set_data(data_of())
    page.set_diagnoses([diagnosis(0, "phases")])
    told = next(
        label for label in page.findChildren(QLabel) if label.accessibleName() == "What was tried"
    )
    assert "Phases: it is right." in told.text()
    assert "#2 wins, right, 1.5 s" in told.text()


def test_asking_names_the_wrong_episodes(page: FailurePareto, qtbot: QtBot) -> None:
    page.set_data(data_of())
    with qtbot.waitSignal(page.diagnosisRequested) as asked:
        qtbot.mouseClick(button(page), Qt.MouseButton.LeftButton)
    assert asked.args == [(0, 1, 2)]


def test_while_it_runs_the_button_cancels(page: FailurePareto, qtbot: QtBot) -> None:
    page.set_data(data_of())
    page.set_progress(0.5, "episode 1: tracks 40%")
    assert button(page).text() == "Cancel"
    with qtbot.waitSignal(page.cancelRequested):
        qtbot.mouseClick(button(page), Qt.MouseButton.LeftButton)
    page.set_progress(None, "cancelled; what was found stays")
    assert button(page).text() == "Find the stage at fault"
    assert any("what was found stays" in label.text() for label in page.findChildren(QLabel))


def test_without_the_dataset_nothing_can_be_found(page: FailurePareto) -> None:
    page.set_data(data_of(dataset=None))
    assert not button(page).isEnabled()
    assert "not on this machine" in button(page).toolTip()


def test_other_annotations_forget_the_diagnoses(page: FailurePareto) -> None:
    page.set_data(data_of())
    page.set_diagnoses([diagnosis(0, "tracks")])
    page.set_data(data_of())  # the same file, judged again
    assert bars(page)["tracks"] == (1, 1, 0)
    page.set_data(replace(data_of(), path=Path("/other.jsonl")))
    assert bars(page)["tracks"] == (0, 1, 0)


def test_a_missed_subtask_counts_and_opens_its_episode(page: FailurePareto, qtbot: QtBot) -> None:
    page.set_data(data_of())
    page.set_diagnoses([diagnosis(9, "robot", subtask=-1)])
    assert bars(page)["robot"] == (1, 0, 0)
    place = [b.label for b in page.groups[0].bars].index("robot")
    click(qtbot, page, place)
    assert listed(page) == [9]
    with qtbot.waitSignal(page.annotationActivated) as opened:
        qtbot.keyClick(table(page), Qt.Key.Key_Return)
    assert opened.args == [9, 0]


def test_bars_are_as_long_as_their_counts(page: FailurePareto) -> None:
    page.set_data(data_of())
    page.set_diagnoses([diagnosis(0, "phases")])
    shown = picture(page)
    fault, suspect, unjudged = shown.segments(0, 0)
    assert fault.width() == pytest.approx(suspect.width())
    assert unjudged.width() == 0
    (other,) = [part for part in shown.segments(0, 1) if part.width()]
    assert other.width() == pytest.approx(fault.width())
    image = shown.grab().toImage()
    ratio = image.devicePixelRatio()
    at = (fault.center() * ratio).toPoint()
    accent = QColor(colors(page.palette()).accent)
    assert image.pixelColor(QPoint(at.x(), at.y())) == accent
    # Hatched, not solid: both the stripes and what lies between them show.
    row = range(round(suspect.left() * ratio) + 3, round(suspect.right() * ratio) - 3)
    tones = {image.pixelColor(x, at.y()).rgb() for x in row}
    assert len(tones) > 1


def test_tips_say_what_a_bar_counts(page: FailurePareto) -> None:
    page.set_data(data_of())
    shown = picture(page)
    row = next(r for r in shown._rows if r.bar == 0)
    assert "2 wrong, suspected" in shown.tip_of(row)
    assert "66.7%" in shown.tip_of(row)


def test_nothing_is_computed_while_hidden(qtbot: QtBot) -> None:
    hidden = FailurePareto()
    qtbot.addWidget(hidden)
    hidden.set_data(data_of())
    hidden.set_diagnoses([diagnosis(0, "tracks")])
    assert hidden.groups == ()
    hidden.show()
    assert bars(hidden)["tracks"] == (1, 1, 0)
