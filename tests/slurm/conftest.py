"""A real Slurm on this machine for the tests of this folder: started once, thrown away after the last of them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.slurm.cluster import Cluster

MISSING = "Slurm is not installed (Debian: apt-get install slurm-wlm), so runs on a cluster cannot be tested."


@pytest.fixture(scope="session")
def whole_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Start the cluster; stop it at the end."""
    if shutil.which("sbatch") is None:
        if os.environ.get("CI") == "true":
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    found = Cluster(tmp_path_factory.mktemp("slurm"))
    try:
        found.start()
        yield found
    finally:
        found.stop()


@pytest.fixture
def cluster(whole_cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """The cluster, as this process and what it starts find it."""
    monkeypatch.setenv("SLURM_CONF", str(whole_cluster.settings))
    return whole_cluster
