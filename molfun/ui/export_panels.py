"""Part of the page Live: the model of a run that ended as a file to take away, made by a process of its own."""

from __future__ import annotations

from importlib.util import find_spec

import streamlit as st

from molfun.adapters.catalog import find_model
from molfun.errors import MolfunError
from molfun.runs.disk import format_bytes
from molfun.runs.exports import ExportJob, list_exports, start_export
from molfun.runs.jobs import delete_job
from molfun.runs.store import RunFolder
from molfun.ui import shell, text
from molfun.ui.downloads import download_url

REFRESH_SECONDS = 1.0
# By format: its name, and what it is for.
FORMATS = {
    "merged": ("Whole model", "Trunk and head for `transformers`, LoRA merged in: the usual choice."),
    "adapter": ("LoRA alone", "A small file for `peft`, to be put on the backbone that it was trained on."),
    "onnx": ("ONNX", "One graph for onnxruntime, without torch, compared with the model on the spot."),
}
ONNX_PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def draw_exports(folder: RunFolder) -> None:
    """Draw what a run's model can be taken away as, and what was made before."""
    if not any((folder.checkpoints / name).is_dir() for name in ("best", "last")):
        return
    st.subheader("Take it away", anchor=False)
    for column, (kind, (title, words)) in zip(st.columns(len(FORMATS)), FORMATS.items(), strict=True):
        with column, st.container(border=True, height="stretch"):
            _draw_format(folder, kind, title, words)
    jobs = list_exports(folder)
    if any(job.state().status == "running" for job in jobs):
        st.fragment(_draw_until_done, run_every=REFRESH_SECONDS)(folder)
    else:
        _draw_jobs(jobs)
    with st.expander("In Python, on the command line, on the hub"):
        _draw_lines(folder)


def _draw_format(folder: RunFolder, kind: str, title: str, words: str) -> None:
    reason = obstacle(folder, kind)
    st.markdown(f"**{title}**  \n{words}")
    if reason:
        st.caption(reason)
    st.button(
        "Export", key=f"export.{kind}", icon=":material/archive:", disabled=bool(reason), on_click=_start,
        args=(folder, kind), help=reason or f"Makes one .zip: {title.lower()}, head, a script that predicts, a card.",
    )  # fmt: skip


def obstacle(folder: RunFolder, kind: str) -> str:
    """Return why a run cannot be exported in a format, "" where it can."""
    if kind == "adapter":
        return _adapter_obstacle(folder)
    if kind == "onnx" and _predicts_structure(folder):
        return "Models that predict structures cannot be written as ONNX."
    if kind == "onnx" and (missing := [name for name in ONNX_PACKAGES if find_spec(name) is None]):
        return f'Needs {missing[0]}, which is not installed: `pip install "molfun[onnx]"`'
    return ""


def _predicts_structure(folder: RunFolder) -> bool:
    try:
        return find_model(folder.spec.model.name).predicts_structure
    except MolfunError:
        return False


def _adapter_obstacle(folder: RunFolder) -> str:
    try:
        spec = folder.spec
    except MolfunError:
        return "The settings of this run cannot be read."
    if spec.strategy.kind != "lora":
        return "This run has no LoRA, so there is no adapter."
    return "Its backbone was drawn at random: LoRA alone is of no use." if spec.model.weights == "random" else ""


def _start(folder: RunFolder, kind: str) -> None:
    try:
        start_export(folder, kind)
    except MolfunError as error:
        shell.say_problem(error)


def _draw_until_done(folder: RunFolder) -> None:
    jobs = list_exports(folder)
    if not any(job.state().status == "running" for job in jobs):
        st.rerun()
    _draw_jobs(jobs)


def _draw_jobs(jobs: list[ExportJob]) -> None:
    for job in jobs:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            _draw_job(job)


def _draw_job(job: ExportJob) -> None:
    """Draw one export: how far it is, or its file."""
    state, title = job.state(), FORMATS[job.kind][0]
    when = text.ago(job.about.get("asked"))
    if state.status == "running":
        st.markdown(f":material/hourglass_top: **{title}** · {state.phase}", width="stretch")
    elif state.status == "failed":
        st.markdown(f":red[:material/error:] **{title}** · {when}  \n{shell.sentence(state.cause)}", width="stretch")
    else:
        size = format_bytes(job.num_bytes or 0)
        st.markdown(f"**{title}** · {size} · {when}{_checked(state.difference)}", width="stretch")
        st.link_button(
            f"Download .zip ({size})", download_url(job.zip_path), icon=":material/download:",
            help=f"{job.zip_path.name}, straight from the disk.",
        )  # fmt: skip
    st.button(
        "", key=f"export.delete.{job.id}", icon=":material/delete:", on_click=_delete, args=(job,), type="tertiary",
        help="Cancel this export." if state.status == "running" else "Delete this export; the run stays.",
    )  # fmt: skip


def _checked(difference: float | None) -> str:
    return "" if difference is None else f"  \n:gray[Checked: predictions differ by {difference:.1g} at most.]"


def _delete(job: ExportJob) -> None:
    freed = delete_job(job)
    shell.say(f"Deleted; {format_bytes(freed)} are free again.")


def _draw_lines(folder: RunFolder) -> None:
    """Show the lines that do the same without the app."""
    st.code(
        f'import molfun\npredictor = molfun.load("{folder.id}")\npredictor.predict(["MKTAYIAKQR"])',
        language="python",
    )
    st.code(
        f"molfun export {folder.id} -o FOLDER --format merged\nmolfun push {folder.id} OWNER/NAME",
        language="bash",
    )
    st.caption(
        "`molfun push` makes a private repository on the Hugging Face hub, with a model card; `--public` shows it to "
        "everybody. The token is read from HF_TOKEN, the keyring or `hf auth login`."
    )
