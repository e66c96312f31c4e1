import torch

from edgewright.aq.reconstruction.descent import Adam, Sign


def test_sign_forgets_the_length():
    assert Sign()(torch.tensor([-3.0, 0.0, 1e-9])).tolist() == [-1.0, 0.0, 1.0]


def test_adam_equals_that_of_torch():
    torch.manual_seed(0)
    value = torch.zeros(5, requires_grad=True)
    reference, own, moved = torch.optim.Adam([value], lr=1.0, betas=(0.9, 0.99), eps=1e-30), Adam(), torch.zeros(5)
    for _ in range(7):
        gradient = torch.randn(5)
        value.grad = gradient.clone()
        reference.step()
        moved -= own(gradient)
    torch.testing.assert_close(moved, value.detach())


def test_adam_stays_where_no_gradient_ever_was():
    own = Adam()
    for _ in range(3):
        assert own(torch.tensor([0.0, 1.0])).tolist()[0] == 0.0
