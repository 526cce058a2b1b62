"""How many processes train together is a part of the result, and of nothing that was made before."""

import pytest
from pydantic import ValidationError

from blut_assets.stages import Footprint
from blut_assets.stages.footprints import expected_gpus
from cookbooks.lamquant.configs.training import JointCheckpointConfig
from tests.ranked import SumConfig, make, why


def test_one_process_has_the_fingerprint_and_the_cost_that_it_had_before_there_were_several() -> None:
    alone, two = SumConfig(), SumConfig(ranks=2)
    for config in (alone, SumConfig(ranks=1), SumConfig(gpus=1)):
        assert config.fingerprinted() == {"epochs": 3, "rank": 0, "how": "", "device": "auto"}
        assert not {"gpus", "ranks"} & config.cost_drivers().keys()
    assert two.fingerprinted() == {**alone.fingerprinted(), "ranks": 2} == SumConfig(gpus=2).fingerprinted()
    assert two.for_payload()["device"] == "cpu" and SumConfig(gpus=2).for_payload()["device"] == "cuda"
    assert (alone.leased, two.leased, SumConfig(gpus=2).leased) == (None, 0, 2)
    assert expected_gpus(Footprint(gpus="any"), SumConfig(gpus=2)) == 2, "a plan says whether it can ever fit"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"ranks": 2, "gpus": 2}, "give gpus to train on GPUs, or ranks to train on the CPU"),
        ({"gpus": 2, "device": "cpu"}, "gpus = 2 with device = 'cpu'"),
        ({"ranks": 2, "device": "cuda"}, "ranks = 2 with device = 'cuda': give gpus instead"),
        ({"ranks": 3, "batch_size": 4}, "batch_size=4: 3 ranks cannot take equal shares of it"),
        ({"gpus": 0}, "greater than or equal to 1"),
    ],
)
def test_what_cannot_be_shared_is_refused_before_the_run(args: dict, words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        JointCheckpointConfig(**args)
    assert words in str(caught.value)


@pytest.mark.usefixtures("home")
def test_more_gpus_than_there_are_are_refused_with_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLUT_GPUS", "0:24G")
    said = why(make(gpus=2))
    assert "needs 2 GPUs" in said and "this process sees GPU 0" in said


@pytest.mark.usefixtures("home")
def test_what_another_number_of_processes_has_begun_is_refused_and_how_to_go_on_is_said() -> None:
    assert "bad" in why(make(how="raises"))
    said = why(make(how="raises", ranks=2))
    assert "1 process began this training and left it at epoch-000002; 2 processes cannot" in said
    assert "give gpus or ranks 1 to go on, or resume never" in said.lower()
    assert "bad" in why(make(how="raises"))
