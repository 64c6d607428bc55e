"""The label-free loss against values worked out by hand."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from jointir.joint.distillation import distillation

NONE = -math.inf


def test_two_queries_worked_out_by_hand():
    """Teacher (3/4, 1/4) and student (1/2, 1/2); then both alike, which costs nothing."""
    teacher = torch.tensor([[math.log(3), 0.0], [5.0, 1.0]])
    student = torch.tensor([[7.0, 7.0], [4.0, 0.0]], requires_grad=True)
    loss = distillation(student, teacher)
    by_hand = (0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)) / 2
    assert loss.item() == pytest.approx(by_hand, abs=1e-6)
    loss.backward()
    expected = torch.tensor([[0.5 - 0.75, 0.5 - 0.25], [0.0, 0.0]]) / 2
    torch.testing.assert_close(student.grad, expected, atol=1e-6, rtol=0)


def test_a_place_without_a_document_counts_for_nothing():
    teacher, student = torch.tensor([[1.0, 2.0, 0.5]]), torch.tensor([[0.0, 1.0, 3.0]])
    padded = torch.tensor([[0.0, 1.0, NONE]], requires_grad=True)
    loss = distillation(padded, teacher)
    assert loss.item() == pytest.approx(distillation(student[:, :2], teacher[:, :2]).item())
    assert loss.item() != pytest.approx(distillation(student, teacher).item())
    loss.backward()
    assert torch.isfinite(padded.grad).all()


def test_the_teacher_does_not_learn():
    teacher = torch.tensor([[1.0, 2.0]], requires_grad=True)
    distillation(torch.tensor([[0.0, 3.0]], requires_grad=True), teacher).backward()
    assert teacher.grad is None


def test_distillation_by_hand():
    teacher = torch.tensor([[math.log(3), 0.0], [0.0, 0.0]])  # (3/4, 1/4), (1/2, 1/2)
    student = torch.tensor([[0.0, 0.0], [math.log(3), 0.0]], requires_grad=True)
    first = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    second = 0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25)
    loss = distillation(student, teacher)
    assert loss.item() == pytest.approx((first + second) / 2, abs=1e-6)
    loss.backward()  # softmax(student) - softmax(teacher), over two queries
    expected = torch.tensor([[-0.25, 0.25], [0.25, -0.25]]) / 2
    torch.testing.assert_close(student.grad, expected)


@given(st.integers(0, 10**6))
def test_what_is_no_document_changes_nothing(seed):
    rng = torch.Generator().manual_seed(seed)
    student, teacher = torch.randn(2, 3, 5, generator=rng)
    padded = [torch.cat([x, torch.full((3, 2), -torch.inf)], 1) for x in (student, teacher)]
    alone, found = distillation(student, teacher), distillation(*padded)
    assert found.item() == pytest.approx(alone.item(), abs=1e-5)
    assert distillation(student, student).item() == pytest.approx(0, abs=1e-6)
