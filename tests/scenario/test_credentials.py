"""Where API keys come from, and that they stay out of messages."""

from pathlib import Path

import pytest

from harness.credentials import Secrets, secrets
from harness.errors import HarnessError
from harness.scenario import Scenario

SCENARIO = Scenario.model_validate(
    {
        "name": "s",
        "endpoints": {
            "open": {"model": "m", "simulated": {}},
            "paid": {"model": "m", "base_url": "https://api.example.com/v1", "api_key_env": "PAID_KEY"},
        },
        "prompts": {"dataset": "d.jsonl"},
        "load": {"levels": [1]},
    }
)


def _env(folder: Path, text: str, mode: int = 0o600) -> None:
    (folder / ".env").write_text(text)
    (folder / ".env").chmod(mode)


def test_a_key_comes_from_the_environment(tmp_path: Path) -> None:
    """Each endpoint gets the key that it names, and none where it names none."""
    assert {"open": Secrets(), "paid": Secrets(key="k-1")} == secrets(SCENARIO, tmp_path, {"PAID_KEY": "k-1"})


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("PAID_KEY=k-2\n", "k-2"),
        ("# mine\n\nexport PAID_KEY = 'k-2'\nOTHER=x y\n", "k-2"),
        ('PAID_KEY="k=2#3"\r\n', "k=2#3"),
    ],
)
def test_a_key_comes_from_a_private_file(tmp_path: Path, text: str, key: str) -> None:
    """What the environment lacks is read from `.env` beside the scenario: comments, export and quotes as in a shell."""
    _env(tmp_path, text)
    assert key == secrets(SCENARIO, tmp_path, {"PAID_KEY": ""})["paid"].key


def test_the_environment_wins_and_spares_the_file(tmp_path: Path) -> None:
    """With every key in the environment, `.env` is not opened, not even to complain of it."""
    _env(tmp_path, "PAID_KEY=file\n", 0o644)
    assert "shell" == secrets(SCENARIO, tmp_path, {"PAID_KEY": "shell"})["paid"].key


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_a_file_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    """A key that others can read or replace is no secret: the error tells the chmod."""
    _env(tmp_path, "PAID_KEY=CANARY\n", mode)
    with pytest.raises(HarnessError, match=rf"mode {mode:04o}\)\n  chmod 600 ") as caught:
        secrets(SCENARIO, tmp_path, {})
    assert "CANARY" not in str(caught.value)


def test_a_missing_variable_is_named(tmp_path: Path) -> None:
    """The error has variable, endpoint and file."""
    with pytest.raises(HarnessError) as caught:
        secrets(SCENARIO, tmp_path, {})
    assert "endpoints.paid.api_key_env: variable 'PAID_KEY' with the key of endpoint 'paid' is not set" in str(caught.value)
    assert f"{tmp_path / '.env'} (chmod 600)" in str(caught.value)


@pytest.mark.parametrize("key", ["CANARY x", "CANARY\n", "CANARY\u00e9"])
def test_a_key_that_no_header_can_carry_is_refused(tmp_path: Path, key: str) -> None:
    """A pasted line end or blank is found before it breaks a request, and is not shown."""
    with pytest.raises(HarnessError, match="'PAID_KEY' has a character that cannot be sent") as caught:
        secrets(SCENARIO, tmp_path, {"PAID_KEY": key})
    assert "CANARY" not in str(caught.value)


def test_a_line_that_is_no_assignment_is_told_without_its_text(tmp_path: Path) -> None:
    """A key alone on a line of `.env` is named by its line number only."""
    _env(tmp_path, "A=1\nCANARY\n")
    with pytest.raises(HarnessError, match=r"\.env:2: not a NAME=value line") as caught:
        secrets(SCENARIO, tmp_path, {})
    assert "CANARY" not in str(caught.value)


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    """A `.env` in another encoding, or a folder of that name, is a message."""
    (tmp_path / ".env").mkdir()
    with pytest.raises(HarnessError, match="cannot be read as text"):
        secrets(SCENARIO, tmp_path, {})


GUARDED = Scenario.model_validate(
    {
        "name": "s",
        "endpoints": {
            "far": {
                "model": "m",
                "base_url": "https://api.example.com/v1",
                "proxy": "http://proxy.test:3128",
                "proxy_auth_env": "PROXY_AUTH",
                "tls": {"client_cert": "me.pem", "client_key_password_env": "KEY_PASSWORD"},
            }
        },
        "prompts": {"dataset": "d.jsonl"},
        "load": {"levels": [1]},
    }
)


def test_every_secret_has_its_place(tmp_path: Path) -> None:
    """The proxy's user and password and the client key's password come by variable too, from either source; none is shown."""
    _env(tmp_path, "KEY_PASSWORD='CANARY two'\n")
    found = secrets(GUARDED, tmp_path, {"PROXY_AUTH": "me:CANARY: x"})["far"]
    assert Secrets(None, "me:CANARY: x", "CANARY two") == found
    assert "Secrets()" == repr(found)


@pytest.mark.parametrize("value", ["CANARY", ":CANARY", "me:CANARY\nx"])
def test_a_proxy_wants_user_and_password(tmp_path: Path, value: str) -> None:
    """What is not user:password in one line cannot be sent, and is not shown."""
    with pytest.raises(HarnessError, match=r"far\.proxy_auth_env: 'PROXY_AUTH' does not hold a user and a password") as caught:
        secrets(GUARDED, tmp_path, {"PROXY_AUTH": value, "KEY_PASSWORD": "x"})
    assert "CANARY" not in str(caught.value)


def test_a_missing_password_is_named_by_its_place(tmp_path: Path) -> None:
    """The error says which key of the scenario names the variable, and what it is for."""
    with pytest.raises(HarnessError) as caught:
        secrets(GUARDED, tmp_path, {"PROXY_AUTH": "me:x"})
    what = "endpoints.far.tls.client_key_password_env: variable 'KEY_PASSWORD' with the client key's password of endpoint 'far'"
    assert what in str(caught.value)
