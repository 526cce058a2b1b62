"""Declares the floors that each gate judges by."""

from functools import partial
from pathlib import Path

from cookbooks.lamquant.gate.in_force import parse_for
from cookbooks.lamquant.sources import SHIPPED_REGISTRY, floors_of

CONFIGS = Path(__file__).parent / "configs"
SHIPPED_DEVICE_REGISTRY = CONFIGS / "pccp_registry_device.yaml"
SHIPPED_SNN_REGISTRY = CONFIGS / "pccp_registry_snn.yaml"
SHIPPED_ORACLE_REGISTRY = CONFIGS / "pccp_registry_oracle.yaml"
SHIPPED_DECODER_REGISTRY = CONFIGS / "pccp_registry_decoder.yaml"
SHIPPED_PIPELINE_REGISTRY = CONFIGS / "pccp_registry_pipeline.yaml"

floor_registry = floors_of("floor_registry", SHIPPED_REGISTRY)
device_floors = floors_of("device_floors", SHIPPED_DEVICE_REGISTRY, partial(parse_for, "device"))
snn_floors = floors_of("snn_floors", SHIPPED_SNN_REGISTRY, partial(parse_for, "snn"))
oracle_floors = floors_of("oracle_floors", SHIPPED_ORACLE_REGISTRY, partial(parse_for, "oracle"))
decoder_floors = floors_of("decoder_floors", SHIPPED_DECODER_REGISTRY, partial(parse_for, "decoder"))
pipeline_floors = floors_of("pipeline_floors", SHIPPED_PIPELINE_REGISTRY, partial(parse_for, "pipeline"))
