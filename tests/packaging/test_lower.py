"""The lower bounds of pyproject.toml hold: the wheel works with the oldest version of everything that it names.

`make lower` runs this file alone. The environment is kept in `.venv/lower` until a bound changes.
"""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.browser.server import Server
from tests.packaging.builds import Environment, build, copy_sources, install, pip
from tests.packaging.lower_bounds import PINNED, lower_environment, oldest, pins
from tests.packaging.trials import draw_pages, fit_and_predict, import_all, modules

pytestmark = [pytest.mark.serial, pytest.mark.slow]


@pytest.fixture(scope="module")
def lower(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The environment, with the wheel of today and nothing of the tested one."""
    place = tmp_path_factory.mktemp("lower")
    environment = lower_environment(place / "elsewhere")
    wheel = build(copy_sources(place / "sources"), "wheel", place)
    install(environment, "--no-deps", "--no-index", "--force-reinstall", str(wheel))
    return environment


def test_a_bound_becomes_a_pin() -> None:
    assert oldest("numpy>=2.0") == "numpy==2.0"
    assert [pin for pin in pins() if pin.startswith(f"{PINNED}==")] == [
        f"torch=={metadata.version('torch').split('+')[0]}"
    ]
    for wrong in ("numpy", "numpy<3", "numpy>=2,<3"):
        with pytest.raises(ValueError, match="one bound"):
            oldest(wrong)


def test_the_oldest_versions_are_there(lower: Environment) -> None:
    wanted = [Requirement(pin) for pin in pins()]
    names = [one.name for one in wanted]
    code = f"import json; from importlib.metadata import version; print(json.dumps([version(n) for n in {names}]))"
    found = json.loads(lower.answer(code))
    assert [str(one) for one, version in zip(wanted, found, strict=True) if not one.specifier.contains(version)] == []


def test_they_agree_with_each_other(lower: Environment) -> None:
    done = pip(lower, "check")
    assert done.returncode == 0, done.stdout


def test_the_command_line_answers(lower: Environment) -> None:
    assert "fit" in lower.run(lower.molfun, "--help").stdout


def test_every_module_imports(lower: Environment) -> None:
    assert import_all(lower) == modules()


def test_every_page_is_drawn(lower: Environment) -> None:
    assert all(draw_pages(lower).values())


def test_a_run_trains_and_predicts(lower: Environment, home: Path) -> None:
    assert len(fit_and_predict(lower, home).splitlines()) == 61


def test_the_app_answers(lower: Environment, home: Path) -> None:
    server = Server(home, molfun=[lower.molfun], folder=lower.elsewhere)
    try:
        server.start()
    finally:
        server.kill()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("fit", "v_genes"), "pip install --no-deps anarci=="),
        (("fit", "gb1_stability"), "pip install --no-deps mavenn=="),
        (
            ("fit", "run.yaml", "--set", "model.name=antiberty", "--set", "model.weights=pretrained"),
            "pip install --no-deps antiberty==",
        ),
    ],
)
def test_packages_of_data_that_are_absent_are_named(
    lower: Environment, arguments: tuple[str, ...], sentence: str
) -> None:
    """Here none of them is installed, as after a plain `pip install molfun`."""
    (lower.elsewhere / "rows.csv").write_text(
        "sequence,kd\n" + "".join(f"{'ACDEFGHIKL' * 2}{i * 'A'},{i}\n" for i in range(60))
    )
    (lower.elsewhere / "run.yaml").write_text("data: {table: rows.csv}\n")
    done = lower.run(lower.molfun, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
