import torch

from edgewright import ir
from edgewright.gq.watch import watching
from tests.gq.nets import noise, small


def test_each_watched_value_is_shown_in_the_order_of_the_graph():
    module = ir.unlift(small())
    nodes = [node for node in module.graph.nodes if node.op in ("placeholder", "call_function")]
    expected = {}

    class Recording(torch.fx.Interpreter):
        def run_node(self, n):
            expected[n] = super().run_node(n)
            return expected[n]

    inputs = torch.from_numpy(noise(1))
    shown = []
    with torch.no_grad():
        Recording(module).run(inputs)
        watching(module, nodes)(lambda place, value: shown.append((place, value)), inputs)
    assert [place for place, _ in shown] == list(range(len(nodes)))
    for node, (_, value) in zip(nodes, shown, strict=True):
        assert torch.equal(value, expected[node])


def test_the_program_stays_as_it_is():
    module = ir.unlift(small())
    before = str(module.graph)
    watching(module, list(module.graph.nodes)[:3])
    assert str(module.graph) == before
