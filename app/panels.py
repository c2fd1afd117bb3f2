"""The widgets of the main window, made in one place and handed to who needs them."""

from __future__ import annotations

from PySide6.QtWidgets import QMainWindow

from app.banner import Banner
from app.status_line import StatusLine
from viewers.frame_panel import FramePanel
from viewers.rerun_viewer import RerunPanel
from widgets.candidate_table import CandidateTable
from widgets.caption_editor import CaptionEditor
from widgets.caption_history import CaptionHistory
from widgets.caption_tabs import CaptionTabs
from widgets.episode_table import EpisodeTable
from widgets.primitives_panel import PrimitivesPanel
from widgets.problem_list import ProblemList
from widgets.score_breakdown import ScoreBreakdown
from widgets.stage_panel import StagePanel
from widgets.timeline import Timeline


class Panels:
    """Attributes are the widgets, by what they show."""

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
        self.history = CaptionHistory(window)
        self.primitives = PrimitivesPanel(window)
        self.captions.add("caption", "Caption", self.caption, "Read, judge, correct, criticise")
        self.captions.add(
            "history", "History", self.history, "Every version, critique and verdict (F3)"
        )
        self.captions.add("tags", "Tags", self.primitives, "What tags mean, and which hold (F2)")
        self.rerun = RerunPanel(window)
        self.banner = Banner(window)
        self.status = StatusLine(window.statusBar())
