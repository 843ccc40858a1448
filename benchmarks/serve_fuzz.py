"""Requests drawn from the service's own document, against the service in this process: none may end in a 5xx.

    pip install schemathesis==4.32.5
    python benchmarks/serve_fuzz.py --examples 2000 --seed 1

Every call of the API is asked with an administrator's key, a store of some posts behind it, in a folder that
is thrown away. Calls that answer without an end (`/v1/events`) end at once here. A 5xx, or an error that is
no problem in JSON, is printed with the request; the exit code is then 1.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from crisislens.serve.app import create_app
from crisislens.serve.limits import Limits
from crisislens.serve.service import ServeSettings
from crisislens.store import Store, open_store

POSTS = 20


class Fuzz:
    """One run.

    Arguments:
        store: A store that is thrown away.
        examples: How many requests, over all calls.
        start: Decides all of them.
    """

    def __init__(self, store: Store, *, examples: int, start: int) -> None:
        self.examples, self.start = examples, start
        limits = Limits(stream_s=0.05, calls_s=1e6, sign_ins_min=1e6)
        self.app = create_app(store, ServeSettings(host="testserver", limits=limits))
        self.key = store.keys.add("fuzz", "admin", actor="cli")[0]
        self.statuses: Counter[int] = Counter()
        self.faults: list[dict[str, Any]] = []

    def run(self) -> int:
        """Asks; returns how many requests there were."""
        import schemathesis

        with TestClient(self.app, raise_server_exceptions=False) as client:
            self._fill(client)
            schema = schemathesis.openapi.from_dict(self.app.openapi())
            operations = [result.ok() for result in schema.get_all_operations()]
            share = -(-self.examples // len(operations))
            for operation in operations:
                self._ask(client, operation, share)
        return sum(self.statuses.values())

    def _fill(self, client: TestClient) -> None:
        place = {"lat": 18.5, "lon": -72.3}
        posts = [{"id": str(i), "text": f"water in street {i}", **place} for i in range(POSTS)]
        answer = client.post("/v1/posts?source=radio", json=posts, headers=self._headers())
        assert answer.status_code == 202, answer.text

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    def _ask(self, client: TestClient, operation: Any, share: int) -> None:
        from hypothesis import HealthCheck, Phase, given, seed, settings

        @seed(self.start)
        @settings(
            max_examples=share,
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def asked(case: Any) -> None:
            self._one(client, case)

        asked()

    def _one(self, client: TestClient, case: Any) -> None:
        kwargs = case.as_transport_kwargs(base_url="http://testserver", headers=self._headers())
        kwargs.pop("cookies", None)
        if kwargs.get("files"):
            kwargs["files"] = [(name, _sendable(part)) for name, part in kwargs["files"]]
        try:
            answer = client.request(**kwargs)
        except (ValueError, UnicodeError):
            # what no client can send is no request
            return
        self.statuses[answer.status_code] += 1
        refused = answer.status_code >= 400
        told = "json" in answer.headers.get("content-type", "")
        if answer.status_code >= 500 or (refused and not told):
            shown = {name: str(value)[:300] for name, value in kwargs.items() if name != "headers"}
            self.faults.append({"request": shown, "status": answer.status_code, "said": answer.text[:300]})


def _sendable(part: tuple[Any, ...]) -> tuple[Any, ...]:
    """A part of a form whose content is a number as its digits: a client cannot send it otherwise."""
    name, content, *more = part
    return (name, content if isinstance(content, str | bytes) else str(content), *more)


def main() -> None:
    """Asks and prints what came of it as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--examples", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    # no extra of the package has it
    if find_spec("schemathesis") is None:
        raise SystemExit("this needs schemathesis; get it with: pip install schemathesis==4.32.5")
    random.seed(given.seed)
    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder, open_store(str(Path(folder) / "store.db")) as store:
        fuzz = Fuzz(store, examples=given.examples, start=given.seed)
        asked = fuzz.run()
    told = {
        "asked": asked,
        "statuses": {str(status): n for status, n in sorted(fuzz.statuses.items())},
        "faults": fuzz.faults[:10],
        "cpu_s": round(time.process_time() - began, 1),
    }
    print(json.dumps(told, indent=2))
    sys.exit(1 if fuzz.faults else 0)


if __name__ == "__main__":
    main()
