"""Why a run failed, in the words of the one who knew best."""

import dagster as dg

from blut_assets.history.failures import failure_of


@dg.op
def reads_floors() -> None:
    try:
        {}["min_accuracy"]
    except KeyError as error:
        raise ValueError("floors.yaml: min_accuracy is missing: write it") from error


@dg.job
def judged() -> None:
    reads_floors()


def test_the_words_of_an_error_count_and_not_what_was_the_cause_of_it() -> None:
    with dg.instance_for_test() as instance:
        run = judged.execute_in_process(instance=instance, raise_on_error=False)
        why = failure_of(instance, run.run_id).why
    assert "floors.yaml: min_accuracy is missing: write it" in why
    assert "KeyError" not in why
