"""Settings: what this machine has, what uses its disk, what may go, and the bin."""

from __future__ import annotations

from molfun.runs.disk import disk_use
from molfun.ui import first_steps, machine_panels, shell, storage_panels, tracker_panels

shell.page_title("Settings", "This machine, the disk, and what was deleted.")

shell.draw_said()
storage_panels.section("This machine")
machine_panels.draw_machine()
first_steps.draw_switch()

storage_panels.section("Trackers")
with shell.sentences():
    tracker_panels.draw_keys()

storage_panels.section("Disk")
with shell.sentences():
    storage_panels.draw_disk(disk_use(shell.home()))

storage_panels.section("Frozen states")
with shell.sentences():
    storage_panels.draw_stores(shell.home())

storage_panels.section("Clean up")
with shell.sentences():
    storage_panels.draw_cleaning(shell.home())

storage_panels.section("Bin")
with shell.sentences():
    storage_panels.draw_bin(shell.home())
