"""LLMDet through transformers: boxes for phrases, by an open-vocabulary detector.

As published (SPARC 3.2, B.1.2) it only proposes: a very low threshold, and as confidence the mean
probability of a phrase's tokens. The paper used the Base model; the default here is the Tiny one,
which a laptop can run; `weights` takes `iSEE-Laboratory/llmdet_base` or `_large`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pipeline.backends.backend import ModelBackend, Progress
from pipeline.backends.detection.boxes import BoxLimits, as_box_tuple, choose_boxes, corner_boxes
from pipeline.backends.detection.forward_progress import reporting
from pipeline.backends.detection.prompts import (
    GENERIC_PHRASE,
    build_prompt,
    clean_phrase,
    phrase_scores,
    phrase_spans,
    token_probabilities,
    word_scores,
)
from pipeline.backends.detection.protocol import Detection, DetectionRequest
from pipeline.backends.devices import Placement, loaded, memory_guard, place
from pipeline.backends.transformers_log import quiet_transformers
from pipeline.backends.weights import Weights
from pipeline.model.arrays import F32, F64, U8
from pipeline.model.problem import DataError

MODEL_TYPES = ("mm-grounding-dino", "grounding-dino")
"""What a checkpoint may be: the tokens of both are read in the same way."""
SEPARATORS = ("[CLS]", "[SEP]", ".", "?")
"""Tokens around and between phrases."""
SEPARATOR_IDS = (101, 102, 1012, 1029)
"""Their places in BERT's vocabulary: the model's code knows them by these numbers."""
MOST_FURTHER = 4
"""Boxes kept of each further phrase (our choice: two arms, seen whole or in parts)."""
WORDS_SHOWN = 5
"""Words whose share of the confidence the evidence names."""


@dataclass(frozen=True, slots=True)
class Grounder:
    """A loaded model.

    Attributes:
        model: `MMGroundingDinoForObjectDetection`.
        processor: Makes pixels and tokens.
        placement: Where it is, and the precision of its matrix products.
        separators: Ids of the tokens that are no part of a phrase.
        unknown: Id of the token of unknown words.
    """

    model: Any
    processor: Any
    placement: Placement
    separators: frozenset[int]
    unknown: int


@dataclass(frozen=True, slots=True)
class Grounding:
    """What the model says about one picture.

    Attributes:
        boxes: (Q, 4) pixels of the picture.
        probabilities: (Q, L) of each box and token.
        scores: (Q, P) of each box and phrase.
        spans: Positions of each phrase's tokens.
        pieces: The L tokens as text.
    """

    boxes: F64
    probabilities: F32
    scores: F32
    spans: tuple[tuple[int, int], ...]
    pieces: tuple[str, ...]

    def evidence(self, box: int, phrase: int, name: str) -> str:
        """Say what a confidence is made of: `“red block” 0.43: red 0.51, block 0.35`."""
        start, end = self.spans[phrase]
        words = word_scores(self.pieces[start:end], self.probabilities[box, start:end])
        text = f"“{name}” {self.scores[box, phrase]:.2f}"
        if len(words) > 1:
            text += ": " + ", ".join(f"{w} {p:.2f}" for w, p in words[:WORDS_SHOWN])
            text += ", …" if len(words) > WORDS_SHOWN else ""
        return text


class LLMDetDetector(ModelBackend):
    """Detector that reads phrases; see the module's text."""

    name: ClassVar[str] = "llmdet"
    title: ClassVar[str] = "LLMDet"
    licence: ClassVar[str] = "Apache-2.0"
    packages: ClassVar[tuple[str, ...]] = ("torch", "transformers", "safetensors", "PIL")
    weights: ClassVar[Weights | None] = Weights(
        "iSEE-Laboratory/llmdet_tiny",
        (
            "config.json",
            "model.safetensors",
            "preprocessor_config.json",
            "tokenizer_config.json",
            "vocab.txt",
        ),
        "Apache-2.0",
        692,
    )
    reads_phrases: ClassVar[bool] = True

    @property
    def placement(self) -> str:
        """Device and precision, e.g. `cuda:0, bfloat16`."""
        return place(self.settings).text

    def load(self) -> None:
        """Load the model. Raises DataError."""
        loaded(self, "grounding", self._build)

    def detect(self, request: DetectionRequest, progress: Progress) -> tuple[Detection, ...]:
        """Return boxes of the phrase, then those of the further phrases.

        A box belongs to a further phrase if no other phrase of the request fits it better.

        Raises:
            DataError: `no_weights`, `bad_weights`, `no_device`, `out_of_memory`, `bad_output`.
            Cancelled: Through `progress`, also within the forward pass.
        """
        progress(0.0, "loading LLMDet")
        grounder = loaded(self, "grounding", self._build)
        progress(0.3, "looking for phrases")
        phrase, note = self._phrase(grounder, request.phrase)
        asked = {p: clean_phrase(p) for p in request.further}
        phrases = tuple(dict.fromkeys((phrase, *filter(None, asked.values()))))
        seen = self._ground(
            grounder,
            request.image,
            phrases,
            lambda share, what: progress(0.3 + 0.6 * share, what),
        )
        progress(0.9, "choosing boxes")
        found = self._own_boxes(seen, request, phrase, note)
        for further, clean in asked.items():
            if clean:
                found += self._further_boxes(seen, request, further, phrases.index(clean))
        progress(1.0, "phrases found")
        return tuple(found)

    def _phrase(self, grounder: Grounder, text: str) -> tuple[str, str]:
        """What is asked for, and why it is not the phrase itself (empty if it is)."""
        phrase = clean_phrase(text)
        if not phrase:
            return GENERIC_PHRASE, "the instruction names no object"
        tokens = grounder.processor.tokenizer(phrase, add_special_tokens=False)["input_ids"]
        if all(token == grounder.unknown for token in tokens):
            return GENERIC_PHRASE, f"no word of “{text}” is known to the model"
        return phrase, ""

    def _own_boxes(
        self, seen: Grounding, request: DetectionRequest, phrase: str, note: str
    ) -> list[Detection]:
        limits = BoxLimits(
            request.threshold,
            min(request.least, request.limit),
            request.limit,
            request.nms_iou,
            request.min_area,
            request.max_area,
        )
        found = []
        for i in choose_boxes(seen.boxes, seen.scores[:, 0], limits, _size(request.image)):
            score = float(seen.scores[i, 0])
            below = score < request.threshold
            evidence = seen.evidence(i, 0, phrase)
            if below:
                evidence += f"; under the threshold {request.threshold:g}, kept as one of the best"
            if note:
                evidence += f"; {note}"
            label = phrase if note else ""
            box = as_box_tuple(seen.boxes[i])
            found.append(Detection(box, score, "phrase", evidence, label=label, is_below=below))
        return found

    def _further_boxes(
        self, seen: Grounding, request: DetectionRequest, name: str, column: int
    ) -> list[Detection]:
        # A robot may fill the picture: there is no largest area.
        limits = BoxLimits(
            request.further_threshold, 0, MOST_FURTHER, request.nms_iou, request.min_area, 1.0
        )
        scores = seen.scores[:, column].copy()
        scores[seen.scores.argmax(axis=1) != column] = np.nan
        return [
            Detection(
                as_box_tuple(seen.boxes[i]),
                float(scores[i]),
                "phrase",
                seen.evidence(i, column, name),
                label=name,
                is_further=True,
            )
            for i in choose_boxes(seen.boxes, scores, limits, _size(request.image))
        ]

    def _ground(
        self, grounder: Grounder, image: U8, phrases: Sequence[str], progress: Progress
    ) -> Grounding:
        import torch
        from PIL import Image

        width, height = _size(image)
        prompt = build_prompt(phrases)
        picture = Image.fromarray(np.ascontiguousarray(image))
        device, dtype = grounder.placement.device, grounder.placement.dtype
        with (
            memory_guard(f"looking for “{prompt}” in a {width}x{height} picture"),
            torch.inference_mode(),
            torch.autocast(device.type, dtype, enabled=dtype != torch.float32),
            reporting(grounder.model, progress, "looking for phrases"),
        ):
            inputs = grounder.processor(images=picture, text=prompt, return_tensors="pt")
            output = grounder.model(**inputs.to(device))
            tokens = inputs["input_ids"][0].tolist()
            logits = output.logits[0, :, : len(tokens)].float().cpu().numpy()
            centred = output.pred_boxes[0].float().cpu().numpy()
        spans = phrase_spans(tokens, grounder.separators)
        if len(spans) != len(phrases):
            raise ValueError(f"{len(phrases)} phrases became {len(spans)} spans of “{prompt}”")
        probabilities = token_probabilities(logits)
        scores = phrase_scores(probabilities, spans)
        boxes = corner_boxes(centred, width, height)
        if not (np.isfinite(scores).all(axis=1) & np.isfinite(boxes).all(axis=1)).any():
            raise DataError(
                "bad_output",
                f"LLMDet returned no numbers on {self.placement}; choose precision=float32.",
            )
        pieces = tuple(grounder.processor.tokenizer.convert_ids_to_tokens(tokens))
        return Grounding(boxes, probabilities, scores, spans, pieces)

    def _build(self, placement: Placement) -> Grounder:
        from transformers import AutoModelForZeroShotObjectDetection, AutoProcessor

        folder = self.weights_path()
        if not folder.is_dir():
            raise DataError(
                "no_weights", f"{folder.name} is a file; give the folder that holds config.json."
            )
        # Positions need float32: in bfloat16 a box is off by up to 1/256 of the picture. Half
        # precision is for the matrix products only (autocast).
        with quiet_transformers():
            model, report = AutoModelForZeroShotObjectDetection.from_pretrained(
                folder,
                local_files_only=True,
                use_safetensors=True,
                dtype="float32",
                output_loading_info=True,
            )
        if model.config.model_type not in MODEL_TYPES:
            raise ValueError(f"it is a model of type {model.config.model_type}")
        missing = sorted(report["missing_keys"])
        if missing:
            raise ValueError(f"{len(missing)} weights are missing, the first is {missing[0]}")
        # Pictures are resized alike wherever it runs, with torchvision or without.
        processor = AutoProcessor.from_pretrained(folder, local_files_only=True, backend="pil")
        tokenizer = processor.tokenizer
        separators = tokenizer.convert_tokens_to_ids(list(SEPARATORS))
        if tuple(separators) != SEPARATOR_IDS:
            # Without its files a tokenizer is made that knows no word at all.
            raise ValueError("its tokenizer is not the one it was trained with")
        model = model.to(placement.device).eval()
        separators = frozenset((*separators, int(tokenizer.pad_token_id)))
        return Grounder(model, processor, placement, separators, int(tokenizer.unk_token_id))


def _size(image: U8) -> tuple[int, int]:
    """Width and height, pixels."""
    return image.shape[1], image.shape[0]
