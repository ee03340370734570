"""The gateway: LiteLLM's proxy, offline, in front of OpenAI-compatible servers."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.conformance.server import free_port, serving

KEY_VARIABLE = "LITELLM_MASTER_KEY"


@contextmanager
def gateway(rig: Path, upstreams: Mapping[str, str], key: str) -> Iterator[str]:
    """Serves each upstream base URL under its name; yields the gateway's base URL. It retries nothing and caches nothing."""
    port = free_port()
    models = [
        {"model_name": name, "litellm_params": {"model": f"hosted_vllm/{name}", "api_base": url, "api_key": "none"}}
        for name, url in upstreams.items()
    ]
    config = {
        "model_list": models,
        "general_settings": {"master_key": f"os.environ/{KEY_VARIABLE}"},
        "litellm_settings": {"num_retries": 0},
        "router_settings": {"num_retries": 0, "disable_cooldowns": True},
    }
    (rig / "proxy.yaml").write_text(json.dumps(config, indent=1))  # JSON is YAML
    command = [str(rig / "bin" / "litellm"), "--config", "proxy.yaml", "--host", "127.0.0.1", "--port", str(port)]
    environment = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False", KEY_VARIABLE: key}
    root = f"http://127.0.0.1:{port}"
    with serving(command, environment=environment, folder=rig, health=f"{root}/health/liveliness"):
        yield f"{root}/v1"
