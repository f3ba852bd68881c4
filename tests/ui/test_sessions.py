"""How long a session lasts, and how long who guesses has to wait; clocks that the test moves."""

from __future__ import annotations

from molfun.ui.sessions import IDLE_SECONDS, LONGEST_WAIT_SECONDS, MAX_AGE_SECONDS, MAX_SESSIONS, Brake, Sessions


def test_sessions_end_by_age_idleness_and_number() -> None:
    now = [0.0]
    sessions = Sessions(clock=lambda: now[0])
    idle, used = sessions.open(), sessions.open()
    while now[0] < MAX_AGE_SECONDS:
        assert sessions.is_open(used)
        now[0] += IDLE_SECONDS - 1
    assert not sessions.is_open(idle)
    assert not sessions.is_open(used)
    tokens = [sessions.open() for _ in range(MAX_SESSIONS + 1)]
    assert not sessions.is_open(tokens[0])
    assert sessions.is_open(tokens[-1])
    assert not sessions.is_open(None)


def test_waits_double_are_bounded_and_are_forgotten() -> None:
    now = [0.0]
    brake = Brake(clock=lambda: now[0])
    waits = []
    for _ in range(12):
        waits.append(brake.wait_seconds("a"))
        now[0] += waits[-1]
        brake.begin("a")
    assert waits == [0, 0, 0, 1, 2, 4, 8, 16, 30, 30, 30, 30]
    assert max(waits) == LONGEST_WAIT_SECONDS
    assert brake.wait_seconds("b") == 0
    now[0] += 1000
    assert brake.wait_seconds("a") == 0


def test_many_guessers_slow_everybody_a_little() -> None:
    brake = Brake(clock=lambda: 0.0)
    assert brake.pause_seconds() == 0
    for number in range(1000):
        brake.begin(str(number))
    assert brake.pause_seconds() == 2.0
    assert brake.wait_seconds("new") == 0
    for number in range(1000):
        brake.succeed(str(number))
    assert brake.pause_seconds() == 0
