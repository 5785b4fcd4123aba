"""A run of Keras that tuitrain shows and stops: `KERAS_BACKEND=torch python examples/log_keras.py`, then `tuitrain`."""

import keras
import numpy

from tuitrain.integrations.keras import TuitrainCallback

random = numpy.random.default_rng(0)
labels = random.integers(10, size=2000)
images = (random.normal(size=(2000, 64)) + 2 * numpy.eye(10, 64)[labels]).astype("float32")
model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(64, "relu"), keras.layers.Dense(10, "softmax")])
model.compile(keras.optimizers.SGD(0.05), "sparse_categorical_crossentropy", metrics=["accuracy"])
logger = TuitrainCallback(name="keras", config={"batch_size": 64})
model.fit(images, labels, batch_size=64, epochs=100, validation_split=0.2, callbacks=[logger])
logger.run.log_predictions(labels[1600:], model.predict(images[1600:]), [str(digit) for digit in range(10)])
