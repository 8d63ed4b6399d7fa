"""Write tests/edge_sdk/data/tiny_classifier.tflite (run in the model environment, once).

    python -m tests.support.make_tiny_tflite

The net is `tests.support.tiny_nets.classify`; the file carries MediaPipe's metadata, so that one
fixture serves LiteRT and MediaPipe.
"""

import tempfile
from pathlib import Path

import torch
from torch import nn

from edge_sdk.face.emotions import EMOTIONS
from model_export.export.litert import export_litert
from model_export.export.mediapipe_metadata import ClassifierCard, with_classifier_metadata
from tests.support.tiny_nets import classifier_weights

TARGET = Path(__file__).resolve().parents[1] / "edge_sdk" / "data" / "tiny_classifier.tflite"


class TinyClassifier(nn.Module):
    """`tiny_nets.classify` in torch."""

    def __init__(self) -> None:
        super().__init__()
        kernel, linear = classifier_weights()
        self.convolve = nn.Conv2d(3, len(kernel), 4, 4, bias=False)
        self.decide = nn.Linear(len(kernel), len(linear), bias=False)
        self.convolve.weight = nn.Parameter(torch.from_numpy(kernel))
        self.decide.weight = nn.Parameter(torch.from_numpy(linear))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, 3, 16, 16) -> (N, 4)."""
        logits: torch.Tensor = self.decide(self.convolve(image).relu().mean(dim=(2, 3)))
        return logits


def main() -> None:
    """Convert, add the metadata, write."""
    card = ClassifierCard(
        name="tiny", description="A net for tests.", version="1", licence="Apache-2.0",
        width=16, height=16, mean=(127.5,) * 3, std=(63.75,) * 3, labels=EMOTIONS,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "net.tflite"
        export_litert(TinyClassifier(), {"fp32": made}, height=16, width=16)
        TARGET.write_bytes(with_classifier_metadata(made.read_bytes(), card))
    print(TARGET, TARGET.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
