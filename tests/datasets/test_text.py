import numpy as np
import pyarrow.parquet as pq
import pytest

from edgewright.datasets import text
from edgewright.errors import InputError
from tests.support import SAMPLES

_MODELS = SAMPLES / "models"


@pytest.mark.parametrize(("model", "data", "tokens", "windows"), [
    ("english_llama", "english_eval", 175_366, 685),
    ("stories260k_llama", "tinystories_eval", 290_222, 1_133),
])
def test_published_counts(model, data, tokens, windows):
    texts = pq.read_table(SAMPLES / f"{data}.parquet")["text"].to_pylist()
    stream = text.tokenize(texts, _MODELS / model)
    assert len(stream.ids) == tokens
    assert stream.windows(256).shape == (windows, 256)


def test_each_document_begins_with_one_begin_token():
    for model, begin in (("english_llama", 0), ("stories260k_llama", 1)):
        stream = text.tokenize(["hello there", "you"], _MODELS / model)
        assert np.count_nonzero(stream.ids == begin) == 2
        assert stream.ids[stream.offsets[:-1]].tolist() == [begin, begin]


def test_windows_are_the_stream_and_know_their_documents():
    stream = text.Stream(np.arange(11), np.array([0, 3, 4, 9, 11]))
    np.testing.assert_array_equal(stream.windows(4), [[0, 1, 2, 3], [4, 5, 6, 7]])
    assert list(stream.documents(0, 4)) == [0, 1]
    assert list(stream.documents(1, 4)) == [2]
    assert list(stream.documents(0, 5)) == [0, 1, 2]


def test_observations_with_an_empty_document():
    stream = text.Stream(np.array([5, 2, 9]), np.array([0, 2, 2, 3]))
    observed = stream.observations()
    assert observed["tokens"].tolist() == [2, 0, 1]
    np.testing.assert_array_equal(observed["minimum"], [2, np.nan, 9])
    np.testing.assert_array_equal(observed["maximum"], [5, np.nan, 9])


def test_folder_without_tokenizer(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(InputError, match=r"no tokenizer that loads") as caught:
        text.tokenize(["a"], tmp_path)
    assert "\n" not in str(caught.value)


def test_vocabulary():
    assert text.vocabulary(_MODELS / "english_llama") == 2048
