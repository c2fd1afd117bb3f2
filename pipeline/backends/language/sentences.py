"""One short English sentence from the parts of a subtask."""

from __future__ import annotations

from pipeline.backends.language.vocabulary import vocabulary

_NO_ARTICLE = (
    "the ",
    "a ",
    "an ",
    "all ",
    "both ",
    "each ",
    "every ",
    "my ",
    "your ",
    "its ",
    "something",
)


def sentence(
    verb: str,
    object_name: str,
    relation: str = "",
    target_name: str = "",
    source_name: str = "",
) -> str:
    """Write the imperative sentence of a subtask.

    Args:
        verb: Of the vocabulary; `move` if it is empty.
        object_name: Noun phrase without article; `object` if it is empty and there is no target.
        relation: Preposition before the target, or a direction without target.
        target_name: Noun phrase without article, may be empty.
        source_name: Noun phrase; only `take out`, `remove` and the like name it.

    Returns:
        E.g. `Put the red cube in the bowl.`
    """
    verb = verb or "move"
    try:
        role = vocabulary().verb(verb).role
    except KeyError:  # a model may use a verb of its own
        role = "place"
    if role in ("tool", "cover") and target_name and not relation:
        words = [verb, _the(target_name)]
        words += ["with", _the(object_name)] if object_name else []
        return _finish(words)
    if role == "pour" and object_name and not vocabulary().is_kind("fluids", object_name):
        # “pour from the bottle”: the bottle moves, and nobody said what is in it
        words = [verb, "from", _the(object_name)]
    elif verb == "take out" and source_name:
        words = ["take", _the(object_name or "object"), "out of", _the(source_name)]
        return _finish(words)
    else:
        words = [verb, _the(object_name or "object")]
        if role == "out" and source_name:
            words += ["from", _the(source_name)]
    if relation and target_name:
        words += [relation, _the(target_name)]
    elif relation and _stands_alone(relation):
        words.append(relation)
    return _finish(words)


def _stands_alone(relation: str) -> bool:
    return relation in (
        "inside",
        "away",
        "aside",
        "together",
        "upright",
        "clockwise",
        "counterclockwise",
    ) or (relation.split()[-1] in ("left", "right", "front", "back", "forward", "backward", "side"))


def _the(phrase: str) -> str:
    bare = phrase in ("me", "you", "him", "her", "us") or phrase.startswith(_NO_ARTICLE)
    return phrase if bare else f"the {phrase}"


def _finish(words: list[str]) -> str:
    text = " ".join(words)
    return text[:1].upper() + text[1:] + "."


def tidied(text: str) -> str:
    """Return `text` as a sentence: one line, capital letter, full stop; empty stays empty."""
    text = " ".join(text.replace("_", " ").split())
    if not text:
        return ""
    text = text[:1].upper() + text[1:]
    return text if text[-1] in ".!?。！？" else text + "."
