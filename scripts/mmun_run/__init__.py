# SPDX-License-Identifier: GPL-2.0-only
"""The runner of mmun's tests: guests, verdicts, mutants, and what they print."""
