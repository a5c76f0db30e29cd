"""What this package itself offers to recipes: importing a module registers its kinds."""

import dgp.composite
import dgp.losses.data
import dgp.losses.features
import dgp.losses.latent
import dgp.losses.locality
import dgp.losses.perceptual
import dgp.losses.terms
import dgp.losses.uncovered
import dgp.losses.unknowns
import dgp.search.bank
import dgp.search.best_of
import dgp.search.evolution
import dgp.search.mean
import dgp.search.unknowns
import dgp.warp  # noqa: F401
