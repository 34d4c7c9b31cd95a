# SPDX-License-Identifier: GPL-2.0-only
#
# scripts/docs sets MMUN_KERNEL_SOURCE, because the kernel's own tools read the kernel-doc
# comments.
import os
import sys

kernel = os.environ['MMUN_KERNEL_SOURCE']
sys.path.insert(0, os.path.join(kernel, 'Documentation', 'sphinx'))

project = 'mmun'
author = 'mmun developers'
with open(os.path.join('..', 'VERSION')) as f:
    version = release = f.read().strip()
extensions = ['kerneldoc']
kerneldoc_bin = os.path.join(kernel, 'scripts', 'kernel-doc')
kerneldoc_srctree = os.path.abspath('..')
kerneldoc_verbosity = 0

primary_domain = 'c'
highlight_language = 'none'
exclude_patterns = ['man']
html_theme = 'alabaster'
html_theme_options = {'page_width': '64em', 'sidebar_width': '15em'}
html_copy_source = False
html_show_copyright = False
html_last_updated_fmt = None
# The kernel's own.
nitpick_ignore = [('c:identifier', 'mm_struct'), ('c:identifier', 'rcu_head')]
