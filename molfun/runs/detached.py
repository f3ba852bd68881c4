"""Processes that outlive who starts them: a session of their own, no standard input, output to a file."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Thread

import molfun
from molfun.runs.secrets import find_secret
from molfun.tracking.catalog import TRACKER_KEYS

# What such a process may inherit; everything else (keys of other services among it) stays behind.
ALLOWED = frozenset(
    {
        "ALL_PROXY", "CUDA_DEVICE_ORDER", "CUDA_HOME", "CUDA_VISIBLE_DEVICES", "CURL_CA_BUNDLE", "HF_ENDPOINT",
        "HF_HOME", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "HF_TOKEN", "HOME", "HTTPS_PROXY", "HTTP_PROXY", "LANG",
        "LANGUAGE", "LD_LIBRARY_PATH", "LOGNAME", "MKL_NUM_THREADS", "MOLFUN_HOME", "NO_PROXY", "OMP_NUM_THREADS",
        "OMP_WAIT_POLICY", "PATH", "PYTHONPATH", "PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF",
        "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "SSL_CERT_FILE", "TMPDIR", "TRANSFORMERS_OFFLINE", "TZ", "USER",
        "VIRTUAL_ENV", "XDG_CACHE_HOME", "all_proxy", "http_proxy", "https_proxy", "no_proxy",
    }
)  # fmt: skip
ALLOWED_PREFIXES = ("COMET_", "GLOO_", "LANGFUSE_", "LC_", "MLFLOW_", "NCCL_", "SLURM_", "WANDB_")
# Set by a tracker inside the app's own process; a worker that found them would write into the app's run.
NEVER = frozenset({"WANDB_SERVICE", "WANDB_RUN_ID"})

USUAL = {
    # Idle compute threads sleep instead of spinning: 2 to 3 times faster where something else wants the cores (a second
    # run, a browser), and no slower where nothing does.
    "OMP_WAIT_POLICY": "PASSIVE",
    # The numbers of GPUs are those of nvidia-smi; CUDA's own order begins with the fastest.
    "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
}

# Taken from the system's keyring where the environment lacks them.
KEYS = ("HF_TOKEN", *TRACKER_KEYS)


def start_detached(
    module: str, arguments: Sequence[str], *, log: Path, cwd: Path, changes: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start `python -m module arguments...` so that no browser, terminal or app takes it along.

    Args:
        module: Module to run.
        arguments: Its arguments.
        log: File to which its output is appended.
        cwd: Its working folder.
        changes: Environment variables that differ from ours.

    Raises:
        OSError: It cannot be started, or the log not be opened.
    """
    environment = detached_environment(changes)
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments], cwd=cwd, env=environment, stdin=subprocess.DEVNULL,
            stdout=output, stderr=subprocess.STDOUT, start_new_session=True, close_fds=True,
        )  # fmt: skip
    # Someone must wait for a child, or it stays a zombie that looks alive for as long as this process lives.
    Thread(target=process.wait, name=f"wait-{process.pid}", daemon=True).start()
    return process


def detached_environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a detached process: a worker's, and keys from the system's keyring.

    Args:
        changes: Environment variables that differ from ours.
    """
    environment = worker_environment({**os.environ, **(changes or {})})
    for name in KEYS:
        if value := find_secret(name):
            environment.setdefault(name, value)
    return environment


def worker_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a worker: what is allowed of ours, and where to find this package."""
    env = {
        name: value
        for name, value in environment.items()
        if (name in ALLOWED or name.startswith(ALLOWED_PREFIXES)) and name not in NEVER
    }
    # The worker starts in the run folder; a checkout that is not installed is found through its parent folder only.
    checkout = str(Path(molfun.__path__[0]).resolve().parent)
    if "site-packages" not in checkout:
        known = env.get("PYTHONPATH", "").split(os.pathsep)
        env["PYTHONPATH"] = os.pathsep.join([checkout, *(path for path in known if path and path != checkout)])
    return {**USUAL, **env, "PYTHONUNBUFFERED": "1"}
