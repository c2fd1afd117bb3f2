"""A tiny LLMDet with random weights, in the files and the format of the real one."""

from __future__ import annotations

import json
from pathlib import Path

UNITS = ("red", "blue", "block", "robot", "arm", "gripper", "##s", "object", "plate", "a")
SIZE = 1040
"""Of the vocabulary: separators have the places of BERT's, which the model knows by number."""
_SPECIAL = {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]"}
SEPARATORS = {1012: ".", 1029: "?"}


def save_tiny_llmdet(folder: Path, *, bias: float | None = None, queries: int = 40) -> Path:
    """Write config, weights, picture processor and vocabulary as the Hub's repository has them.

    Args:
        folder: Made if it is not there.
        bias: Of the last layer's class head: added to every logit, so that scores can be planted.
        queries: Number of boxes.
    """
    # lazy: imports torch
    import torch
    from transformers import (
        BertConfig,
        MMGroundingDinoConfig,
        MMGroundingDinoForObjectDetection,
        SwinConfig,
    )

    config = MMGroundingDinoConfig(
        backbone_config=SwinConfig(
            embed_dim=16,
            depths=[1] * 4,
            num_heads=[1, 2, 4, 4],
            window_size=4,
            out_features=["stage2", "stage3", "stage4"],
        ),
        text_config=BertConfig(
            vocab_size=SIZE,
            hidden_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
        ),
        d_model=32,
        encoder_layers=2,
        decoder_layers=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        num_queries=queries,
        # The published checkpoints have a head per layer.
        decoder_bbox_embed_share=False,
        decoder_cls_embed_share=False,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        model = MMGroundingDinoForObjectDetection(config).eval()
        with torch.no_grad():
            for number, head in enumerate(model.bbox_embed):
                for values in head.parameters():
                    values.add_(0.05 * (number + 1) * torch.randn_like(values))
            for number, head in enumerate(model.class_embed):
                head.bias.fill_(-3.0 - number)
            if bias is not None:
                model.class_embed[-1].bias.fill_(bias)
    model.save_pretrained(folder)
    vocabulary = [f"[unused{i}]" for i in range(SIZE)]
    for place, token in (_SPECIAL | SEPARATORS | dict(enumerate(UNITS, 200))).items():
        vocabulary[place] = token
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    names = {f"{t.strip('[]').lower()}_token": t for t in _SPECIAL.values()}
    _write(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "BertTokenizer",
            "processor_class": "GroundingDinoProcessor",
            "do_lower_case": True,
            "model_max_length": 512,
            **names,
        },
    )
    _write(
        folder / "preprocessor_config.json",
        {
            "image_processor_type": "GroundingDinoImageProcessor",
            "processor_class": "GroundingDinoProcessor",
            "do_resize": True,
            "do_rescale": True,
            "do_normalize": True,
            "do_pad": True,
            "format": "coco_detection",
            "image_mean": [0.485, 0.456, 0.406],
            "image_std": [0.229, 0.224, 0.225],
            "resample": 2,
            "rescale_factor": 1 / 255,
            "size": {"shortest_edge": 96, "longest_edge": 160},
        },
    )
    return folder


def _write(file: Path, values: dict[str, object]) -> None:
    file.write_text(json.dumps(values), encoding="utf-8")
