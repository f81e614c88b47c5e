"""A private module: importable wherever the flow runs."""

import docopt


def greeting():
    return "hello from docopt " + docopt.__version__
