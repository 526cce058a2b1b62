"""What a finished GGUF really holds, read from its bytes by the kit's own reader."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cookbooks.llm.llamacpp import Kit
from cookbooks.llm.payload.llama_library import put_converter_first
from cookbooks.llm.quants import count_types


@dataclass(frozen=True)
class GgufFacts:
    """Tensor name -> type and elements; metadata, arrays as their length."""

    types: dict[str, str]
    elements: dict[str, int]
    tensor_bytes: int
    metadata: dict[str, Any]

    @property
    def bits_per_weight(self) -> float:
        """Over all tensors."""
        return 8 * self.tensor_bytes / max(1, sum(self.elements.values()))

    @property
    def counts(self) -> str:
        """Types and how many tensors have them, as ``Q5_0:166 Q8_0:15``."""
        return count_types(self.types.values())


def read_gguf(path: Path, kit: Kit) -> GgufFacts:
    """The facts of a GGUF file."""
    put_converter_first(kit)
    from gguf import GGUFReader, GGUFValueType

    reader = GGUFReader(path)
    metadata: dict[str, Any] = {}
    for name, field in reader.fields.items():
        is_array = bool(field.types) and field.types[0] == GGUFValueType.ARRAY
        metadata[name] = len(field.data) if is_array else field.contents()
    return GgufFacts(
        {tensor.name: tensor.tensor_type.name for tensor in reader.tensors},
        {tensor.name: int(tensor.n_elements) for tensor in reader.tensors},
        sum(int(tensor.n_bytes) for tensor in reader.tensors),
        metadata,
    )
