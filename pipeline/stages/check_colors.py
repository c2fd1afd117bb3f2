"""Colours: what a caption says against the colours of masks (CIEDE2000, k_L = 2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.backends.language.vocabulary import vocabulary
from pipeline.model.arrays import F64, U8
from pipeline.model.candidate import Proposal
from pipeline.model.checks import Constraint, Evidence, Outcome
from pipeline.model.colors import color_distance, color_words, rgb_to_lab
from pipeline.stages.check_claims import DESTINATION, OBJECT, Claim
from pipeline.stages.check_scene import Scene, gap, inside, softened

_DARK, _LIGHT = 45.0, 60.0
"""CIELAB lightness under which a colour is surely dark, over which it is surely light (ours)."""
_DARK_SHADES = frozenset({"dark", "deep"})
_LIGHT_SHADES = frozenset({"light", "pale"})
_MOST_PIXELS = 4_000
"""Pixels of a mask that are looked at, evenly drawn: shares are right to two percent."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A measured colour against a colour word.

    Attributes:
        distance: ΔE to the word.
        nearest: Nearest word.
        nearest_distance: ΔE to it.
        holds: Whether the word fits.
        differs: Whether the word is contradicted.
        lab: The colour, for people: `78, 2, 70`.
    """

    distance: float
    nearest: str
    nearest_distance: float
    holds: bool
    differs: bool
    lab: str

    @property
    def text(self) -> str:
        """E.g. `yellow (Lab 78, 2, 70; ΔE 4.1)`."""
        return f"{self.nearest} (Lab {self.lab}; ΔE {self.nearest_distance:.1f})"

    @property
    def lightness(self) -> float:
        """L of the colour, 0..100, to whole numbers."""
        return float(self.lab.split(",")[0])


def fit(candidate: int, word: str, scene: Scene) -> Fit | None:
    """Compare the colour of a candidate's mask with a word; None if it has none."""
    distances = scene.color_distances(candidate)
    if distances is None:
        return None
    names = [w.name for w in color_words()]
    nearest = int(np.argmin(distances))
    distance = float(distances[names.index(word)])
    least = float(distances[nearest])
    options = scene.options
    holds = names[nearest] == word or distance <= options.color_fits
    far = not holds and distance >= options.color_differs
    differs = far and _beaten(names.index(word), scene.casts(candidate), scene)
    lab = scene.color(candidate)
    shown = ", ".join(f"{v:.0f}" for v in lab) if lab is not None else ""
    return Fit(distance, names[nearest], least, holds, differs, shown)


def _beaten(word: int, distances: F64, scene: Scene) -> bool:
    """Whether another word is much nearer, whatever cast the light has.

    Near gray a small cast turns the hue: a dull teal cup in a kitchen was measured between green,
    cyan and gray, and nobody can say from the picture that it is not blue.

    Args:
        word: Column.
        distances: (C, W) ΔE to every word, one row for each cast.
        scene: The limits.
    """
    margin = distances[:, word] - distances.min(axis=1)
    return bool((margin >= scene.options.color_margin).all())


def check_color(claim: Claim, claims: tuple[Claim, ...], scene: Scene) -> Constraint:
    """Test one colour word of the object, the destination or the source.

    Args:
        claim: The colour.
        claims: All claims of the caption, for the other colours of the same thing.
        scene: The evidence.
    """
    if claim.about == OBJECT:
        return _object_color(claim, claims, scene)
    if claim.about == DESTINATION:
        return _destination_color(claim, claims, scene)
    return _source_color(claim, scene)


def _result(claim: Claim, outcome: Outcome, why: str, scene: Scene, *ids: int) -> Constraint:
    evidence = Evidence(scene.masks.keyframe, ids) if ids else Evidence()
    return Constraint(claim.kind, claim.text, claim.words, outcome, why, evidence)


