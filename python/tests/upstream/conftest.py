"""Everything that upstream's tests see of this engine."""

import gepa_engine

gepa_engine.install()
