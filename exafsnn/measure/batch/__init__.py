"""A whole series of scans on one energy grid → χ(k): what ``background.py`` does scan by scan, as matrix products.

Nearly all of it is linear in μ. AUTOBK's residual is, but for the weight of the clamps: one number a scan, found by
iteration on a dozen others. So scans that share E₀ share one small factorised matrix (``removal``); E₀ is a point of
the grid, and a series has few. The quality gate is linear where it looks for what is off: a piece of the ``screen``
takes the same forms of μ, and within certain limits the gate would find nothing. Any other scan goes through
``remove_background``, alone, and gets what it gets there: repairs, warnings, or the refusal.

``series`` (chunks, what is measured alone) → ``together`` (scans whose edges lie alike) → ``edge``, ``screen`` →
``background`` (``energy_zero``, ``removal``, ``noise``) → ``answer``. A file named as one of ``measure`` does for many
scans what that does for one; ``waves`` is the part that ``breaks`` and ``foreign`` have in common. ``runs`` takes scans
as files give them, and finds the series among them.
"""

from exafsnn.measure.batch.answer import BatchChiK
from exafsnn.measure.batch.runs import measure_runs
from exafsnn.measure.batch.series import measure_batch

__all__ = ["measure_batch", "measure_runs", "BatchChiK"]
