"""Files of weights: read without running what they contain, understood by their shapes."""
