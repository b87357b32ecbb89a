"""The sandbox's state: one small SQLite file, one connection behind a lock.

Rows are written as they happen, without waiting for the disk: a killed sandbox forgets nothing, a power cut may.
Phones are digits without "+"; times are Unix seconds.
"""

import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from conversations.sandbox import seed

SCHEMA = """
CREATE TABLE IF NOT EXISTS templates (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, language TEXT NOT NULL, status TEXT NOT NULL, body TEXT NOT NULL,
    UNIQUE (name, language)
);
CREATE TABLE IF NOT EXISTS people (
    phone TEXT PRIMARY KEY, user_id TEXT NOT NULL UNIQUE, name TEXT NOT NULL DEFAULT '',
    username TEXT NOT NULL DEFAULT '', hides_phone INTEGER NOT NULL DEFAULT 0,
    stopped_marketing INTEGER NOT NULL DEFAULT 0, wrote_at REAL, acted INTEGER NOT NULL DEFAULT 0, persona TEXT
);
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, wamid TEXT NOT NULL UNIQUE, direction TEXT NOT NULL, phone TEXT NOT NULL,
    at REAL NOT NULL, category TEXT NOT NULL, by_user_id INTEGER NOT NULL DEFAULT 0, status TEXT NOT NULL DEFAULT '',
    body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS messages_of_phone ON messages (phone, id);
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY AUTOINCREMENT, due_at REAL NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS events_due ON events (due_at, id);
CREATE TABLE IF NOT EXISTS deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT, due_at REAL NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, body BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
TABLES = ("templates", "people", "messages", "events", "deliveries", "settings")

# The country in front of a user id, by the dial code of the phone; enough for a sandbox.
COUNTRIES = {
    "1": "US", "7": "RU", "27": "ZA", "30": "GR", "31": "NL", "32": "BE", "33": "FR", "34": "ES", "36": "HU",
    "39": "IT", "40": "RO", "41": "CH", "43": "AT", "44": "GB", "45": "DK", "46": "SE", "47": "NO", "48": "PL",
    "49": "DE", "52": "MX", "54": "AR", "55": "BR", "61": "AU", "62": "ID", "81": "JP", "90": "TR", "91": "IN",
    "351": "PT", "353": "IE", "358": "FI", "359": "BG", "385": "HR", "386": "SI", "420": "CZ", "971": "AE",
}  # fmt: skip


def user_id_of(phone: str) -> str:
    """The business-scoped user id of a phone: the same in every sandbox of our one portfolio."""
    country = next((COUNTRIES[phone[:n]] for n in (3, 2, 1) if phone[:n] in COUNTRIES), "ZZ")
    digest = hashlib.sha256(f"{seed.PORTFOLIO_ID}:{phone}".encode()).digest()
    return f"{country}.{int.from_bytes(digest[:8], 'big') % 10**19:019d}"


class Store:
    """Every read and write of the sandbox. Threads may share it."""

    def __init__(self, path: Path | str, *, fresh: bool = False) -> None:
        if str(path) != ":memory:":
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=20)
        self._db.row_factory = sqlite3.Row
        self._lock = threading.RLock()
        self._depth = 0
        for pragma in ("journal_mode=WAL", "synchronous=OFF", "cache_size=-16000"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.executescript(SCHEMA)
        if fresh:
            self.clear()
        self._seed()

    def clear(self) -> None:
        """Forget everything and start as new."""
        with self.transaction():
            for table in TABLES:
                self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - our own names
            self._seed()

    def _seed(self) -> None:
        with self.transaction():
            if self.count("templates"):
                return
            for template in seed.TEMPLATES:
                self._db.execute(
                    "INSERT INTO templates (id, name, language, status, body) VALUES (?, ?, ?, ?, ?)",
                    (template["id"], template["name"], template["language"], template["status"], json.dumps(template)),
                )

    def close(self) -> None:
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing for what is written inside; one may stand inside another."""
        with self._lock:
            if self._depth:
                yield
                return
            self._depth = 1
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            else:
                self._db.execute("COMMIT")
            finally:
                self._depth = 0

    def _rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def _row(self, sql: str, *values: Any) -> sqlite3.Row | None:
        rows = self._rows(sql, *values)
        return rows[0] if rows else None

    def _write(self, sql: str, *values: Any) -> int:
        with self._lock:
            return self._db.execute(sql, values).lastrowid or 0

    def count(self, table: str) -> int:
        row = self._row(f"SELECT count(*) FROM {table}")  # noqa: S608 - our own names
        return int(row[0]) if row else 0

    # Settings: how people behave survives a restart, faults do not.

    def setting(self, name: str) -> Any:
        row = self._row("SELECT value FROM settings WHERE name = ?", name)
        return json.loads(row["value"]) if row else None

    def keep_setting(self, name: str, value: Any) -> None:
        self._write("INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?)", name, json.dumps(value))

    # Templates

    def templates(self, *, after: str = "", limit: int = 25) -> list[dict[str, Any]]:
        rows = self._rows("SELECT body FROM templates WHERE id > ? ORDER BY id LIMIT ?", after, limit)
        return [json.loads(row["body"]) for row in rows]

    def template(self, name: str, language: str) -> dict[str, Any] | None:
        row = self._row("SELECT body FROM templates WHERE name = ? AND language = ?", name, language)
        return json.loads(row["body"]) if row else None

    def set_template_status(self, name: str, status: str, *, language: str = "") -> list[dict[str, Any]]:
        """The templates of that name with their new status; empty when there is none."""
        changed = []
        with self.transaction():
            for row in self._rows("SELECT body FROM templates WHERE name = ? ORDER BY id", name):
                template = json.loads(row["body"])
                if language and template["language"] != language:
                    continue
                template["status"] = status
                self._write(
                    "UPDATE templates SET status = ?, body = ? WHERE id = ?",
                    status,
                    json.dumps(template),
                    template["id"],
                )
                changed.append(template)
        return changed

    # People

    def person(self, phone: str) -> sqlite3.Row:
        """The person of a phone, who exists from the first time they are named."""
        row = self._row("SELECT * FROM people WHERE phone = ?", phone)
        if row is None:
            self._write("INSERT OR IGNORE INTO people (phone, user_id) VALUES (?, ?)", phone, user_id_of(phone))
            row = self._row("SELECT * FROM people WHERE phone = ?", phone)
        assert row is not None
        return row

    def phone_of(self, user_id: str) -> str | None:
        row = self._row("SELECT phone FROM people WHERE user_id = ?", user_id)
        return row["phone"] if row else None

    def introduce(self, phone: str, *, name: str = "", username: str = "", hides_phone: bool | None = None) -> None:
        """What a person is called from now on; what is not given stays."""
        self.person(phone)
        if name:
            self._write("UPDATE people SET name = ? WHERE phone = ?", name, phone)
        if username:
            self._write("UPDATE people SET username = ? WHERE phone = ?", username.lstrip("@"), phone)
        if hides_phone is not None:
            self._write("UPDATE people SET hides_phone = ? WHERE phone = ?", int(hides_phone), phone)

    def set_stopped(self, phone: str, stopped: bool) -> None:
        self.person(phone)
        self._write("UPDATE people SET stopped_marketing = ? WHERE phone = ?", int(stopped), phone)

    def set_persona(self, phone: str, persona: dict[str, Any] | None) -> None:
        self.person(phone)
        value = json.dumps(persona) if persona else None
        self._write("UPDATE people SET persona = ?, acted = 0 WHERE phone = ?", value, phone)

    def count_act(self, phone: str) -> None:
        self._write("UPDATE people SET acted = acted + 1 WHERE phone = ?", phone)

    def wrote(self, phone: str, at: float) -> None:
        """A message from the person opens, or prolongs, the 24 hours."""
        self._write("UPDATE people SET wrote_at = max(coalesce(wrote_at, 0), ?) WHERE phone = ?", at, phone)

    # Messages

    def add_message(
        self,
        wamid: str,
        direction: str,
        phone: str,
        at: float,
        body: dict[str, Any],
        *,
        category: str = "",
        by_user_id: bool = False,
    ) -> int:
        return self._write(
            "INSERT INTO messages (wamid, direction, phone, at, category, by_user_id, body) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            wamid,
            direction,
            phone,
            at,
            category,
            int(by_user_id),
            json.dumps(body),
        )

    def message(self, wamid: str) -> sqlite3.Row | None:
        return self._row("SELECT * FROM messages WHERE wamid = ?", wamid)

    def last_sent_to(self, phone: str, *, limit: int = 20) -> list[sqlite3.Row]:
        return self._rows(
            "SELECT * FROM messages WHERE phone = ? AND direction = 'out' ORDER BY id DESC LIMIT ?", phone, limit
        )

    def sent_since(self, since: int, *, limit: int) -> list[sqlite3.Row]:
        return self._rows("SELECT * FROM messages WHERE id > ? AND direction = 'out' ORDER BY id LIMIT ?", since, limit)

    def set_status(self, wamid: str, status: str) -> None:
        self._write("UPDATE messages SET status = ? WHERE wamid = ?", status, wamid)

    # Events to tell, and deliveries of them

    def plan(self, events: Iterable[tuple[float, str, dict[str, Any]]]) -> None:
        """Events to tell by webhook: (when, kind, what)."""
        with self._lock:
            self._db.executemany(
                "INSERT INTO events (due_at, kind, body) VALUES (?, ?, ?)",
                [(due_at, kind, json.dumps(body)) for due_at, kind, body in events],
            )

    def due_events(self, until: float | None, *, limit: int) -> list[sqlite3.Row]:
        """The next events; until None means all, whenever they are due."""
        if until is None:
            return self._rows("SELECT * FROM events ORDER BY due_at, id LIMIT ?", limit)
        return self._rows("SELECT * FROM events WHERE due_at <= ? ORDER BY due_at, id LIMIT ?", until, limit)

    def next_due(self) -> float | None:
        """When the next event or delivery is due; None when nothing waits."""
        row = self._row(
            "SELECT min(due_at) FROM (SELECT min(due_at) AS due_at FROM events "
            "UNION ALL SELECT min(due_at) FROM deliveries)"
        )
        return row[0] if row else None

    def forget_events(self, ids: Iterable[int]) -> None:
        with self._lock:
            self._db.executemany("DELETE FROM events WHERE id = ?", [(event_id,) for event_id in ids])

    def add_delivery(self, body: bytes, due_at: float) -> int:
        return self._write("INSERT INTO deliveries (due_at, body) VALUES (?, ?)", due_at, body)

    def due_deliveries(self, until: float | None) -> list[sqlite3.Row]:
        if until is None:
            return self._rows("SELECT * FROM deliveries ORDER BY id")
        return self._rows("SELECT * FROM deliveries WHERE due_at <= ? ORDER BY id LIMIT 50", until)

    def delivered(self, delivery_id: int) -> None:
        self._write("DELETE FROM deliveries WHERE id = ?", delivery_id)

    def put_off(self, delivery_id: int, due_at: float) -> None:
        self._write("UPDATE deliveries SET attempts = attempts + 1, due_at = ? WHERE id = ?", due_at, delivery_id)
