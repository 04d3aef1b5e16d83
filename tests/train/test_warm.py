"""A warm start gives back the network it starts from; a teacher and a source that do not fit are refused."""

import numpy as np
import pytest
import torch
from models import random_topology, randomize

from pynq_bnn import save_network
from pynq_bnn.compile.compiler import compile_checkpoint, pack_model
from pynq_bnn.data.datasets import Dataset
from pynq_bnn.data.split import Split
from pynq_bnn.errors import TrainError
from pynq_bnn.model.binary import BinaryChain
from pynq_bnn.network import Scores
from pynq_bnn.network.topology import widened
from pynq_bnn.train.batches import Batches
from pynq_bnn.train.checkpoint import OLD_FORMAT, input_spec, load_checkpoint, save_checkpoint
from pynq_bnn.train.config import TrainConfig
from pynq_bnn.train.fit import train
from pynq_bnn.train.step import distillation_loss
from pynq_bnn.train.warm import start_from_network, warm_start
from pynq_bnn.zoo import Conv, Fc, Topology

CLASSES = ("a", "b", "c")
SMALL = Topology("small", "", 8, 8, 1, 8, (Conv(8, pool=2), Fc(16)))
CPU = torch.device("cpu")


def noise(topology, count=60, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (count, *topology.input_shape), dtype=np.uint8)
    return Split(pixels, np.arange(count) % 3)


def folded(topology, seed):
    model = randomize(BinaryChain(topology, 3), seed)
    return pack_model(model, input_spec(topology, "extend"), CLASSES, name="t")


def batches(topology):
    return Batches(noise(topology), input_spec(topology, "extend"), 25, CPU)


def run(topology, out, epochs=1, classes=CLASSES, turn=0, **options):
    split = noise(topology)
    data = Dataset("noise", classes, Split(split.images, (split.labels + turn) % len(classes)))
    return train(topology, data, out, TrainConfig(epochs=epochs, batch=10, **options.pop("config", {})), quiet=True,
                 device="cpu", **options)


@pytest.mark.parametrize("seed", range(30))
def test_a_model_started_from_a_file_folds_to_the_same_file(seed):
    topology = random_topology(seed)
    network = folded(topology, seed)
    model = BinaryChain(topology, 3)
    start_from_network(model, network, network.input, batches(topology), CLASSES)
    again = pack_model(model.eval(), network.input, CLASSES, name="t")
    for number, (old, new) in enumerate(zip(network.layers[:-1], again.layers)):
        assert np.array_equal(old.weights, new.weights), f"seed {seed}, layer {number}"
        # Every sum that can occur: a channel that is constant over them may be written in several ways.
        sums = np.arange(-network.nodes[number].bound, network.nodes[number].bound + 1)[:, None]
        assert np.array_equal((sums >= old.thresholds) ^ old.invert, (sums >= new.thresholds) ^ new.invert), \
            f"seed {seed}, layer {number}"
    assert np.array_equal(network.layers[-1].weights, again.layers[-1].weights), f"seed {seed}"
    np.testing.assert_allclose(again.output.scale, network.output.scale, rtol=1e-5, err_msg=f"seed {seed}")
    np.testing.assert_allclose(again.output.offset, network.output.offset, rtol=1e-3, atol=1e-3)


