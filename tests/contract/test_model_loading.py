"""Models as the gateway's workers hold them."""

import numpy as np

from services.adapters.model_loading import _compiled
from services.gateway.signature import Signature

NET = Signature(dtype="float32", shape=(-1, 3))
ROWS = np.random.default_rng(1).normal(size=(5, 3)).astype("float32")


def test_a_network_is_traced_once_and_answers_any_number_of_rows_as_it_does_in_python():
    import keras

    traced: list[object] = []

    class Noted(keras.layers.Dense):
        def call(self, inputs: object) -> object:
            traced.append(inputs)
            return super().call(inputs)

    network = keras.Sequential([keras.layers.Input((3,)), Noted(4, activation="relu"), keras.layers.Dropout(0.9),
                                keras.layers.Dense(1, activation="sigmoid")])
    in_python = network(ROWS, training=False).numpy()
    ask = _compiled(network, NET)
    np.testing.assert_allclose(ask(ROWS), in_python, rtol=1e-6)
    traced.clear()
    for rows in (1, 2, 5):
        np.testing.assert_allclose(ask(ROWS[:rows]), in_python[:rows], rtol=1e-6)
    assert traced == []
