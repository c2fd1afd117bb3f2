"""Backends in the window: choices of the options, and the dialog that fetches models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from app.model_work import ModelWork
from app.panels import Panels
from app.session_control import SessionControl
from pipeline.backends.catalogue import Survey
from pipeline.backends.process import Order

if TYPE_CHECKING:
    from app.models_dialog import ModelsDialog


class ModelControl(QObject):
    """Looks at the backends when somebody is about to choose one, and not at the start."""

    def __init__(self, control: SessionControl, panels: Panels, parent: QWidget) -> None:
        super().__init__(parent)
        self._control = control
        self._panels = panels
        self._parent = parent
        self._dialog: ModelsDialog | None = None
        self.work = ModelWork(self)
        self.work.surveyed.connect(self._show)
        self.work.ended.connect(self._tell)
        panels.stages.stageSelected.connect(self._look_once)
        panels.stages.modelsWanted.connect(self.show_dialog)

    @property
    def dialog(self) -> ModelsDialog | None:
        """The dialog, if it was ever shown."""
        return self._dialog

    def do_models(self) -> None:
        """Show the dialog."""
        self.show_dialog("", "")

    def do_use_models(self) -> None:
        """Choose the models of the paper; what is missing is said, and the dialog fetches it."""
        self._choose("models")

    def do_use_embedded(self) -> None:
        """Choose what needs no model."""
        self._choose("embedded")

    def _choose(self, name: str) -> None:
        # lazy: nobody needs it before the first choice
        from pipeline.stages.profiles import PROFILES, missing, with_profile

        profile = PROFILES[name]
        options = self._control.document.session.options
        chosen = with_profile(options, profile)
        changed = [stage for stage in chosen if chosen[stage] != options.get(stage)]
        for stage in changed:
            self._control.document.set_options(stage, chosen[stage], "profile")
        reasons = missing(profile)
        if reasons:
            text = "; ".join(f"{backend}: {why.rstrip('.')}" for backend, why in reasons.items())
            self._control.failed.emit(f"Not everything is there for {profile.title}. {text}.", "")
        elif changed:
            self._control.said.emit(f"All stages use {profile.title}; run them (Ctrl+R)")
        else:
            self._control.said.emit(f"All stages use {profile.title} already")

    def show_dialog(self, capability: str, name: str) -> None:
        """Show the dialog on a backend; empty texts leave its selection."""
        if self._dialog is None:
            from app.models_dialog import ModelsDialog  # lazy: see ActionHandlers.do_channels

            self._dialog = ModelsDialog(self.work, self._parent)
        self._dialog.hide()  # Shown again it comes to the front, on every platform.
        self._dialog.show()
        self._dialog.activateWindow()
        self._dialog.show_backend(capability, name)
        survey = self.work.survey
        self.work.look(devices=survey is None or not survey.complete)

    def close(self) -> None:
        """Stop everything that runs."""
        self.work.close()

    def _look_once(self, _stage: str) -> None:
        if self._panels.stages.capability and self.work.survey is None:
            self.work.look()

    def _show(self, survey: Survey) -> None:
        self._panels.stages.set_survey(survey)

    def _tell(self, order: Order, well: bool, sentence: str) -> None:
        """Say in the main window how a download ended; its dialog may be hidden."""
        if sentence and well:
            self._control.said.emit(sentence)
        elif sentence:
            self._control.failed.emit(sentence, "")
