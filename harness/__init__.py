"""signoff: replay your own prompts at candidate LLM endpoints and join speed, correctness and cost.

The import package is `harness`; README.md in this folder is the map of its packages.
"""

__version__ = "0.1.0"
