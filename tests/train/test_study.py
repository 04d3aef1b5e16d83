"""A study's file: what it means, and one clear error for each thing that cannot be meant."""

import json
import re

import pytest

from pynq_bnn.errors import TrainError
from pynq_bnn.train.config import TrainConfig
from pynq_bnn.train.study import load_study, scaled, study_from_dict
from pynq_bnn.zoo import shipped

TABLE = {"name": "mine", "height": 8, "width": 8, "channels": 1, "input_bits": 8, "rows": [{"type": "fc", "units": 8}]}


def row(name, **values):
    return {"name": name, "network": TABLE, **values}


def study(*rows, folder=None, **values):
    return study_from_dict({"rows": list(rows), **values}, folder)


def test_the_shipped_study_has_a_row_for_each_network_that_ships():
    found = load_study("shipped")
    assert set(shipped()) == set(found.names) - {"teacher"}
    assert found.names.index("teacher") < found.names.index("cnv-cifar10")
    for one in found.rows:
        TrainConfig(**one.settings)
        assert one.topology.name == (one.name if one.name != "teacher" else "binarynet-cifar10")


def test_rows_come_after_those_they_need_and_take_the_files_settings():
    found = study(row("c", teacher="b", settings={"lr": 0.5}), row("b", **{"from": "a"}), row("a"), row("d", width=2),
                  settings={"epochs": 3, "lr": 0.1})
    assert found.names == ("a", "d", "b", "c")
    by_name = {one.name: one for one in found.rows}
    assert by_name["c"].settings == {"epochs": 3, "lr": 0.5}
    assert found.needs(by_name["c"]) == ("b",)
    assert found.needs(by_name["b"]) == ("a",)
    assert by_name["d"].topology.rows[0].units == 16
    assert (by_name["c"].teacher, by_name["b"].start) == ("b", "a")


def test_paths_start_at_the_files_folder(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "mine.json").write_text(json.dumps(TABLE))
    (tmp_path / "in" / "old").mkdir()
    (tmp_path / "in" / "s.json").write_text(json.dumps({"rows": [{"name": "a", "network": "mine.json",
                                                                   "teacher": "old"}]}))
    (found,) = load_study(tmp_path / "in" / "s.json").rows
    assert found.topology.name == "mine"
    assert found.teacher == str(tmp_path / "in" / "old")


def test_a_row_may_start_from_a_network_that_ships():
    (found,) = study({"name": "more", "network": "lfc-mnist", "from": "lfc-mnist"}).rows
    assert found.start == "lfc-mnist"


@pytest.mark.parametrize(("rows", "words"), [
    ([row("a", teacher="a")], "row 'a' names itself as teacher"),
    ([row("a", **{"from": "a"})], "row 'a' names itself as from"),
    ([row("a", teacher="b")], "'b', which is no row of the study (a), and nothing lies at"),
    ([row("a", teacher="b"), row("b", **{"from": "c"}), row("c", teacher="a"), row("d")],
     "a needs b needs c needs a"),
    ([row("a", teacher="b"), row("b", teacher="c"), row("c", teacher="b")], "b needs c needs b"),
    ([row("a"), row("a")], "two rows of the study have the name 'a'"),
    ([row("a"), row("A")], "two rows of the study have the name 'a' and 'A'"),
    ([row("a", settings={"lr": -1})], "row 'a': lr is -1"),
    ([row("a", settings={"lr": float("nan")})], "row 'a': lr is nan"),
    ([row("a", settings={"epochs": 1.5})], "epochs is 1.5; a whole number fits"),
    ([row("a", settings={"epochs": True})], "epochs is True; a whole number fits"),
    ([row("a", settings={"flip": 1})], "flip is 1; true or false fits"),
    ([row("a", settings={"loss": "hinge"})], "loss is 'hinge'"),
    ([row("a", settings={"rate": 1})], "unknown key 'rate'; known are epochs"),
    ([row("a", settings=[])], "settings are []"),
    ([row("a", fit="tight")], "fit is 'tight'"),
    ([row("a", width=0)], "width is 0"),
    ([row("a", start="b")], "unknown key 'start'; known are name"),
    ([row("a", teacher=3)], "'teacher' is 3"),
    ([{"name": "a"}], "network is None"),
    ([{"name": "a", "network": "vgg99"}], "row 'a': no topology 'vgg99'"),
    ([{"name": "a", "network": {**TABLE, "height": 0}}], "row 'a': topology 'mine'"),
    ([{"network": TABLE}], "row 1 of the study has the name None"),
    ([row("../a")], "has the name '../a'; a name becomes a folder"),
    ([row("table.csv")], "has the name 'table.csv'"),
    ([row("a"), 3], "row 2 of the study is 3"),
    ([row("a", teacher="b"), {"name": "b", "network": "lfc-mnist"}], "'b' cannot teach it: it takes (28, 28, 1, 1)"),
    ([row("a", **{"from": "b"}), row("b", width=2)], "cannot start from 'b': its layers are not"),
    ([row("a", **{"from": "b"}), row("b", settings={"real": True})], "one of the two is real-valued"),
    ([row("a", **{"from": "lfc-mnist"})], "cannot start from lfc-mnist: it takes (28, 28, 1), not (8, 8, 1)"),
    ([{"name": "a", "network": "lfc-mnist", "from": "lfc-mnist", "settings": {"real": True}}], "with 'real' cannot"),
    ([], "a list of one row or more"),
])
def test_what_cannot_be_meant_is_named(rows, words, tmp_path):
    with pytest.raises(TrainError, match=re.escape(words)):
        study(*rows, folder=tmp_path)


@pytest.mark.parametrize(("text", "words"), [
    ("{", "not a study in JSON"), ("[]", "'rows'"), ('{"rows": 3}', "'rows'"), ('{"rows": [], "rows": []}', "twice"),
    ("[" * 100_000, "not a study in JSON"), ('{"rows": [{"name": "a"}], "raws": 1}', "unknown key 'raws'")])
def test_a_file_that_is_no_study_is_one_clear_error(tmp_path, text, words):
    (tmp_path / "s.json").write_text(text)
    with pytest.raises(TrainError, match=words):
        load_study(tmp_path / "s.json")


def test_a_missing_file_names_what_ships(tmp_path):
    with pytest.raises(TrainError, match="one that ships: .*shipped"):
        load_study(tmp_path / "none.json")
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe")
    with pytest.raises(TrainError, match="not a study in JSON"):
        load_study(tmp_path / "bytes.json")


def test_what_is_counted_in_epochs_is_scaled_with_them():
    config = TrainConfig(epochs=200, warmup=2, step_every=30)
    assert scaled(config, 0.1) == {"epochs": 20, "warmup": 0.2, "step_every": 3}
    assert scaled(config, 0.001)["epochs"] == scaled(config, 0.001)["step_every"] == 1
