"""The embedded language backend: English instructions by rules, offline, never guessing."""

from __future__ import annotations

from pipeline.backends.backend import Progress
from pipeline.backends.language.protocol import (
    AnsweredSubtask,
    LanguageAnswer,
    LanguageRequest,
    LanguageSettings,
)
from pipeline.backends.language.rules import RulesLanguage
from pipeline.model.usage import Usage


class RulesBackend(RulesLanguage):
    """Reads instructions without network and without a model; the stage aligns the clauses.

    Attributes:
        title: For people.
    """

    title = "Rules (English, offline)"

    def subtasks(
        self, request: LanguageRequest, settings: LanguageSettings, progress: Progress
    ) -> LanguageAnswer:
        """One subtask per clause, without phases: the stage aligns them with the grasps."""
        progress(0.0, "reading the instruction")
        parsed = self.parse(request.instruction)
        return LanguageAnswer(
            tuple(AnsweredSubtask(clause) for clause in parsed.clauses), problems=parsed.problems
        )

    def pending(self, request: LanguageRequest, settings: LanguageSettings) -> str | None:
        """Return None: it costs nothing."""
        return None

    def estimate(self, request: LanguageRequest, settings: LanguageSettings) -> Usage:
        """Nothing."""
        return Usage()
