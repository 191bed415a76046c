"""Signals held back: nothing happens between two checks, nothing is lost, and the handlers are put back."""

import signal
import threading

import pytest

from understudy.cluster.interrupts import deferred


def test_a_signal_waits_for_the_check() -> None:
    reached: list[str] = []

    def work() -> None:
        with deferred() as check:
            check()
            signal.raise_signal(signal.SIGINT)
            reached.append("after the signal")
            check()
            reached.append("after the check")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert reached == ["after the signal"]


def test_a_signal_after_the_last_check_is_not_lost() -> None:
    with pytest.raises(KeyboardInterrupt), deferred():
        signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_others_end_the_program_with_the_shells_exit_code(number: signal.Signals) -> None:
    with pytest.raises(SystemExit) as ended, deferred():
        signal.raise_signal(number)
    assert ended.value.code == 128 + number


def test_the_first_signal_counts() -> None:
    def work() -> None:
        with deferred():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        work()


def test_an_error_of_the_block_comes_first() -> None:
    def work() -> None:
        with deferred():
            signal.raise_signal(signal.SIGINT)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        work()


def test_handlers_are_put_back() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    with deferred():
        assert signal.getsignal(signal.SIGINT) != before[signal.SIGINT]
    assert {number: signal.getsignal(number) for number in before} == before


def test_what_nohup_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with deferred() as check:
            signal.raise_signal(signal.SIGHUP)
            check()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_in_a_thread_it_does_nothing() -> None:
    done = threading.Event()

    def work() -> None:
        with deferred() as check:
            check()
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done.is_set()
