"""Calls of the adapter: on the caller's thread, or on several with `parallel`."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from typing import Any

from ._types import Candidate, EvaluationBatch

PARTS_PER_THREAD = 4

Item = tuple[Candidate, list[Any]]


class Waiter:
    """Turns what an `async def` returned into its result.

    Without a running loop it keeps one for the whole run, so that clients and connections live on
    between calls. Under `optimize_async` the coroutines run on the loop of the caller.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._callers = loop
        #: One loop for each thread that waits.
        self._own: dict[int, asyncio.AbstractEventLoop] = {}
        self._is_cancelled = False
        #: Coroutines that run on the loop of the caller.
        self._running: set[Future[Any]] = set()

    def __call__(self, value: Any) -> Any:
        if not _is_awaitable(value):
            return value
        coroutine = _as_coroutine(value)
        if self._callers is not None:
            return self._on_callers_loop(coroutine, self._callers)
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return self._loop().run_until_complete(coroutine)
        coroutine.close()
        raise RuntimeError(
            "an event loop runs on this thread, so an `async def` cannot be waited for here; "
            "write `await gepa_engine.optimize_async(...)` instead of `optimize(...)`"
        )

    def cancel(self) -> None:
        """Ends what runs on the loop of the caller; the run ends before its next step."""
        self._is_cancelled = True
        for future in list(self._running):
            future.cancel()

    def check(self) -> None:
        """Raises `CancelledError` if the task that waits for the run was cancelled."""
        if self._is_cancelled:
            raise asyncio.CancelledError

    def gather(self, values: list[Any]) -> list[Any]:
        """Waits for many at once."""
        if not any(map(_is_awaitable, values)):
            return values

        async def all_of() -> list[Any]:
            return list(await asyncio.gather(*(_as_coroutine(value) for value in values)))

        return list(self(all_of()))

    def close(self) -> None:
        """Closes the loops, if there are any."""
        while self._own:
            _, loop = self._own.popitem()
            loop.close()

    def _on_callers_loop(self, coroutine: Any, loop: asyncio.AbstractEventLoop) -> Any:
        if self._is_cancelled:
            coroutine.close()
            self.check()
        future = asyncio.run_coroutine_threadsafe(coroutine, loop)
        self._running.add(future)
        if self._is_cancelled:
            # `cancel` may have looked before the line above.
            future.cancel()
        try:
            return future.result()
        except CancelledError:
            self.check()
            raise
        finally:
            self._running.discard(future)

    def _loop(self) -> asyncio.AbstractEventLoop:
        thread = threading.get_ident()
        if thread not in self._own:
            self._own[thread] = asyncio.new_event_loop()
        return self._own[thread]


def _is_awaitable(value: Any) -> bool:
    """`inspect.isawaitable`, decided for most objects without its three checks."""
    kind = type(value)
    return kind is not EvaluationBatch and (hasattr(kind, "__await__") or inspect.isawaitable(value))


async def _awaited(value: Any) -> Any:
    return await value


def _as_coroutine(value: Any) -> Any:
    return value if inspect.iscoroutine(value) else _awaited(value)


class Evaluating:
    """Evaluates the trials of one step, in order."""

    def __init__(self, adapter: Any, wait: Waiter, parallel: int = 1) -> None:
        if parallel < 1:
            raise ValueError(f"parallel is {parallel}; it must be at least 1")
        self.adapter = adapter
        self.wait = wait
        self.parallel = parallel
        self._pool: ThreadPoolExecutor | None = None

    def close(self) -> None:
        """Ends the threads and the event loop."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None
        self.wait.close()

    def one(self, batch: list[Any], candidate: Candidate) -> Any:
        """One whole trial without traces."""
        return self._all([(candidate, batch)], capture_traces=False)[0]

    def many(self, items: list[Item]) -> list[Any]:
        """The trials of one step, with traces."""
        batched = getattr(self.adapter, "batch_evaluate", None)
        if batched is not None:
            return list(self.wait(batched(items)))
        return self._all(items, capture_traces=True)

    def _all(self, items: list[Item], capture_traces: bool) -> list[Any]:
        evaluate = self.adapter.evaluate
        if self.parallel == 1:
            return [self.wait(evaluate(batch, candidate, capture_traces=capture_traces)) for candidate, batch in items]
        # Several parts for each thread, so that no thread waits long for the last part.
        size = max(1, -(-sum(len(batch) for _, batch in items) // (self.parallel * PARTS_PER_THREAD)))
        calls: list[tuple[int, Callable[[], Any]]] = []
        for place, (candidate, batch) in enumerate(items):
            for start in range(0, len(batch), size):
                part = batch[start : start + size]
                calls.append((place, _call(evaluate, part, candidate, capture_traces)))
        values = self.wait.gather(self._on_threads([call for _, call in calls]))
        parts: list[list[Any]] = [[] for _ in items]
        for (place, _), value in zip(calls, values, strict=True):
            parts[place].append(value)
        return [_joined(of_trial) for of_trial in parts]

    def _on_threads(self, calls: list[Callable[[], Any]]) -> list[Any]:
        """Runs the calls, each in a copy of the caller's context; the first exception is raised."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.parallel, thread_name_prefix="gepa")
        futures: list[Future[Any]] = [self._pool.submit(contextvars.copy_context().run, call) for call in calls]
        try:
            return [future.result() for future in futures]
        except BaseException:
            for future in futures:
                future.cancel()
            # What runs already ends before the caller hears of the exception.
            wait([future for future in futures if not future.cancelled()])
            raise


def _call(evaluate: Any, part: list[Any], candidate: Candidate, capture_traces: bool) -> Callable[[], Any]:
    return lambda: evaluate(part, candidate, capture_traces=capture_traces)


def _joined(parts: list[Any]) -> Any:
    if len(parts) == 1:
        return parts[0]

    def joined(name: str) -> list[Any] | None:
        lists = [getattr(part, name, None) for part in parts]
        return None if any(one is None for one in lists) else [value for one in lists for value in one or ()]

    counts = [getattr(part, "num_metric_calls", None) for part in parts]
    lengths = [len(part.scores) for part in parts]
    return EvaluationBatch(
        outputs=joined("outputs") or [],
        scores=joined("scores") or [],
        trajectories=joined("trajectories"),
        objective_scores=joined("objective_scores"),
        usage=joined("usage"),
        num_metric_calls=sum(length if count is None else count for count, length in zip(counts, lengths, strict=True)),
    )


def run_on_another_thread(work: Callable[[Waiter], Any]) -> Any:
    """An awaitable that runs `work` beside the running loop, in a copy of the present context.

    When the task that waits for it is cancelled, the coroutines of `work` are cancelled, and the run ends before its
    next step.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()
    context = contextvars.copy_context()
    waiter = Waiter(loop)

    def finish(set_result: Callable[[Any], None], value: Any) -> None:
        if not done.done():
            set_result(value)

    def run() -> None:
        try:
            result = context.run(work, waiter)
        except StopIteration as error:
            # A future refuses it. A coroutine that raises it becomes this error as well.
            instead = RuntimeError("a function that optimize_async called raised StopIteration")
            instead.__cause__ = error
            tell(done.set_exception, instead)
        except BaseException as error:
            tell(done.set_exception, error)
        else:
            tell(done.set_result, result)

    def tell(set_result: Callable[[Any], None], value: Any) -> None:
        # The loop of a program that has ended is closed.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(finish, set_result, value)

    done.add_done_callback(lambda future: waiter.cancel() if future.cancelled() else None)
    threading.Thread(target=run, name="gepa-optimize", daemon=True).start()
    return done
