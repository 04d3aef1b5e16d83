"""The command line in this process: status, what it printed, and errors that are one line."""

from __future__ import annotations

from pynq_bnn import cli


def run(capsys, *arguments):
    status = cli.main([str(a) for a in arguments])
    out, err = capsys.readouterr()
    return status, out, err


def fails(capsys, *arguments, words):
    status, out, err = run(capsys, *arguments)
    assert status == 2
    assert err.startswith("pynq-bnn: ")
    assert words in err
    assert len(err.splitlines()) == 1
    return err
