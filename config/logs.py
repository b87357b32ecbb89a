"""Log lines that can be kept: ids and codes, never what somebody wrote or the secret in a link.

Our own modules log ids by habit. This formatter is for what others log: paths with a token in them, and the
messages of exceptions, which like to quote the value they stumbled over.
"""

import logging
import re
import traceback
from types import TracebackType

FAILED_TASK = re.compile(r"(Failed '[^']*' \([^)]*\)) - ")
FRAME = re.compile(r'^\s*File "[^"]*", line \d+, in .*$', re.MULTILINE)

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class DiscreetFormatter(logging.Formatter):
    """Routes instead of paths, the kind and place of an error instead of its message."""

    def format(self, record: logging.LogRecord) -> str:
        discreet = logging.makeLogRecord(record.__dict__)
        request = getattr(record, "request", None)
        if request is not None and record.name.startswith("django."):
            match = getattr(request, "resolver_match", None)
            discreet.msg = "%s %s answered %s"
            discreet.args = (request.method, f"/{match.route}" if match else "an unknown page", _status(record))
        elif record.name == "django-q":
            discreet.msg, discreet.args = _without_result(record.getMessage()), ()
        if record.exc_info:
            discreet.exc_text = None  # another handler may have stored the full one
        return super().format(discreet)

    def formatException(self, ei: ExcInfo) -> str:
        lines: list[str] = []
        error: BaseException | None = ei[1]
        while error is not None:
            code = getattr(error, "sqlstate", None)
            place = traceback.extract_tb(error.__traceback__)
            lines += [f'  File "{frame.filename}", line {frame.lineno}, in {frame.name}' for frame in place]
            lines.append(f"{type(error).__module__}.{type(error).__qualname__}" + (f" {code}" if code else ""))
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        return "\n".join(lines)


def _status(record: logging.LogRecord) -> int | str:
    return getattr(record, "status_code", "with a warning")


def _without_result(message: str) -> str:
    """django-q2 logs a failed task with the exception's message and its traceback; keep the places."""
    failed = FAILED_TASK.match(message)
    if failed:
        return "\n".join([failed[1], *FRAME.findall(message)])
    return message.splitlines()[0] if message else message