def _object_color(claim: Claim, claims: tuple[Claim, ...], scene: Scene) -> Constraint:
    options = scene.options
    if scene.winner is None:
        return _result(claim, Outcome.UNKNOWN, "No object was chosen.", scene)
    id_ = scene.winner.id
    found = fit(id_, claim.value, scene)
    if found is None:
        return _result(claim, Outcome.UNKNOWN, "The object's mask is empty.", scene, id_)
    fluid = any(
        c.about == OBJECT and c.value and vocabulary().is_kind("fluids", c.value)
        for c in claims
        if c.kind.value == "present"
    )
    if fluid:
        why = "What is poured is not what was segmented: the mask is of its container."
        return _result(claim, Outcome.UNKNOWN, why, scene, id_)
    if found.holds:
        return _shaded(claim, found, scene, id_)
    word = _word(claim)
    said = f"candidate {id_} is {found.text}, ΔE {found.distance:.0f} from {word}"
    siblings = {
        c.value
        for c in claims
        if c.kind is claim.kind and c.about == claim.about and c.value != claim.value
    }
    if not found.differs and not siblings:
        why = f"Between the limits: {said} (fits to {options.color_fits:g})."
        return _result(claim, Outcome.UNKNOWN, why, scene, id_)
    share = _share(claim.value, id_, scene)
    if share >= options.color_share:
        why = f"{share:.0%} of the mask is {claim.value}; its median: {said}."
        outcome = Outcome.PASS if siblings else Outcome.UNKNOWN
        return _result(claim, outcome, why, scene, id_)
    if any((f := fit(id_, word, scene)) is not None and f.holds for word in siblings):
        why = (
            f"The mask shows {found.nearest}, also named, and {share:.0%} {claim.value}: that may "
            "be on the side that is not seen."
        )
        return _result(claim, Outcome.UNKNOWN, why, scene, id_)
    why = f"{_upper(said)}; {share:.0%} of its pixels are {claim.value}."
    # where the choice is doubtful, those that have the colour are shown beside it
    rivals = (p.id for p in fitting(claim.value, scene.others, scene)) if scene.doubt else ()
    return softened(_result(claim, Outcome.FAIL, why, scene, id_, *rivals), scene)


def _shaded(claim: Claim, found: Fit, scene: Scene, *ids: int) -> Constraint:
    """A colour that holds, with its shade (`dark`, `light`) against the lightness."""
    light, word = found.lightness, _word(claim)
    why = f"Candidate {ids[0]} has median {found.text}, ΔE {found.distance:.1f} from {word}."
    if claim.shade in _DARK_SHADES and light > _LIGHT:
        why = f"{word} fits, but lightness {light:.0f} is not {claim.shade} (≤ {_DARK:g})."
        return _result(claim, Outcome.FAIL, _upper(why), scene, *ids)
    if claim.shade in _LIGHT_SHADES and light < _DARK:
        why = f"{word} fits, but lightness {light:.0f} is not {claim.shade} (≥ {_LIGHT:g})."
        return _result(claim, Outcome.FAIL, _upper(why), scene, *ids)
    between = claim.shade in _DARK_SHADES | _LIGHT_SHADES and _DARK <= light <= _LIGHT
    if between:
        why = f"{word} fits; whether it is {claim.shade}, lightness {light:.0f} leaves open."
        return _result(claim, Outcome.UNKNOWN, _upper(why), scene, *ids)
    return _result(claim, Outcome.PASS, why, scene, *ids)


