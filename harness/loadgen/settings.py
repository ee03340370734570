"""Locust's settings in a run of ours: closed to the outside, unless the user opens them.

Locust has no event between reading its options and acting on them (forks, sockets, its page), so its parser is given one here.
"""

import argparse
import os
import secrets
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from harness.errors import HarnessError
from harness.loadgen import door, page, seal

LOCALHOST = "127.0.0.1"


def close(parser: Any) -> None:
    """Its defaults, and what is done as soon as the command line has been read."""
    parser.set_defaults(headless=True, master_bind_host=LOCALHOST, web_host=LOCALHOST)
    _after(parser, _enter)


def _after(parser: Any, act: Callable[[argparse.Namespace], None]) -> None:
    parse = parser.parse_args

    def parse_args(*words: Any, **named: Any) -> argparse.Namespace:
        options: argparse.Namespace = parse(*words, **named)
        try:
            act(options)
        except HarnessError as mistake:
            sys.stderr.write(f"signoff: {mistake}\n")
            raise SystemExit(mistake.exit_code) from mistake
        return options

    parser.parse_args = parse_args


def _enter(options: argparse.Namespace) -> None:
    """Subtle: Locust's page reads the command line once more, when there is nothing left in the environment."""
    _check_locustfile(options.locustfile)
    _choose_page(options)
    if not door.is_installed():
        door.install(_token(options))


def _check_locustfile(given: str) -> None:
    for name in given.split(","):
        if name.strip() == "-" or urlsplit(name.strip()).scheme in {"http", "https"}:
            what = f"{name.strip()!r} would run code that comes over the network"
            raise HarnessError(what, where="--locustfile", remedy="have the file on this host and name it")


def _choose_page(options: argparse.Namespace) -> None:
    if options.page and not options.worker:
        page.password()
        page.check_free(options.web_host.replace("*", ""), options.web_port)
        options.headless, options.web_login = False, True
    elif (options.headful or not options.headless) and not options.worker:
        raise HarnessError("Locust's page has no login then", where="--headful", remedy=f"--page, and {page.PASSWORD}")


def _token(options: argparse.Namespace) -> str:
    """Out of the environment, or made here for the workers that will be forked."""
    given = os.environ.pop(seal.TOKEN, "")
    if given:
        return seal.check(given)
    if options.master or options.worker:
        what = "master and workers that are started one by one need a token that all of them know"
        raise HarnessError(what, where=seal.TOKEN, remedy=f"once, and the same everywhere:\n  {seal.MAKE_ONE}")
    return secrets.token_hex(32)
