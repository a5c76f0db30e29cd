"""Advice on a violation of the contract, for authors of operators."""

ADVICE = {
    "forward": "forward(x) must give finite floats (N, c, h, w), the same at every call and in the precision of x; "
    "noise belongs into `noise`, and a y beyond [-1, 1] needs `overshoot`",
    "rows": "process each row (the leading axis) independently: no mean, maximum or random number over all of x",
    "adjoint": "set linear = False; or add no constant in forward, and let adjoint be its transpose, as the default is",
    "gradient": "compute with PyTorch from x to y, without detach, rounding or NumPy; or set smooth = False",
    "lift": "lift(y, size) must be linear in y and give (N, 3, H, W)",
    "files": "read(picture) must give back what simulate made; define both, or neither",
    "text": "declare every value in parameters_spec and pass it to super().__init__; random parts need a `seed`",
    "merge": "remove merge, whose default handles linear and smooth operators; or move x no further than y requires",
    "unobserved": "propagate_unobserved and unobserved may only mark pixels of x on which no value of y depends",
    "noise": "draw from the given generators only, and make mean_square, nll and distance agree with the samples",
    "surrogate": "make forward, or its gradient, approximate measure more closely",
    "binding": "use self.parameter in forward, as a number or as (N, 1, 1, 1), and compute nothing from it earlier. "
    "Declare a parameter that sets the size of y as fixed=True",
    "unknown": "give the parameter bounds, or plausible=(low, high), between which it can be searched",
    "scaled": 'declare unit="px" for parameters that are lengths in pixels, or a `law` for others that depend on the '
    "scale of the picture; or define scaled(self, factor); or set scales = False, if the operator is tied to one size",
}
