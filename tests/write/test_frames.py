"""Tables of pandas and data sets of xarray hold what the records hold."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from exafsnn.records import Prediction


def test_tables_hold_the_records(make_prediction: Callable[..., Prediction]) -> None:
    prediction = make_prediction()
    chi, rdf = prediction.chi, prediction.rdf
    assert chi.spectrum
    assert np.array_equal(chi.spectrum.to_frame()["mu"], chi.spectrum.mu)
    assert np.array_equal(chi.to_frame()["chi"], chi.chi)
    table = rdf.to_frame()
    assert list(table.columns) == ["pair", "r", "density", "density_std"]
    assert np.array_equal(table["density"], rdf.density[0])
    shells = prediction.to_frame().set_index("range")
    assert list(shells.index) == list(prediction.shells)
    assert shells.loc["first", "coordination"] == prediction.shells["first"].coordination
    assert shells.attrs["distance"] == "Å"
    foreign = make_prediction(in_domain=False).to_frame()
    assert foreign.loc[:, "coordination":"c3_std"].isna().all(axis=None)
    assert (foreign["r_max"][0], foreign.attrs["in_domain"]) == (3.3, False)


def test_data_sets_name_their_axes(make_prediction: Callable[..., Prediction]) -> None:
    prediction = make_prediction()
    found = prediction.to_xarray()
    assert found["density"].dims == ("pair", "r")
    assert found["density"].sel(pair="Fe-Fe").sum().item() == prediction.rdf.density.sum()
    assert found["samples"].std("sample").shape == prediction.rdf.density.shape
    assert np.array_equal(found["chi_model"] - found["chi"], prediction.chi_model - prediction.chi.chi)
    assert found["r"].attrs["units"] == "Å"
    assert found.attrs["edge"] == "K"
    assert prediction.chi.spectrum
    assert prediction.chi.spectrum.to_xarray()["mu"].dims == ("energy",)
