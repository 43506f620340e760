#!/usr/bin/env python3
"""Writes one manual page: what `gantry help --roff` says, then PAGE.roff if there is one.

    make-page.py GANTRY PAGE FOLDER OUTPUT
"""
import pathlib
import subprocess
import sys


def main(gantry, page, folder, output):
    command = page.partition('-')[2]
    head = subprocess.run([gantry, 'help', '--roff', *([command] if command else [])],
                          capture_output=True, text=True, check=True).stdout
    rest = pathlib.Path(folder) / f'{page}.roff'
    tail = rest.read_text() if rest.exists() else ''
    see = '' if page == 'gantry' or '.SH SEE ALSO' in tail else '.SH SEE ALSO\n.BR gantry (1)\n'
    pathlib.Path(output).write_text(head + tail + see)


main(*sys.argv[1:])
