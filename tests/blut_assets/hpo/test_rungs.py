"""Which trials train on, and how far."""

from blut_assets.hpo.rungs import Climber, ladder, promoted


def test_rungs_lie_between_the_least_and_the_whole() -> None:
    assert ladder(1, 27, 3).brackets == ((1, 3, 9, 27),)
    assert ladder(2, 10, 3).brackets == ((2, 6, 10),)
    assert ladder(5, 6, 4).brackets == ((5, 6),)
    assert ladder(1, 9, 3, hyperband=True).brackets == ((1, 3, 9), (3, 9), (9,))


def test_the_best_of_enough_go_on_once() -> None:
    steps = ladder(1, 9, 3)

    def paused(number: int, **values: float) -> Climber:
        return Climber(number, {int(rung[1:]): value for rung, value in values.items()}, True)

    two = [paused(1, r1=0.5), paused(2, r1=0.4)]
    assert promoted(two, steps) is None, "a third of two is none"
    three = [*two, paused(3, r1=0.6)]
    assert promoted(three, steps) == (2, 3)
    at_work = [two[0], Climber(2, {1: 0.4}, False), three[2]]
    assert promoted(at_work, steps) is None, "it is at it"
    passed_over = [*at_work, paused(4, r1=0.7), paused(5, r1=0.7), paused(6, r1=0.8)]
    assert promoted(passed_over, steps) == (1, 3), "once there are more beside it"
    higher = [paused(n, r1=0.1, r3=value) for n, value in ((1, 0.3), (2, 0.2), (3, 0.4))]
    assert promoted([*higher, *(paused(n, r1=0.01) for n in range(4, 13))], steps) == (2, 9), (
        "the highest first"
    )


def test_somebody_comes_to_the_end_however_few_there_are() -> None:
    steps = ladder(1, 9, 3)
    assert promoted([Climber(1, {1: 0.5}, True)], steps) is None
    assert promoted([Climber(1, {1: 0.5}, True)], steps, last=True) == (1, 3)
    assert promoted([Climber(1, {1: 0.5, 3: 0.4}, True)], steps, last=True) == (1, 9)
    done = [Climber(1, {1: 0.5, 3: 0.4, 9: 0.3}, False), Climber(2, {1: 0.6}, True)]
    assert promoted(done, steps, last=True) is None


def test_brackets_get_trials_by_what_they_cost() -> None:
    steps = ladder(1, 9, 3, hyperband=True)
    begins = [steps.rungs(number)[0] for number in range(1, 131)]
    assert begins.count(1) > 2 * begins.count(3) > 4 * begins.count(9) > 0
    assert len({*begins[:8]}) > 1, "and not one bracket after the other"
