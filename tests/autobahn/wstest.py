"""Autobahn's ``wstest``, on a Python 2.7, with its packages from the folder that is the first argument."""

import site
import sys

site.addsitedir(sys.argv.pop(1))
from autobahntestsuite.wstest import run

run()
