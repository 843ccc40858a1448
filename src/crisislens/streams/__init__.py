"""Posts from everywhere into the service: sources that are read on and on, each exactly once.

    target = StoreTarget(store)                                   # or ServiceTarget("http://…", key, folder)
    source = open_source("posts.jsonl", StreamOptions())          # "-", FILE, DIR/, rss:URL
    pump = Pump(source, target)
    pump.run(stopped)                                             # until `stopped` is set or the source ends

A source gives batches: posts, what could not be read, and the cursor behind them. The store takes all
three in one transaction, so a process that is killed at any moment reads the last batch again or not at
all, and a key that is there is not taken twice. Nothing is acknowledged before that.
"""

from crisislens.streams.batch import Batch, Source
from crisislens.streams.filters import Filters
from crisislens.streams.opening import StreamOptions, open_source
from crisislens.streams.pump import Pump
from crisislens.streams.replay import replay, replay_to
from crisislens.streams.service_target import ServiceTarget
from crisislens.streams.targets import StoreTarget, Target

__all__ = [
    "Batch",
    "Filters",
    "Pump",
    "ServiceTarget",
    "Source",
    "StoreTarget",
    "StreamOptions",
    "Target",
    "open_source",
    "replay",
    "replay_to",
]
