"""One quantized operator, with constants to be written."""

from edgewright.gq.constants import constants_of
from edgewright.gq.insert import insert_weight
from edgewright.gq.weights import integer_weight
from edgewright.ir import tensor_of
from tests.gq.nets import program_of
from tests.gq.test_weights import plans_of


def constants(net, *shape, scheme=None, index=0, border=None):
    """The constants of operator number `index` of a net, and its float weight."""
    module, plans = plans_of(program_of(net, *(shape or (3, 8, 8))), scheme)
    plan = plans[index]
    weight = integer_weight(module, plan, border)
    exact = tensor_of(module, plan.node.args[1]).clone()
    insert_weight(module, plan, weight)
    return constants_of(module, plan, weight, exact, False), exact
