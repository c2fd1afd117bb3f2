"""What is said beside the pictures: texts of resources/prompts/captions.toml, filled in."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from pipeline.backends.captioning.material import CaptionMaterial
from pipeline.model.caption_fields import FIELD_WORDS, CaptionField
from pipeline.model.recipe import PromptParts

MOST_QUOTED = 4000
"""Characters of an instruction, a caption or a critique that are sent."""


@dataclass(frozen=True)
class CaptionPrompts:
    """The texts.

    Attributes:
        version: Raised when their meaning changes.
        draft: Texts of drafting, by name.
        rules: Verb-scoped rules, by name.
        pictures: Texts before pictures, by name.
        parts: Texts after the pictures, by name.
        revise: Texts of revising, by name.
        identity: Version and a hash of all texts, e.g. `1-3f9a01bc`.
    """

    version: int
    draft: Mapping[str, str]
    rules: Mapping[str, str]
    pictures: Mapping[str, str]
    parts: Mapping[str, str]
    revise: Mapping[str, str]
    identity: str

    def system(self, parts: PromptParts) -> str:
        """The system text of a recipe.

        Args:
            parts: Which parts are said. Unknown rules are left out; recipes cannot have them.
        """
        rules = [self.rules[name] for name in parts.rules if name in self.rules]
        rules += [rule for rule in parts.own_rules if rule]
        cot = parts.mini_cot
        return fill(
            self.draft["system"],
            verb_rule=fill(self.draft["verb_rule"], verbs=", ".join(caption_verbs()))
            if parts.vocabulary
            else "",
            rules="".join(f"\n{rule}\n" for rule in rules),
            reasoning=f"\n{self.draft['mini_cot']}\n" if cot else "",
            schema=self.draft["schema_cot" if cot else "schema"],
        )

    def revision_system(self, parts: PromptParts) -> str:
        """The system text of a revision by a recipe."""
        return fill(self.revise["system"], draft=self.system(parts))


@cache
def caption_prompts() -> CaptionPrompts:
    """Read resources/prompts/captions.toml once."""
    text = (resources.files("resources") / "prompts" / "captions.toml").read_text("utf-8")
    data = tomllib.loads(text)
    tables = {
        name: {key: str(value).strip("\n") for key, value in data[name].items()}
        for name in ("draft", "rules", "pictures", "parts", "revise")
    }
    content = json.dumps(tables, sort_keys=True).encode()
    version = int(data["version"])
    identity = f"{version}-{hashlib.blake2b(content, digest_size=4).hexdigest()}"
    return CaptionPrompts(version=version, identity=identity, **tables)


def caption_verbs() -> tuple[str, ...]:
    """The verbs that captions may use, from resources/vocabulary/verbs.json."""
    from pipeline.backends.language.vocabulary import vocabulary

    return tuple(v.verb for v in vocabulary().verbs)


def fill(text: str, **values: str) -> str:
    """Put values into `{names}` of a text; braces in values stay what they are."""
    pieces = text.split("{")
    result = [pieces[0]]
    for piece in pieces[1:]:
        name, closed, rest = piece.partition("}")
        if closed and name in values:
            result.append(values[name] + rest)
        else:
            result.append("{" + piece)
    return "".join(result)


def quoted(text: str) -> str:
    """A text by somebody else in one line and quotation marks, so that it reads as data."""
    line = " ".join(text.split())
    if len(line) > MOST_QUOTED:
        line = line[:MOST_QUOTED] + "…"
    return json.dumps(line, ensure_ascii=False)


def context_texts(material: CaptionMaterial, parts: PromptParts) -> list[tuple[str, str]]:
    """(role, text) of all that is told beside the pictures, before the question."""
    texts = caption_prompts().parts
    found: list[tuple[str, str]] = []
    if material.arm:
        found.append(("arm", fill(texts["arms"], arm=material.arm)))
    if parts.instruction and material.instruction.strip():
        instruction = quoted(material.instruction)
        found.append(("instruction", fill(texts["instruction"], instruction=instruction)))
    if parts.previous_caption and material.previous_caption.strip():
        caption = quoted(material.previous_caption)
        found.append(("previous caption", fill(texts["previous_caption"], caption=caption)))
    if parts.primitives and material.tags:
        tags = ", ".join(f"{name}: {quoted(v)}" if v else name for name, v in material.tags)
        found.append(("tags", fill(texts["primitives"], tags=tags)))
    return found


def revision_texts(
    pre_caption: str, critique: str, fields: tuple[CaptionField, ...]
) -> list[tuple[str, str]]:
    """(role, text) of what a revision is told after the pictures and the context."""
    texts = caption_prompts().revise
    said = fill(texts["critique"], critique=quoted(critique))
    if fields:
        words = ", ".join(FIELD_WORDS[f] for f in fields)
        said = f"{said}\n{fill(texts['fields'], fields=words)}"
    return [
        ("caption", fill(texts["caption"], caption=quoted(pre_caption))),
        ("critique", said),
        ("question", texts["question"]),
    ]
