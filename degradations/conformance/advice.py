"""What to do about a finding, for those who write an operator."""

ADVICE = {
    "forward": "forward(x) must give finite floats (N, c, h, w), the same at every call and in the precision of x; "
    "what adds noise belongs to `noise`, and a y beyond [-1, 1] needs `overshoot`",
    "rows": "treat each row (the leading axis) on its own: no mean, maximum or random number over all of x",
    "adjoint": "say linear = False; or add no constant in forward, and let adjoint be its transpose, as the default is",
    "gradient": "compute with PyTorch from x to y, without detach, rounding or NumPy; or say smooth = False",
    "lift": "lift(y, size) must be linear in y and give (N, 3, H, W)",
    "files": "read(picture) must give back what simulate made; define both, or neither",
    "text": "keep every value in parameters_spec and give it to super().__init__; what is drawn needs a `seed`",
    "merge": "leave merge out, as its default does for linear and smooth operators; or move x no further than y asks",
    "unobserved": "hidden and unobserved may only name pixels of x that no number of y depends on",
    "noise": "draw from the given generators only, and let mean_square, nll and distance fit the samples",
    "surrogate": "forward must come closer to what measure does, or its gradient must",
    "binding": "use self.parameter where forward runs, as a number or as (N, 1, 1, 1); compute nothing from it before. "
    "One that sets the size of y is fixed=True",
    "unknown": "give the parameter bounds, or plausible=(low, high), between which it can be searched",
}
