# SPDX-License-Identifier: GPL-2.0-only
"""The table of variables."""

import pathlib
import tempfile
import unittest

from .. import host, variables


class Variables(unittest.TestCase):
    """Documentation/testing.rst has each variable that the tree reads."""

    def test_the_tree(self):
        self.assertEqual(variables.differences(host.TOP), [])

    def test_each_language(self):
        files = {
            "scripts/a": '#!/bin/bash\n# ${NO:-}\n[ -z "${YES:-}" ] && x=${ALSO:+1} $OTHER\n',
            "scripts/init": "#!/bin/sh\necho $MMUN_LIMIT ${MMUN_HMM%,*}\n",
            "scripts/b.py": "import os\nos.environ.get('PY')\nos.environ[\"INDEX\"]\n"
                            "if \"IN\" in os.environ: pass\n",
            "test/c.c": 'getenv("C");\n',
            "Makefile": "KREL ?= x\nFIXED = 1\na:\n\techo $(SIGN_KEY) $(FIXED)\n",
            "Kbuild": "obj-$(MMUN_KUNIT) += x.o\n",
            "Documentation/testing.rst": "   * - ``YES``\n   * - ``GONE``\n   * - ``C``\n   * - ``C``\n",
        }
        with tempfile.TemporaryDirectory() as top:
            for name, text in files.items():
                path = pathlib.Path(top) / name
                path.parent.mkdir(exist_ok=True)
                path.write_text(text)
            found = variables.read_by(pathlib.Path(top))
            self.assertEqual(sorted(found), ["ALSO", "C", "IN", "INDEX", "KREL", "MMUN_HMM", "MMUN_KUNIT",
                                             "MMUN_LIMIT", "PY", "SIGN_KEY", "YES"])
            said = variables.differences(pathlib.Path(top))
            self.assertIn("ALSO is not in the table; scripts/a reads it", said)
            self.assertIn("GONE is in the table, and nothing reads it", said)
            self.assertIn("C is in the table twice", said)
            self.assertNotIn("YES is not in the table; scripts/a reads it", said)
