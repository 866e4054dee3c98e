"""The linear member learns categories of which there are few examples as well as the others."""

import numpy as np
from scipy.sparse import csr_matrix

from services.moderation.model.categories import CATEGORIES
from services.moderation.training.fitting import fit_linear


def test_a_rare_category_is_learnt_as_well_as_a_common_one() -> None:
    rows, rare = 60_000, 20
    telling = np.zeros((rows, 2), np.float32)
    telling[:rare, 0], telling[rows // 2 :, 1] = 1.0, 1.0
    labels = np.repeat(telling[:, 1:], len(CATEGORIES), axis=1)
    labels[:, 0] = telling[:, 0]
    slopes, _ = fit_linear(csr_matrix(telling), labels, np.ones(rows, np.float32))
    assert slopes[0, 0] > 5
    assert slopes[1, 1] > 5
