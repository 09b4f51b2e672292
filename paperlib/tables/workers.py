"""Many runs on many processes or a cluster's machines: results as they come, killed workers survived."""

from collections.abc import Callable, Hashable, Iterator

import joblib
from joblib.externals.loky.process_executor import TerminatedWorkerError

from paperlib.children import end_with_parent


def results(call: Callable, tasks: dict[Hashable, tuple], jobs: int) -> Iterator:
    """call(*arguments) of every task, `jobs` at a time by joblib's backend, in the order of finishing.

    Tasks that a killed worker leaves undone are started again.
    Workers end with this process, even where it is killed.
    Errors: TerminatedWorkerError when workers die three times without a result between.
    """
    left, killed = dict(tasks), 0
    while left:
        work = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")(
            joblib.delayed(_named)(name, call, arguments) for name, arguments in tuple(left.items()))
        try:
            for name, result in work:
                del left[name]
                killed = 0
                yield result
        except TerminatedWorkerError:
            killed += 1
            if killed == 3:
                raise


def _named(name, call, arguments):
    end_with_parent()
    return name, call(*arguments)
