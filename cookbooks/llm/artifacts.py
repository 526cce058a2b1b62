"""The nouns of the LLM cookbook. Every field is a fact measured on the bytes.

Losses are mean negative log-likelihoods per learned token, in nats. A figure that was not measured is None,
never a stand-in.
"""

from typing import ClassVar

from blut_assets.artifacts import Artifact


class ExamplesFile(Artifact):
    """What the user brings to learn from: files that stay where they are, or conversations taken out of a
    database or of chat logs as one ``conversations.jsonl``."""

    kind: ClassVar[str] = "dataset.raw"
    n_files: int
    n_bytes: int
    n_conversations: int | None = None


class DatasetJsonl(Artifact):
    """Examples in the normal form of ``cookbooks.llm.data``: ``dataset.jsonl`` and ``report.json``.

    ``n_dropped`` rows were not usable, ``n_duplicates`` were in it already; neither is in the dataset.
    Tokens are the base model's; ``n_learned_tokens`` are those that carry a loss.
    """

    kind: ClassVar[str] = "dataset.jsonl"
    n_examples: int
    n_dropped: int
    n_duplicates: int
    format: str
    n_tokens: int
    n_learned_tokens: int
    longest: int


class PreferenceJsonl(Artifact):
    """Preference pairs in the normal form: ``dataset.jsonl`` and ``report.json``; counts as in DatasetJsonl.

    ``longest`` is the longer side of the longest pair, with its prompt.
    """

    kind: ClassVar[str] = "dataset.preferences"
    n_pairs: int
    n_dropped: int
    n_duplicates: int
    format: str
    n_tokens: int
    n_learned_tokens: int
    longest: int


class DatasetSplit(Artifact):
    """``train.jsonl``, ``eval.jsonl`` and ``split.json``; no group of related rows is on both sides."""

    kind: ClassVar[str] = "dataset.split"
    n_train: int
    n_eval: int
    n_groups: int
    n_eval_groups: int
    largest_group: int


class PreferenceSplit(DatasetSplit):
    """The same of preference pairs."""

    kind: ClassVar[str] = "dataset.preference_split"


class HfModel(Artifact):
    """A model directory as transformers reads it: config, safetensors, tokenizer, chat template, README.md
    with licence and base model in its front matter."""

    kind: ClassVar[str] = "model.hf"
    name: str
    architecture: str
    n_params: int
    vocab: int
    dtype: str
    license: str


class Checkpoint(Artifact):
    """What a training left: ``adapter/`` (PEFT) or ``model/`` (full weights), and ``trainer.json``.

    ``base`` is the digest of the model that was trained; ``eval_loss_before`` is that model's.
    """

    kind: ClassVar[str] = "checkpoint.hf"
    method: str
    base: str
    n_trainable: int
    steps: int
    epochs: float
    train_loss: float
    eval_loss: float | None
    eval_loss_before: float | None
    peak_bytes: int
    device: str
    dtype: str


class GgufPreflight(Artifact):
    """The leave to train a model that is to become a GGUF. Its bytes name the model only, so that a model
    that was not ``checked``, because no GGUF was wanted of it, gives the same leave."""

    kind: ClassVar[str] = "model.gguf_preflight"
    model: str
    checked: bool
    architecture: str
    pre_tokenizer: str | None
    chat_template: bool | None


class GgufModel(Artifact):
    """``model.gguf``, read back by llama.cpp and compared with the model that it was made of; and
    ``adapter.gguf`` where ``form`` is adapter.

    ``kl`` (nats per token) and ``top1_agreement`` are against that model in fp32, over ``n_tokens`` of
    held-out text. ``tensor_types`` are the true ones, as ``Q5_0:166 Q8_0:15``. ``faithful`` if no floor is
    missed; ``fidelity.json`` has the floors, the intervals and the answers.
    """

    kind: ClassVar[str] = "model.gguf"
    name: str
    license: str
    quant: str
    form: str
    n_bytes: int
    bits_per_weight: float
    tensor_types: str
    importance_tokens: int | None
    n_tokens: int
    kl: float
    top1_agreement: float
    perplexity: float
    perplexity_reference: float
    tokenizer_equal: bool
    answer_stops: bool
    faithful: bool


class TaskSet(Artifact):
    """Tasks to evaluate on, each in a directory of its own with its data, and ``tasks.json``."""

    kind: ClassVar[str] = "eval.tasks"
    n_tasks: int
    names: str


class ModelSet(Artifact):
    """Models that are scored side by side: ``models.json`` names kind and digest of each, by its role (base,
    tuned, quantised). Their bytes stay where they are."""

    kind: ClassVar[str] = "eval.models"
    n_models: int
    names: str


class TokenizerFiles(Artifact):
    """What of a model is needed to read rows: its tokenizer, chat template and ``config.json``.

    ``taken_from`` is the role of that model; ``made`` if the files were made of a GGUF.
    """

    kind: ClassVar[str] = "tokenizer.hf"
    taken_from: str
    vocab: int
    chat_template: bool
    made: bool


class EvalReport(Artifact):
    """``report.json``: every score of every model with its sample count and confidence interval; and
    ``samples.jsonl``, what every single row scored.

    ``candidate`` is the digest of the GGUF, or without one of the tuned or base model. A loss is in nats per
    token of the held-out answers.
    """

    kind: ClassVar[str] = "eval.report"
    candidate: str
    n_models: int
    n_tasks: int
    n_samples: int
    loss_base: float | None
    loss_tuned: float | None
    loss_quantised: float | None


class RegisteredModel(Artifact):
    """The record of a registration: name and version, and the digests of the GGUF, the model it was made of,
    its evaluation and the verdict. ``alias`` is what was promoted to it, as name@alias; empty if nothing."""

    kind: ClassVar[str] = "model.registered"
    name: str
    version: int
    alias: str
    gguf: str
    merged: str
    report: str
    verdict: str
    passed: bool
    license: str
