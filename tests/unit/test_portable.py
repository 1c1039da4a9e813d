"""The attention and the bottleneck in a stranger's network, under all that PyTorch offers."""

import re
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from aib.models import IBSpatialAttention, InformationBottleneck, gaussian_kl

GUIDE = Path(__file__).parents[2] / "docs" / "portable-module.md"


def guide() -> tuple[str, str]:
    """The two blocks of code of the guide: the network, and a step of its training."""
    network, step = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert sum(bool(line.strip()) for line in network.splitlines()) <= 15
    return network, step


def example() -> type[nn.Module]:
    """The class of the guide, run from the guide's own text."""
    names: dict = {}
    exec(guide()[0], names)
    return names["AttentiveResNet"]


def test_the_guides_example_learns_from_one_batch():
    torch.manual_seed(0)
    network = example()(classes=10)
    images, labels = torch.rand(2, 3, 64, 64), torch.tensor([1, 2])
    logits, losses = network(images)
    (nn.functional.cross_entropy(logits, labels) + losses).backward()
    assert logits.shape == (2, 10)
    missing = [name for name, p in network.named_parameters() if p.grad is None]
    assert not missing
    assert network.attention.quantiser.anchors.grad.any()


def test_the_guides_step_trains_and_shows_maps():
    names: dict = {}
    torch.manual_seed(0)
    exec("".join(guide()), names)
    assert names["maps"].shape == (4, 1, 64, 64)
    assert 0 < names["maps"].min() < names["maps"].max() < 1
    missing = [name for name, p in names["network"].named_parameters() if p.grad is None]
    assert not missing


def test_two_files_and_torch_are_all_that_a_copy_needs():
    models = GUIDE.parents[1] / "aib/models"
    for name, needed in (("attention", set()), ("bottleneck", {"aib.models.attention"})):
        lines = re.findall(r"^(?:from|import) (\S+)", (models / f"{name}.py").read_text(), re.M)
        assert set(lines) - {"typing", "torch", "torch.nn"} == needed


def test_torch_compile_gives_the_same_without_a_graph_break():
    torch.manual_seed(0)
    module = IBSpatialAttention(4, 7)
    compiled = torch.compile(module, fullgraph=True)
    features, noise = torch.rand(2, 4, 6, 6), torch.randn(2, 1, 6, 6)
    for found, expected in zip(
        compiled(features, 1, noise)[1], module(features, 1, noise)[1], strict=True
    ):
        torch.testing.assert_close(found, expected)
    assert compiled(features)[0].shape == features.shape  # and draws noise of its own


@pytest.mark.parametrize("samples", [0, 1])
def test_torch_export_runs_elsewhere(samples):
    module = IBSpatialAttention(4, 5).eval()
    features = torch.rand(2, 4, 6, 6)
    batch = {0: torch.export.Dim("batch", min=2, max=64)}
    program = torch.export.export(module, (features, samples), dynamic_shapes=(batch, None))
    modulated, attention = program.module()(torch.rand(3, 4, 6, 6), samples)
    assert modulated.shape == (3, 4, 6, 6)
    assert set(attention.quantised.unique().tolist()) <= set(module.quantiser.anchors.tolist())
    if samples == 0:
        torch.testing.assert_close(program.module()(features, 0)[0], module(features, 0)[0])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast(dtype):
    module, bottleneck = IBSpatialAttention(4, 5), InformationBottleneck(4, 3)
    features = torch.rand(2, 4, 6, 6)
    with torch.autocast("cpu", dtype=dtype):
        modulated, attention = module(features)
        _, mean, std = bottleneck(modulated.mean(dim=(2, 3)))
        loss = gaussian_kl(mean, std) + attention.commitment_loss
    loss.backward()
    assert torch.isfinite(loss)
    assert attention.std.min() > 0  # softplus(x - 5) must not vanish in few bits
    assert all(torch.isfinite(p.grad).all() for p in module.parameters() if p.grad is not None)


def test_channels_last_keeps_its_layout_and_values():
    module = IBSpatialAttention(4, 5)
    features, noise = torch.rand(2, 4, 6, 6), torch.randn(2, 1, 6, 6)
    expected, _ = module(features, 1, noise)
    last = module.to(memory_format=torch.channels_last)
    found, _ = last(features.to(memory_format=torch.channels_last), 1, noise)
    assert found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found.contiguous(), expected)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 17), (14, 14)])
def test_any_size_and_a_batch_of_one(height, width):
    modulated, attention = IBSpatialAttention(4, 5)(torch.rand(1, 4, height, width))
    assert modulated.shape == (1, 4, height, width)
    assert attention.map.shape == (1, 1, height, width)


def test_data_parallel():
    module = nn.DataParallel(IBSpatialAttention(4, 5))
    modulated, attention = module(torch.rand(2, 4, 6, 6))
    assert modulated.shape == (2, 4, 6, 6)
    assert attention.quantised.shape == (2, 1, 6, 6)


def train_with_another(rank: int, address: str, folder: Path) -> None:
    """One of two processes: three steps on its own half of the data."""
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=2)
    torch.manual_seed(0)
    module = IBSpatialAttention(4, 5)
    parallel = DistributedDataParallel(module)
    optimiser = torch.optim.SGD(module.parameters(), lr=1.0)
    torch.manual_seed(1 + rank)
    for _ in range(3):
        optimiser.zero_grad()
        modulated, attention = parallel(torch.rand(2, 4, 6, 6))
        (modulated.mean() + attention.codebook_loss).backward()
        optimiser.step()
    torch.save(module.state_dict(), folder / f"{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_update_the_anchors_alike(tmp_path):
    address = f"file://{tmp_path}/rendezvous"
    torch.multiprocessing.spawn(train_with_another, args=(address, tmp_path), nprocs=2)
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    for name in first:
        assert torch.equal(first[name], second[name]), name
    moved = first["quantiser.anchors"] - torch.linspace(0, 1, 5)
    assert moved.abs().max() > 1e-4
