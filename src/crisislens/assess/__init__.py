"""Assessing what waits in the store: worker processes that hold no connection, fed over pipes.

pool = AssessPool(store, AnalystSpec(), processes=2)
pool.start()                    # loads the models in the processes; raises where they cannot be loaded
pool.state()                    # for health, metrics and the models page
pool.explain(post_id)           # makes the evidence of one post and keeps it; blocks
pool.stop()                     # finishes the batch in work; everything else stays in the queue
"""

from crisislens.assess.pool import AssessPool, PoolState
from crisislens.assess.spec import AnalystSpec

__all__ = ["AnalystSpec", "AssessPool", "PoolState"]
