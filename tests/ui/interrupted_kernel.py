"""Executes code in a kernel, interrupts it once its display was updated, and prints what came back, as JSON."""

from __future__ import annotations

import json
import sys
import time
from queue import Empty
from typing import Any

from jupyter_client import KernelManager

PATIENCE_SECONDS = 120.0


def main(code: str) -> None:
    """Execute `code` in a kernel of its own and interrupt it."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=PATIENCE_SECONDS)
        sys.stdout.write(json.dumps(interrupted(manager, client, code)))
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def interrupted(manager: Any, client: Any, code: str) -> dict[str, Any]:
    """Return types and texts of the messages, and the name of the error."""
    asked = client.execute(code)
    kinds: list[str] = []
    found: dict[str, Any] = {"kinds": kinds, "text": "", "error": ""}
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            message = client.get_iopub_msg(timeout=1)
        except Empty:
            continue
        if message["parent_header"].get("msg_id") != asked:
            continue
        kinds.append(message["msg_type"])
        if kinds.count("update_display_data") == 3 and message["msg_type"] == "update_display_data":
            manager.interrupt_kernel()
        found["text"] += message["content"].get("text", "")
        found["error"] = message["content"].get("ename", found["error"])
        if message["content"].get("execution_state") == "idle":
            break
    return found


if __name__ == "__main__":
    main(sys.argv[1])
