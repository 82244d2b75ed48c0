"""A classifier of a dataset's real images, to judge generated ones by.

What it recognises, and how surely, says whether an image is a digit, or a picture in one of the
styles; its features see what matters in this dataset, where those of a network for photographs see
photographs. Its weights are kept in `data/classifiers`, so that all are judged by the same one.
"""

import contextlib
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from helpers import files, runs, training
from helpers.images.models import Shape, conv_down, initialise

CHANNELS = (16, 32, 64, 64)  # a layer a halving, until 4 to 7 pixels are left
FEATURES = 64
SURE = 0.8  # probability of a class from which on an image counts as readable
STEPS, BATCH, RATE = 3_000, 128, 2e-3  # half a minute
AT_ONCE = 500  # images
SCALED = 2_000  # images that fix the scale of the features


class Verdict(NamedTuple):
    """What a classifier makes of n images."""

    features: Tensor  # (n, 64), none negative
    probabilities: Tensor  # (n, classes)

    @property
    def sure(self) -> Tensor:
        """Which images are of one class with a probability over SURE: (n,)."""
        return self.probabilities.amax(-1) > SURE

    @property
    def shares(self) -> Tensor:
        """Share of the images that most resemble each class: (classes,)."""
        classes = self.probabilities.shape[-1]
        return self.probabilities.argmax(-1).bincount(minlength=classes) / len(self.features)


class Classifier(nn.Module):
    """Logits of the classes of flat images: (n, c · h · w) to (n, classes)."""

    def __init__(self, shape: Shape, classes: int):
        super().__init__()
        side, halvings = shape[1], 0
        while side % 2 == 0 and side > 7:
            side, halvings = side // 2, halvings + 1
        self.net = conv_down(shape, CHANNELS[:halvings], FEATURES, nn.ReLU())
        self.head = nn.Linear(FEATURES, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.net(x).relu())

    @torch.no_grad()
    def judge(self, x: Tensor) -> Verdict:
        """What it makes of images (n, c · h · w) in [−1, 1]."""
        found = torch.cat([self.net(part).relu() for part in x.split(AT_ONCE)])
        return Verdict(found, self.head(found).softmax(-1))


def fit(x: Tensor, labels: Tensor, shape: Shape, generator: torch.Generator) -> Classifier:
    """A classifier of images (n, c · h · w) by their labels (n,): cross-entropy, Adam."""
    classifier = Classifier(shape, int(labels.max()) + 1)
    initialise(classifier.net, generator)
    initialise(nn.Sequential(classifier.head), generator)
    adam, rate = torch.optim.Adam(classifier.parameters()), training.cosine(RATE)
    for step in range(STEPS):
        rows = torch.randint(len(x), (BATCH,), generator=generator)
        loss = cross_entropy(classifier(x[rows]), labels[rows])
        training.descend(adam, loss, torch.tensor(rate(step / STEPS)))
    return _scaled(classifier.requires_grad_(False).eval(), x[:SCALED])


def _scaled(classifier: Classifier, x: Tensor) -> Classifier:
    """The same classifier, its features of images x having mean square one, so that KIDs compare.

    What a ReLU passes on grows with what it is given, so the head takes back what features lose.
    """
    size = classifier.judge(x).features.square().mean().sqrt()
    for values in (classifier.net[-1].weight, classifier.net[-1].bias):
        values /= size
    classifier.head.weight *= size
    return classifier


@cache
def of(dataset, about: str = "class") -> Classifier:
    """The classifier of a dataset, by class or by an option that its images were drawn with.

    Its weights are read; where there are none, or they are damaged, it is trained first.
    """
    way = ("data", "classifiers", f"{dataset.source}-{dataset.size}-{about}.zip")
    with contextlib.suppress(runs.BadRun, RuntimeError, FileNotFoundError):  # of other sizes
        path = files.existing(*way)
        weights = runs.load_tensors(*runs.unpack(path, "weights.pt"), path)
        classifier = Classifier(dataset.shape, len(weights["head.bias"]))
        classifier.load_state_dict(weights)
        return classifier.requires_grad_(False).eval()
    train = dataset.draws().train
    labels = train.components if about == "class" else dataset.options("train")[about]
    print(f"training a classifier of {dataset.name}, once", flush=True)
    with training.threads(1):
        fitted = fit(train.points, labels, dataset.shape, training.stream(0))
    halves = {name: values.half() for name, values in fitted.state_dict().items()}
    with files.optional():
        runs.pack(files.output(*way), {"weights.pt": runs.save_tensors(halves)})
    fitted.load_state_dict(halves)  # as it will be read
    return fitted
