"""What this package itself offers to recipes: importing a module registers its kinds."""

import dgp.losses.features
import dgp.losses.latent
import dgp.losses.locality
import dgp.losses.noise_likelihood
import dgp.losses.operator_parameters
import dgp.losses.perceptual
import dgp.losses.terms
import dgp.losses.uncovered
import dgp.postprocess.composite
import dgp.postprocess.lab_luminance
import dgp.postprocess.merge
import dgp.search.bank
import dgp.search.best_of
import dgp.search.evolution
import dgp.search.mean
import dgp.search.operator_parameters
import dgp.variables.spatial_transform  # noqa: F401
