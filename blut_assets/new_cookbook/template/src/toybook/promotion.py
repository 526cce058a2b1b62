"""Promotes: only here a classifier gets a name, and the verdict is taken as data."""

import json

from blut_assets.stages import Stage, stage_asset
from blut_resources.files.durable import write_atomic
from blut_resources.registry.models import Authority, ModelRegistry, RegistryError

from toybook.artifacts import Classifier, ClassifierVerdict, FloorSet, PromotedClassifier, Split
from toybook.configs import PromotedClassifierConfig
from toybook.floors import FLOORS_FILE, class_scope, parse_floors


@stage_asset(
    cookbook="toybook",
    group="toybook_promotion",
    side_effect=True,
    headline=["promoted", "alias"],
    kinds={"json"},
)
def promoted_classifier(
    stage: Stage,
    classifier: Classifier,
    classifier_verdict: ClassifierVerdict,
    split: Split,
    floors: FloorSet,
    config: PromotedClassifierConfig,
) -> PromotedClassifier:
    """The record of a promotion to ``name@alias``; without an alias nothing is promoted.

    The registry reads the verdict's own bytes. It refuses unless they say that exactly this classifier met
    exactly the floors that are in force now, so a run of this asset alone gets past nothing.
    """
    if config.alias:
        name, _, alias = config.alias.partition("@")
        if not alias:
            raise RegistryError(f"alias = {config.alias!r}: give name@alias, such as {name}@staging")
        registry = ModelRegistry(stage.store.root / "registry")
        in_force = parse_floors(stage.store.read(floors.digest, FLOORS_FILE), FLOORS_FILE)
        classes = json.loads(stage.store.read(split.digest, "split.json"))["classes"]
        versions = registry.versions(name).values()
        registry.promote(
            name,
            alias,
            candidate=classifier.digest,
            verdict=classifier_verdict.digest,
            store=stage.store,
            inputs={"split": split.digest, "floors": floors.digest},
            floors=in_force.required(map(class_scope, classes)),
            version=next((one.version for one in versions if one.candidate == classifier.digest), None),
            authority=Authority(allow_worse=config.allow_worse, new_sealed=config.new_sealed),
        )
    record = PromotedClassifier(
        alias=config.alias,
        candidate=classifier.digest,
        verdict=classifier_verdict.digest,
        promoted=bool(config.alias),
    )
    write_atomic(stage.out / "promotion.json", json.dumps(record.facts(), indent=1, sort_keys=True).encode())
    return record
