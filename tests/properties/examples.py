"""How much is drawn.

KAT_PROPERTY_EXAMPLES   not set: the same few examples in every run. A number: so many times as many, at
                        random; a failure then prints what reproduces it.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

TIMES = int(os.environ.get("KAT_PROPERTY_EXAMPLES", "0"))


def examples(count: int, *, steps: int = 20, shrinks: bool = True) -> settings:
    """So many examples of a test in an ordinary run; ``steps`` of each where it is a sequence.

    What depends on the moment is not shrunk: the same example may well succeed.
    """
    return settings(
        max_examples=count * max(TIMES, 1),
        stateful_step_count=steps,
        phases=[phase for phase in Phase if shrinks or phase is not Phase.shrink],
        derandomize=not TIMES,
        deadline=None,
        database=None,
        print_blob=True,
        # An example stores documents and asks hundreds of questions; fixtures are the same for all of them.
        suppress_health_check=list(HealthCheck),
    )
