"""What all human corrections have in common; `pipeline.model.edits` lists them."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict

EPISODE_SCOPE = -1
"""`subtask` of edits that concern the whole episode."""


class EditBase(BaseModel):
    """One correction, of a stage and, where there is one, a subtask."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    stage: ClassVar[str]
    subtask: int = EPISODE_SCOPE

    @property
    def slot(self) -> str:
        """Edits with equal slots supersede each other."""
        return f"{self.stage}/{self.subtask}"

    @property
    def seals(self) -> str:
        """How slots begin that it changed the meaning of, empty for most edits.

        An edit that seals is made on top of those before it: nothing supersedes it, and edits of
        these slots that came before it are not superseded by later ones.
        """
        return ""

    @property
    def title(self) -> str:
        """What undo and the history show."""
        raise NotImplementedError
