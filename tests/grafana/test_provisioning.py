"""Compose file, Prometheus and Grafana's provisioning agree with each other and with the exporter."""

import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml
from dashboard_files import GRAFANA

from harness.loadgen.exporter import DEFAULT_PORT


def read(name: str) -> Any:
    return yaml.safe_load((GRAFANA / name).read_text(encoding="utf-8"))


COMPOSE = read("docker-compose.yml")
PROMETHEUS = read("prometheus/prometheus.yml")
[SOURCE] = read("provisioning/datasources/prometheus.yml")["datasources"]
[PROVIDER] = read("provisioning/dashboards/signoff.yml")["providers"]


@pytest.mark.parametrize("service", COMPOSE["services"])
def test_images_are_pinned(service: str) -> None:
    """A tag with all three numbers: the same stack next year."""
    assert re.fullmatch(r"[a-z]+/[a-z]+:v?\d+\.\d+\.\d+", COMPOSE["services"][service]["image"])


@pytest.mark.parametrize("service", COMPOSE["services"])
def test_mounts_exist(service: str) -> None:
    """Every folder that is mounted is in the repository, read-only in the container; the rest are declared volumes."""
    for mount in COMPOSE["services"][service]["volumes"]:
        source, _, mode = mount.split(":") if mount.count(":") == 2 else (*mount.split(":"), "")
        if source.startswith("."):
            assert (GRAFANA / source).is_dir()
            assert mode == "ro"
        else:
            assert source in COMPOSE["volumes"]


def test_nothing_listens_beyond_this_machine() -> None:
    """On the host's network both servers bind 127.0.0.1, and nobody can do more than look."""
    prometheus, grafana = COMPOSE["services"]["prometheus"], COMPOSE["services"]["grafana"]
    assert {"host"} == {prometheus["network_mode"], grafana["network_mode"]}
    assert "--web.listen-address=127.0.0.1:9090" in prometheus["command"]
    settings = grafana["environment"]
    assert (settings["GF_SERVER_HTTP_ADDR"], settings["GF_AUTH_ANONYMOUS_ORG_ROLE"]) == ("127.0.0.1", "Viewer")
    assert {"false"} == {settings["GF_AUTH_BASIC_ENABLED"], settings["GF_ANALYTICS_REPORTING_ENABLED"]}
    assert {"true"} == {settings["GF_AUTH_ANONYMOUS_ENABLED"], settings["GF_AUTH_DISABLE_LOGIN_FORM"]}


def test_prometheus_scrapes_the_exporters_default_port() -> None:
    """A run with default options is seen without editing anything."""
    [job] = PROMETHEUS["scrape_configs"]
    assert [{"targets": [f"127.0.0.1:{DEFAULT_PORT}"]}] == job["static_configs"]


def test_the_data_source_is_that_prometheus() -> None:
    """Same address, and the interval from which Grafana derives $__rate_interval is the one of the scrapes."""
    assert SOURCE["url"] == "http://127.0.0.1:9090"
    assert SOURCE["jsonData"]["timeInterval"] == PROMETHEUS["global"]["scrape_interval"]


def test_dashboards_are_mounted_where_they_are_looked_for() -> None:
    """The provider's folder and the home page are inside the mounted folder."""
    grafana = COMPOSE["services"]["grafana"]
    mounts = dict(mount.split(":")[:2] for mount in grafana["volumes"])
    assert mounts["./dashboards"] == PROVIDER["options"]["path"]
    assert mounts["./provisioning"] == "/etc/grafana/provisioning"
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (GRAFANA / "dashboards" / home.removeprefix(PROVIDER["options"]["path"] + "/")).is_file()


def test_promtool_accepts_the_configuration() -> None:
    """Prometheus itself reads its file without complaint."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    words = [promtool, "check", "config", str(GRAFANA / "prometheus" / "prometheus.yml")]
    assert subprocess.run(words, capture_output=True, timeout=30, check=False).returncode == 0
