"""Tooltips that answer "what are you?" for the numbers on the picture."""

from __future__ import annotations

from html import escape

from viewers.overlays import SAME_THING, OverlayData


def tip_of(data: OverlayData, candidate: int) -> str:
    """Explain a candidate: its name, where its box comes from, D and R with their meaning."""
    proposal = data.by_id[candidate]
    lines = [f"<b>{escape(data.label_of(candidate))}</b>"]
    lines.append(
        f"D = {proposal.score:.2f}: confidence of the detector, 0 to 1, no unit"
        f" ({escape(data.proposals.backend)}, {escape(proposal.origin)})."
    )
    if proposal.evidence:
        lines.append(escape(proposal.evidence))
    again = data.again[candidate]
    if again:
        frames = ", ".join(map(str, again))
        many = "frame" if len(again) == 1 else "frames"
        lines.append(
            f"“{escape(proposal.label)}” was detected again near its track on {len(again)} further"
            f" {many} ({frames}): box overlap of at least {SAME_THING}, IoU."
        )
    if data.scores is not None and candidate in data.ranks:
        terms = data.scores.of(candidate)
        parts = "".join(
            f" {'−' if value < 0 else '+'} {abs(value):.2f} {name}"
            for name, value in terms.contributions
        ).removeprefix(" + ")
        lines.append(f"R = {terms.score:.2f} = {escape(parts)}: reliability, no unit.")
        lines.append(
            "R = w<sub>A</sub>·Ã + w<sub>D</sub>(P̃)·D + w<sub>P</sub>·P̃ − Π; the highest R wins"
            " (SPARC, stage 3)."
        )
    return "<br>".join(lines)
