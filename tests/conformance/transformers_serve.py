"""The inference server: `transformers serve` on the CPU, with the tiny model that `make conformance` has made."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conformance.server import free_port, serving

MODEL = "tiny-llama"


@contextmanager
def inference_server(rig: Path, models: Path) -> Iterator[str]:
    """Serves the model in `models`/tiny-llama; yields the base URL. Offline: it looks for no model anywhere else."""
    port = free_port()
    program = [str(rig / "bin" / "transformers"), "serve", MODEL, "--device", "cpu", "--host", "127.0.0.1", "--port", str(port)]
    environment = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(rig / "hub"), "TOKENIZERS_PARALLELISM": "false"}
    environment["OMP_NUM_THREADS"] = "1"  # more would only be taken from those who make the load
    root = f"http://127.0.0.1:{port}"
    with serving(program, environment=environment, folder=models, health=f"{root}/health"):
        yield f"{root}/v1"
