"""Records a judgement: the judged candidate becomes a version, and what it would replace is found."""

from collections.abc import Callable, Mapping, Sequence

from blut_assets.artifacts import Artifact
from blut_assets.stages import Stage
from blut_resources.registry.models import ModelRegistry
from blut_resources.registry.records import stack_of
from blut_resources.registry.verdicts import EACH, VERDICT_FILE, Criterion, Floor, parse_verdict
from blut_resources.store.artifacts import ArtifactStore
from cookbooks.lamquant.configs.verdict import PccpVerdictConfig
from cookbooks.lamquant.gate.floors import CORPUS
from cookbooks.lamquant.verdicts.coding import INCUMBENT

KEPT = ("corpus", "split", "registry")
"""Inputs of a verdict that a registered candidate keeps from collection."""


def registered_with(*headline: str) -> Callable[[Stage, Artifact], None]:
    """Returns what makes a judged candidate a version in the model registry, whether it passed or not.

    The same verdict again adds nothing, unless the version was retired since.

    Args:
        headline: the figures of the verdict that a one-line summary of the version shows.
    """

    def register(stage: Stage, judged: Artifact) -> None:
        verdict = parse_verdict(stage.store.read(judged.digest, VERDICT_FILE))
        registry = ModelRegistry(stage.store.root / "registry")
        retired = registry.retired(verdict.model)
        for known in registry.versions(verdict.model).values():
            if known.verdict == judged.digest and known.version not in retired:
                return
        record = registry.register(
            verdict.model,
            candidate=verdict.candidate,
            inputs={name: verdict.inputs[name] for name in KEPT},
            verdict=judged.digest,
            passed=verdict.passed,
            floors=_for_each(verdict.criteria),
            figures=verdict.measurements,
            license="unknown",
            run=stage.context.run.run_id,
            headline=headline,
        )
        stage.context.log.info(f"{stage.name}: registered as {record.model}")

    return register


def _for_each(criteria: Sequence[Criterion]) -> list[Floor]:
    """Returns the floors of a verdict without the recordings: they are alike for each."""
    floors = (criterion.as_floor() for criterion in criteria)
    return list(
        dict.fromkeys(f if f.scope == CORPUS else f.model_copy(update={"scope": EACH}) for f in floors)
    )


def incumbent_of(
    candidate: str,
) -> Callable[[ArtifactStore, Mapping[str, str], PccpVerdictConfig], Mapping[str, str]]:
    """Returns what finds what ``config.promote_as`` stands for, or stood for before the candidate took its
    place.

    A verdict compares the candidate with it, so a verdict made beside another one answers no later run. It is
    the same after the candidate was promoted, so a run that is repeated finds its own verdict.

    Args:
        candidate: the input of the verdict that is judged.
    """

    def incumbent(
        store: ArtifactStore, inputs: Mapping[str, str], config: PccpVerdictConfig
    ) -> Mapping[str, str]:
        name, separator, alias = config.promote_as.partition("@")
        if not separator:
            return {}
        stack = stack_of(ModelRegistry(store.root / "registry").history(name), alias)
        others = [entry.candidate for entry in stack if entry.candidate != inputs[candidate]]
        return {INCUMBENT: others[-1]} if others else {}

    return incumbent
