from capsight.nn.lenet import LeNet5
from capsight.nn.summary import summary


def test_lenet():
    told = summary(LeNet5(), (1, 32, 32))
    assert told.parameters == 61_706
    shapes = {layer.name.removesuffix(".0"): layer.output_shape for layer in told.layers}
    assert shapes["c1"] == (6, 28, 28)
    assert shapes["s2"] == (6, 14, 14)
    assert shapes["c3"] == (16, 10, 10)
    assert shapes["s4"] == (16, 5, 5)
    assert shapes["output"] == (10,)
