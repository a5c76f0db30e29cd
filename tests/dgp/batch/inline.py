"""An engine without processes: units are run one after the other where the driver runs."""

from dgp.batch.worker import Worker


def run(work, attempts, workers):
    worker = Worker(work)
    while (attempt := attempts.take()) is not None:
        yield worker.run(attempt)
