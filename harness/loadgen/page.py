"""Locust's own page beside a run of ours: whoever looks at it has logged in, and all that can be done there is to stop the run.

The page goes with the run, as a run without it would end: Ctrl-C and the end of the plan are the same with and without it.
"""

import functools
import hmac
import os
import secrets
import socket
from typing import Any

import gevent
from flask import Flask, redirect, request, session, url_for
from flask_login import UserMixin, login_user
from gevent.lock import BoundedSemaphore

from harness.errors import HarnessError
from harness.loadgen.conductor import Conductor

PASSWORD = "SIGNOFF_PAGE_PASSWORD"  # noqa: S105 - the variable's name
SHORTEST = 8
WRONG_S = 1.0  # a guess a second, and no more than one at a time
NOT_HERE = "The plan of the run says what is sent: this page only shows it, and can stop it.", 403


class _Viewer(UserMixin):
    """The only user that there is."""

    id = "viewer"


@functools.cache
def password() -> str:
    """Taken out of the environment the first time, before anything is started that would inherit it."""
    given = os.environ.pop(PASSWORD, "")
    if len(given) < SHORTEST:
        what = f"Locust's page needs a password of {SHORTEST} characters or more"
        raise HarnessError(what, where="--page", remedy=f"set the environment variable {PASSWORD}")
    return given


@functools.cache
def check_free(host: str, port: int) -> None:
    """Once, before there is a run: a page that cannot be served would only be missed."""
    try:
        socket.create_server((host, port)).close()
    except OSError as failed:
        what = f"cannot serve Locust's page on {host}:{port}: {failed}"
        raise HarnessError(what, where="--web-port", remedy="give another port") from failed


def close_to_strangers(environment: Any, conductor: Conductor) -> None:
    """At Locust's `init` event: nobody has been answered yet."""
    page = environment.web_ui
    environment.parsed_options.headless = True  # the run itself goes as it would without the page
    _ask_for_login(page, page.app)
    _leave_the_run_alone(page, conductor)
    gevent.spawn(_end_with, conductor, page)


def _ask_for_login(page: Any, app: Flask) -> None:
    app.secret_key = secrets.token_bytes(32)
    app.config.update(SESSION_COOKIE_SAMESITE="Strict", SESSION_COOKIE_HTTPONLY=True)
    page.login_manager.user_loader(lambda name: _Viewer() if name == _Viewer.id else None)
    page.auth_args = {"username_password_callback": "/signoff/login"}
    guessing = BoundedSemaphore()

    @app.post("/signoff/login")
    def log_in() -> Any:
        with guessing:
            if hmac.compare_digest(request.form.get("password", "").encode(), password().encode()):
                login_user(_Viewer())
                return redirect(url_for("locust.index"))
            gevent.sleep(WRONG_S)
        session["auth_error"] = "Wrong password (the user's name does not matter)"
        return redirect(url_for("locust.login"))


def _leave_the_run_alone(page: Any, conductor: Conductor) -> None:
    """Locust's own stop would take the workers' users away before the drain; more users are none of ours."""

    def stop() -> Any:
        conductor.interrupt()
        return {"success": True, "message": "no more is sent; what is in flight is waited for"}

    def refuse() -> Any:
        return NOT_HERE

    for name, view in (("stop", stop), ("swarm", refuse), ("update_user", refuse)):
        page.app.view_functions[f"locust.{name}"] = page.auth_required_if_enabled(view)


def _end_with(conductor: Conductor, page: Any) -> None:
    conductor.over.wait()
    page.stop()
