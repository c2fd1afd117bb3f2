"""The head of what the model saw: which version, what is known about it, what can be asked."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from pipeline.model.drafting import CaptionVersion, SentRequest
from viewers.exchange_facts import Fact, request_facts, version_facts, version_title

EMPTY = (
    "No caption yet.\n\nRun the stages of this subtask; then this shows what the drafter was shown."
)
NOTHING_SENT = "The offline drafter wrote this caption from the subtask: nothing was sent."
NOT_KEPT = "What was sent for this caption is not kept."
EMPTY_REQUEST = "The request has no part: nothing was shown to the model."
PREVIEW = "This is what would be sent. Nothing was sent."
_LONGEST = 44
"""Characters of a version's name that are given room, e.g. `revision 2 (gemini-2.5-flash, frames)`
*(our choice)*."""
_ASK = "Make the request here; nothing is sent (Enter)"

_LARGER = "Show it in a window of its own, with more room (Shift+F4)"


class ExchangeHeader(QWidget):
    """Shows one of several versions, or a request that was not sent. No setter emits.

    Signals:
        versionChosen: The user wants to see another version.
        previewAsked: The user wants to see what would be sent.
        previewLeft: The user has seen it.
        windowAsked: The user wants it in a window of its own.
    """

    versionChosen = Signal()
    previewAsked = Signal()
    previewLeft = Signal()
    windowAsked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._versions: tuple[CaptionVersion, ...] = ()
        self._titles: Mapping[str, str] = {}
        self._preview: SentRequest | None = None
        self._failure = ""
        self._choice = QComboBox(self)
        self._choice.setAccessibleName("Version of the caption")
        self._choice.setToolTip("Which version: the draft, or the answer to a critique")
        self._choice.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._choice.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self._choice.setMaximumWidth(_LONGEST * self.fontMetrics().averageCharWidth())
        self._choice.activated.connect(self.versionChosen)
        self._ask = _button("Show what would be sent  ⏎", _ASK, self)
        self._ask.clicked.connect(self.previewAsked)
        self._back = _button("Back", "Show what was sent, if anything was", self)
        self._back.clicked.connect(self.previewLeft)
        self._larger = _button("Own window", _LARGER, self)
        self._larger.clicked.connect(self.windowAsked)
        self._facts = _label("Facts about the request", self)
        self._facts.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._message = _label("About this request", self)
        self._bar = QProgressBar(self)
        self._bar.setObjectName("thin")
        self._bar.setTextVisible(False)
        self._bar.setFixedHeight(4)
        self._bar.setRange(0, 1000)
        self._bar.setAccessibleName("Making the request")
        self._bar.hide()
        top = QHBoxLayout()
        top.setSpacing(8)
        top.addWidget(self._choice, 1)
        top.addWidget(self._back)
        top.addStretch(0)  # only what the names of the versions do not need
        top.addWidget(self._larger)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        # Beside the sentence that gives reason to ask: the names of versions need their row.
        said = QHBoxLayout()
        said.setSpacing(8)
        said.addWidget(self._message, 1)
        said.addWidget(self._ask, 0, Qt.AlignmentFlag.AlignTop)
        column.addLayout(top)
        column.addLayout(said)
        column.addWidget(self._bar)
        column.addWidget(self._facts)
        self._show()

    # Setters.

    def set_versions(self, versions: tuple[CaptionVersion, ...]) -> bool:
        """List versions and choose the last; False if they are the same objects as before."""
        old = self._versions
        if len(versions) == len(old) and all(a is b for a, b in zip(versions, old, strict=True)):
            return False
        self._versions = versions
        self._choice.clear()
        self._choice.addItems([version_title(n, v) for n, v in enumerate(versions)])
        self._choice.setCurrentIndex(len(versions) - 1)
        self._preview, self._failure = None, ""
        self._show()
        return True

    def choose(self, number: int) -> None:
        """Show another version."""
        self._choice.setCurrentIndex(number)
        self._preview, self._failure = None, ""
        self._show()

    def set_preview(self, request: SentRequest | None) -> None:
        """Show what would be sent; None ends that."""
        self._preview, self._failure = request, ""
        self.set_progress(None)
        self._show()

    def set_titles(self, titles: Mapping[str, str]) -> None:
        """Say what recipes are called: identity -> title."""
        self._titles = dict(titles)
        self._show()

    def set_failure(self, sentence: str) -> None:
        """Say why the request could not be made."""
        self._failure = sentence
        self.set_progress(None)
        self._show()

    def set_preview_allowed(self, reason_against: str) -> None:
        """Let a request be made, or not, for a reason that the tooltip gives."""
        self._ask.setEnabled(not reason_against)
        self._ask.setToolTip(reason_against or _ASK)

    def set_progress(self, share: float | None, what: str = "") -> None:
        """Show how far making the request is, 0..1; None when it is not being made."""
        self._bar.setVisible(share is not None)
        self._bar.setValue(round(1000 * (share or 0.0)))
        self._bar.setToolTip(what)

    def set_own_window(self, shown: bool) -> None:
        """Offer a window of its own, or not (in that window itself)."""
        self._larger.setVisible(shown)

    # What it shows.

    @property
    def can_ask(self) -> bool:
        """True if the request can be made now: nothing was sent, and none is being made."""
        return not self._ask.isHidden() and self._ask.isEnabled() and self._bar.isHidden()

    @property
    def number(self) -> int:
        """Number of the version on show, -1 for none."""
        return self._choice.currentIndex()

    @property
    def version(self) -> CaptionVersion | None:
        """The version on show."""
        return self._versions[self.number] if 0 <= self.number < len(self._versions) else None

    @property
    def preview(self) -> SentRequest | None:
        """The request on show that was not sent, None if there is none."""
        return self._preview

    @property
    def request(self) -> SentRequest | None:
        """The request on show, sent or not."""
        if self._preview is not None:
            return self._preview
        exchange = self.version.exchange if self.version is not None else None
        return None if exchange is None else exchange.request

    @property
    def answers(self) -> tuple[tuple[str, str], ...]:
        """(title, text) of what came back."""
        version, found = self.version, []
        if version is not None and self._preview is None:
            if version.reasoning:
                found.append(("reasoning before the caption", version.reasoning))
            if version.exchange is not None:
                found.append(("answer, as it came", version.exchange.reply.text))
        return tuple(found)

    def _show(self) -> None:
        facts = self._known()
        self._choice.setVisible(len(self._versions) > 1)
        self._ask.setVisible(self.version is not None and self.request is None)
        self._back.setVisible(self._preview is not None)
        self._message.setText("\n".join(s for s in (self._sentence(), self._failure) if s))
        self._message.setVisible(bool(self._message.text()))
        self._facts.setText("  |  ".join(fact.text for fact in facts))
        # Escaped: servers name their models as they like.
        about = "<br>".join(escape(f"{fact.text}: {fact.about}.") for fact in facts)
        self._facts.setToolTip(f"<qt>{about}</qt>")
        self._facts.setVisible(bool(facts))

    def _sentence(self) -> str:
        version = self.version
        if self._preview is not None:
            return PREVIEW if self._preview.parts else f"{PREVIEW} {EMPTY_REQUEST}"
        if version is None:
            return EMPTY
        if version.exchange is None:
            return NOTHING_SENT if version.drafter == "offline" else NOT_KEPT
        return "" if version.exchange.request.parts else EMPTY_REQUEST

    def _known(self) -> tuple[Fact, ...]:
        version = self.version
        if self._preview is not None:
            title = self._titles.get(self._preview.recipe_identity, "")
            return request_facts(self._preview, title)
        if version is None or version.exchange is None:
            return ()
        return version_facts(version, self._titles.get(version.recipe, ""))


def _button(text: str, tip: str, parent: QWidget) -> QPushButton:
    button = QPushButton(text, parent)
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    button.setAutoDefault(False)
    button.setToolTip(tip)
    button.setAccessibleName(text.rstrip(" ⏎"))
    return button


def _label(name: str, parent: QWidget) -> QLabel:
    label = QLabel(parent)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setAccessibleName(name)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
    return label
