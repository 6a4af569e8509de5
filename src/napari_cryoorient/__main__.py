"""``python -m napari_cryoorient`` is the command line."""

import sys

from napari_cryoorient.cli import main

sys.exit(main())
