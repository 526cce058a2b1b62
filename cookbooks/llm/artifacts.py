"""Defines the nouns of the LLM cookbook. Every field is a fact measured on the bytes.

Losses are mean negative log-likelihoods per learned token, in nats. A figure that was not measured is None,
never a stand-in.
"""

from typing import ClassVar

from blut_assets.artifacts import Artifact


class ExamplesFile(Artifact):
    """What the user brings to learn from: files that stay where they are, or conversations taken out of a
    database or of chat logs as one ``conversations.jsonl``.

    Attributes:
        n_files: data files.
        n_bytes: their sizes added.
        n_conversations: kept after the filters; None where files are taken as they are.
    """

    kind: ClassVar[str] = "dataset.raw"
    n_files: int
    n_bytes: int
    n_conversations: int | None = None


class DatasetJsonl(Artifact):
    """Examples in the normal form of ``cookbooks.llm.data``: ``dataset.jsonl`` and ``report.json``.

    Attributes:
        n_examples: usable and different rows.
        n_dropped: rows that were not usable; not in it.
        n_duplicates: rows that were in it already; not in it again.
        format: as which the rows were read, such as messages or alpaca.
        n_tokens: the base model's, over all examples.
        n_learned_tokens: those that carry a loss.
        longest: tokens of the longest example.
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

    Attributes:
        n_pairs: usable and different pairs.
        n_dropped: rows that were not usable; not in it.
        n_duplicates: pairs that were in it already; not in it again.
        format: as which the rows were read.
        n_tokens: the base model's, over all pairs.
        n_learned_tokens: those that carry a loss.
        longest: tokens of the longer side of the longest pair, with its prompt.
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
    """``train.jsonl``, ``eval.jsonl`` and ``split.json``; no group of related rows is on both sides.

    Attributes:
        n_train: rows to learn from.
        n_eval: rows held out, to measure on.
        n_groups: groups of related rows.
        n_eval_groups: groups on the held-out side.
        largest_group: rows in the largest group.
    """

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
    with licence and base model in its front matter.

    Attributes:
        name: of the model, as its files or its maker say.
        architecture: class of transformers, such as LlamaForCausalLM.
        n_params: weights.
        vocab: tokens that it knows.
        dtype: of the stored weights.
        license: as its README.md says; ``unknown`` if it does not.
    """

    kind: ClassVar[str] = "model.hf"
    name: str
    architecture: str
    n_params: int
    vocab: int
    dtype: str
    license: str


class Checkpoint(Artifact):
    """A model after a training: ``adapter/`` (PEFT) or ``model/`` (full weights), and ``trainer.json``.

    Attributes:
        method: full, lora or qlora.
        base: digest of the model that was trained.
        n_trainable: weights that were trained.
        steps: updates of the weights.
        epochs: passes over the training rows; a part of one counts as that part.
        train_loss: mean over the last epoch.
        eval_loss: of the tuned model on held-out rows; lower is better.
        eval_loss_before: of the base model on the same rows.
        peak_bytes: memory of the process, or of the GPU, at most.
        device: that it was trained on.
        dtype: that it was computed in.
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
    that was not ``checked``, because no GGUF was wanted of it, gives the same leave.

    Attributes:
        model: digest of the model to be trained.
        checked: whether a GGUF was wanted of it, and so the model was looked at.
        architecture: class of transformers.
        pre_tokenizer: how llama.cpp will cut text before it looks for tokens.
        chat_template: whether the model has one.
    """

    kind: ClassVar[str] = "model.gguf_preflight"
    model: str
    checked: bool
    architecture: str
    pre_tokenizer: str | None
    chat_template: bool | None


class GgufModel(Artifact):
    """``model.gguf``, read back by llama.cpp and compared with the model that it was made of; and
    ``adapter.gguf`` where ``form`` is adapter.

    Attributes:
        name: of the model.
        license: of the base model, handed down.
        quant: that was asked for, such as Q4_K_M.
        form: ``merged``, one whole model, or ``adapter``.
        n_bytes: of ``model.gguf``.
        bits_per_weight: of all tensors together.
        tensor_types: the true ones, as ``Q5_0:166 Q8_0:15``.
        importance_tokens: calibration text behind the importance matrix; None without one.
        n_tokens: held-out text that it was compared on.
        kl: nats per token, against the model in fp32 that it was made of; 0 is equal.
        top1_agreement: share of tokens where both find the same one likeliest.
        perplexity: of this file on held-out text.
        perplexity_reference: of the fp32 model on the same.
        tokenizer_equal: whether llama.cpp cuts text into the same tokens.
        answer_stops: whether answers end.
        faithful: whether no floor is missed; ``fidelity.json`` has floors, intervals and answers.
        llamacpp: what it was made with, and of which commit that is; empty where nobody wrote it down.
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
    llamacpp: str = ""


class TaskSet(Artifact):
    """Tasks to evaluate on, each in a directory of its own with its data, and ``tasks.json``.

    Attributes:
        n_tasks: tasks.
        names: their names.
    """

    kind: ClassVar[str] = "eval.tasks"
    n_tasks: int
    names: str


class ModelSet(Artifact):
    """Models that are scored side by side: ``models.json`` names kind and digest of each, by its role (base,
    tuned, quantised). Their bytes stay where they are.

    Attributes:
        n_models: how many.
        names: role and kind of each, such as base (hf).
    """

    kind: ClassVar[str] = "eval.models"
    n_models: int
    names: str


class TokenizerFiles(Artifact):
    """What of a model is needed to read rows: its tokenizer, chat template and ``config.json``.

    Attributes:
        taken_from: role of that model: base, tuned or quantised.
        vocab: tokens that it knows.
        chat_template: whether it has one.
        made: whether the files were made of a GGUF.
    """

    kind: ClassVar[str] = "tokenizer.hf"
    taken_from: str
    vocab: int
    chat_template: bool
    made: bool


class EvalReport(Artifact):
    """``report.json``: every score of every model with its sample count and confidence interval; and
    ``samples.jsonl``, what every single row scored.

    Attributes:
        candidate: digest of the GGUF, or without one of the tuned or base model.
        n_models: models side by side: base, tuned, quantised.
        n_tasks: tasks, the held-out rows included.
        n_samples: rows scored.
        loss_base: nats per token of the held-out answers, of the base model.
        loss_tuned: the same of the tuned model.
        loss_quantised: the same of the GGUF, which is what ships.
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
    """The record of one registration: a version of a name, and what it stands for.

    Attributes:
        name: of the model in the registry.
        version: of it, counted from 1.
        alias: that was promoted to this version, as name@alias; empty if none.
        gguf: digest of the file.
        merged: digest of the model that it was made of.
        report: digest of the evaluation that it rests on.
        verdict: digest of the verdict on the file.
        passed: whether that verdict lets it have a governed alias.
        license: of the base model.
    """

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
