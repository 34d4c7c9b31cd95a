# SPDX-License-Identifier: GPL-2.0-only
"""python3 -m mmun_run COMMAND [ARGUMENT...]: the commands of the scripts beside this package."""

import sys

from . import commands

sys.exit(commands.main(sys.argv[1:]))
