import numpy as np

from edgewright.datasets.content import array_digest, text_digest


def test_near_duplicates_are_one():
    assert text_digest("The  Cat sat,\non the mat.") == text_digest("the cat — sat on the MAT")
    assert text_digest("ﬁne") == text_digest("fine")
    assert text_digest("the cat sat") != text_digest("the cats at")


def test_array_digest_sees_shape_and_values():
    base = np.arange(6, dtype=np.float64)
    assert array_digest(base) == array_digest(base[::-1][::-1])
    assert len({array_digest(base), array_digest(base.reshape(2, 3)), array_digest(base + 1)}) == 3
