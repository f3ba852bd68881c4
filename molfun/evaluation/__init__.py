"""How good a trained model is: predictions of a part of the data, their scores, and simple baselines beside them."""
