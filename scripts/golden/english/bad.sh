#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# A good line.
# What runs here
echo "What failed is said above." # Who cares
x='the caller says what it needs; whoever comes, waits'