def _share(word: str, candidate: int, scene: Scene) -> float:
    """Share of a candidate's pixels at the keyframe that a colour word fits, 0..1."""
    mask = scene.shape(candidate)
    if mask is None or not mask.any():
        return 0.0
    image = scene.picture()
    if image.shape[:2] != mask.shape:
        return 0.0
    pixels = image[mask]
    pixels = pixels[:: max(len(pixels) // _MOST_PIXELS, 1)]
    near = color_distance(word, rgb_to_lab(pixels)) <= scene.options.color_fits
    return float(np.mean(near))


def fitting(word: str, candidates: tuple[Proposal, ...], scene: Scene) -> tuple[Proposal, ...]:
    """Candidates whose mask has a colour."""
    found = []
    for proposal in candidates:
        measured = fit(proposal.id, word, scene)
        if measured is not None and measured.holds:
            found.append(proposal)
    return tuple(found)


def _share_in_box(word: str, proposal: Proposal, scene: Scene) -> float:
    """The same for all pixels of its box: a mask may have taken the wrong part of it."""
    x0, y0, x1, y1 = (max(round(v), 0) for v in proposal.box)
    pixels = scene.picture()[y0:y1, x0:x1].reshape(-1, 3)
    return _share_of(word, pixels, scene) if len(pixels) else 0.0


def _share_of(word: str, pixels: U8, scene: Scene) -> float:
    pixels = pixels[:: max(len(pixels) // _MOST_PIXELS, 1)]
    near = color_distance(word, rgb_to_lab(pixels)) <= scene.options.color_fits
    return float(np.mean(near))


def _destination_color(claim: Claim, claims: tuple[Claim, ...], scene: Scene) -> Constraint:
    if scene.cut:
        return _result(claim, Outcome.UNKNOWN, f"{_upper(scene.cut)}.", scene)
    relation = next((c.value for c in claims if c.kind.value == "relation"), "")
    beside = relation in ("next to", "near", "behind", "in front of") or " of" in relation
    if relation == "on top of" or not beside:
        things = tuple(p for p, _ in scene.bearers)
        place = "in or on which the object ends"
    else:
        things = _around(scene)
        place = "beside which the object ends"
    if not things:
        return _anywhere(claim, scene, f"No candidate stands where one would be {place}")
    return _one_of(claim, things, place, scene, certain=not beside)


def _source_color(claim: Claim, scene: Scene) -> Constraint:
    if scene.winner is None:
        return _result(claim, Outcome.UNKNOWN, "No object was chosen.", scene)
    box = scene.winner.box
    things = tuple(p for p in scene.others if inside(box, p.box))
    place = "in or on which the object starts"
    if not things:
        return _anywhere(claim, scene, f"No candidate was found {place}")
    return _one_of(claim, things, place, scene)


def _around(scene: Scene) -> tuple[Proposal, ...]:
    """Things beside the object's end, the nearest first."""
    motion = scene.motion
    if motion is None or not motion.trusted or not motion.seen_to_end:
        return ()
    most = scene.options.near * motion.size
    near = [(gap(motion.end_box, p.box), p.id, p) for p in scene.others]
    return tuple(p for distance, _, p in sorted(near, key=lambda n: n[:2]) if distance <= most)


def _anywhere(claim: Claim, scene: Scene, why: str) -> Constraint:
    """Nothing is at the place: say which other candidates have the colour."""
    found = tuple(p.id for p in fitting(claim.value, scene.others, scene))
    more = f"; {claim.value} elsewhere: candidate {', '.join(map(str, found))}" if found else ""
    return _result(claim, Outcome.UNKNOWN, f"{why}{more}.", scene, *found)


def _one_of(
    claim: Claim,
    things: tuple[Proposal, ...],
    place: str,
    scene: Scene,
    *,
    certain: bool = True,
) -> Constraint:
    """One of the things must have the colour; contradicted if all clearly have another one.

    Args:
        claim: The colour.
        things: Candidates at the place.
        place: In words.
        scene: The evidence.
        certain: Whether what is meant must be among them.
    """
    fits = []
    for proposal in things:
        found = fit(proposal.id, claim.value, scene)
        if found is None:
            continue
        if found.holds:
            return _shaded(claim, found, scene, proposal.id)
        fits.append((proposal.id, found))
    if not fits:
        return _result(claim, Outcome.UNKNOWN, f"The masks {place} are empty.", scene)
    id_, best = min(fits, key=lambda f: f[1].distance)
    said = f"candidate {id_}, {place}, is {best.text}, ΔE {best.distance:.0f} from {_word(claim)}"
    ids = tuple(f[0] for f in fits)
    if not all(f[1].differs for f in fits):
        why = f"Between the limits: {said} (fits to {scene.options.color_fits:g})."
        return _result(claim, Outcome.UNKNOWN, why, scene, *ids)
    if not certain:
        why = f"{_upper(said)}; what is meant may be no candidate."
        return _result(claim, Outcome.UNKNOWN, why, scene, *ids)
    share = max(_share_in_box(claim.value, p, scene) for p in things)
    if share >= scene.options.color_share:
        why = f"{_upper(said)}; but {share:.0%} of the pixels in its box are {_word(claim)}."
        return _result(claim, Outcome.UNKNOWN, why, scene, *ids)
    return softened(_result(claim, Outcome.FAIL, f"{_upper(said)}.", scene, *ids), scene)


def _word(claim: Claim) -> str:
    """The colour as the caption says it, with the vocabulary's name if that is another."""
    said = claim.words.lower().split()[-1] if claim.words else claim.value
    return said if said == claim.value else f"{said} ({claim.value})"


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
