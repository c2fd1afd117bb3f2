"""The widgets of the main window, made in one place and handed to who needs them."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from PySide6.QtWidgets import QMainWindow, QWidget

from app.banner import Banner
from app.status_line import StatusLine
from viewers.frame_panel import FramePanel
from viewers.rerun_viewer import RerunPanel
from widgets.candidate_table import CandidateTable
from widgets.caption_editor import CaptionEditor
from widgets.caption_tabs import CaptionTabs
from widgets.episode_table import EpisodeTable
from widgets.problem_list import ProblemList
from widgets.score_breakdown import ScoreBreakdown
from widgets.stage_panel import StagePanel
from widgets.timeline import Timeline

if TYPE_CHECKING:
    from widgets.caption_history import CaptionHistory
    from widgets.primitives_panel import PrimitivesPanel


class Panels:
    """Attributes are the widgets, by what they show.

    History and primitives are made when their tabs are first shown, or when somebody asks here.
    """

    def __init__(self, window: QMainWindow) -> None:
        self.episodes = EpisodeTable(window)
        self.stages = StagePanel(window)
        self.frame = FramePanel(window)
        self.timeline = Timeline(window)
        self.candidates = CandidateTable(window)
        self.breakdown = ScoreBreakdown(window)
        self.findings = ProblemList(window)
        self.captions = CaptionTabs(window)
        self.caption = CaptionEditor(window)
        self.captions.add("caption", "Caption", self.caption, "Read, judge, correct, criticise")
        self.captions.add_later(
            "history", "History", _make_history, "Every version, critique and verdict (F3)"
        )
        self.captions.add_later(
            "tags", "Tags", _make_primitives, "What tags mean, and which hold (F2)"
        )
        self.rerun = RerunPanel(window)
        self.banner = Banner(window)
        self.status = StatusLine(window.statusBar())

    @property
    def history(self) -> CaptionHistory:
        """Everything that was written and said about the caption."""
        return cast("CaptionHistory", self.captions.content("history"))

    @property
    def primitives(self) -> PrimitivesPanel:
        """Tags and what they mean."""
        return cast("PrimitivesPanel", self.captions.content("tags"))


def _make_history(parent: QWidget) -> QWidget:
    from widgets.caption_history import CaptionHistory

    return CaptionHistory(parent)


def _make_primitives(parent: QWidget) -> QWidget:
    from widgets.primitives_panel import PrimitivesPanel

    return PrimitivesPanel(parent)
