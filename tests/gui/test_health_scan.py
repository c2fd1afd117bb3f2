"""The examination in the background: batches, crashes, and what the window shows of it."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PySide6.QtWidgets import QMainWindow
from pytestqt.qtbot import QtBot

from app.episode_statuses import EpisodeStatuses
from app.health_scan import HealthMonitor, HealthNews
from app.health_view import HealthView
from app.main_window import MainWindow
from app.status_line import StatusLine
from app.window_run import make_window
from pipeline.health.codes import finding
from pipeline.health.scan import ScanSettings
from pipeline.model.problem import Problem, Severity
from tests.broken_datasets import table_of
from tests.datasets import write_v2
from tests.health_sources import OPEN_FRAGILE, Dataset, demonstration, open_fragile
from widgets.episode_table import EpisodeTable

SCAN_TIME = 60_000
JUMP = finding("state_jump", "the state jumps at 1 frame")
SHORT = finding("very_long", "99 s")
DRIFT = finding("gripper_direction_doubtful", "arm gripper: low is taken as closed")
TIE = Problem("near_tie", "The best two differ by 0.01.")


class Watched:
    """A monitor and what it told."""

    def __init__(self, monitor: HealthMonitor) -> None:
        self.monitor = monitor
        self.news: list[HealthNews] = []
        monitor.found.connect(self.news.append)

    def start(self, path: str, first: tuple[int, ...] = ()) -> None:
        self.monitor.start(replace(open_fragile(path).info, path=path), first)

    @property
    def ended(self) -> bool:
        return bool(self.news) and self.news[-1].ended

    @property
    def codes(self) -> dict[int, list[str]]:
        found: dict[int, tuple[Problem, ...]] = {}
        for news in self.news:
            found.update(news.problems)
        return {e: [p.code for p in ps] for e, ps in found.items()}


@pytest.fixture
def watched(qtbot: QtBot) -> Iterator[Watched]:
    settings = ScanSettings(opener=OPEN_FRAGILE, timeout=1.0)
    made = Watched(HealthMonitor(None, settings=settings))
    yield made
    made.monitor.close()
    assert not made.monitor.running
    assert not [p for p in multiprocessing.active_children() if "health" in p.name]


def test_results_come_and_faults_are_told(qtbot: QtBot, watched: Watched) -> None:
    watched.start("7 crash=1 hang=3 raise=5")
    qtbot.waitUntil(lambda: watched.ended, timeout=SCAN_TIME)
    assert (watched.news[-1].done, watched.news[-1].total) == (7, 7)
    assert watched.codes == {1: ["scan_crashed"], 3: ["scan_timed_out"], 5: ["scan_crashed"]}
    assert watched.news[-1].failure == ""


def test_a_new_dataset_silences_the_old_one(qtbot: QtBot, watched: Watched) -> None:
    watched.start("400 crash=1")
    watched.start("2")
    qtbot.waitUntil(lambda: watched.ended, timeout=SCAN_TIME)
    assert {n.total for n in watched.news} <= {0, 2}
    assert watched.codes == {}


def test_a_dataset_that_cannot_be_opened_is_told_in_a_sentence(
    qtbot: QtBot, watched: Watched
) -> None:
    info = replace(Dataset({0: demonstration()}).info, path="nonsense")
    watched.monitor.start(info)
    qtbot.waitUntil(lambda: watched.ended, timeout=SCAN_TIME)
    assert "nonsense" in watched.news[-1].failure


# -- on show -----------------------------------------------------------------------------------


class Shown:
    """A table, a status bar and what they are fed by."""

    def __init__(self, qtbot: QtBot, count: int = 12) -> None:
        self.window = QMainWindow()
        qtbot.addWidget(self.window)
        self.table = EpisodeTable(self.window)
        self.window.setCentralWidget(self.table)
        episodes = {i: demonstration(0) for i in range(1)}
        info = Dataset(episodes).info
        entries = tuple(replace(info.episodes[0], index=i) for i in range(count))
        self.info = replace(info, episodes=entries)
        self.table.set_dataset(self.info)
        self.statuses = EpisodeStatuses(self.table)
        self.line = StatusLine(self.window.statusBar())
        self.view = HealthView(self.statuses, self.line, self.window)

    def show(self, qtbot: QtBot, news: HealthNews) -> None:
        self.view.show(news)
        qtbot.waitUntil(lambda: self.view.settled, timeout=20_000)

    @property
    def said(self) -> str:
        labels = [w for w in self.window.statusBar().children() if hasattr(w, "accessibleName")]
        (label,) = [w for w in labels if w.accessibleName() == "Health of the dataset"]
        return label.text()

    def passing(self, text: str) -> int:
        self.table.set_filter(text)
        return self.table.visible_episodes


@pytest.fixture
def shown(qtbot: QtBot) -> Shown:
    return Shown(qtbot)


def test_findings_are_reasons_that_can_be_filtered(qtbot: QtBot, shown: Shown) -> None:
    shown.show(qtbot, HealthNews(3, 12, {4: (JUMP,), 7: (JUMP, SHORT)}))
    assert shown.said == "health 3/12"
    assert shown.passing("reason:state_jump") == 2
    assert shown.passing("reason:very_long") == 1
    assert shown.passing("status:annotated") == 0
    shown.show(qtbot, HealthNews(12, 12, {7: ()}, ended=True))
    assert shown.passing("reason:very_long") == 0
    assert shown.said == "health 1 warning"


def test_stages_people_and_health_do_not_wipe_each_other(qtbot: QtBot, shown: Shown) -> None:
    shown.show(qtbot, HealthNews(1, 12, {4: (JUMP,)}))
    shown.statuses.set_results(4, 0.8, (TIE,))
    shown.statuses.set_review(4, "rejected")
    for term in ("reason:state_jump", "reason:near_tie", "status:rejected", "R>0.7"):
        assert shown.passing(term) == 1, term
    shown.show(qtbot, HealthNews(2, 12, {4: (SHORT,)}))
    shown.statuses.set_results(4, 0.9, ())
    for term in ("reason:very_long", "status:rejected", "R>0.85"):
        assert shown.passing(term) == 1, term
    assert shown.passing("reason:near_tie") == shown.passing("reason:state_jump") == 0


def test_findings_of_the_open_episode_and_the_dataset(qtbot: QtBot, shown: Shown) -> None:
    told: list[frozenset[int]] = []
    shown.view.changed.connect(told.append)
    shown.show(qtbot, HealthNews(1, 12, {4: (JUMP,)}, of_dataset=(DRIFT,)))
    assert told == [frozenset(), frozenset({4})]
    assert shown.view.findings(4) == (JUMP, DRIFT)
    assert shown.view.findings(5) == (DRIFT,)
    shown.view.reset()
    shown.statuses.reset()
    assert shown.view.findings(4) == ()
    assert shown.said == ""


def test_a_scan_that_was_given_up_is_told(qtbot: QtBot, shown: Shown) -> None:
    shown.show(qtbot, HealthNews(3, 12, ended=True, failure="its process ended"))
    assert shown.said == "health stopped"


def test_many_results_are_taken_over_a_few_at_a_time(qtbot: QtBot) -> None:
    shown = Shown(qtbot, 20_000)
    shown.table.set_filter("reason:jump")  # The columns are there, as when people filter.
    news = HealthNews(20_000, 20_000, dict.fromkeys(range(20_000), (JUMP,)), ended=True)
    shown.view.show(news)
    turns = 1
    while not shown.view.settled:
        shown.view._take_some()
        turns += 1
    assert turns >= 20_000 // 1024, "a turn of the event loop takes 1,024 at most"
    assert shown.said == "health 20,000 warnings"


# -- the whole window --------------------------------------------------------------------------


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path) -> Iterator[MainWindow]:
    made = make_window("dark", settings_file=tmp_path / "settings.ini")
    made.control.auto_run = False
    qtbot.addWidget(made)
    made.show()
    yield made
    made.close()


def make_jump(root: Path, episode: int) -> None:
    path = table_of(root, episode)
    rows = pq.read_table(path)
    state = np.array(rows["observation.state"].to_pylist(), np.float32)
    state[:, 0] = np.linspace(0, 0.1, len(state)) + 3.0 * (np.arange(len(state)) >= 12)
    column = pa.array(state.tolist(), pa.list_(pa.float32(), 3))
    pq.write_table(rows.set_column(0, "observation.state", column), path)


def test_the_window_shows_what_is_wrong(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    root = write_v2(tmp_path / "d", (24, 26, 28))
    make_jump(root, 1)
    news: list[HealthNews] = []
    window.control.health.found.connect(news.append)
    window.control.open_dataset(str(root), 1)
    qtbot.waitUntil(lambda: bool(news) and news[-1].ended, timeout=SCAN_TIME)
    assert [e for n in news for e in n.problems] == [1]
    table = window.panels.episodes
    table.set_filter("reason:state_jump")
    assert table.visible_episodes == 1
    assert JUMP.code in {p.code for p in window.views._all_problems()}
    assert window.control.document.session.demonstration.ref.episode == 1


def test_a_file_inside_a_dataset_opens_its_episode(
    qtbot: QtBot, window: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.session_control.named_episode", lambda path: 1)
    with qtbot.waitSignal(window.control.episodeOpened, timeout=SCAN_TIME):
        window.control.open_dataset(str(write_v2(tmp_path / "d", (20, 22))))
    assert window.control.document.session.demonstration.ref.episode == 1


def test_closing_ends_the_scan(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    with qtbot.waitSignal(window.control.episodeOpened, timeout=SCAN_TIME):
        window.control.open_dataset(str(write_v2(tmp_path / "d", (20,))))
    window.control._start_health()
    assert window.control.health.running
    window.close()
    assert not window.control.health.running


def test_a_finding_is_as_grave_as_its_code() -> None:
    assert (JUMP.severity, SHORT.severity) == (Severity.WARNING, Severity.INFO)
