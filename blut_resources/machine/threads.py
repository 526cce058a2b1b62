"""Does several things at once in threads; where an interrupt comes, nobody waits for ever."""

import contextlib
import queue
from _thread import start_new_thread
from collections.abc import Callable, Collection, Iterator
from typing import TypeVar

Item = TypeVar("Item")
Done = TypeVar("Done")
LOOK_S = 0.1


def at_once(
    work: Callable[[Item], Done],
    items: Collection[Item],
    threads: int,
    stop: Callable[[], object] = bool,
) -> Iterator[tuple[Item, Done]]:
    """Yields each item with what ``work`` made of it, in the order in which that is done.

    `concurrent.futures` takes locks in Python: an interrupt just after that leaves one taken, and its
    threads, and whoever ends them, wait for it. Here queues in C are between the threads. Whoever stops early
    waits for what is at work; nothing more is begun.

    Args:
        stop: is called before that wait, to tell what is at work that nobody wants it any more.

    Raises:
        BaseException: the first that ``work`` raises.
    """
    todo, done = (
        queue.SimpleQueue[Item](),
        queue.SimpleQueue[tuple[Item, Done | None, BaseException | None]](),
    )
    for item in items:
        todo.put(item)
    working = set[int]()

    def serve(number: int) -> None:
        working.add(number)
        with contextlib.suppress(queue.Empty):
            while True:
                item = todo.get_nowait()
                try:
                    done.put((item, work(item), None))
                except BaseException as error:
                    done.put((item, None, error))
        working.discard(number)

    try:
        for number in range(min(threads, len(items))):
            start_new_thread(serve, (number,))
        for _ in items:
            item, made, error = done.get()
            if error is not None:
                raise error
            yield item, made  # pyright: ignore[reportReturnType]
    except BaseException:
        stop()
        raise
    finally:
        with contextlib.suppress(queue.Empty):
            while True:
                todo.get_nowait()
        while working:  # one that has not begun yet finds nothing to do
            with contextlib.suppress(queue.Empty):
                done.get(timeout=LOOK_S)
