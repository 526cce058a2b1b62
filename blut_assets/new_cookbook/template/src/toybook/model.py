"""Learns row by row: softmax regression on standardised numbers. Replace this classifier by your own."""

import json
import math
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from toybook.rows import Row

MODEL_FILE = "model.json"


class ModelInvalid(ValueError):
    """Says that a file holds no classifier; the message names the file and what is wrong."""


@dataclass(frozen=True)
class Scale:
    """Holds mean and standard deviation of each number, over the train rows."""

    means: list[float]
    deviations: list[float]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> "Scale":
        """Returns the scale of these rows; a column that never changes is left as it is."""
        columns = list(zip(*(row.numbers for row in rows), strict=True))
        means = [math.fsum(column) / len(column) for column in columns]
        spread = [
            math.sqrt(math.fsum((value - mean) ** 2 for value in column) / len(column))
            for column, mean in zip(columns, means, strict=True)
        ]
        return cls(means, [one or 1.0 for one in spread])

    def apply(self, numbers: Sequence[float]) -> list[float]:
        """Returns 1, for the bias, and the standardised numbers."""
        pairs = zip(numbers, self.means, self.deviations, strict=True)
        return [1.0, *((value - mean) / deviation for value, mean, deviation in pairs)]


@dataclass
class Model:
    """Holds weights, one list for each class: of the bias, and of each number."""

    classes: list[str]
    scale: Scale
    weights: list[list[float]]

    @classmethod
    def untrained(cls, classes: Sequence[str], rows: Sequence[Row]) -> "Model":
        """Returns a classifier that holds every class for equally likely."""
        scale = Scale.of(rows)
        return cls(list(classes), scale, [[0.0] * (len(scale.means) + 1) for _ in classes])

    def probabilities(self, x: Sequence[float]) -> list[float]:
        """Returns the probability of each class; ``x`` is what `Scale.apply` gives."""
        scores = [sum(w * value for w, value in zip(weights, x, strict=True)) for weights in self.weights]
        highest = max(scores)
        powers = [math.exp(score - highest) for score in scores]
        total = sum(powers)
        return [power / total for power in powers]

    def predict(self, numbers: Sequence[float]) -> str:
        """Returns the likeliest class of a row."""
        found = self.probabilities(self.scale.apply(numbers))
        return self.classes[found.index(max(found))]

    def accuracy(self, rows: Sequence[Row]) -> float:
        """Returns the share of the rows whose label it predicts."""
        return sum(self.predict(row.numbers) == row.label for row in rows) / len(rows)

    def learn(self, rows: Sequence[Row], rate: float, order: str) -> float:
        """Learn every row once, and return the mean cross-entropy on the way, in nats.

        Args:
            rate: how far each row moves the weights.
            order: the seed of the order of the rows. It names the epoch, so a resumed training needs no
                state of a random generator, and ends with the very weights of one that was never killed.
        """
        shuffled = list(rows)
        random.Random(order).shuffle(shuffled)  # noqa: S311 - seeded: to be repeated
        losses = []
        for row in shuffled:
            x, right = self.scale.apply(row.numbers), self.classes.index(row.label)
            found = self.probabilities(x)
            losses.append(-math.log(max(found[right], 1e-300)))
            for number, weights in enumerate(self.weights):
                step = rate * ((number == right) - found[number])
                for place, value in enumerate(x):
                    weights[place] += step * value
        return math.fsum(losses) / len(losses)

    def as_json(self) -> dict[str, Any]:
        """Returns the classifier as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Any, name: str) -> "Model":
        """Returns the classifier that `as_json` described.

        Raises:
            ModelInvalid: the value is not one.
        """
        try:
            model = cls(value["classes"], Scale(**value["scale"]), value["weights"])
            width = len(model.scale.means) + 1
            shaped = len(model.weights) == len(model.classes) and all(len(w) == width for w in model.weights)
            finite = all(math.isfinite(number) for weights in model.weights for number in weights)
        except (KeyError, TypeError) as error:
            raise ModelInvalid(f"{name}: not a classifier: {error!r}") from error
        if not (shaped and finite):
            raise ModelInvalid(f"{name}: its weights have another shape, or are not finite numbers")
        return model


def read_model(directory: Path) -> Model:
    """Returns the classifier in a directory.

    Raises:
        ModelInvalid: there is none.
    """
    try:
        return Model.from_json(json.loads((directory / MODEL_FILE).read_bytes()), MODEL_FILE)
    except (OSError, ValueError) as error:
        raise ModelInvalid(f"{MODEL_FILE}: {error}") from error
