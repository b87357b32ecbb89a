#!/usr/bin/env python
"""Parley's command line: `python manage.py help` lists what it can do."""

import os
import sys

from django.core.management import execute_from_command_line

from config import demo_environment


def main() -> None:
    if sys.argv[1:2] == ["demo"]:
        demo_environment.prepare(sys.argv[2:])  # before the settings are read
    elif sys.argv[1:2] == ["--in-demo"]:
        del sys.argv[1]
        demo_environment.enter()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
