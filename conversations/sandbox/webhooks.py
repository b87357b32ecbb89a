"""What the sandbox tells us: due events packed into bodies, signed, posted, and posted again until they are taken.

An event is a row with a time; a delivery is a row with the very bytes of one post. A turn packs what is due and
posts it; a body that is not answered with 200 stays and is tried again, later each time, as the platform does it
for seven days.
"""

import json
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from sqlite3 import Row
from typing import Any

import requests

from conversations.sandbox import shapes
from conversations.sandbox.faults import Dice, Faults
from conversations.sandbox.personas import People
from conversations.sandbox.store import Store
from conversations.whatsapp.events import sign

logger = logging.getLogger(__name__)

STATUSES_PER_POST = 200
EVENTS_PER_TURN = 2000
TURN_SECONDS = 0.1  # how long statuses gather before they leave together
POSTS_AT_ONCE = 4
TIMEOUT = (3, 15)  # seconds: connect, read
LONGEST_WAIT = 60  # seconds between two tries
SETTLE_ROUNDS = 200


class Webhooks:
    """Posts to one address. Runs in threads of its own between start() and stop(); settle() works without them."""

    def __init__(
        self,
        store: Store,
        people: People,
        faults: Faults,
        dice: Dice,
        *,
        url: str,
        secret: str,
        shaper: shapes.Shapes,
        plain_unicode: bool = False,
        clock: Callable[[], float],
    ) -> None:
        self.url = url
        self.accepted = 0
        self.refused = 0
        self._store = store
        self._people = people
        self._faults = faults
        self._dice = dice
        self._secret = secret
        self._shapes = shaper
        self._plain_unicode = plain_unicode
        self._clock = clock
        self._turn = threading.Lock()  # one turn at a time, so that settle() knows what is on its way
        self._stopped = threading.Event()
        self._local = threading.local()
        self._pool = ThreadPoolExecutor(POSTS_AT_ONCE, thread_name_prefix="webhook")
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Finish the posts on their way; the rest waits in the store."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()
        self._pool.shutdown(cancel_futures=True)

    def turn(self) -> None:
        """Pack and post what is due by now."""
        due = self._store.next_due()
        if due is None or due > self._clock() or self._faults.webhooks.silence:
            return
        with self._turn:
            self._pack(self._clock())
            self._post_all(self._store.due_deliveries(self._clock()))

    def settle(self) -> dict[str, int]:
        """Tell everything now, however far in the future, and what follows from it; each body is tried once."""
        tried: set[int] = set()
        accepted, refused = self.accepted, self.refused
        with self._turn:
            for _ in range(SETTLE_ROUNDS):
                if self._faults.webhooks.silence:
                    break
                packed = self._pack(None)
                fresh = [row for row in self._store.due_deliveries(None) if row["id"] not in tried]
                if not packed and not fresh:
                    break
                tried.update(row["id"] for row in fresh)
                self._post_all(fresh)
        return {
            "accepted": self.accepted - accepted,
            "refused": self.refused - refused,
            "pending": self._store.count("events") + self._store.count("deliveries"),
        }

    def _run(self) -> None:
        while not self._stopped.wait(TURN_SECONDS):
            self.turn()

    def _pack(self, until: float | None) -> int:
        """Turn due events into deliveries. Answers how many events there were."""
        now = self._clock()
        delay = self._faults.webhooks.delay_ms / 1000
        with self._store.transaction():
            rows = self._store.due_events(None if until is None else until - delay, limit=EVENTS_PER_TURN)
            if self._faults.webhooks.shuffle:
                self._dice.shuffle(rows)
            statuses: list[tuple[dict[str, Any], int]] = []
            for row in rows:
                event = json.loads(row["body"])
                at = int(min(now, row["due_at"]))  # told early by settle(): nothing happens in the future
                if row["kind"] == "status":
                    self._store.set_status(event["wamid"], event["status"])
                    statuses.append((event, at))
                elif row["kind"] == "act":
                    self._people.act(event)
                else:
                    self._store.add_delivery(self._encoded(self._single(row["kind"], event, at)), now)
            for start in range(0, len(statuses), STATUSES_PER_POST):
                value = self._shapes.statuses(statuses[start : start + STATUSES_PER_POST])
                self._store.add_delivery(self._encoded(shapes.body("messages", value)), now)
            self._store.forget_events(row["id"] for row in rows)
        return len(rows)

    def _single(self, kind: str, event: dict[str, Any], at: int) -> dict[str, Any]:
        if kind == "inbound":
            return shapes.body("messages", self._shapes.message(event))
        if kind == "preference":
            return shapes.body("user_preferences", self._shapes.preference(event, at))
        return shapes.body("message_template_status_update", self._shapes.template(event), at=at)

    def _encoded(self, content: dict[str, Any]) -> bytes:
        """The bytes on the wire: escaped as the platform does it, or plain UTF-8 where that is asked for."""
        if self._plain_unicode:
            return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
        return json.dumps(content, separators=(",", ":")).replace("/", "\\/").encode()

    def _post_all(self, rows: list[Row]) -> None:
        for row, taken in zip(rows, self._pool.map(self._post, rows), strict=True):
            if taken:
                self.accepted += 1
                self._store.delivered(row["id"])
            else:
                self.refused += 1
                wait = min(LONGEST_WAIT, 0.5 * 2 ** min(row["attempts"], 10))
                self._store.put_off(row["id"], self._clock() + wait)

    def _post(self, row: Row) -> bool:
        """Whether the body was taken. Nowhere to post to counts as taken."""
        if not self.url:
            return True
        taken = self._post_once(row["body"])
        if taken and self._dice.falls(self._faults.webhooks.duplicate_share):
            self._post_once(row["body"])
        return taken

    def _post_once(self, raw: bytes) -> bool:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
            session.trust_env = False
        secret = "not the secret" if self._faults.webhooks.wrong_secret else self._secret
        headers = {"Content-Type": "application/json", "X-Hub-Signature-256": sign(raw, secret)}
        try:
            response = session.post(self.url, data=raw, headers=headers, timeout=TIMEOUT, allow_redirects=False)
        except requests.RequestException as error:
            logger.info("webhook not delivered: %s", type(error).__name__)
            return False
        if response.status_code != 200:
            logger.info("webhook answered with %s", response.status_code)
        return response.status_code == 200
