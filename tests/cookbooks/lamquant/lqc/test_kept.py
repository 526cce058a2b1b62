"""Files that were written once are decoded to what they always were.

``python -m tests.cookbooks.lamquant.lqc.test_kept`` writes them anew and prints their digests. That is done
with a new version of the format only, whose reader then keeps these.
"""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from bench.lqc_files import made_model, signal, small_files
from cookbooks.lamquant.lqc.decode import Decoder

KEPT = Path(__file__).with_name("kept")
DIGESTS = {
    "lapped-full": "1a1efb8adcbc89fabe42e8f7a96793c74d6877073a3fb77a807ea65b8029dcc0",
    "lapped-device-length-open": "e907e18fe1178ad3d5038faabc921726c97f16315a49aa6f01c5cffd1b5445b8",
    "exact": "3d81a3e77272683ea76b95a9d90d4c51d5133c9b839c8f6408ed698163958c59",
    "bounded-error-length-open": "11d84303d5323dd8c0bb3067afef419f16fb591b0421abbb8384ee883f6b9b3c",
    "two-rates-with-all-there-is-to-say": "439101740095c63af134c67ff88fef534be9f143040417dbfa64b8f7fa60553b",
}


def decoded(data: bytes) -> list[np.ndarray]:
    decoder = Decoder(data, made_model(), threads=1)
    return [decoder.read_all(number) for number in range(len(decoder.signals))]


def digest(arrays: list[np.ndarray]) -> str:
    return hashlib.sha256(b"".join(one.astype("<i4").tobytes() for one in arrays)).hexdigest()


@pytest.mark.parametrize("name", DIGESTS)
def test_a_kept_file_is_decoded_to_what_it_always_was(name: str) -> None:
    assert digest(decoded((KEPT / f"{name}.lqc").read_bytes())) == DIGESTS[name]


def test_each_kind_is_kept_and_is_about_what_was_coded() -> None:
    assert (
        {path.stem for path in KEPT.iterdir()}
        == set(DIGESTS)
        == {_stem(kind) for kind in small_files(made_model())}
    )
    one, four, three = signal(1, 1200), signal(4, 1000, 1), signal(3, 700, 2)
    found = {name: decoded((KEPT / f"{name}.lqc").read_bytes()) for name in DIGESTS}
    np.testing.assert_array_equal(found["exact"][0], three)
    assert np.abs(found["bounded-error-length-open"][0] - three).max() == 3
    assert np.abs(found["two-rates-with-all-there-is-to-say"][1] - one).max() == 2
    for name, x in (("lapped-full", four), ("lapped-device-length-open", one)):
        error = found[name][0] - x
        assert 0 < error.std() < 0.2 * np.diff(x).std() + 8


def _stem(kind: str) -> str:
    return kind.replace(",", "").replace(" ", "-")


if __name__ == "__main__":
    KEPT.mkdir(exist_ok=True)
    for kind, data in small_files(made_model()).items():
        (KEPT / f"{_stem(kind)}.lqc").write_bytes(data)
        print(f'    "{_stem(kind)}": "{digest(decoded(data))}",')
