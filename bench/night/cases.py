"""The trainings of the night, what happens to each, and what is right to be said of it in the morning."""

import signal
import socket
import time
from collections.abc import Callable, Sequence

from bench.night.training import CODEC, TOY, Case, Training
from bench.night.world import World

STOPPED_S, FULL_S = 20.0, 2.0
TRACKED: dict[str, object] = {"logger": "wandb"}
SLOW: dict[str, object] = {"deadline": "25s", "epoch_s": 3.0}
SMALL = "12m"
DIED = r"process of this run died"
INTERRUPTED = r"interrupted"
FULL = r"full|room"


def kill_payload(training: Training) -> None:
    """As whoever is short of memory does it."""
    training.kill_payload()


def kill_run(training: Training) -> None:
    """As a machine does it that goes down; what it started lives on."""
    training.process.kill()


def hang_up(training: Training) -> None:
    """As a terminal does it that is closed."""
    training.signal(signal.SIGHUP)


def terminate(training: Training) -> None:
    """As a shutdown begins."""
    training.process.terminate()


def stop(training: Training) -> None:
    """As Ctrl-Z does it, and ``fg`` later; the training itself works on."""
    training.process.send_signal(signal.SIGSTOP)
    training.go()
    time.sleep(STOPPED_S)
    training.process.send_signal(signal.SIGCONT)


def full(training: Training) -> None:
    """As other people's files do it."""
    training.world.fill(training.world.full[training.case.name])


def full_a_while(training: Training) -> None:
    """The same, and somebody cleans up."""
    full(training)
    training.go()
    time.sleep(FULL_S)
    training.world.give_room(training.world.full[training.case.name])


def cancel(training: Training) -> None:
    """From another shell."""
    training.world.blut(["cancel", training.run_id()], training.case.home)


def serve(training: Training) -> None:
    """A server comes back that was away."""
    training.go()
    time.sleep(FULL_S)
    training.world.server.listen()


def a_day_on(training: Training) -> None:
    """As a clock does it that was never set before."""
    training.world.jump(training.case.name, "+1d")


def a_day_back(training: Training) -> None:
    """The same in the other direction."""
    training.world.jump(training.case.name, "-1d")


def own_clock(name: str) -> Callable[[World], dict[str, str]]:
    """A clock that only this training has."""
    return lambda world: world.clock(name)


def full_temp(world: World) -> dict[str, str]:
    """A small TMPDIR."""
    place = world.full["temp-full"] = world.small(world.root / "small-temp", SMALL)
    return {"TMPDIR": str(place)}


def full_home(world: World) -> dict[str, str]:
    """A small home; its results are in the store of all."""
    world.full["home-full"] = world.small(world.home("cabin"), SMALL)
    return {}


def full_store(world: World) -> dict[str, str]:
    """A small store of its own."""
    place = world.full["store-full"] = world.small(world.root / "small-store", SMALL)
    return {"BLUT_STORE": str(place)}


def freed_store(world: World) -> dict[str, str]:
    """Another one."""
    place = world.full["store-freed"] = world.small(world.root / "freed-store", SMALL)
    return {"BLUT_STORE": str(place)}


def deaf_tracker(world: World) -> dict[str, str]:
    """A server of Weights & Biases that takes a connection and never answers."""
    hole = socket.create_server(("127.0.0.1", 0), backlog=64)
    world.hole = hole
    address = f"http://127.0.0.1:{hole.getsockname()[1]}"
    return {"WANDB_MODE": "online", "WANDB_BASE_URL": address, "WANDB_API_KEY": "0" * 40}


def silent_server(world: World) -> dict[str, str]:
    """The address of a server that has not been started yet."""
    world.server.bind(("127.0.0.1", 0))
    return {"NIGHT_SERVER": str(world.server.getsockname()[1])}


CASES: Sequence[Case] = (
    Case("undisturbed", TOY, "desk", "success", ""),
    Case("payload-killed", TOY, "desk", "failure", r"kill", kill_payload, 1),
    Case("run-killed", CODEC, "desk", "failure", DIED, kill_run, -9, how=TRACKED),
    Case("hang-up", TOY, "attic", "failure", INTERRUPTED, hang_up, 130),
    Case("terminated", CODEC, "desk", "failure", INTERRUPTED, terminate, 130, torn=True),
    Case("cancelled", TOY, "attic", "canceled", "", cancel, 130),
    Case("stopped", TOY, "desk", "success", "", stop),
    Case("home-full", TOY, "cabin", "success", "", full, or_fails=FULL, more=full_home),
    Case("temp-full", TOY, "attic", "success", "", full, more=full_temp),
    Case("store-full", TOY, "cellar", "failure", FULL, full, 1, more=full_store),
    Case("store-freed", TOY, "barn", "success", "", full_a_while, starts=2, more=freed_store),
    Case("tracker-deaf", CODEC, "desk", "success", "", how=TRACKED, more=deaf_tracker),
    Case("server-late", TOY, "desk", "success", "", serve, starts=2, more=silent_server),
    Case("day-on", TOY, "attic", "success", "", a_day_on, more=own_clock("day-on")),
    Case("day-back", TOY, "attic", "success", "", a_day_back, more=own_clock("day-back")),
    Case("detached", TOY, "desk", "success", "", hang_up, detached=True),
    Case("deadline", TOY, "attic", "deadline", r"deadline", None, 124, how=SLOW, later={"deadline": None}),
)
