"""Estimators of scikit-learn: `RBM`, `SBN`, `DBM`, `DBN`, `Classifier`, and `BernoulliRBM` as a drop-in.

They work in pipelines, in searches over parameters, with `clone`, `pickle` and ``set_output``, and they take dense and
sparse arrays and data frames. The trained model is the attribute ``model_``, with all that `dgm` offers.

Values outside 0 to 1
---------------------
Binary units take zeros and ones, and values between 0 and 1 as probabilities. Any other value is a ValueError, unless
``binarize`` is given: a number is a threshold above which values become 1, in all methods. ``"dynamic"`` and
``"fixed:SEED"`` say when values between 0 and 1 are drawn: anew in every batch (the default), or once. A uint8 array
with a value above 1 holds grey levels of 0 to 255. With ``visible="gaussian"`` any finite numbers are taken.

Examples
--------
>>> from dgm.sklearn import RBM
>>> import dgm
>>> X = dgm.bars_and_stripes(3)
>>> rbm = RBM(8, n_iter=500, batch_size=4, learning_rate=0.2, random_state=1).fit(X)
>>> rbm.transform(X).shape
(14, 8)
>>> round(rbm.score(X), 1), rbm.score_side_
(-3.6, 'exact')
"""

try:
    import scipy  # noqa: F401
    import sklearn  # noqa: F401
except ImportError as error:
    raise ImportError("dgm.sklearn needs scikit-learn and SciPy: pip install scikit-learn scipy") from error

from .classifier import Classifier
from .deep import DBM, DBN, SBN
from .drop_in import BernoulliRBM
from .rbm import RBM

__all__ = ["DBM", "DBN", "RBM", "SBN", "BernoulliRBM", "Classifier"]
