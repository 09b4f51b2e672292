"""A pretended GPU: tensors that say they are on "cuda:0" and compute on the CPU, so that mixing devices fails anywhere.

Inside `pretended()` everything asked for on "cuda" is such a tensor, `.to("cuda")` makes one and `.cpu()` its opposite.
To C++ it is on the CPU, to Python on the GPU: so backward passes and fused optimisers run too. What a GPU refuses is
refused here: an operation on both sides (but for CPU scalars and CPU indices of GPU tensors), NumPy, a CPU generator.
Not seen: kernels that a GPU lacks, numerics, streams, memory, autocast.
"""
import contextlib
import sys

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

CUDA = torch.device("cuda", 0)
COPIES = ("aten.copy_", "aten._to_copy")  # what moves between the sides
TAKES = ("aten.index", "aten.index_put", "aten.index_put_", "aten._index_put_impl_", "aten._unsafe_index")


class OnGPU(torch.Tensor):
    """`inner`, a CPU tensor, on the other side."""

    device = property(lambda self: CUDA)
    is_cuda, is_cpu = property(lambda self: True), property(lambda self: False)
    data = property(lambda self: self.detach(), lambda self, new: setattr(self, "inner", new.inner.detach()))

    @staticmethod
    def __new__(cls, inner):
        return torch.Tensor._make_wrapper_subclass(
            cls, inner.shape, strides=inner.stride(), storage_offset=inner.storage_offset(), dtype=inner.dtype,
            layout=inner.layout, device=inner.device)

    def __init__(self, inner):
        self.inner = inner

    def __repr__(self, **_):
        return f"OnGPU({self.inner})"

    def get_device(self):
        return 0

    def tolist(self):
        return self.inner.tolist()

    def numpy(self, *_, **__):
        raise TypeError("can't convert cuda:0 device type tensor to numpy: use Tensor.cpu() first")

    __array__ = numpy

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return _called(func, args, kwargs or {})

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return _computed(func, args, kwargs or {})


class _Move(torch.autograd.Function):
    """To the other side, and with a gradient back: C++ would say that there is nothing to do."""

    @staticmethod
    def forward(ctx, x):
        return x.inner.clone() if isinstance(x, OnGPU) else OnGPU(x.clone())

    @staticmethod
    def backward(ctx, grad):
        return _Move.apply(grad)


def _to(x, *args, **kwargs):
    """x.to(...) with a device, a dtype or both, or with another tensor."""
    if args and isinstance(args[0], torch.Tensor):
        args = (args[0].device, args[0].dtype, *args[1:])
    device = next((a for a in (*args, kwargs.pop("device", None)) if isinstance(a, str | int | torch.device)
                   and not isinstance(a, bool)), None)
    if device is not None and torch.device(device).type != x.device.type:
        x = _Move.apply(x)
    rest = [a for a in args if isinstance(a, torch.dtype)]
    return x.to(*rest, **kwargs) if rest or kwargs else x


def _called(func, args, kwargs):
    """What Python asks for, before C++, which takes all for CPU tensors, answers by itself."""
    name, kwargs = getattr(func, "__name__", ""), dict(kwargs)
    if name in ("cpu", "cuda"):
        return _to(args[0], name)
    if name == "type_as" or (name == "to" and _names_a_device(args[1:], kwargs)):
        return _to(*args, **kwargs)
    if name == "tensor" and kwargs.get("device") is not None:
        return _to(func(*args, **{**kwargs, "device": None}), kwargs["device"])
    if name == "new_tensor" and isinstance(args[0], OnGPU):
        return OnGPU(args[0].inner.new_tensor(*args[1:], **kwargs))
    with torch._C.DisableTorchFunctionSubclass():
        return func(*args, **kwargs)


def _names_a_device(args, kwargs) -> bool:
    return "device" in kwargs or any(isinstance(a, str | torch.device | torch.Tensor) for a in args)


def _computed(func, args, kwargs):
    """Compute on the CPU, once the devices agree, and say on which side the result is."""
    name = str(func).rsplit(".", 1)[0]
    leaves = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
    to_gpu = any(isinstance(x, OnGPU) for x in leaves)
    if (not leaves or kwargs.get("device") is not None) and _by_autograd():
        kwargs = {**kwargs, "device": CUDA}  # C++ makes it like another tensor, which it takes for one of the CPU
    if name not in COPIES:
        _refuse_both_sides(name, args, leaves)
    asked = kwargs.get("device")
    if asked is not None:
        to_gpu = torch.device(asked).type == "cuda"
    if to_gpu and kwargs.get("generator") is not None:
        raise RuntimeError(f"{name}: expected a 'cuda' device type for generator but found 'cpu'")
    plain = {k: torch.device("cpu") if k == "device" and v is not None else v for k, v in kwargs.items()}
    out = func(*tree_map(_inner, args), **tree_map(_inner, plain))
    came = {id(x.inner): x for x in leaves if isinstance(x, OnGPU)}  # what an operation in place gives back
    return tree_map(lambda x: came.get(id(x), _outer(x)), out) if to_gpu else out


def _by_autograd() -> bool:
    """Whether the engine of backward passes asks, and not Python, in a backward of our own."""
    if torch._C._current_graph_task_id() < 0:
        return False
    frame = sys._getframe()
    while frame.f_code.co_filename.endswith((__file__, "_compile.py", "eval_frame.py")):
        frame = frame.f_back
    return frame.f_code.co_name == "_engine_run_backward"


def _refuse_both_sides(name, args, leaves):
    gpu = [x for x in leaves if isinstance(x, OnGPU)]
    cpu = [x for x in leaves if not isinstance(x, OnGPU) and x.dim() > 0]
    if name in TAKES and isinstance(args[0], OnGPU):  # a GPU's tensor takes indices from either side
        cpu = [x for x in cpu if not any(x is index for index in args[1])]
    if name in TAKES and not isinstance(args[0], OnGPU) and gpu:
        raise RuntimeError(f"{name}: indices should be on the CPU, as the indexed tensor is")
    if gpu and cpu:
        raise RuntimeError(f"{name}: expected all tensors to be on the same device, but found {tuple(gpu[0].shape)} "
                           f"on cuda:0 and {tuple(cpu[0].shape)} on cpu")


def _inner(x):
    return x.inner if isinstance(x, OnGPU) else x


def _outer(x):
    return OnGPU(x) if isinstance(x, torch.Tensor) and not isinstance(x, OnGPU) else x


class _Dispatch(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return _computed(func, args, kwargs or {})


class _Function(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        return _called(func, args, kwargs or {})


@contextlib.contextmanager
def pretended():
    """Inside, "cuda" is there on any machine."""
    started, lifts = torch.cuda._lazy_init, torch._C._only_lift_cpu_tensors()
    anew = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.cuda._lazy_init = lambda: None
    torch._C._set_only_lift_cpu_tensors(True)
    torch.__future__.set_overwrite_module_params_on_conversion(True)  # `.to` makes new parameters
    try:
        with _Function(), _Dispatch():
            yield
    finally:
        torch.cuda._lazy_init = started
        torch._C._set_only_lift_cpu_tensors(lifts)
        torch.__future__.set_overwrite_module_params_on_conversion(anew)