def test_the_started_model_has_the_statistics_of_its_training_pictures():
    network = folded(SMALL, 4)
    model = BinaryChain(SMALL, 3)
    start_from_network(model, network, network.input, batches(SMALL), CLASSES)
    q = torch.from_numpy(noise(SMALL).images.astype(np.float64) - 128).permute(0, 3, 1, 2)
    weights = torch.from_numpy(network.layers[0].weights.astype(np.float64) * 2 - 1).permute(0, 3, 1, 2)
    sums = torch.nn.functional.conv2d(q, weights)
    np.testing.assert_allclose(model.blocks[0].norm.running_mean, sums.mean((0, 2, 3)), rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(model.blocks[0].norm.running_var, sums.var((0, 2, 3), correction=0), rtol=1e-4)


@pytest.mark.parametrize("classes", [tuple("abcde"), ("a", "c", "b")])
def test_other_classes_start_the_last_layer_anew(tmp_path, classes):
    network = folded(SMALL, 1)
    save_network(network, tmp_path / "t.bnn")
    for source in (tmp_path / "t.bnn", tmp_path / "run"):
        torch.manual_seed(0)
        model = BinaryChain(SMALL, len(classes))
        before = model.head.fc.weight.clone()
        if source.suffix != ".bnn":
            run(SMALL, source, start=tmp_path / "t.bnn")
        origin = warm_start(model, source, network.input, classes, batches(SMALL))
        assert origin["name"] in ("t", "small")
        assert torch.equal(model.head.fc.weight, before)
        bits = network.layers[0].weights.transpose(0, 3, 1, 2) * 2.0 - 1
        assert source.suffix != ".bnn" or np.array_equal(model.blocks[0].conv.weight.detach().sign().numpy(), bits)


def test_training_goes_on_from_a_file_and_says_so_in_what_it_compiles_to(tmp_path):
    save_network(folded(SMALL, 1), tmp_path / "t.bnn")
    run(SMALL, tmp_path / "run", start=tmp_path / "t.bnn", config={"lr": 1e-9})
    network = compile_checkpoint(tmp_path / "run")
    assert network.provenance["start"]["name"] == "t"
    assert np.array_equal(network.layers[1].weights, folded(SMALL, 1).layers[1].weights)


def test_a_source_that_has_seen_the_held_out_pictures_is_told(tmp_path, caplog):
    caplog.set_level("WARNING")
    run(SMALL, tmp_path / "first", config={"validation": 0.2})
    run(SMALL, tmp_path / "same", config={"validation": 0.2}, start=tmp_path / "first")
    assert not caplog.records
    run(SMALL, tmp_path / "other", start=tmp_path / "first")
    run(SMALL, tmp_path / "taught", teacher=tmp_path / "first", config={"validation": 0.2, "seed": 2})
    assert [record.message.split(" was ")[0] for record in caplog.records] == ["the start", "the teacher"]


def test_a_source_that_does_not_fit_names_the_layer(tmp_path):
    network = folded(SMALL, 1)
    save_network(network, tmp_path / "t.bnn")
    cases = [(Topology("t", "", 8, 8, 1, 8, (Conv(9, pool=2), Fc(16))), r"layer 0 has weights of \(8, 1, 3, 3\)"),
             (Topology("t", "", 8, 8, 1, 8, (Conv(8, pool=2), Fc(16), Fc(16))), "has 3 layers, this network 4"),
             (Topology("t", "", 8, 8, 1, 8, (Conv(8, stride=2), Fc(16))), "layer 0 has stride 1, here it has 2"),
             (Topology("t", "", 8, 8, 1, 8, (Conv(8, pool=1), Fc(16))), "layer 0 has pool 2"),
             (Topology("t", "", 8, 8, 3, 8, (Conv(8, pool=2), Fc(16))), r"takes \(8, 8, 1\) with codes -128 to 127")]
    for topology, words in cases:
        with pytest.raises(TrainError, match=words):
            run(topology, tmp_path / "out", start=tmp_path / "t.bnn")
    run(SMALL, tmp_path / "run")
    with pytest.raises(TrainError, match="its layers are not those"):
        run(cases[0][0], tmp_path / "out", start=tmp_path / "run")
    with pytest.raises(TrainError, match="its layers are not those"):
        run(cases[1][0], tmp_path / "out", start=tmp_path / "run")
    for source, words in ((tmp_path / "nope.bnn", "cannot start from"), (tmp_path / "nope", "does not exist")):
        with pytest.raises(TrainError, match=words):
            run(SMALL, tmp_path / "out", start=source)
    with pytest.raises(TrainError, match="leave out --real or --from"):
        run(SMALL, tmp_path / "out", start=tmp_path / "t.bnn", config={"real": True})
    with pytest.raises(TrainError, match="leave out --shift-norm or --from"):
        run(SMALL, tmp_path / "out", start=tmp_path / "t.bnn", config={"shift_norm": True})


def test_an_inverted_channel_under_a_pool_needs_the_order_pool_sign():
    topology = Topology("t", "", 8, 8, 1, 8, (Conv(40, pool=2, order="pool-sign"),))
    network = folded(topology, 3)
    assert network.layers[0].invert.any()
    model = BinaryChain(Topology("t", "", 8, 8, 1, 8, (Conv(40, pool=2),)), 3)
    with pytest.raises(TrainError, match="inverts what it pools"):
        start_from_network(model, network, network.input, batches(topology), CLASSES)


def test_distillation_is_hintons_formula():
    rng = np.random.default_rng(0)
    found, wanted = rng.normal(size=(2, 7, 5)) * 3
    p, q = (np.exp(x / 4) / np.exp(x / 4).sum(1, keepdims=True) for x in (wanted, found))
    expected = 16 * (p * np.log(p / q)).sum(1).mean()
    assert float(distillation_loss(torch.tensor(found), torch.tensor(wanted), 4.0)) == pytest.approx(expected)


def test_a_real_valued_twin_teaches_and_cannot_be_compiled(tmp_path):
    wide = widened(SMALL, 2)
    assert [wide.rows[0].channels, wide.rows[1].units, wide.name] == [16, 32, "small-x2"]
    run(wide, tmp_path / "teacher", config={"real": True, "lr": 0.01})
    with pytest.raises(TrainError, match="no bits to fold"):
        compile_checkpoint(tmp_path / "teacher")
    run(SMALL, tmp_path / "taught", teacher=str(tmp_path / "teacher"))
    assert compile_checkpoint(tmp_path / "taught").provenance["teacher"]["name"] == "small-x2"
    with pytest.raises(TrainError, match="another teacher"):
        run(SMALL, tmp_path / "taught", epochs=2, resume=True)
    run(SMALL, tmp_path / "taught", epochs=2, resume=True, teacher=str(tmp_path / "teacher"))
    for topology, classes, words in ((SMALL, ("a", "b"), "knows the classes"),
                                     (Topology("t", "", 9, 8, 1, 8, (Fc(8),)), CLASSES, "takes")):
        with pytest.raises(TrainError, match=words):
            run(topology, tmp_path / "out", classes=classes, teacher=str(tmp_path / "teacher"))


def test_the_weight_of_the_teacher_runs_from_the_labels_alone_to_the_teacher_alone(tmp_path):
    run(SMALL, tmp_path / "teacher", config={"real": True})

    def weights(name, turn=0, **options):
        run(SMALL, tmp_path / name, turn=turn, **options)
        return torch.cat([t.flatten() for t in load_checkpoint(tmp_path / name / "last.pt")["model"].values()])

    taught = {"teacher": str(tmp_path / "teacher")}
    labels = weights("labels")
    assert torch.equal(weights("weight 0", **taught, config={"distill": 0.0}), labels)
    alone = weights("weight 1", **taught, config={"distill": 1.0})
    assert torch.equal(weights("other labels", 1, **taught, config={"distill": 1.0}), alone)
    half = weights("half", **taught, config={"distill": 0.5})
    assert not torch.equal(half, labels)
    assert not torch.equal(half, alone)
    assert not torch.equal(weights("half, other labels", 1, **taught, config={"distill": 0.5}), half)


def test_a_checkpoint_of_the_format_before_compiles_and_starts_but_is_not_resumed(tmp_path):
    run(SMALL, tmp_path / "old")
    for name in ("last.pt", "best.pt"):
        state = load_checkpoint(tmp_path / "old" / name)
        state["config"] = {k: v for k, v in state["config"].items() if k in ("epochs", "batch", "lr", "seed")}
        torch.save({**state, "format": OLD_FORMAT}, tmp_path / "old" / name)
    with pytest.raises(TrainError, match="earlier pynq-bnn, whose training cannot be resumed.* --from"):
        run(SMALL, tmp_path / "old", epochs=2, resume=True)
    assert isinstance(compile_checkpoint(tmp_path / "old").layers[-1], Scores)
    run(SMALL, tmp_path / "new", start=tmp_path / "old")
    save_checkpoint(tmp_path / "other.pt", {"epoch": 1})
    with pytest.raises(TrainError):
        run(SMALL, tmp_path / "newer", start=tmp_path / "other.pt")
